"""Reversibility: the staggered methods walk back along their path to where they came from.

The moves of a step are undone from the last to the first, each by the right-hand side at the time
and state it was made with: of verlet y_j = y_{j+1} − h f(t_j + h/2, z_{j+½}) and then
z_{j−½} = z_{j+½} − h g(t_j, y_j). Of y'' = f the velocity is no part of the path:
y_{j−1} = 2 y_j − y_{j+1} + h² f_j(y_j), as v ← v − h f_j(y_j), y_{j−1} = y_j − h v.

The path is the program's own, and so is the field that it is walked back with (Hairer, Lubich &
Wanner, "Geometric Numerical Integration", V.1).
"""

from __future__ import annotations

import numpy as np

from ...backends import registry
from ...backends.model import Model
from ...compiler.pipeline import Compiled
from ...data.rng import rng
from ...spec.integrators import Splitting
from ...spec.node import content_hash
from ..compare import Array, Standard
from ..probes import Probes, Weights
from ..quantities import FINAL, Answers, Key
from ..tolerances import MOVES, standards

MOST = 16
"""Steps that are walked: the first ones, lest a field that contracts blurs where it came from."""


def applies(case: Compiled, probes: Probes) -> bool:
    """Runge–Kutta methods as they stand are not reversible."""
    return isinstance(case.problem.integrator, Splitting)


def ask(model: Model, case: Compiled, probes: Probes) -> Answers:
    """The initial states (s, n) as they are found again, by set of weights."""
    with np.errstate(all="ignore"):
        return {
            name: _back(model, case, weights, *_ends(model, case, weights, probes.x))
            for name, weights in probes.weights.items()
        }


def expected(case: Compiled, probes: Probes) -> dict[str, Standard]:
    """The reference's initial states, to 64 ε times what the way back makes of a change of ε."""
    model, key = registry.get("numpy").load(case.module, ""), Key("float64", FINAL)
    with np.errstate(all="ignore"):
        paths = {n: model.trajectory(w, probes.x) for n, w in probes.weights.items()}
        moved = [(size, _moved(model, case, probes, size)) for size in MOVES[key.dtype]]
    return standards(key, {name: path[0] for name, path in paths.items()}, moved)


def _moved(model: Model, case: Compiled, probes: Probes, size: float) -> dict[str, Array]:
    """The starts that the reference finds from ends moved by ±size of themselves."""
    random = rng(case.module.seed, "reversal", content_hash(case.problem.spec))
    found: dict[str, Array] = {}
    for name, weights in probes.weights.items():
        last, before = _ends(model, case, weights, probes.x)
        ends = [end * (1 + size * random.choice((-1.0, 1.0), end.shape)) for end in (last, before)]
        found[name] = _back(model, case, weights, *ends)
    return found


def _walked(case: Compiled) -> int:
    return min(case.module.steps, MOST)


def _ends(model: Model, case: Compiled, weights: Weights, x: Array) -> tuple[Array, Array]:
    """The states after the steps that are walked, and after one less."""
    path, last = model.trajectory(weights, x), _walked(case)
    return path[last], path[last - 1]


def _back(model: Model, case: Compiled, weights: Weights, last: Array, before: Array) -> Array:
    """The state at t = 0."""
    if case.problem.order == 1:
        return _moves_back(model, case, weights, last)
    return _leapfrog_back(model, case, weights, last, before)


def _moves_back(model: Model, case: Compiled, weights: Weights, state: Array) -> Array:
    method, h = case.problem.integrator, case.module.h
    assert isinstance(method, Splitting)
    is_position = np.arange(case.problem.size) < case.problem.first.size.value
    for j in reversed(range(_walked(case))):
        own = _of_step(case, weights, j)
        for move in reversed(method.moves):
            half = is_position if move.half == "position" else ~is_position
            slope = model.vector_field(own, (j + float(move.at)) * h, state)
            state = state - float(move.by) * h * half * slope
    return state


def _of_step(case: Compiled, weights: Weights, j: int) -> Weights:
    """Weights of each step are those of step j at all times: its last stage is at t_{j+1}."""
    stepwise = {w.name for w in case.module.weights if w.mode == "per-step"}
    return {n: np.broadcast_to(w[j], w.shape) if n in stepwise else w for n, w in weights.items()}


def _leapfrog_back(
    model: Model, case: Compiled, weights: Weights, last: Array, before: Array
) -> Array:
    h, y, hv = case.module.h, before, last - before
    for j in reversed(range(1, _walked(case))):
        hv = hv - h**2 * model.vector_field(weights, j * h, y)
        y = y - hv
    return y
