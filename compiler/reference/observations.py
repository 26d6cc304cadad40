"""Series of observations as a program takes them: time first, each from where its path starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir.module import Module, solve_of

Array = NDArray[Any]

CLOSE = 8
"""Times that differ by fewer units of rounding than this are one."""
LONG = 4
"""A grid of many series has at most so many times what one has observations, or each batch has its
own."""
WHOLE = 1e-6
"""A step that is longer than what is left by this part of it is no step more."""


@dataclass(frozen=True)
class Observations:
    """Values (L, s, c), NaN where one is missing, at times (L, s); behind the end of a series its
    last time is repeated. A path is computed at the times of the grid (G,) since the start.

    `shift` is how many observations of each were left out before its start.
    """

    values: Array
    times: Array
    grid: Array
    shift: Array

    def arguments(self, dtype: str) -> list[Array]:
        """What `forward` takes."""
        return [a.astype(dtype) for a in (self.values, self.times, self.grid)]

    def rows(self, module: Module, index: Array) -> Observations:
        """Some of the series, in that order. The grid is that of all, which is one shape to compile
        for, unless it is much longer than that of these."""
        values, times, grid = self.values[:, index], self.times[:, index], self.grid
        if solve_of(module) is not None and len(grid) > LONG * len(times):
            grid = grid_of(module, times)
        return Observations(values, times, grid, self.shift[index])

    def given_back(self, predicted: Array, times: Array) -> Array:
        """Predictions (L, s, c) as (s, L, c) at the times (s, L) that were asked for: NaN before
        the start of a series and where there is no time."""
        found = np.moveaxis(predicted, 0, 1)
        at = np.arange(found.shape[1])[None] - self.shift[:, None]
        moved = np.take_along_axis(found, np.maximum(at, 0)[..., None], axis=1)
        is_there = (at >= 0) & np.isfinite(times)
        return np.where(is_there[..., None], moved, np.nan).astype(predicted.dtype)


def observations(module: Module, values: Array, times: Array) -> Observations:
    """Series of values (s, L, c) at times (L,) or (s, L), NaN behind the end of a series.

    Each starts at its first complete observation, which its path is computed from.
    """
    values = np.asarray(values, np.float64)
    times = np.broadcast_to(np.asarray(times, np.float64), values.shape[:2])
    shift = np.isfinite(values).all(axis=2).argmax(axis=1)
    at = np.minimum(np.arange(values.shape[1])[None] + shift[:, None], values.shape[1] - 1)
    is_there = np.arange(values.shape[1])[None] + shift[:, None] < values.shape[1]
    values = np.where(
        is_there[..., None], np.take_along_axis(values, at[..., None], axis=1), np.nan
    )
    times = _to_the_end(np.where(is_there, np.take_along_axis(times, at, axis=1), np.nan))
    if not counts_from_starts(module):
        times = times - times[:, :1]
    times, values = times.T, np.moveaxis(values, 0, 1)
    return Observations(values, times, grid_of(module, times), shift)


def _to_the_end(times: Array) -> Array:
    """Where there is no time the one before."""
    known = np.where(np.isfinite(times), np.arange(times.shape[1])[None], 0)
    return np.take_along_axis(times, np.maximum.accumulate(known, axis=1), axis=1)


def counts_from_starts(module: Module) -> bool:
    """Does the field depend on time, and so on when a series starts?"""
    return any(p.name == "start" for p in module.functions["path"].params)


def grid_of(module: Module, times: Array) -> Array:
    """The times since the start at which a path is computed, for times (L, s) of series.

    Under an adaptive method all of them, but for rounding; else 0, h, 2 h, … up to the last one.
    """
    since = times - times[:1]
    if solve_of(module) is not None:
        every = np.unique(since)
        close = CLOSE * np.finfo(module.dtype).eps * np.abs(times).max(initial=0.0)
        grid = every[np.diff(every, prepend=-np.inf) > close]
        return grid if len(grid) > 1 else np.array([0.0, module.h])  # a solve goes somewhere
    steps = np.ceil(since.max(initial=0.0) / module.h - WHOLE)
    return module.h * np.arange(max(int(steps), 1) + 1)
