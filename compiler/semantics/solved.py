"""What a solve means: the exact flow, by SciPy's DOP853 far below every tolerance of a spec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .evaluate import exactly
from .meaning import Array

RTOL, ATOL = 1e-12, 1e-14
MOST_EVALUATIONS = 200_000
"""Of the field in one solve; a flow that asks for more has no value."""
Slopes = Callable[[float, list[Array]], list[Array]]


class _GivenUp(Exception):
    """A state that is not finite, or that no affordable number of steps reaches."""


def solved(slopes: Slopes, states: Sequence[Array], times: Array) -> list[Array]:
    """The states at all times, stacked; NaN from where there are none.

    The first time is where the states are given; times increase or decrease.
    """
    from scipy.integrate import solve_ivp

    shapes = [state.shape for state in states]
    bounds = np.cumsum([state.size for state in states])[:-1]
    count = 0

    def parts(flat: Array) -> list[Array]:
        pieces = np.split(flat, bounds)
        return [piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)]

    def right_hand_side(t: float, flat: Array) -> Array:
        nonlocal count
        count += 1
        if count > MOST_EVALUATIONS or not np.isfinite(flat).all():
            raise _GivenUp
        found = _flat(slopes(t, parts(flat)), shapes)
        if not np.isfinite(found).all():
            raise _GivenUp
        return found

    start, times = _flat(states, shapes), np.real(times)
    found = np.full((len(times), *start.shape), np.nan, start.dtype)
    found[0] = start
    if start.size == 0 or len(times) == 1 or not np.isfinite(start).all():
        return _stacked(found, parts)
    given: dict[str, Any] = {"method": "DOP853", "rtol": RTOL, "atol": ATOL}
    try:
        with exactly():
            run = solve_ivp(right_hand_side, (times[0], times[-1]), start, t_eval=times, **given)
        found[: run.y.shape[1]] = run.y.T
    except _GivenUp:
        pass
    return _stacked(found, parts)


def _flat(states: Sequence[Array], shapes: Sequence[tuple[int, ...]]) -> Array:
    """Slopes that are the same for several entries are given once."""
    pairs = zip(states, shapes, strict=True)
    return np.concatenate([np.broadcast_to(state, shape).ravel() for state, shape in pairs])


def _stacked(found: Array, parts: Callable[[Array], list[Array]]) -> list[Array]:
    return [np.stack(along) for along in zip(*map(parts, found), strict=True)]
