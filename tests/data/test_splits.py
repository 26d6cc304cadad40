"""Splits: disjoint, complete, in order, and stratified as scikit-learn's are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit

from wellposed.data import Split, rng
from wellposed.data.splits import every_other, holdout


def targets(part: Split) -> np.ndarray:
    """The targets of a part that has some."""
    assert part.targets is not None
    return part.targets


def examples(labels: list[int]) -> Split:
    return Split(np.arange(len(labels), dtype=float)[:, None], np.array(labels))


def check_partition(parts: tuple[Split, Split], size: int, validation: int) -> None:
    train, held = (part.x[:, 0].astype(int).tolist() for part in parts)
    assert len(held) == validation
    assert sorted(train + held) == list(range(size))
    assert train == sorted(train) and held == sorted(held)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_both_ways_part_the_examples(labels: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(labels) - 1))
    check_partition(every_other(examples(labels), count), len(labels), count)
    parts = holdout(examples(labels), count, rng(0, "split"))
    check_partition(parts, len(labels), count)
    exact = np.bincount(labels, minlength=5) * count / len(labels)
    assert np.all(np.abs(np.bincount(targets(parts[1]), minlength=5) - exact) < 1)


def test_every_other_takes_the_second_of_each_pair() -> None:
    _, held = every_other(examples([0] * 9), 4)
    assert held.x[:, 0].tolist() == [1, 3, 5, 7]


@pytest.mark.parametrize("count", [10, 37, 50])
def test_quotas_are_those_of_scikit_learn(count: int) -> None:
    labels = [0] * 60 + [1] * 30 + [2] * 11
    (_, theirs), *_ = StratifiedShuffleSplit(1, test_size=count, random_state=0).split(
        labels, labels
    )
    _, ours = holdout(examples(labels), count, rng(0, "split"))
    difference = np.bincount(targets(ours)) - np.bincount(np.array(labels)[theirs])
    assert np.abs(difference).max() <= 1  # both round largest remainders; ties differ


def test_values_are_split_without_strata() -> None:
    values = Split(np.arange(20.0)[:, None], np.arange(20.0)[:, None])
    train, held = holdout(values, 5, rng(0, "split"))
    assert (len(train), len(held)) == (15, 5)
    np.testing.assert_array_equal(held.x, targets(held))
