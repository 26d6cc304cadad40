"""Random numbers: NumPy generators keyed by a seed and names.

Points, noise, splits, mini-batches and probes are drawn from here, initial weights by
`compiler.initial` (in a form that emitted programs can repeat), so that both frameworks see the
same numbers. PCG64 is named outright, because NumPy may change what `default_rng` is.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def rng(seed: int, *names: str) -> np.random.Generator:
    """The generator that belongs to (seed, names): equal keys give equal draws, on every platform.

    The names enter the seed sequence by their SHA-256, as Python's own `hash` differs from run to
    run. Raises ValueError for a negative seed.
    """
    digest = sha256(repr(names).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4")
    entropy = [seed, *(int(word) for word in words)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def drawn(steps: int, size: int) -> Iterator[Indices]:
    """The steps of an epoch without data: all of so many rows, which each step draws anew."""
    for _ in range(steps):
        yield np.arange(size)


def batches(seed: int, epoch: int, size: int, batch: int | None) -> Iterator[Indices]:
    """The mini-batches of one epoch: index arrays that part 0..size-1, the last one shorter.

    The order is a permutation keyed by (seed, epoch), so that a resumed run goes on with the
    batches it would have had. `batch` None, or not below `size`, is the full batch in natural
    order. Raises ValueError if `batch` is below 1.
    """
    if batch is not None and batch < 1:
        raise ValueError(f"a batch has at least one example, got {batch}")
    if batch is None or batch >= size:
        yield np.arange(size)
        return
    order = rng(seed, "batches", str(epoch)).permutation(size)
    for start in range(0, size, batch):
        yield order[start : start + batch]
