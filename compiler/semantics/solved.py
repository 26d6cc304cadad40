"""What a solve means: the exact flow, by SciPy's DOP853 far below every tolerance of a spec."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from .evaluate import exactly
from .meaning import Array

RTOL, ATOL = 1e-12, 1e-14
STAGES = 12
"""Evaluations of a step of DOP853."""
MOST_EVALUATIONS = 200_000
"""Of the field in one solve; a flow that asks for more has no value."""
Slopes = Callable[[float, list[Array]], list[Array]]


@dataclass
class Solves:
    """What solves have taken."""

    evaluations: int = 0
    accepted: int = 0
    rejected: int = 0


_counted: ContextVar[Solves | None] = ContextVar("counted", default=None)


@contextmanager
def counted() -> Iterator[Solves]:
    """Within it solves are counted."""
    found = Solves()
    token = _counted.set(found)
    try:
        yield found
    finally:
        _counted.reset(token)


class _GivenUp(Exception):
    """A state that is not finite, or that no affordable number of steps reaches."""


def solved(slopes: Slopes, states: Sequence[Array], times: Array) -> list[Array]:
    """The states at all times, stacked; NaN from where there are none.

    The first time is where the states are given; times increase or decrease.
    """
    shapes = [state.shape for state in states]
    bounds = np.cumsum([state.size for state in states])[:-1]

    def parts(flat: Array) -> list[Array]:
        pieces = np.split(flat, bounds)
        return [piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)]

    def field(t: float, flat: Array) -> Array:
        return _flat(slopes(t, parts(flat)), shapes)

    start, times = _flat(states, shapes), np.real(times)
    found = np.full((len(times), *start.shape), np.nan, start.dtype)
    found[0] = start
    if start.size and len(times) > 1 and np.isfinite(start).all():
        with exactly():
            _fill(found, field, times)
    return [np.stack(along) for along in zip(*map(parts, found), strict=True)]


def _flat(states: Sequence[Array], shapes: Sequence[tuple[int, ...]]) -> Array:
    """Slopes that are the same for several entries are given once."""
    pairs = zip(states, shapes, strict=True)
    return np.concatenate([np.broadcast_to(state, shape).ravel() for state, shape in pairs])


def _fill(found: Array, field: Callable[[float, Array], Array], times: Array) -> None:
    """The states behind the first, step by step; those that are read lie within steps."""
    from scipy.integrate import DOP853

    def finite(t: float, flat: Array) -> Array:
        slope = field(t, flat)
        if not np.isfinite(slope).all():
            raise _GivenUp
        return slope

    sign, at = np.sign(times[-1] - times[0]), 1
    given: dict[str, Any] = {"rtol": RTOL, "atol": ATOL}
    try:
        solver = DOP853(finite, times[0], found[0], times[-1], **given)
        while solver.status == "running" and solver.nfev <= MOST_EVALUATIONS:
            before = solver.nfev
            solver.step()
            _count(solver.nfev - before)
            if sign * solver.t < sign * times[at]:
                continue
            read = solver.dense_output() if sign * solver.t > sign * times[at] else None
            while at < len(times) and sign * times[at] < sign * solver.t:
                assert read is not None
                found[at], at = read(times[at]), at + 1
            if at < len(times) and times[at] == solver.t:
                found[at], at = solver.y, at + 1
    except _GivenUp:
        pass


def _count(evaluations: int) -> None:
    """One step, which was tried so often that it took these evaluations."""
    found = _counted.get()
    if found is not None:
        tried = evaluations // STAGES
        found.evaluations += evaluations
        found.accepted += 1
        found.rejected += tried - 1
