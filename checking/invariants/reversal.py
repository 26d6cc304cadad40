"""Reversibility: the staggered methods walk back along their path to where they came from.

verlet        y_j = y_{j+1} − h f(t_j + h/2, z_{j+½}),  z_{j−½} = z_{j+½} − h g(t_j, y_j);
leapfrog      y_{j−1} = 2 y_j − y_{j+1} + h² f_j(y_j), as v ← v − h f_j(y_j), y_{j−1} = y_j − h v.

The path is the program's own, and so is the field that it is walked back with (Hairer, Lubich &
Wanner, "Geometric Numerical Integration", V.1).
"""

from __future__ import annotations

import numpy as np

from ...backends import registry
from ...backends.model import Model
from ...compiler.ir.program import Program
from ...data.rng import rng
from ...spec.integrators import Leapfrog, Verlet
from ...spec.node import content_hash
from ..compare import Array, Standard
from ..probes import Probes, Weights
from ..quantities import FINAL, Answers, Key
from ..tolerances import MOVES, standards

MOST = 16
"""Steps that are walked: the first ones, lest a field that contracts blurs where it came from."""


def applies(program: Program, probes: Probes) -> bool:
    """Runge–Kutta methods as they stand are not reversible."""
    return isinstance(program.integrator, (Leapfrog, Verlet))


def ask(model: Model, probes: Probes) -> Answers:
    """The initial states (s, n) as they are found again, by set of weights."""
    with np.errstate(all="ignore"):
        return {
            name: _back(model, weights, *_ends(model, weights, probes.x))
            for name, weights in probes.weights.items()
        }


def expected(program: Program, probes: Probes) -> dict[str, Standard]:
    """The reference's initial states, to 64 ε times what the way back makes of a change of ε."""
    model, key = registry.get("numpy").load(program, ""), Key("float64", FINAL)
    with np.errstate(all="ignore"):
        paths = {n: model.trajectory(w, probes.x) for n, w in probes.weights.items()}
        moved = [(size, _moved(model, probes, size)) for size in MOVES[key.dtype]]
    return standards(key, {name: path[0] for name, path in paths.items()}, moved)


def _moved(model: Model, probes: Probes, size: float) -> dict[str, Array]:
    """The starts that the reference finds from ends moved by ±size of themselves."""
    rng = rng(model.program.spec.seed, "reversal", content_hash(model.program.spec))
    found: dict[str, Array] = {}
    for name, weights in probes.weights.items():
        last, before = _ends(model, weights, probes.x)
        ends = [end * (1 + size * rng.choice((-1.0, 1.0), end.shape)) for end in (last, before)]
        found[name] = _back(model, weights, *ends)
    return found


def _walked(program: Program) -> int:
    return min(program.steps, MOST)


def _ends(model: Model, weights: Weights, x: Array) -> tuple[Array, Array]:
    """The states after the steps that are walked, and after one less."""
    path = model.trajectory(weights, x)
    last = _walked(model.program)
    return path[last], path[last - 1]


def _back(model: Model, weights: Weights, last: Array, before: Array) -> Array:
    """The state at t = 0."""
    if isinstance(model.program.integrator, Verlet):
        return _verlet_back(model, weights, last)
    return _leapfrog_back(model, weights, last, before)


def _verlet_back(model: Model, weights: Weights, state: Array) -> Array:
    program, h = model.program, model.program.h
    y = np.arange(program.size) < program.blocks["y"]
    for j in reversed(range(_walked(program))):
        state = state - h * y * model.vector_field(weights, (j + 0.5) * h, state)
        state = state - h * ~y * model.vector_field(weights, j * h, state)
    return state


def _leapfrog_back(model: Model, weights: Weights, last: Array, before: Array) -> Array:
    h, y, hv = model.program.h, before, last - before
    for j in reversed(range(1, _walked(model.program))):
        hv = hv - h**2 * model.vector_field(weights, j * h, y)
        y = y - hv
    return y
