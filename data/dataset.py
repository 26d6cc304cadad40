"""What a data node of a spec becomes: two splits of rows, with names of columns and classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .preprocessing import Floats, Preprocessing

Integers = NDArray[np.int64]
Targets = Floats | Integers | None
Kind = Literal["classes", "values", "none"]


@dataclass(frozen=True)
class Split:
    """Rows x (s, d) with classes (s,) or values (s, k) or None as targets; s may be 0.

    Of series of observations x are values (s, L, c), NaN where one is missing, and targets their
    times (s, L), NaN behind the end of a series.
    """

    x: Floats
    targets: Targets

    def __len__(self) -> int:
        return len(self.x)

    @property
    def ends(self) -> tuple[int, int]:
        """The row whose features are largest, by their Euclidean norm, and the smallest one."""
        x = self.starts
        unit = np.ldexp(1.0, np.frexp(np.abs(x).max())[1] - 1)
        sizes = np.linalg.norm(x / unit, axis=1)  # squares of large numbers would be none
        return int(sizes.argmax()), int(sizes.argmin())

    @property
    def starts(self) -> Floats:
        """What a network starts from: the rows, of series their first complete observations."""
        if self.x.ndim == 2:
            return self.x
        first = np.isfinite(self.x).all(axis=2).argmax(axis=1)
        return self.x[np.arange(len(self.x)), first]

    def first(self, count: int | None) -> Split:
        """As many of the first examples; all without a count."""
        return Split(self.x[:count], None if self.targets is None else self.targets[:count])

    def rows(self, index: Integers) -> Split:
        """The examples with these indices, in that order."""
        return Split(self.x[index], None if self.targets is None else self.targets[index])


@dataclass(frozen=True)
class Dataset:
    """The data of a spec; `preprocessing` is of the training part, and has been applied to both:
    features and targets are standardized where it says so."""

    train: Split
    validation: Split
    preprocessing: Preprocessing

    @property
    def kind(self) -> Kind:
        """What the targets are."""
        if self.preprocessing.classes is not None:
            return "classes"
        return "none" if self.preprocessing.targets is None else "values"

    @property
    def features(self) -> int:
        """The number d of features."""
        return self.train.x.shape[1]

    @property
    def classes(self) -> int | None:
        """The number of classes, None where the targets are no classes."""
        classes = self.preprocessing.classes
        return None if classes is None else len(classes)
