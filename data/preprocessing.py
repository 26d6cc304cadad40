"""What a network must know of the data it was trained on, to be used without them.

The names of columns and classes, and how columns were standardized: a few short lists, which travel
with the weights and stand in the programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """Standardisation x ↦ (x − mean) / deviation, column by column; mean and deviation are (d,)."""

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, x: Floats) -> Scaling:
        """The statistics of x (s, d): deviation is √(Σ (x − mean)² / s), that is ddof = 0.

        A constant column has deviation 0 and is only centred.
        """
        constant = np.ptp(x, axis=0) == 0
        return cls(x.mean(axis=0), np.where(constant, 1.0, x.std(axis=0)))

    def __call__(self, x: Floats) -> Floats:
        """x (s, d) standardised."""
        return (x - self.mean) / self.deviation

    def undone(self, x: Floats) -> Floats:
        """The rows (s, d) whose standardised ones are x."""
        return x * self.deviation + self.mean


@dataclass(frozen=True)
class Preprocessing:
    """How rows of the data become features, and what the outputs are called.

    `classes` are in the order of the logits, `targets` in the order of the outputs; None where
    there are no such things to predict.
    """

    features: tuple[str, ...]
    classes: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    scaling: Scaling | None = None

    def to_plain(self) -> dict[str, Any]:
        """Lists of names and numbers, of what there is."""
        names = {"features": self.features, "classes": self.classes, "targets": self.targets}
        found: dict[str, Any] = {key: list(n) for key, n in names.items() if n is not None}
        return found | _plain(self.scaling)

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Preprocessing:
        """The inverse of `to_plain`. KeyError, TypeError, ValueError for anything else."""
        classes, targets = (_names(plain, key) for key in ("classes", "targets"))
        features = tuple(map(str, plain["features"]))
        return cls(features, classes, targets, _scaling(plain, len(features)))


def _plain(scaling: Scaling | None) -> dict[str, Any]:
    if scaling is None:
        return {}
    return {"mean": scaling.mean.tolist(), "deviation": scaling.deviation.tolist()}


def _names(plain: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    return tuple(map(str, plain[key])) if key in plain else None


def _scaling(plain: Mapping[str, Any], columns: int) -> Scaling | None:
    if "mean" not in plain:
        return None
    mean, deviation = (np.array(plain[key], np.float64) for key in ("mean", "deviation"))
    if not mean.shape == deviation.shape == (columns,) or not np.all(deviation > 0):
        raise ValueError("means and deviations are not those of the features")
    return Scaling(mean, deviation)
