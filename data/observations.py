"""Data of observed time series: read, parted, counted from the earliest training time, scaled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..spec.data import Csv, Npz
from ..spec.diagnostics import Span, quote
from ..spec.generated import Standardized
from .dataset import Dataset, Split
from .files import FileNode, beyond_range, check_count, source_of, validation_count
from .preprocessing import Floats, Preprocessing, Scaling
from .rng import rng
from .series import Series, check_counts, check_order
from .series_csv import column_names, read_series_csv
from .series_npz import read_series_npz
from .sources import Place, Source
from .splits import parted

SERIES = ("series", "series")
LEAST = 2
"""Observations of a series that something can be learned from."""


@dataclass(frozen=True)
class Observed:
    """A file to predict or to evaluate for: `split` is as the network takes it, `own_times` (s, L)
    are those of the file. Where all channels are missing a time is asked for."""

    ids: tuple[str, ...]
    split: Split
    own_times: Floats


@dataclass(frozen=True)
class Parts:
    """What is trained on, what is validated on, and what is kept of either for extrapolation."""

    channels: tuple[str, ...]
    train: Series
    validation: Series
    later: Series | None = None


def of_observations(node: FileNode, seed: int, base: Path, place: Place, dtype: str) -> Dataset:
    """The series of a file."""
    source = source_of(node.path, base, place("path"))
    channels, series = _read(source, node, place)
    if isinstance(node.validation, str):
        other = source_of(node.validation, base, place("validation"))
        parts = Parts(channels, series, _again(other, node, channels))
    else:
        span, size = place("validation"), len(series)
        count = validation_count(source, node.validation, size, span, SERIES)
        train, validation = parted(size, count, rng(seed, "data", node.kind))
        parts = Parts(channels, series.select(train), series.select(validation))
    return assembled(parts, node.until, node.standardized, place, dtype)


def assembled(
    given: Parts, until: float | None, standardize: Standardized, place: Place, dtype: str
) -> Dataset:
    """The data set that series make; what lies after `until` is kept from training."""
    parts = _shown(given, until, place("until"))
    _check_channels(parts, place)
    origin, last = parts.train.times.min(), parts.train.times.max()
    with np.errstate(over="ignore"):  # what is beyond the range is refused by its place
        horizon = float(last - origin)
    known = Preprocessing(parts.channels, origin=float(origin), horizon=horizon)
    if standardize.features:
        known = replace(known, scaling=Scaling.of_finite(parts.train.values))
    train, validation = (_applied(known, part, dtype) for part in (parts.train, parts.validation))
    later = None if parts.later is None else _applied(known, parts.later, dtype)
    return Dataset(train, validation, known, later)


def read_observations(
    path: Path, node: object, known: Preprocessing, dtype: str, where: Span | None
) -> Observed:
    """The series of a file like that of the spec, whose channels go by the names that are known.

    Of a spec without a file, a csv file has columns `time`, the channels and, if there are several
    series, `id`; an npz file has arrays `times` and `values`. Raises SpecError at `where`.
    """
    source = Source(path, path.name or str(path), where)
    series = _again(source, _like(source, node, known.features), known.features)
    check_counts(series.observed, series, 1, where)
    return Observed(series.ids, _applied(known, series, dtype), _own_times(series))


def _read(source: Source, node: FileNode, place: Place) -> tuple[tuple[str, ...], Series]:
    is_csv = isinstance(node, Csv)
    channels, series = (
        read_series_csv(source, node, place) if is_csv else read_series_npz(source, node, place)
    )
    check_order(series)
    return channels, series


def _again(source: Source, node: FileNode, channels: tuple[str, ...]) -> Series:
    """The series of a further file, with the channels of the first."""
    if isinstance(node, Csv) and node.header:
        node = node.model_copy(update={"channels": channels})
    found, series = _read(source, node, lambda *keys: source.span)
    check_count(source, len(found), len(channels), "the first file", "channel")
    return series


def _like(source: Source, node: object, channels: tuple[str, ...]) -> FileNode:
    """How a file is read that is to be like that of the spec, or is of another format."""
    if source.path.suffix.lower() == ".npz":
        return node if isinstance(node, Npz) else Npz(path=".", times="times", values="values")
    if isinstance(node, Csv):
        return node
    plain = Csv(path=".", time="time", channels=(0,)).model_copy(update={"channels": channels})
    has_id = "id" in column_names(source, plain)
    return plain.model_copy(update={"id": "id"}) if has_id else plain


def _own_times(series: Series) -> Floats:
    return np.asarray(series.padded().targets, np.float64)


def _shown(given: Parts, until: float | None, span: Span | None) -> Parts:
    """The parts up to a time, without lines of no value; refuses series with too few others."""
    train, validation, later = given.train.observed, given.validation.observed, given.later
    for part, whole in ((train, given.train), (validation, given.validation)):
        check_counts(part, whole, LEAST, None)
    if until is None:
        return Parts(given.channels, train, validation, later)
    train, after = _cut(train, until, span)
    validation, after_validation = _cut(validation, until, span)
    later = after_validation if len(validation) else after
    if not len(later.times):
        which = "validate on" if len(validation) else "train on"
        message = f"nothing is observed later than {until:g} in the series to {which}"
        raise train.teller.error("E410", message, span=span)
    return Parts(given.channels, train, validation, later)


def _cut(series: Series, until: float, span: Span | None) -> tuple[Series, Series]:
    shown, later = series.cut(until)
    check_counts(shown, series, LEAST, span, until)
    return shown, later


def _check_channels(parts: Parts, place: Place) -> None:
    """Nothing can be learned of a channel that has no value in the training part."""
    for i in np.flatnonzero(np.isnan(parts.train.values).all(axis=0)):
        message = f"channel {quote(parts.channels[i])} has no value in the series to train on"
        raise parts.train.teller.error("E415", message, span=place("channels", int(i)))


# --- as a network takes them ------------------------------------------------------------------


def _applied(known: Preprocessing, series: Series, dtype: str) -> Split:
    """The series with times from the origin and scaled channels; refuses what a dtype cannot
    hold."""
    with np.errstate(over="ignore"):
        times = series.times - (known.origin or 0.0)
        values = series.values if known.scaling is None else known.scaling(series.values)
    _check_range(series, series.times[:, None], times[:, None], ("time",), dtype)
    channels = tuple(f"channel {quote(name)}" for name in known.features)
    _check_range(series, series.values, values, channels, dtype)
    wider = "dtype: float64" if dtype == "float32" else "count times from nearer by"
    check_order(series, times.astype(dtype), wider)
    return replace(series, times=times, values=values).padded()


def _check_range(
    series: Series, raw: Floats, made: Floats, names: tuple[str, ...], dtype: str
) -> None:
    found = np.argwhere(np.abs(made) > np.finfo(dtype).max)
    if len(found):
        row, column = map(int, found[0])
        place = f"{series.place(row)}, {names[column]}"
        raise beyond_range(series.teller, place, float(raw[row, column]), len(found), dtype)
