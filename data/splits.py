"""Parting one set of examples into a training and a validation split."""

from __future__ import annotations

import numpy as np

from .dataset import Floats, Integers, Split


def every_other(examples: Split, validation: int) -> tuple[Split, Split]:
    """(train, validation), the latter evenly spaced along the order of the examples.

    The j-th one is at ⌊(2j + 1) s / (2 v)⌋, the middle of the j-th of v equal stretches: for s =
    2v or 2v + 1 every other example, beginning with the second.
    """
    positions = (2 * np.arange(validation) + 1) * len(examples) // max(2 * validation, 1)
    return _part(examples, positions)


def holdout(examples: Split, validation: int, random: np.random.Generator) -> tuple[Split, Split]:
    """(train, validation) drawn at random without replacement, stratified if there are classes.

    Both keep the order of the examples, so that a full batch reads as the data do.
    """
    strata = _strata(examples)
    quotas = _quotas(np.bincount(strata), validation)
    chosen = [
        random.permutation(np.flatnonzero(strata == k))[:quota] for k, quota in enumerate(quotas)
    ]
    return _part(examples, np.sort(np.concatenate(chosen)))


def parted(size: int, validation: int, random: np.random.Generator) -> tuple[Integers, Integers]:
    """Indices of (train, validation), drawn without replacement, either in order."""
    order = random.permutation(size)
    return np.sort(order[validation:]), np.sort(order[:validation])


def _part(examples: Split, positions: Integers) -> tuple[Split, Split]:
    is_rest = np.ones(len(examples), bool)
    is_rest[positions] = False
    return examples.rows(np.flatnonzero(is_rest)), examples.rows(positions)


def _strata(examples: Split) -> Integers:
    targets = examples.targets
    if targets is not None and targets.ndim == 1:
        return targets.astype(np.int64)
    return np.zeros(len(examples), dtype=np.int64)


def _quotas(counts: Integers, total: int) -> Integers:
    """How many of each class make `total`, in proportion to the counts, by largest remainders."""
    exact: Floats = counts * (total / counts.sum())
    quotas = np.floor(exact).astype(np.int64)
    order = np.argsort(quotas - exact, kind="stable")
    quotas[order[: total - quotas.sum()]] += 1
    return quotas
