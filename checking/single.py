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
from .quantities import GRADIENT, LOGITS, TRAJECTORY
from .tolerances import EPSILON, GRADIENTS, VALUES

QUANTITIES = (TRAJECTORY, LOGITS, GRADIENT)
RATIO = 3.0
WORST = 10.0
"""The largest error of an entry over that of the other backend: an extreme varies more than a
mean."""
ROUNDING = 4.0
"""Multiples of ε × growth within which an error is rounding and no ratio of errors is meant."""


@dataclass(frozen=True)
class Points:
    """Errors over the scale of the reference: root mean squares of both backends, worst entries.

    `floor` is what rounding alone does to this spec.
    """

    error: float
    other: float
    worst_entry: float
    other_worst_entry: float
    floor: float

    @property
    def ratio(self) -> float:
        """This backend's error over the other's, both taken as the floor at least."""
        return max(self.error, self.floor) / max(self.other, self.floor)

    @property
    def allowed(self) -> float:
        """The largest error that agrees."""
        return RATIO * max(self.other, self.floor)

    @property
    def allowed_entry(self) -> float:
        """The largest error of an entry that agrees."""
        return WORST * max(self.other_worst_entry, RATIO * self.floor)

    @property
    def agrees(self) -> bool:
        """Whether the error and its worst entry are those of the other backend, or rounding."""
        return self.error <= self.allowed and self.worst_entry <= self.allowed_entry


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
    tolerance = max(float(np.max(standards[name].tolerance)) for name in names)
    mine, others = (_errors(leaves, standards, names) for leaves in (own, peer))
    return Points(
        error=_root_mean_square(mine),
        other=_root_mean_square(others),
        worst_entry=float(mine.max()),
        other_worst_entry=float(others.max()),
        floor=ROUNDING * max(tolerance / multiple, EPSILON["float32"]),
    )


def _errors(leaves: Leaves, standards: Mapping[str, Standard], names: list[str]) -> np.ndarray:
    return np.concatenate(
        [np.ravel(errors(leaves[n], standards[n].value, standards[n].scale)) for n in names]
    )


def _root_mean_square(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x))))
