"""NumPy archives.

Headers are read before arrays, so that sizes are refused before memory is taken. Pickled objects
are never loaded: unpickling runs whatever code the file holds.
"""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ..spec.data import Npz
from ..spec.diagnostics import Span, SpecError, quote
from .dataset import Floats
from .sources import Labels, Place, Source, Table

LIMIT = 2**30
"""Bytes of one array that are read at most."""

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    tokenize.TokenError,  # of a header that NumPy reads as Python
)
"""What zipfile and NumPy raise for a file that is damaged, encrypted or of another format."""


def read_npz(source: Source, node: Npz, place: Place) -> Table:
    """The arrays the node names, as a table; a SpecError at the key to blame."""
    with open_archive(source) as archive:
        x = _features(source, archive, node.features, place("features"))
        labels = _labels(source, archive, node.label, place("label")) if node.label else None
        values = _values(source, archive, node.targets, place("targets")) if node.targets else None
    for key, other in ((node.label, labels and labels.codes), (node.targets, values)):
        if other is not None and len(other) != len(x):
            raise source.error(
                "E405",
                f"{quote(node.features)} has {len(x)} rows, {quote(str(key))} has {len(other)}",
            )
    names = tuple(f"x{i + 1}" for i in range(x.shape[1]))
    targets = None if values is None else numbered(str(node.targets), values.shape[1])
    return Table(x, names, lambda row: f"row {row}", labels, values, targets)


def numbered(key: str, count: int) -> tuple[str, ...]:
    """What the columns of an array are called."""
    return (key,) if count == 1 else tuple(f"{key}{i + 1}" for i in range(count))


def npz_dimension(source: Source, key: str, span: Span | None) -> int:
    """The number of columns of an array, from its header alone."""
    shape = _shape_of(source, key, span)
    _check_matrix(source, key, shape, span)
    return shape[1]


def npz_targets(source: Source, key: str, span: Span | None) -> int:
    """The number of targets of a row in an array (s, k) or (s,), from its header alone."""
    shape = _shape_of(source, key, span)
    if len(shape) not in (1, 2):
        raise _no_targets(source, key, shape, span)
    return shape[1] if len(shape) == 2 else 1


def npz_channels(source: Source, key: str, span: Span | None) -> int:
    """The number c of channels of an array (s, L, c) or (L, c), from its header alone."""
    shape = _shape_of(source, key, span)
    check_values(source, key, shape, span)
    return shape[-1]


def check_values(source: Source, key: str, shape: tuple[int, ...], span: Span | None) -> None:
    """Refuse what are no observations."""
    if len(shape) not in (2, 3) or 0 in shape:
        message = f"values {quote(key)} {shape} are not (s, L, c) or (L, c)"
        raise source.error("E411", message, span=span)


def _shape_of(source: Source, key: str, span: Span | None) -> tuple[int, ...]:
    with open_archive(source) as archive, _member(source, archive, key, span) as file:
        return _header(source, file, key, span)[0]


def read_features_array(source: Source, key: str) -> Floats:
    """The features (s, d) alone: the array `key`, or the only array there is."""
    with open_archive(source) as archive:
        keys = _keys(archive)
        return _features(source, archive, keys[0] if len(keys) == 1 else key, None)


@contextmanager
def open_archive(source: Source) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever is wrong with the file while it is open is refused."""
    source.check()
    try:
        with zipfile.ZipFile(source.path) as archive:
            yield archive
    except _BROKEN as error:
        raise source.error("E403", f"is no sound npz file: {error}") from None
    except OSError as error:
        raise source.unreadable(error) from None


def _keys(archive: zipfile.ZipFile) -> list[str]:
    names = archive.namelist()
    return [name.removesuffix(".npy") for name in names if name.endswith(".npy")]


@contextmanager
def _member(
    source: Source, archive: zipfile.ZipFile, key: str, span: Span | None
) -> Iterator[IO[bytes]]:
    if key not in _keys(archive):
        raise SpecError(source.missing("array", key, _keys(archive), span))
    with archive.open(f"{key}.npy") as file:
        yield file


def _header(
    source: Source, file: IO[bytes], key: str, span: Span | None
) -> tuple[tuple[int, ...], np.dtype]:
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    if min(shape, default=0) < 0:
        raise source.error("E403", f"array {quote(key)} has a negative size: {shape}", span=span)
    if dtype.hasobject:
        message = f"array {quote(key)} holds pickled objects, which are never loaded"
        raise source.error("E411", message, span=span, help="save it with a numeric dtype")
    if (size := math.prod(shape) * max(dtype.itemsize, 8)) > LIMIT:
        message = f"array {quote(key)} has {size:,} bytes, at most {LIMIT:,} are read"
        raise source.error("E402", message, span=span)
    return shape, dtype


def array_of(source: Source, archive: zipfile.ZipFile, key: str, span: Span | None) -> NDArray:
    """One array, of any type that is no object."""
    with _member(source, archive, key, span) as file:
        _header(source, file, key, span)
    with archive.open(f"{key}.npy") as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))


def _features(source: Source, archive: zipfile.ZipFile, key: str, span: Span | None) -> Floats:
    x = array_of(source, archive, key, span)
    _check_matrix(source, key, x.shape, span)
    return _finite(source, key, x, span)


def _values(source: Source, archive: zipfile.ZipFile, key: str, span: Span | None) -> Floats:
    values = array_of(source, archive, key, span)
    if values.ndim not in (1, 2):
        raise _no_targets(source, key, values.shape, span)
    return _finite(source, key, values.reshape(len(values), -1), span)


def _no_targets(source: Source, key: str, shape: tuple[int, ...], span: Span | None) -> SpecError:
    return source.error("E411", f"targets {quote(key)} {shape} are not (s, k)", span=span)


def _labels(source: Source, archive: zipfile.ZipFile, key: str, span: Span | None) -> Labels:
    labels = array_of(source, archive, key, span)
    if labels.ndim != 1 or labels.dtype.kind not in "iufUb":
        message = f"labels {quote(key)} {_shape(labels)} are not (s,) integers or words"
        raise source.error("E411", message, span=span)
    texts, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    return Labels(tuple(map(str, texts.tolist())), codes.astype(np.int64), tuple(first.tolist()))


def _check_matrix(source: Source, key: str, shape: tuple[int, ...], span: Span | None) -> None:
    if len(shape) != 2 or shape[1] == 0:
        raise source.error("E411", f"features {quote(key)} {shape} are not (s, d)", span=span)
    if shape[0] == 0:
        raise source.error("E404", f"features {quote(key)} have no rows", span=span)


def _finite(source: Source, key: str, values: NDArray, span: Span | None) -> Floats:
    numbers = real(source, key, values, span)
    if not np.isfinite(numbers).all():
        row, column = np.argwhere(~np.isfinite(numbers))[0]
        message = f"{key}[{row}, {column}] is {numbers[row, column]}, not a finite number"
        raise source.error("E407", message, span=span)
    return numbers


def real(source: Source, key: str, values: NDArray, span: Span | None) -> Floats:
    """An array of numbers as float64."""
    if values.dtype.kind not in "iufb":
        raise source.error("E411", f"array {quote(key)} {_shape(values)} is not real", span=span)
    return values.astype(np.float64)


def _shape(values: NDArray) -> str:
    return f"{values.shape} of {values.dtype}"
