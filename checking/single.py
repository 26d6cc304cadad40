"""Rung L7: float32, judged with three points.

A fixed tolerance alarms for a deep network and sleeps for a shallow one. So the errors of both
backends against the float64 reference are compared with each other: neither may be more than RATIO
times as far off as the other (the rule of PyTorch's own compiler tests, `torch/_dynamo/utils.py`,
`same`), unless both are within rounding; and no single entry may hide in a good mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .compare import Leaves, Standard, errors
from .quantities import GRADIENT, TRAJECTORY
from .tolerances import GRADIENTS, VALUES

QUANTITIES = (TRAJECTORY, GRADIENT)
"""Those of many numbers: the errors of a few logits have no mean worth the name."""
RATIO = 3.0
WORST = 10.0
"""The largest error of an entry over that of the other backend: an extreme varies more than a
mean."""
ROUNDING = 1.0
"""Units within which an error is rounding, whatever the other backend's: the shipped examples have
0.03 to 0.2."""


@dataclass(frozen=True)
class Points:
    """Root mean squares of the errors of both backends, and their worst entries.

    The unit of an error is ε × growth: what rounding does to that array.
    """

    error: float
    other: float
    worst_entry: float
    other_worst_entry: float

    @property
    def ratio(self) -> float:
        """This backend's error over the other's; 1 where neither has any."""
        if self.other == 0:
            return 1.0 if self.error == 0 else np.inf
        return self.error / self.other

    @property
    def allowed(self) -> float:
        """The largest error that agrees."""
        return RATIO * max(self.other, ROUNDING)

    @property
    def agrees(self) -> bool:
        """Whether the error and its worst entry are those of the other backend, or rounding."""
        largest = WORST * max(self.other_worst_entry, ROUNDING)
        return self.error <= self.allowed and self.worst_entry <= largest


def points(
    quantity: str, own: Leaves, peer: Leaves, standards: Mapping[str, Standard]
) -> Points | None:
    """The points of one quantity over all leaves that can be judged; None where there is none."""
    names = [
        name
        for name, s in standards.items()
        if np.isfinite(s.tolerance).all() and name in own and name in peer
    ]
    if not names:
        return None
    multiple = GRADIENTS["float32"] if quantity == GRADIENT else VALUES
    mine, others = (multiple * _errors(leaves, standards, names) for leaves in (own, peer))
    return Points(
        error=_root_mean_square(mine),
        other=_root_mean_square(others),
        worst_entry=float(mine.max()),
        other_worst_entry=float(others.max()),
    )


def _errors(leaves: Leaves, standards: Mapping[str, Standard], names: list[str]) -> np.ndarray:
    """Every entry's error as a part of the tolerance of its array, the widest along a path."""
    wanted = {name: standards[name] for name in names}
    parts = [errors(leaves[n], s.value, s.scale) / np.max(s.tolerance) for n, s in wanted.items()]
    return np.concatenate([np.ravel(part) for part in parts])


def _root_mean_square(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x))))
