"""What a solve means: the exact flow, by SciPy's DOP853 far below every tolerance of a spec.

With the tolerances of the spec instead (`as_written`) the same solves tell where and why a solver
of that order gives up, row by row: neither library says which row it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...spec.adaptive import Adaptive
from .evaluate import exactly
from .meaning import Array

RTOL, ATOL = 1e-12, 1e-14
NARROW = 1e-5
"""The relative tolerance where every value is rounded to a narrower dtype: slopes are no smoother
than that, and a solver would look for more in vain."""
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


@dataclass
class SolveFailed(Exception):
    """A solve by the tolerances of the spec that does not come to its end."""

    why: str
    t: float
    """How far it came."""
    h: float
    """The step that it would take from there."""
    steps: int
    until: float
    is_long: bool
    """Does it take too many steps, rather than ever shorter ones?"""


_counted: ContextVar[Solves | None] = ContextVar("counted", default=None)
_as_written: ContextVar[bool] = ContextVar("as_written", default=False)


@contextmanager
def counted() -> Iterator[Solves]:
    """Within it solves are counted."""
    found = Solves()
    token = _counted.set(found)
    try:
        yield found
    finally:
        _counted.reset(token)


@contextmanager
def as_written() -> Iterator[None]:
    """Within it solves go by the tolerances of the spec, and raise SolveFailed."""
    token = _as_written.set(True)
    try:
        yield
    finally:
        _as_written.reset(token)


class _GivenUp(Exception):
    """A slope that is not finite."""


def solved(
    slopes: Slopes, states: Sequence[Array], times: Array, by: Adaptive, narrow: bool = False
) -> list[Array]:
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
            if _as_written.get():
                found[1:] = _by_tolerances(start, field, times, by)
            else:
                _fill(found, field, times, NARROW if narrow else RTOL)
    return [np.stack(along) for along in zip(*map(parts, found), strict=True)]


def _flat(states: Sequence[Array], shapes: Sequence[tuple[int, ...]]) -> Array:
    """Slopes that are the same for several entries are given once."""
    pairs = zip(states, shapes, strict=True)
    return np.concatenate([np.broadcast_to(state, shape).ravel() for state, shape in pairs])


def _fill(found: Array, field: Callable[[float, Array], Array], times: Array, rtol: float) -> None:
    """The states behind the first, step by step; those that are read lie within steps."""
    from scipy.integrate import DOP853

    def finite(t: float, flat: Array) -> Array:
        slope = field(t, flat)
        if not np.isfinite(slope).all():
            raise _GivenUp
        return slope

    sign, at = np.sign(times[-1] - times[0]), 1
    given: dict[str, Any] = {"rtol": rtol, "atol": ATOL * rtol / RTOL}
    try:
        solver = DOP853(finite, times[0], found[0], times[-1], **given)
        while solver.status == "running" and solver.nfev <= MOST_EVALUATIONS:
            before = solver.nfev
            solver.step()
            _count(solver.nfev - before)
            is_behind = sign * solver.t > sign * times[at]
            read = solver.dense_output() if is_behind else None
            while read is not None and at < len(times) and sign * times[at] < sign * solver.t:
                found[at], at = read(times[at]), at + 1
            if solver.status != "failed" and at < len(times) and times[at] == solver.t:
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


def _by_tolerances(
    start: Array, field: Callable[[float, Array], Array], times: Array, by: Adaptive
) -> Array:
    """The last state, at all times; a pair of order 5(4) with the step control of the libraries.

    Raises SolveFailed.
    """
    from scipy.integrate import RK45

    is_finite = True

    def watched(t: float, flat: Array) -> Array:
        nonlocal is_finite
        slope = field(t, flat)
        is_finite = bool(np.isfinite(slope).all())
        return slope

    def failed(why: str, is_long: bool = False) -> SolveFailed:
        why = why if is_finite else "the slopes are not finite"
        until = float(times[-1])
        return SolveFailed(why, solver.t, solver.h_abs, tried, until, is_long and is_finite)

    tried = 0
    with np.errstate(all="ignore"):
        given: dict[str, Any] = {"rtol": by.rtol, "atol": by.atol}
        solver = RK45(watched, times[0], start, times[-1], **given)
        while solver.status == "running":
            before = solver.nfev
            solver.step()
            tried += max(1, (solver.nfev - before) // by.stages)
            if solver.status == "failed":
                raise failed("the step underflows")
            if tried > by.max_steps:
                raise failed(f"it takes more than {by.max_steps:,} steps", is_long=True)
    return solver.y
