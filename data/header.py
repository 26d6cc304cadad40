"""The first line of a table: names of its columns, or an example already."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..spec.data import Csv
from ..spec.diagnostics import quote
from .sources import Source, few, number
from .text_file import Lines

UNNAMED = re.compile(r"(Unnamed: \d+)?")
"""What stands over a column without a name, as pandas writes and reads it."""


@dataclass(frozen=True)
class Header:
    """Names of the columns, or their positions; `rest` is the first line where it is an example."""

    names: tuple[str, ...]
    is_named: bool
    line: int
    rest: tuple[Lines, ...] = ()

    @property
    def unnamed(self) -> list[int]:
        """Positions of the columns without a name."""
        return [i for i, name in enumerate(self.names) if UNNAMED.fullmatch(name)]


def header_of(
    source: Source, lines: Iterator[Lines], node: Csv | None, is_named: bool | None = None
) -> Header:
    """The header, as the node says or, without a node, as `is_named` does: None means that the
    first line is a header if some cell of it is no number.

    Raises SpecError for names that occur twice, and for a line of numbers that nobody has said to
    be names.
    """
    first = next(lines, None)
    if first is None:
        raise source.error("E404", "is empty")
    (line,), (cells,) = first.numbers, first.rows
    cells = [cell.strip() for cell in cells]
    if node is not None:
        _check_names(source, node, line, cells)
        is_named = node.header
    elif is_named is None:
        is_named = any(number(cell) is None for cell in cells)
    if not is_named:
        return Header(tuple(map(str, range(len(cells)))), False, line, (first,))
    named = [cell for cell in cells if not UNNAMED.fullmatch(cell)]
    for i, name in enumerate(named):
        if name in named[:i]:
            raise source.error("E403", f"line {line} names two columns {quote(name)}")
    return Header(tuple(cells), True, line)


def _check_names(source: Source, node: Csv, line: int, cells: list[str]) -> None:
    """Nobody has said that the first line is a header, and it looks like an example."""
    numbers = [cell for cell in cells if number(cell) is not None]
    said = "header" in node.model_fields_set
    known = any(column in cells for _, column in node.columns() if isinstance(column, str))
    if said or known or not numbers:
        return
    message = f"line {line} looks like an example, not like names of columns"
    help = "header: false, if the table has no header; header: true, if these are names"
    raise source.error("E413", f"{message}: {few(list(map(quote, numbers)), 4)}", help=help)
