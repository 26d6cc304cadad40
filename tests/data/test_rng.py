"""Streams: the same key gives the same numbers in every process, another key gives others."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from wellposed.data import batches, rng

PINNED = [745, 498, 236, 846, 605]
PROBE = "from wellposed.data import rng; print(rng(7, 'a', 'b').integers(2**62))"


def test_a_key_gives_the_same_draws_in_another_process() -> None:
    output = subprocess.run(
        [sys.executable, "-c", PROBE],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "123", "PYTHONPATH": ":".join(sys.path)},
    ).stdout
    assert int(output) == rng(7, "a", "b").integers(2**62)


def test_the_first_draws_are_pinned() -> None:
    draws = rng(0, "pinned").integers(1000, size=5)
    assert draws.tolist() == PINNED


def test_keys_do_not_run_into_each_other() -> None:
    keys = [(0, "a", "b"), (0, "ab"), (0, "a b"), (0, "b", "a"), (1, "a", "b"), (0, "a/b"), (0,)]
    draws = {int(rng(seed, *names).integers(2**62)) for seed, *names in keys}
    assert len(draws) == len(keys)


def test_two_streams_are_uncorrelated() -> None:
    a, b = (rng(0, name).standard_normal(10_000) for name in ("x", "y"))
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(10_000)


@pytest.mark.parametrize(("size", "batch"), [(10, 3), (12, 4), (7, 6), (5, 1)])
def test_batches_part_the_examples(size: int, batch: int) -> None:
    parts = list(batches(0, 1, size, batch))
    assert [len(part) for part in parts[:-1]] == [batch] * (len(parts) - 1)
    assert 0 < len(parts[-1]) <= batch
    assert sorted(np.concatenate(parts)) == list(range(size))


@pytest.mark.parametrize("batch", [None, 6, 100])
def test_a_full_batch_is_in_natural_order(batch: int | None) -> None:
    assert [part.tolist() for part in batches(3, 2, 6, batch)] == [[0, 1, 2, 3, 4, 5]]


def test_an_epoch_has_its_own_order_whatever_came_before() -> None:
    orders = [np.concatenate(list(batches(0, epoch, 50, 8))).tolist() for epoch in (1, 2, 1)]
    assert orders[0] == orders[2] != orders[1]
    assert orders[0] != np.concatenate(list(batches(1, 1, 50, 8))).tolist()


def test_the_order_does_not_depend_on_the_batch() -> None:
    small, large = (np.concatenate(list(batches(0, 1, 20, batch))) for batch in (3, 7))
    assert small.tolist() == large.tolist()


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_has_an_example(batch: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        list(batches(0, 1, 10, batch))
