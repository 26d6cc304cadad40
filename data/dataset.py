"""What a data node of a spec becomes: two splits of rows, with names of columns and classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .preprocessing import Floats, Preprocessing

Integers = NDArray[np.int64]
Targets = Floats | Integers | None
Kind = Literal["classes", "values", "none", "observations"]


@dataclass(frozen=True)
class Split:
    """Rows x (s, d) with classes (s,) or values (s, k) or None as targets; s may be 0.

    Of observations x are the values (s, L, c) and targets the times (s, L), which increase along a
    row. A value that is missing is NaN; so are, at the end of a row, values and times of a series
    with fewer observations than others.
    """

    x: Floats
    targets: Targets

    def __len__(self) -> int:
        return len(self.x)

    @property
    def ends(self) -> tuple[int, int]:
        """The row whose features are largest, by their Euclidean norm, and the smallest one; what
        is missing counts as 0."""
        x = np.nan_to_num(self.starts)
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
    features and targets are standardized where it says so.

    `later` is what extrapolation is measured at: what lies after the part that is shown, of the
    validation series in their order, or of the training series where there are no others. `whole`
    are the series that are trained on, of which `train` has pieces.
    """

    train: Split
    validation: Split
    preprocessing: Preprocessing
    later: Split | None = None
    whole: Split | None = None

    @property
    def measured(self) -> Split:
        """Series that are measured from end to end: those to validate on, else those of the
        training."""
        return self.validation if len(self.validation) else self.whole or self.train

    @property
    def kind(self) -> Kind:
        """What the targets are."""
        if self.preprocessing.origin is not None:
            return "observations"
        if self.preprocessing.classes is not None:
            return "classes"
        return "none" if self.preprocessing.targets is None else "values"

    @property
    def features(self) -> int:
        """The number d of features, or of channels."""
        return self.train.x.shape[-1]

    @property
    def classes(self) -> int | None:
        """The number of classes, None where the targets are no classes."""
        classes = self.preprocessing.classes
        return None if classes is None else len(classes)
