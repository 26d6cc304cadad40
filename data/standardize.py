"""The statistics of the training part, applied to both parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..spec.data import Standardized
from .dataset import Dataset, Integers, Split
from .preprocessing import Floats, Preprocessing, Scaling


def standardized(dataset: Dataset, what: Standardized) -> Dataset:
    """The data with features, or the targets of a regression, standardized."""
    known, targets = dataset.preprocessing, dataset.train.targets
    if what.features:
        known = replace(known, scaling=Scaling.of(dataset.train.x))
    if what.targets and dataset.kind == "values" and targets is not None:
        known = replace(known, target_scaling=Scaling.of(np.asarray(targets, np.float64)))
    train, validation = (applied(known, part) for part in (dataset.train, dataset.validation))
    return Dataset(train, validation, known)


def beyond(values: Floats | Integers, dtype: str) -> Integers:
    """Row and column of every number (s, k) that is none in a dtype."""
    return np.argwhere(~(np.abs(values) <= np.finfo(dtype).max))


def applied(known: Preprocessing, examples: Split) -> Split:
    """Examples of the data as the network takes them."""
    x, targets = examples.x, examples.targets
    with np.errstate(over="ignore"):  # what is beyond the range is refused by its place
        if known.scaling is not None:
            x = known.scaling(x)
        if known.target_scaling is not None and targets is not None:
            targets = known.target_scaling(np.asarray(targets, np.float64))
    return Split(x, targets)
