"""Tables as text, one example a line, read with the standard library's csv.

Every refusal names the line of the file, as an editor counts it, and the column.
"""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..spec.data import Column, Csv
from ..spec.diagnostics import Diagnostic, Span, SpecError, quote
from .dataset import Floats
from .sources import Labels, Place, Source, Table, counted, number

LIMIT = 128 * 2**20
"""Bytes of a file that are read at most; an npz file holds more in less."""

Record = tuple[int, list[str]]
"""A line number from 1 and its cells, stripped."""


@dataclass(frozen=True)
class Columns:
    """Positions of the columns that make the features, the targets and the label."""

    names: tuple[str, ...]
    features: list[int]
    targets: list[int]
    label: int | None


def read_csv(source: Source, node: Csv, place: Place) -> Table:
    """The table of a file as the node describes it, or a SpecError at the key to blame."""
    records, names = open_table(source, node.delimiter, node.header)
    return _table(source, records, _resolve(source, node, names, place))


def csv_names(source: Source, node: Csv, place: Place) -> tuple[str, ...]:
    """Names of the feature columns, from the first line alone."""
    _, names = open_table(source, node.delimiter, node.header)
    columns = _resolve(source, node, names, place)
    return tuple(names[i] for i in columns.features)


def read_named(source: Source, delimiter: str, wanted: Sequence[str], header: bool | None) -> Table:
    """The feature columns alone, by name where the file names them all, else every column in order.

    `header` None means: the first line is a header if some cell of it is no number.
    """
    records, names = open_table(source, delimiter, header)
    if header and not set(wanted) <= set(names):
        absent = [name for name in wanted if name not in names]
        raise SpecError([source.missing("column", name, names, None) for name in absent])
    named = set(wanted) <= set(names)
    features = [names.index(name) for name in wanted] if named else list(range(len(names)))
    return _table(source, records, Columns(names, features, [], None))


def open_table(
    source: Source, delimiter: str, header: bool | None
) -> tuple[Iterator[Record], tuple[str, ...]]:
    """The records below the header, and the names of the columns: positions without a header."""
    records = _records(source, delimiter)
    first = next(records, None)
    if first is None:
        raise source.error("E404", "is empty")
    line, cells = first
    if header is None:
        header = any(number(cell) is None for cell in cells)
    names = tuple(cells) if header else tuple(map(str, range(len(cells))))
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise source.error("E403", f"line {line} names two columns {quote(twice)}")
    return (_rectangular(source, records, first, keep_first=not header), names)


def _records(source: Source, delimiter: str) -> Iterator[Record]:
    """The lines that are not blank; whatever can be wrong with the text is refused here."""
    source.check()
    line = 0
    try:
        if (size := source.path.stat().st_size) > LIMIT:
            raise source.error("E402", f"has {size:,} bytes, of which at most {LIMIT:,} are read")
        with source.path.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=True)
            for cells in reader:
                line = reader.line_num
                if any(cells) or len(cells) > 1:
                    yield line, [cell.strip() for cell in cells]
    except UnicodeDecodeError:
        raise source.error("E403", f"is not text in UTF-8 (after line {line})") from None
    except csv.Error as error:
        raise source.error("E403", f"line {line + 1}: {error}") from None
    except OSError as error:
        raise source.unreadable(error) from None


def _rectangular(
    source: Source, records: Iterator[Record], first: Record, keep_first: bool
) -> Iterator[Record]:
    width = len(first[1])
    if keep_first:
        yield first
    for line, cells in records:
        if len(cells) != width:
            message = f"line {line} has {counted(len(cells), 'cell')}, line {first[0]} has {width}"
            raise source.error("E403", message)
        yield line, cells


def _resolve(source: Source, node: Csv, names: tuple[str, ...], place: Place) -> Columns:
    """The positions of the columns the node names; all that are missing are refused at once."""
    found = [_missing(source, column, names, place(*loc)) for loc, column in node.columns()]
    if missing := [diagnostic for diagnostic in found if diagnostic is not None]:
        raise SpecError(missing)
    targets = [_position(column, names) for column in node.targets or ()]
    label = None if node.label is None else _position(node.label, names)
    predicted = {*targets, label}
    chosen = [_position(column, names) for column in node.features or ()]
    features = chosen or [i for i in range(len(names)) if i not in predicted]
    _check_columns(source, Columns(names, features, targets, label))
    return Columns(names, features, targets, label)


def _check_columns(source: Source, columns: Columns) -> None:
    """A column may be used once, though it can be called by its name and by its position."""
    if not columns.features:
        raise source.error("E406", "has no feature column besides those to be predicted")
    label = [] if columns.label is None else [columns.label]
    used = [*columns.features, *columns.targets, *label]
    for i in set(used):
        if used.count(i) > 1:
            raise source.error("E109", f"column {i}, {quote(columns.names[i])}, is used twice")


def _position(column: Column, names: tuple[str, ...]) -> int:
    return column if isinstance(column, int) else names.index(column)


def _missing(
    source: Source, column: Column, names: tuple[str, ...], span: Span | None
) -> Diagnostic | None:
    if isinstance(column, str):
        return None if column in names else source.missing("column", column, names, span)
    if column < len(names):
        return None
    message = f"has no column {column}: it has {len(names)}, counted from 0"
    return source.diagnostic("E406", message, span=span)


def _table(source: Source, records: Iterator[Record], columns: Columns) -> Table:
    lines, x, values = array("q"), array("d"), array("d")
    codes, texts, first = array("q"), {}, []
    for line, cells in records:
        lines.append(line)
        x.extend(_number(source, line, cells, i, columns) for i in columns.features)
        values.extend(_number(source, line, cells, i, columns) for i in columns.targets)
        if columns.label is not None:
            text = cells[columns.label]
            if text not in texts:
                texts[text] = len(texts)
                first.append(len(lines) - 1)
            codes.append(texts[text])
    if not lines:
        raise source.error("E404", "has a header and no rows")
    labels = Labels(tuple(texts), np.array(codes, dtype=np.int64), tuple(first))
    return Table(
        _matrix(x, len(columns.features)),
        tuple(columns.names[i] for i in columns.features),
        lambda row: f"line {lines[row]}",
        None if columns.label is None else labels,
        _matrix(values, len(columns.targets)) if columns.targets else None,
        tuple(columns.names[i] for i in columns.targets) or None,
    )


def _matrix(numbers: array[float], width: int) -> Floats:
    return np.frombuffer(numbers, dtype=np.float64).reshape(-1, width)


def _number(source: Source, line: int, cells: list[str], i: int, columns: Columns) -> float:
    value = number(cells[i])
    if value is not None and math.isfinite(value):
        return value
    what = quote(cells[i]) if cells[i] else "an empty cell"
    where = f"line {line}, column {quote(columns.names[i])}"
    raise source.error("E407", f"{where}: {what} is not a finite number")
