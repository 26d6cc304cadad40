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

        A constant column has deviation 0 and is only centred. Numbers are counted in units of a
        power of two, which rounds nothing: the squares of very large ones would be none.
        """
        constant = x.max(axis=0) == x.min(axis=0)
        unit = np.ldexp(1.0, np.frexp(np.abs(x).max(axis=0, initial=0.0))[1] - 1)
        in_units = x / unit
        deviation = np.where(constant, 1.0, in_units.std(axis=0) * unit)
        return cls(in_units.mean(axis=0) * unit, deviation)

    @classmethod
    def of_finite(cls, values: Floats) -> Scaling:
        """The statistics of the finite entries of each column of values (r, c), of which each has
        some."""
        columns = [cls.of(column[np.isfinite(column)][:, None]) for column in values.T]
        return cls(
            np.concatenate([column.mean for column in columns]),
            np.concatenate([column.deviation for column in columns]),
        )

    def __call__(self, x: Floats) -> Floats:
        """x (s, d), or anything whose last axis are the columns, standardised."""
        return (x - self.mean) / self.deviation

    def undone(self, x: Floats) -> Floats:
        """The rows (s, d) whose standardised ones are x."""
        return x * self.deviation + self.mean


@dataclass(frozen=True)
class Preprocessing:
    """How rows of the data become features, and what the outputs are called.

    `classes` are in the order of the logits, `targets` in the order of the outputs; None where
    there are no such things to predict. `scaling` is that of the features.

    Of observations of time series `features` are the channels. Their times count from `origin`, the
    earliest time of the training part in the units of the data; the last one is `origin` +
    `horizon`. Both are None of other data.
    """

    features: tuple[str, ...]
    classes: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    scaling: Scaling | None = None
    target_scaling: Scaling | None = None
    origin: float | None = None
    horizon: float | None = None

    def to_plain(self) -> dict[str, Any]:
        """Lists of names and numbers, of what there is."""
        names = {"features": self.features, "classes": self.classes, "targets": self.targets}
        found: dict[str, Any] = {key: list(n) for key, n in names.items() if n is not None}
        times = {"origin": self.origin, "horizon": self.horizon}
        found |= {key: time for key, time in times.items() if time is not None}
        return found | _plain("", self.scaling) | _plain("target_", self.target_scaling)

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Preprocessing:
        """The inverse of `to_plain`. KeyError, TypeError, ValueError for anything else."""
        classes, targets = (_names(plain, key) for key in ("classes", "targets"))
        features = tuple(map(str, plain["features"]))
        scaling = _scaling("", plain, len(features))
        of_targets = _scaling("target_", plain, len(targets or ()))
        origin, horizon = (_time(plain, key) for key in ("origin", "horizon"))
        return cls(features, classes, targets, scaling, of_targets, origin, horizon)


def _plain(of: str, scaling: Scaling | None) -> dict[str, Any]:
    if scaling is None:
        return {}
    return {f"{of}mean": scaling.mean.tolist(), f"{of}deviation": scaling.deviation.tolist()}


def _names(plain: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    return tuple(map(str, plain[key])) if key in plain else None


def _time(plain: Mapping[str, Any], key: str) -> float | None:
    if key not in plain:
        return None
    if not np.isfinite(time := float(plain[key])):
        raise ValueError(f"{key} is not finite")
    return time


def _scaling(of: str, plain: Mapping[str, Any], columns: int) -> Scaling | None:
    keys = f"{of}mean", f"{of}deviation"
    if keys[0] not in plain:
        return None
    mean, deviation = (np.array(plain[key], np.float64) for key in keys)
    if not mean.shape == deviation.shape == (columns,) or not np.all(deviation > 0):
        raise ValueError(f"{' and '.join(keys)} are not {columns} numbers")
    return Scaling(mean, deviation)
