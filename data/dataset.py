"""What a data node of a spec becomes: two splits of rows, with names of columns and classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Targets = Floats | Integers | None
Kind = Literal["classes", "values", "none"]


@dataclass(frozen=True)
class Split:
    """Rows x (s, d) with classes (s,) or values (s, k) or None as targets; s may be 0."""

    x: Floats
    targets: Targets

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index: Integers) -> Split:
        """The examples with these indices, in that order."""
        return Split(self.x[index], None if self.targets is None else self.targets[index])


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
        size = np.abs(x).max(axis=0, initial=0.0)
        unit = np.ldexp(1.0, np.frexp(size)[1] - 1)  # squares and sums of x / unit stay finite
        mean, deviation = (x / unit).mean(axis=0), (x / unit).std(axis=0)
        return cls(mean * unit, np.where((x == x[:1]).all(axis=0), 1.0, deviation * unit))

    def __call__(self, x: Floats) -> Floats:
        """x (s, d) standardised."""
        return (x - self.mean) / self.deviation


@dataclass(frozen=True)
class Dataset:
    """The data of a spec.

    `class_names` are in the order of the classes 0, 1, …; None where there are no classes.
    `scaling` is what has been applied to both splits, None if nothing; its statistics are those of
    the training split.
    """

    train: Split
    validation: Split
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...] | None
    kind: Kind
    scaling: Scaling | None = None

    @property
    def features(self) -> int:
        """The number d of features."""
        return self.train.x.shape[1]

    @property
    def classes(self) -> int | None:
        """The number of classes, None where the targets are no classes."""
        return None if self.class_names is None else len(self.class_names)
