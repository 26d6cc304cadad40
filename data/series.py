"""Observations of several time series in long form: a row for every observation, in the order in
which they are given, so that whatever is wrong with one of them has its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..spec.diagnostics import Span, quote
from .dataset import Integers, Split
from .preprocessing import Floats
from .sources import Teller


@dataclass(frozen=True)
class Series:
    """Row i is an observation of the series `ids[of[i]]`: values (r, c), NaN where one is missing,
    at times (r,). `row(at[i])` says where it stands."""

    teller: Teller
    row: Callable[[int], str]
    ids: tuple[str, ...]
    of: Integers
    times: Floats
    values: Floats
    at: Integers

    def __len__(self) -> int:
        """How many series there are."""
        return len(self.ids)

    @property
    def counts(self) -> Integers:
        """The observations of each series."""
        return np.bincount(self.of, minlength=len(self))

    @property
    def observed(self) -> Series:
        """Those rows in which some channel has a value."""
        return self._where(np.any(~np.isnan(self.values), axis=1))

    def place(self, i: int) -> str:
        """Where row i stands."""
        return self.row(int(self.at[i]))

    def cut(self, until: float) -> tuple[Series, Series]:
        """Up to a time and after it; the same series in both."""
        is_later = self.times > until
        return self._where(~is_later), self._where(is_later)

    def select(self, index: Integers) -> Series:
        """The series with these indices, in that order."""
        number = np.full(len(self), -1)
        number[index] = np.arange(len(index))
        kept = self._where(number[self.of] >= 0)
        return replace(kept, ids=tuple(self.ids[i] for i in index), of=number[kept.of])

    def padded(self) -> Split:
        """Values (s, L, c) and times (s, L), L being the most observations of a series: NaN at the
        end of the others."""
        order = np.argsort(self.of, kind="stable")
        of, counts = self.of[order], self.counts
        column = np.arange(len(of)) - (np.cumsum(counts) - counts)[of]
        shape = len(self), max(1, counts.max(initial=0))
        values, times = np.full((*shape, self.values.shape[1]), np.nan), np.full(shape, np.nan)
        values[of, column], times[of, column] = self.values[order], self.times[order]
        return Split(values, times)

    def _where(self, kept: NDArray[np.bool_]) -> Series:
        parts = {key: getattr(self, key)[kept] for key in ("of", "times", "values", "at")}
        return replace(self, **parts)


def of_arrays(
    teller: Teller, row: Callable[[int], str], ids: tuple[str, ...], times: Floats, values: Floats
) -> Series:
    """Series of values (s, L, c) at times (s, L), without the padding where a time is NaN.

    `row(i L + j)` says where observation j of series i stands.
    """
    length, channels = values.shape[1:]
    flat = times.reshape(-1)
    at = np.flatnonzero(~np.isnan(flat))
    return Series(teller, row, ids, at // length, flat[at], values.reshape(-1, channels)[at], at)


# --- what is refused --------------------------------------------------------------------------


IN_ORDER = "the observations of a series stand in the order of time"


def check_order(series: Series, seen: Floats | None = None, help: str = IN_ORDER) -> None:
    """Refuse times of a series that do not strictly increase in the order in which they stand.

    `seen` are those that a network takes in their place; `help` says what would help.
    """
    order = np.argsort(series.of, kind="stable")
    of, times = series.of[order], (series.times if seen is None else seen)[order]
    bad = np.flatnonzero((of[1:] == of[:-1]) & (times[1:] <= times[:-1]))
    if not len(bad):
        return
    k = bad[np.argmin(order[bad + 1])]  # the first one as they stand
    i, before = int(order[k + 1]), int(order[k])
    name = quote(series.ids[series.of[i]])
    told = f"time {_told(series.times[i])} of series {name} does not come after"
    message = f"{series.place(i)}: {told} {_told(series.times[before])}, {series.place(before)}"
    kept = "" if seen is None else f", in {seen.dtype}"
    raise series.teller.error("E414", message + kept, help=help)


def check_counts(
    series: Series, given: Series, least: int, span: Span | None, until: float | None = None
) -> None:
    """Refuse a series with less than so many observations; `given` has also the rows of none."""
    few = np.flatnonzero(series.counts < least)
    if not len(few):
        return
    k = int(few[0])
    count, first = int(series.counts[k]), int(np.argmax(given.of == k))
    has = "no observation" if count == 0 else "one observation" if count == 1 else f"{count}"
    upto = "" if until is None else f" until {_told(until)}"
    also = f", as have {len(few) - 1:,} more series" if len(few) > 1 else ""
    message = f"{given.place(first)}: series {quote(series.ids[k])} has {has}{upto}{also}"
    help = f"a series needs {'one' if least == 1 else 'two'} at least"
    raise series.teller.error("E415", message, span=span, help=help)


def _told(time: float) -> str:
    return f"{time:.15g}"
