"""Observations as text, one a line: which series, when, and the value of every channel."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from ..spec.data import Csv
from ..spec.diagnostics import quote
from .cells import Cells
from .columns import Coder, SeriesColumns, series_columns
from .csv_file import check_widths, conventions
from .header import header_of
from .preprocessing import Floats
from .series import Series
from .sources import Place, Source
from .text_file import Lines, read_lines

ALONE = "0"
"""What a series is called that has no id."""


def read_series_csv(source: Source, node: Csv, place: Place) -> tuple[tuple[str, ...], Series]:
    """The names of the channels and the lines of a file, or a SpecError at the key to blame."""
    lines = read_lines(source, conventions(node))
    header = header_of(source, lines, node)
    columns = series_columns(source, node, header, place)
    reading = _Reading(source, columns, _cells(source, columns, node))
    for block in chain(header.rest, lines):
        check_widths(source, header, block)
        reading.add(block)
    return tuple(header.names[i] for i in columns.channels), reading.series()


def column_names(source: Source, node: Csv) -> tuple[str, ...]:
    """Of the columns, from the first line alone."""
    return header_of(source, read_lines(source, conventions(node)), node).names


def _cells(source: Source, columns: SeriesColumns, node: Csv) -> Cells:
    return Cells(
        source,
        columns.names,
        node.decimal,
        if_missing="a missing value is an empty cell; every line has a time",
        if_words="times are numbers, and `channels` lists columns of numbers",
    )


@dataclass
class _Reading:
    """Observations while they are read, in blocks of lines."""

    source: Source
    columns: SeriesColumns
    cells: Cells
    coder: Coder = field(default_factory=Coder)
    lines: array[int] = field(default_factory=lambda: array("q"))
    times: list[Floats] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)

    def add(self, block: Lines) -> None:
        columns, lines = list(zip(*block.rows, strict=True)), block.numbers
        id, time, channels = self.columns.id, self.columns.time, self.columns.channels
        self.times.append(self.cells.numbers(columns[time], time, lines))
        values = [self.cells.filled(columns[i], i, lines) for i in channels]
        self.values.append(np.column_stack(values))
        self.coder.add([ALONE] * len(lines) if id is None else self._ids(columns[id], id, lines))
        self.lines.extend(lines)

    def _ids(self, cells: Sequence[str], column: int, lines: Sequence[int]) -> Sequence[str]:
        for line, cell in zip(lines, cells, strict=True):
            if not cell.strip():
                name = quote(self.columns.names[column])
                raise self.source.error("E403", f"line {line}, column {name}: the id is missing")
        return cells

    def series(self) -> Series:
        if not self.lines:
            raise self.source.error("E404", "has a header and no rows")
        self.cells.refuse()
        ids, times = self.coder.labels(), np.concatenate(self.times)
        values, at = np.concatenate(self.values), np.array(self.lines, np.int64)
        return Series(
            self.source, lambda line: f"line {line}", ids.texts, ids.codes, times, values, at
        )
