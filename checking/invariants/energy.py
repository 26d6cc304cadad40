"""The energy along `verlet`: its error is of order h², for Hamiltonian fields of constant weights.

The states are taken at one time, z_j = z_{j−½} + (h/2) g(y_j) (Hairer, Lubich & Wanner, "Geometric
Numerical Integration", IX.8). With S' = σ these are conserved by y' = σ(K z + b),
z' = −σ(Kᵀ y + c), though y and z are not canonical: d/dt [1ᵀS(K z + b) + 1ᵀS(Kᵀ y + c)] =
σ(K z + b)ᵀ K z' + σ(Kᵀ y + c)ᵀ Kᵀ y' = 0, and likewise by the other fields of the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...backends import registry
from ...backends.model import Model
from ...compiler.evaluate import evaluate
from ...compiler.ir.expr import variables
from ...compiler.ir.program import Program
from ...compiler.reference import Reference
from ...spec.integrators import Verlet
from ...spec.parametrizations import HamiltonianBlock
from ...spec.vector_fields import DoubleLayerHamiltonian, Hamiltonian, Layer, WithActivation
from ..compare import Array, Standard
from ..probes import Probes
from ..quantities import Answers
from .order import orders, standard
from .refined import is_smooth, loaded, longest, refined, smooth_weights, starts

LEAF = "smooth/observed order of the energy error"
FINEST = 128
TURNS = 8
"""Horizon, in units of the one on which the field's state changes by its own size."""

Energy = Callable[[Array, Array], Array]
"""Columns y, z → H of each."""
Function = Callable[[Array], Array]


def _softplus(x: Array) -> Array:
    """−Li₂(−eˣ), with SciPy's spence(u) = Li₂(1 − u); it takes a while to import."""
    from scipy.special import spence

    return -spence(1 + np.exp(x))


def _gelu(x: Array) -> Array:
    """½ [(x² − 1) Φ(x) + x φ(x)]."""
    from scipy.special import ndtr

    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    return ((x**2 - 1) * ndtr(x) + x * density) / 2


ANTIDERIVATIVES: dict[str, Function] = {
    "tanh": lambda x: np.logaddexp(x, -x),
    "sigmoid": lambda x: np.logaddexp(x, 0),
    "softplus": _softplus,
    "gelu": _gelu,
    "sin": lambda x: -np.cos(x),
    "identity": lambda x: x**2 / 2,
    "cubic": lambda x: x**4 / 4,
}
"""S with S' = σ, up to a constant, of the activations without a kink."""


def applies(program: Program, probes: Probes) -> bool:
    """Verlet on a smooth field whose energy is known and does not depend on time."""
    is_verlet = isinstance(program.integrator, Verlet)
    return is_verlet and is_smooth(program) and (_is_catalogue(program) or _is_derived(program))


def ask(model: Model, probes: Probes) -> Answers:
    """The order seen when h is halved."""
    return {LEAF: np.asarray(orders(errors(model, halvings=1))[-1])}


def expected(program: Program, probes: Probes) -> dict[str, Standard]:
    """Two, where the reference shows it to be seen."""
    found = errors(registry.get("numpy").load(program, ""), halvings=2)
    return {LEAF: standard(program.integrator.order, found)}


def errors(model: Model, halvings: int) -> Array:
    """max_j |H_j − H_0| over max_j |H_j|, for h from coarse to fine."""
    T = TURNS * longest(model.program)
    counts = [FINEST >> i for i in reversed(range(halvings + 1))]
    with np.errstate(all="ignore"):
        return np.array([_error(loaded(refined(model.program, T, n), model)) for n in counts])


def _error(model: Model) -> float:
    program, x = model.program, starts(model.program)
    weights = smooth_weights(program, slope=0.0)
    path = model.trajectory(weights, x).reshape(-1, program.size)
    n, reference = program.blocks["y"], Reference(program)
    kick = program.h / 2 * reference.vector_field(weights, 0.0, path)
    y, z = path[:, :n].T, (path + kick)[:, n:].T
    H = energy(program, reference.operands_at(weights, 0.0))(y, z).reshape(-1, len(x))
    return float(np.max(np.abs(H - H[0])) / np.max(np.abs(H)))


def energy(program: Program, operands: dict[str, Array]) -> Energy:
    """H of a program that `applies`, with these operands."""
    H, field = program.hamiltonian, program.spec.model.vector_field
    if H is not None:
        return lambda y, z: evaluate(H, operands | {"y": y, "z": z})
    assert isinstance(field, WithActivation)
    S = ANTIDERIVATIVES[field.activation]
    upper, lower = _arguments(program, operands)
    return lambda y, z: S(upper(z)).sum(axis=0) + S(lower(y)).sum(axis=0)


def _is_derived(program: Program) -> bool:
    """Does the field come from a Hamiltonian of the user's without t?"""
    return program.hamiltonian is not None and "t" not in variables(program.hamiltonian)


def _is_catalogue(program: Program) -> bool:
    model = program.spec.model
    is_block = isinstance(model.parametrization, HamiltonianBlock)
    field = model.vector_field
    return isinstance(field, (Hamiltonian, DoubleLayerHamiltonian)) or (
        is_block and isinstance(field, Layer)
    )


def _arguments(program: Program, operands: dict[str, Array]) -> tuple[Function, Function]:
    """What σ is taken of: in y' as a function of z, and in z' as one of y."""
    zero = np.zeros(())
    b, c = operands.get("b", zero), operands.get("c", zero)
    match program.spec.model.vector_field:
        case DoubleLayerHamiltonian():
            K1, K2 = operands["K1"], operands["K2"]
            return lambda z: K1 @ z + b, lambda y: K2 @ y + c
        case Hamiltonian():
            K = operands["K"]
            return lambda z: K @ z + b, lambda y: K.T @ y + c
    K, n = operands["K"], program.blocks["y"]
    upper, lower = (b[:n], b[n:]) if b.ndim else (b, b)
    return lambda z: K @ z + upper, lambda y: -K.T @ y + lower
