"""Large tables, read by NumPy's own reader: the same numbers, without a place for what is wrong."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np

from .columns import Columns, coded
from .header import Header
from .sources import Source, Table
from .text_file import Conventions, codec, read_lines

LARGE = 2**20
"""Bytes from which on it is worth it."""


def read_at_once(
    source: Source, header: Header, columns: Columns, how: Conventions
) -> Table | None:
    """The table; None for a small one, and where anything is amiss or quoted: reading line by line
    then says what and where, or reads it."""
    if how.decimal != "." or source.path.stat().st_size < LARGE or _has_quotes(source):
        return None
    read = [*columns.features, *columns.targets]
    dtype = [(str(i), np.float64 if i in read else object) for i in range(len(columns.names))]
    try:
        with warnings.catch_warnings(action="error"):  # such as one of no rows
            rows = np.loadtxt(
                source.path,
                dtype,
                comments=None,
                delimiter=how.delimiter,
                skiprows=header.line if header.is_named else 0,
                encoding=codec(how),
                ndmin=1,
            )
    except (ValueError, UserWarning, OSError):
        return None
    x, values = (
        np.column_stack([rows[str(i)] for i in part]) if part else None
        for part in (columns.features, columns.targets)
    )
    if not all(np.isfinite(part).all() for part in (x, values) if part is not None):
        return None
    labels = None if columns.label is None else coded(rows[str(columns.label)].tolist())
    assert x is not None  # a table has features
    return columns.table(x, values, labels, lambda row: f"line {_line(source, how, header, row)}")


def _has_quotes(source: Source) -> bool:
    with source.path.open("rb") as file:
        return any(b'"' in block for block in iter(partial(file.read, 2**22), b""))


def _line(source: Source, how: Conventions, header: Header, row: int) -> int:
    """The line at which a row stands: blank ones do not count as rows."""
    at = row + header.is_named
    for lines in read_lines(source, how):
        if at < len(lines):
            return lines.numbers[at]
        at -= len(lines)
    raise IndexError(row)
