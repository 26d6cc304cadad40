"""The energy along `verlet`: its error is of order h², for constant fields that have one.

The states are taken at one time: z_j = z_{j−½} + (h/2) g(y_j) (Hairer, Lubich & Wanner, "Geometric
Numerical Integration", IX.8). With S' = σ and T' = τ the quantity 1ᵀS(B z + b) + 1ᵀT(D y + c) is
conserved by y' = A σ(B z + b), z' = −C τ(D y + c) where D A = (B C)ᵀ, though y and z need not be
canonical: its derivative is τᵀ (D A − (B C)ᵀ) σ. The functions and the inner matrices are read off
the right-hand sides, whatever field they are of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ...backends import registry
from ...backends.model import Model
from ...compiler.analysis.jacobian import layer_at
from ...compiler.ir.elementary import FUNCTIONS
from ...compiler.ir.expr import Expr, constant, is_constant, variable, variables
from ...compiler.ir.operations import ELEMENTWISE_FUNCTIONS
from ...compiler.ir.types import columns
from ...compiler.language.elaborate import elaborate
from ...compiler.passes.linearize import NotLinearized, linearize
from ...compiler.passes.words import Matrix
from ...compiler.pipeline import Compiled
from ...compiler.reference.reference import Reference
from ...compiler.semantics.evaluate import evaluate
from ...spec.integrators import Splitting
from ..compare import Array, Standard
from ..probes import Probes, Weights
from ..quantities import Answers
from .order import lag, orders, standard
from .refined import is_smooth, loaded, longest, refined, smooth_weights, starts

LEAF = "smooth/observed order of the energy error"
FINEST = 128
TURNS = 8
"""Horizon, in units of the one on which the field's state changes by its own size."""
SAME = 1e-12
QUADRATURE = 64
"""Points of the Gauss-Legendre rule for an antiderivative that the language does not have."""

Energy = Callable[[Mapping[Expr, Array]], Array]
"""Values of weights and states (columns) → H of each."""


@dataclass(frozen=True)
class _Half:
    """A right-hand side made of σ(B q + b): `at` is B q + b, `inner` B."""

    function: str
    at: Expr
    inner: Expr
    sign: int

    def potential(self, values: Mapping[Expr, Array]) -> Array:
        """1ᵀS(B q + b), S' = σ."""
        return antiderivative(self.function, evaluate(self.at, values)).sum(axis=0)

    def gradient(self, values: Mapping[Expr, Array]) -> Array:
        """Its gradient Bᵀ σ(B q + b)."""
        sigma = _value(f"{self.function}(x)", evaluate(self.at, values))
        return self.sign * evaluate(self.inner, values).T @ sigma


def applies(case: Compiled, probes: Probes) -> bool:
    """Two halves that move in turn, on a smooth field whose energy is known and does not depend on
    time."""
    problem = case.problem
    moves = isinstance(problem.integrator, Splitting) and problem.order == 1
    return moves and is_smooth(case) and energy(case) is not None


def ask(model: Model, case: Compiled, probes: Probes) -> Answers:
    """The order seen when h is halved."""
    return {LEAF: np.asarray(orders(errors(model, case, halvings=1))[-1])}


def expected(case: Compiled, probes: Probes) -> dict[str, Standard]:
    """Two, where the reference shows it to be seen."""
    found = errors(registry.get("numpy").load(case.module, ""), case, halvings=2)
    return {LEAF: standard(case.problem.integrator.order, found)}


def errors(model: Model, case: Compiled, halvings: int) -> Array:
    """max_j |H_j − H_0| over max_j |H_j|, for h from coarse to fine."""
    T = TURNS * longest(case)
    counts = [FINEST >> i for i in reversed(range(halvings + 1))]
    with np.errstate(all="ignore"):
        cases = [refined(case, T, n) for n in counts]
        return np.array([_error(loaded(c, model), c) for c in cases])


def _error(model: Model, case: Compiled) -> float:
    x, weights = starts(case), smooth_weights(case, slope=0.0)
    path = model.trajectory(weights, x).reshape(-1, case.problem.size)
    n, reference = case.problem.first.size.value, Reference(case.module)
    kick = lag(case) * case.module.h * reference.vector_field(weights, 0.0, path)
    y, z = path[:, :n].T, (path + kick)[:, n:].T
    H = energy(case)
    assert H is not None
    halves = dict(zip(case.problem.blocks, (y, z), strict=True))
    found = H(_values(case, weights, halves)).reshape(-1, len(x))
    return float(np.max(np.abs(found - found[0])) / np.max(np.abs(found)))


def energy(case: Compiled) -> Energy | None:
    """The user's H; else that of two halves that keep one, by what their field promises or as they
    are; None where none is known."""
    problem = case.problem
    H = problem.hamiltonian
    if H is not None:
        return None if problem.t in variables(H) else lambda values: evaluate(H, values)
    if len(problem.blocks) != 2:
        return None
    y, z = problem.blocks
    upper, lower = _half(case, y, z), _half(case, z, y)
    if upper is None or lower is None:
        return None
    if not problem.spec.model.vector_field.keeps_energy and not _is_kept(case, upper, lower):
        return None
    return lambda values: upper.potential(values) + lower.potential(values)


def _half(case: Compiled, of: str, by: str) -> _Half | None:
    """A right-hand side read as ±A σ(B q + b), whatever A is."""
    e = case.problem.rhs[of]
    while e.op == "neg" or (e.op == "matmul" and not e.args[1].type.is_operator):
        if e.args[-1].op == "variable":
            break
        e = e.args[-1]
    function, at = _applied(e)
    try:
        words = linearize(at, case.problem.blocks[by].variable)
    except NotLinearized:
        return None
    factors = [factor for word in words for factor in word.factors]
    if len(words) != 1 or len(factors) != 1 or not isinstance(factors[0], Matrix):
        return None
    return _Half(function, at, factors[0].operator, words[0].sign)


def _applied(e: Expr) -> tuple[str, Expr]:
    """σ and its argument; what is no function of a kind is the identity of itself."""
    if e.op in ELEMENTWISE_FUNCTIONS:
        return e.op, e.args[0]
    if e.op == "pow" and is_constant(e.args[1], 3):
        return "cubic", e.args[0]
    return "identity", e


def _is_kept(case: Compiled, upper: _Half, lower: _Half) -> bool:
    """Is ∂H/∂y · y' + ∂H/∂z · z' = 0? With weights and states at random, to rounding."""
    problem, random = case.problem, np.random.default_rng(0)
    states = {n: random.normal(size=(size, 3)) for n, size in problem.sizes.items()}
    values = _values(case, smooth_weights(case, slope=0.0), states)
    slopes = (lower.gradient(values), upper.gradient(values))
    gradients = dict(zip(problem.blocks, slopes, strict=True))
    terms = np.concatenate([g * evaluate(problem.rhs[n], values) for n, g in gradients.items()])
    return bool((np.abs(terms.sum(axis=0)) <= SAME * np.abs(terms).sum(axis=0)).all())


def _values(case: Compiled, weights: Weights, states: Mapping[str, Array]) -> dict[Expr, Array]:
    """Values of all that right-hand sides name, at t = 0, by the weights of the first layer."""
    problem, reference = case.problem, Reference(case.module)
    values = {problem.blocks[n].variable: a for n, a in states.items()} | {problem.t: np.zeros(())}
    return values | layer_at(problem, reference, weights, np.zeros(()))


def antiderivative(function: str, x: Array) -> Array:
    """S with S' = the function: from its row, else by quadrature from 0."""
    text = FUNCTIONS[function].antiderivative
    if text:
        return _value(text, x)
    nodes, factors = np.polynomial.legendre.leggauss(QUADRATURE)
    parts = [
        w / 2 * x * _value(f"{function}(x)", (n + 1) / 2 * x)
        for n, w in zip(nodes, factors, strict=True)
    ]
    return np.sum(parts, axis=0)


def _value(text: str, x: Array) -> Array:
    """A text of the language at numbers x (n, s)."""
    leaf = variable("x", columns((len(x),)))
    scope = {"x": leaf, "pi": constant(np.pi)}
    return np.broadcast_to(evaluate(elaborate(text, scope, catalogue=True), {leaf: x}), x.shape)
