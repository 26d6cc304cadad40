"""Tables as text, one example a line.

Every refusal names the line of the file, as an editor counts it, and the column.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from ..spec.data import Csv
from ..spec.diagnostics import SpecError
from .cells import Cells
from .columns import Coder, Columns, columns_of
from .fast_table import read_at_once
from .header import Header, header_of
from .preprocessing import Floats
from .sources import Place, Source, Table, counted
from .text_file import Conventions, Lines, read_lines


def read_csv(source: Source, node: Csv, place: Place) -> Table:
    """The table of a file as the node describes it, or a SpecError at the key to blame."""
    how = conventions(node)
    lines = read_lines(source, how)
    header = header_of(source, lines, node)
    columns = columns_of(source, node, header, place)
    return _table(source, header, lines, columns, how)


def csv_names(source: Source, node: Csv, place: Place) -> tuple[str, ...]:
    """Names of the feature columns, from the first line alone."""
    header = header_of(source, read_lines(source, conventions(node)), node)
    columns = columns_of(source, node, header, place)
    return tuple(header.names[i] for i in columns.features)


def conventions(node: Csv) -> Conventions:
    """How the node says that its table is written."""
    return Conventions(node.delimiter, node.decimal, node.encoding)


def read_named(
    source: Source, how: Conventions, wanted: Sequence[str], is_named: bool | None
) -> Table:
    """The feature columns alone, by name where the file names them all, else every column in order.

    `is_named` None means: the first line is a header if some cell of it is no number.
    """
    lines = read_lines(source, how)
    header = header_of(source, lines, None, is_named)
    names = header.names
    if is_named and not set(wanted) <= set(names):
        absent = [name for name in wanted if name not in names]
        raise SpecError([source.missing("column", name, names, None) for name in absent])
    named = set(wanted) <= set(names)
    features = [names.index(name) for name in wanted] if named else list(range(len(names)))
    return _table(source, header, lines, Columns(names, features), how)


def _table(
    source: Source, header: Header, lines: Iterator[Lines], columns: Columns, how: Conventions
) -> Table:
    if (table := read_at_once(source, header, columns, how)) is not None:
        return table
    reading = _Reading(source, header, columns, Cells(source, columns.names, how.decimal))
    for block in chain(header.rest, lines):
        reading.add(block)
    return reading.table()


def check_widths(source: Source, header: Header, block: Lines) -> None:
    """Refuse a line that has not as many cells as the first one."""
    width = len(header.names)
    for line, cells in zip(block.numbers, block.rows, strict=True):
        if len(cells) != width:
            found = f"line {line} has {counted(len(cells), 'cell')}"
            raise source.error("E403", f"{found}, line {header.line} has {width}")


@dataclass
class _Reading:
    """A table while it is read, in blocks of lines."""

    source: Source
    header: Header
    columns: Columns
    cells: Cells
    coder: Coder = field(default_factory=Coder)
    lines: array[int] = field(default_factory=lambda: array("q"))
    numbers: list[list[Floats]] = field(default_factory=list)
    """By block, the columns of the features and then of the targets."""

    def add(self, block: Lines) -> None:
        check_widths(self.source, self.header, block)
        columns = list(zip(*block.rows, strict=True))
        wanted = (*self.columns.features, *self.columns.targets)
        self.numbers.append([self.cells.numbers(columns[i], i, block.numbers) for i in wanted])
        if self.columns.label is not None:
            self.coder.add(columns[self.columns.label])
        self.lines.extend(block.numbers)

    def table(self) -> Table:
        if not self.lines:
            raise self.source.error("E404", "has a header and no rows")
        self.cells.refuse()
        joined = [np.concatenate(parts) for parts in zip(*self.numbers, strict=True)]
        split = np.split(np.column_stack(joined), [len(self.columns.features)], axis=1)
        x, values = map(np.ascontiguousarray, split)
        labels = None if self.columns.label is None else self.coder.labels()
        given = values if self.columns.targets else None
        return self.columns.table(x, given, labels, lambda row: f"line {self.lines[row]}")
