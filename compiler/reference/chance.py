"""Random numbers of a network: drawn by NumPy, so that every backend has the same."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ...data.rng import rng
from ..ir.module import Module

Array = NDArray[Any]


def probes(module: Module, rows: int, draw: int, dtype: str = "float64") -> list[Array]:
    """The vectors (k, s, n) that a trace is estimated by, k for every one of s rows; nothing of a
    network that estimates none. Another `draw` is another one."""
    if module.chance is None:
        return []
    shape = (module.chance.probes, rows, module.signature.size)
    random = rng(module.seed, "probes", str(draw))
    if module.chance.law == "rademacher":
        return [random.choice((-1.0, 1.0), shape).astype(dtype)]
    return [random.normal(size=shape).astype(dtype)]


def base(module: Module, count: int, seed: int) -> Array:
    """Rows (count, n) of the standard normal."""
    return rng(seed, "base").normal(size=(count, module.signature.size))
