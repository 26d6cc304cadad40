"""What `forward` and a loss are given besides weights: rows, targets, series with their grid, or
random numbers, which NumPy draws, so that every backend has the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.rng import rng
from ..ir.module import Module
from .observations import grid_of, observations

Array = NDArray[Any]
PROBES = "probes"
"""What functions call the vectors."""


def loss_arguments(module: Module, x: Array, targets: Array | None, draw: int = 0) -> list[Array]:
    """Rows x with their targets, which a flow has none of, and with the vectors of an estimate. Of
    series x are values (s, L, c), and targets their times."""
    if module.is_of_series:
        return forward_arguments(module, x, targets)
    drawn = probes(module, "loss", len(x), draw)
    if module.is_density:
        return [x, *drawn]
    assert targets is not None
    return [x, targets, *drawn]


def forward_arguments(module: Module, x: Array, times: Array | None = None) -> list[Array]:
    """Rows x; of series values (s, L, c) with their times (s, L)."""
    if not module.is_of_series:
        return [x]
    assert times is not None
    return observations(module, x, times).arguments("float64")


def over_horizon(module: Module, x: Array) -> list[Array]:
    """What a loss of series is given by which paths of [0, T] are computed from rows x."""
    times = np.broadcast_to([[0.0], [module.horizon]], (2, len(x)))
    grid = grid_of(module, times)
    return [np.stack([x, np.zeros_like(x)]), times, grid]


def probes(module: Module, function: str, rows: int, draw: int) -> list[Array]:
    """The vectors (k, s, n) that a function estimates a trace or a norm by, k for every one of s
    rows; nothing for one that estimates none. Another `draw` is another one. They are numbers of
    float32: no backend rounds them."""
    if module.chance is None or all(p.name != PROBES for p in module.functions[function].params):
        return []
    shape = (module.chance.probes, rows, module.signature.size)
    random = rng(module.seed, "probes", str(draw))
    is_sign = module.chance.law == "rademacher"
    drawn = random.choice((-1.0, 1.0), shape) if is_sign else random.normal(size=shape)
    return [drawn.astype(np.float32).astype(np.float64)]


def base(module: Module, count: int, seed: int, *names: str) -> Array:
    """Rows (count, n) of the standard normal; `names` are those of a draw."""
    return rng(seed, "base", *names).normal(size=(count, module.signature.size))
