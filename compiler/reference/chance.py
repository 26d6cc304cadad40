"""What a loss is given besides weights and rows: targets, or random numbers, which NumPy draws, so
that every backend has the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.rng import rng
from ..ir.module import Module

Array = NDArray[Any]


def loss_arguments(module: Module, x: Array, targets: Array | None, draw: int = 0) -> list[Array]:
    """Rows x with their targets; of a flow, which has none, with the vectors of an estimate."""
    if module.is_density:
        return [x, *probes(module, len(x), draw)]
    assert targets is not None
    return [x, targets]


def probes(module: Module, rows: int, draw: int) -> list[Array]:
    """The vectors (k, s, n) that a trace is estimated by, k for every one of s rows; nothing of a
    network that estimates none. Another `draw` is another one. They are numbers of float32: no
    backend rounds them."""
    if module.chance is None:
        return []
    shape = (module.chance.probes, rows, module.signature.size)
    random = rng(module.seed, "probes", str(draw))
    is_sign = module.chance.law == "rademacher"
    drawn = random.choice((-1.0, 1.0), shape) if is_sign else random.normal(size=shape)
    return [drawn.astype(np.float32).astype(np.float64)]


def base(module: Module, count: int, seed: int, *names: str) -> Array:
    """Rows (count, n) of the standard normal; `names` are those of a draw."""
    return rng(seed, "base", *names).normal(size=(count, module.signature.size))
