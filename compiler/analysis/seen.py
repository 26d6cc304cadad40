"""What the analysis looks at: rows of features, weights, and both in words.

Where there are training data, they are rows of these; a statement about other states would be one
about another problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Split
from ...spec.initializers import Zeros
from ..ir.problem import Problem
from ..reference.initial import generator, initial_weights
from .budget import Budget, budget

Array = NDArray[Any]

INITIAL = "the initial weights"


@dataclass(frozen=True)
class Seen:
    """Features x (s, d), of data or random ones; weights and whose they are."""

    x: Array
    is_data: bool
    weights: Mapping[str, Array]
    whose: str
    budget: Budget | None
    """How much of it; None where eigenvalues cost too much."""

    @property
    def rows(self) -> str:
        plural = "s" if len(self.x) > 1 else ""
        what = f"row{plural} of the training data" if self.is_data else f"random state{plural}"
        return f"{len(self.x)} {what}"

    @property
    def where(self) -> str:
        return f"at {self.whose}, {self.rows}"


def look_at(
    problem: Problem,
    data: Split | None = None,
    weights: Mapping[str, Array] | None = None,
    whose: str = INITIAL,
) -> Seen:
    """A few rows of the training data, which a lift takes as they are, among them the one that is
    largest and the one that is smallest; without data random ones, one of them 0."""
    seed = problem.spec.seed
    random = generator(seed, "probe")
    plan = budget(problem)
    count = plan.rows if plan else 1
    drawn = problem.weights if plan else ()
    given = initial_weights(drawn, seed) if weights is None else weights
    if weights is None and (zero := _at_zero(problem)):
        verb = "starts" if len(zero) == 1 else "start"
        whose = f"{INITIAL}, of which {', '.join(zero)} {verb} at 0"
    if data is not None and len(data):
        return Seen(_spread(data, count, random), True, given, whose, plan)
    x = random.normal(size=(count, problem.features.value))
    x[0] = 0  # where σ' is largest
    return Seen(x, False, given, whose, plan)


def _spread(data: Split, count: int, random: np.random.Generator) -> Array:
    others = random.permutation(len(data))[:count]
    rows = list(dict.fromkeys([*data.ends, *map(int, others)]))[:count]
    return np.asarray(data.starts[rows], np.float64)


def _at_zero(problem: Problem) -> list[str]:
    """The user's weights that start at 0 because nothing else is said of them: at the initial
    weights the field is not the one that is meant."""
    own = (w for w in problem.layer if w.is_custom)
    return [
        w.name for w in own if isinstance(w.raw.initializer, Zeros) and not w.raw.initializer_loc
    ]
