"""Pieces of series: what is fitted one by one, so that no path is long (multiple shooting)."""

from __future__ import annotations

import numpy as np

from .dataset import Split
from .preprocessing import Floats


def pieces(series: Split, window: int | None) -> Split:
    """Series cut into pieces of so many observations, neighbours sharing one; without a window
    whole. Each begins with its first complete observation, and has another one behind it."""
    assert series.targets is not None  # their times
    found = [
        piece
        for values, times in zip(series.x, series.targets, strict=True)
        for piece in _cut(values, times, window)
    ]
    long = max((len(times) for _, times in found), default=0)
    return Split(
        np.array([_filled(values, long) for values, _ in found]).reshape(
            -1, long, series.x.shape[2]
        ),
        np.array([_filled(times, long) for _, times in found]).reshape(-1, long),
    )


def _cut(values: Floats, times: Floats, window: int | None) -> list[tuple[Floats, Floats]]:
    """Those of one series."""
    count = int(np.isfinite(times).sum())
    step = count if window is None else window - 1
    cuts = (slice(i, min(i + step + 1, count)) for i in range(0, max(count - 1, 1), step))
    cut = ((values[at], times[at]) for at in cuts)
    return [piece for piece in (_from_its_start(*each) for each in cut) if len(piece[1]) > 1]


def _from_its_start(values: Floats, times: Floats) -> tuple[Floats, Floats]:
    """Without what comes before its first complete observation."""
    is_whole = np.isfinite(values).all(axis=1)
    start = int(is_whole.argmax()) if is_whole.any() else len(values)
    return values[start:], times[start:]


def _filled(along: Floats, length: int) -> Floats:
    """With NaN behind its end."""
    room = [(0, length - len(along)), *[(0, 0)] * (along.ndim - 1)]
    return np.pad(along, room, constant_values=np.nan)
