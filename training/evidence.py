"""log ∫ e⁻ᵁ of a target, by quadrature."""

from __future__ import annotations

import numpy as np

from ..compiler.ir.problem import Problem
from ..compiler.semantics.evaluate import evaluate
from ..spec.density import EDGE, POINTS, REACH
from ..spec.model import Density

MOST = 2
"""Components, beyond which a grid has too many points."""


def log_evidence(problem: Problem) -> float | None:
    """log ∫ e⁻ᵁ dy over the box and EDGE more on each side, or [−REACH, REACH], by the trapezoidal
    rule in POINTS points an axis; None of more than two components."""
    density, task = problem.density, problem.spec.task
    if density is None or density.energy is None or problem.size > MOST:
        return None
    assert isinstance(task, Density)
    low, high = (-REACH, REACH)
    if task.interval is not None:
        low, high = task.interval[0] - EDGE, task.interval[1] + EDGE
    axis = np.linspace(low, high, POINTS)
    grid = np.stack(np.meshgrid(*[axis] * problem.size, indexing="ij")).reshape(problem.size, -1)
    weight = np.full(POINTS, axis[1] - axis[0])
    weight[[0, -1]] /= 2
    weights = weight if problem.size == 1 else np.outer(weight, weight).ravel()
    parts = np.split(grid, np.cumsum([*problem.sizes.values()])[:-1])
    with np.errstate(all="ignore"):
        U = evaluate(density.energy, dict(zip(problem.states.values(), parts, strict=True)))
    least = float(np.min(U))
    return float(np.log(np.sum(weights * np.exp(least - U[0])))) - least
