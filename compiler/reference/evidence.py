"""The target of a density: U at rows, and log ∫ e⁻ᵁ by quadrature."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...spec.density import EDGE, POINTS, REACH
from ...spec.model import Density
from ..ir.problem import Problem
from ..semantics.evaluate import evaluate

Array = NDArray[Any]
MOST = 2
"""Components, beyond which a grid has too many points."""


def energies(problem: Problem, y: Array) -> Array:
    """U of rows of states (s, n), with the wall of its box: (s,)."""
    assert problem.density is not None and problem.density.energy is not None
    parts = np.split(np.asarray(y, np.float64).T, np.cumsum([*problem.sizes.values()])[:-1])
    values = dict(zip(problem.states.values(), parts, strict=True))
    with np.errstate(all="ignore"):
        return evaluate(problem.density.energy, values)[0]


def log_evidence(problem: Problem) -> float | None:
    """log ∫ e⁻ᵁ dy over the box and EDGE more on each side, or [−REACH, REACH], by the trapezoidal
    rule in POINTS points an axis; None of more than two components."""
    task, n = problem.spec.task, problem.size
    if n > MOST:
        return None
    low, high = -REACH, REACH
    if isinstance(task, Density) and task.interval is not None:
        low, high = task.interval[0] - EDGE, task.interval[1] + EDGE
    axis = np.linspace(low, high, POINTS)
    weight = np.full(POINTS, axis[1] - axis[0])
    weight[[0, -1]] /= 2
    grid = np.stack(np.meshgrid(*[axis] * n, indexing="ij"), axis=-1).reshape(-1, n)
    weights = weight if n == 1 else np.outer(weight, weight).ravel()
    U = energies(problem, grid)
    least = float(U.min())
    return float(np.log(np.sum(weights * np.exp(least - U)))) - least
