"""Observations as arrays of a NumPy archive: values (s, L, c) or (L, c), times (s, L) or (L,)."""

from __future__ import annotations

import numpy as np

from ..spec.data import Npz
from ..spec.diagnostics import quote
from .npz_file import array_of, check_values, numbered, open_archive, real
from .preprocessing import Floats
from .series import Series, of_arrays
from .sources import Place, Source


def read_series_npz(source: Source, node: Npz, place: Place) -> tuple[tuple[str, ...], Series]:
    """The names of the channels and the observations, or a SpecError at the key to blame."""
    keys = str(node.times), str(node.values)  # the node is of observations
    spans = place("times"), place("values")
    with open_archive(source) as archive:
        times, values = (
            real(source, key, array_of(source, archive, key, span), span)
            for key, span in zip(keys, spans, strict=True)
        )
    check_values(source, keys[1], values.shape, spans[1])
    is_one = values.ndim == 2
    values = values[None] if is_one else values
    if times.shape not in (values.shape[:2], values.shape[1:2]):
        shapes = f"{quote(keys[1])} is {values.shape[is_one:]}, {quote(keys[0])} is {times.shape}"
        help = f"times of these values are {values.shape[1:2]} or {values.shape[:2]}"
        raise source.error("E405", shapes, span=spans[0], help=help)
    times = np.broadcast_to(times, values.shape[:2])
    _check_finite(source, keys, times, values, place, is_one)
    length = values.shape[1]

    def row(i: int) -> str:
        return f"row {i}" if is_one else f"row {i // length}, observation {i % length}"

    ids = tuple(map(str, range(len(values))))
    return numbered(keys[1], values.shape[2]), of_arrays(source, row, ids, times, values)


def _check_finite(
    source: Source,
    keys: tuple[str, str],
    times: Floats,
    values: Floats,
    place: Place,
    is_one: bool,
) -> None:
    """NaN is a value that is missing; a time may be so where there are no values at all."""
    bad_times = np.isinf(times) | (np.isnan(times) & ~np.isnan(values).all(axis=2))
    for key, name, array, bad in zip(
        ("times", "values"), keys, (times, values), (bad_times, np.isinf(values)), strict=True
    ):
        if len(found := np.argwhere(bad)):
            index = tuple(map(int, found[0]))
            shown = ", ".join(map(str, index[is_one:]))
            message = f"{name}[{shown}] is {array[index]}"
            message += ", and there are values" if np.isnan(array[index]) else ""
            raise source.error("E407", message, span=place(key))
    if np.isnan(times).all():
        raise source.error("E404", "has no observations", span=place("times"))
