"""Cells of text to numbers; all that are none are counted, and the first of them located."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..spec.diagnostics import quote
from .formats import SEPARATORS, as_key
from .preprocessing import Floats
from .sources import Source, counted, number

SHOWN = 4
"""Bad cells that are located."""
DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+([eE][+-]?\d+)?\s*")
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
"""What stands where there is no value, in lower case."""


@dataclass
class Cells:
    """Reads columns of cells as numbers, with the decimal mark of the file."""

    source: Source
    names: Sequence[str]
    decimal: str = "."
    bad: list[tuple[int, int, str]] = field(default_factory=list)
    """Line, column and text of the first cells that are no finite numbers."""
    count: int = 0
    """How many there are."""
    if_missing: str = "leave rows with missing values out, or fill them in"
    if_words: str = "`features` lists the columns to take, without those of words"
    """What would help, where all that are shown are of such a kind."""

    def numbers(self, cells: Sequence[str], column: int, lines: Sequence[int]) -> Floats:
        """The numbers in cells of a column, which stand in these lines; 0 for a bad one."""
        fast = self._fast(cells)
        if fast is not None:
            return fast
        found = np.zeros(len(cells))
        for i, cell in enumerate(cells):
            value = number(self._with_point(cell))
            if value is None or not math.isfinite(value):
                self._add(lines[i], column, cell.strip())
            else:
                found[i] = value
        return found

    def filled(self, cells: Sequence[str], column: int, lines: Sequence[int]) -> Floats:
        """As `numbers`, where an empty cell is no bad one: NaN."""
        at = [i for i, cell in enumerate(cells) if cell and not cell.isspace()]
        if len(at) == len(cells):
            return self.numbers(cells, column, lines)
        found = np.full(len(cells), np.nan)
        found[at] = self.numbers([cells[i] for i in at], column, [lines[i] for i in at])
        return found

    def refuse(self) -> None:
        """Raise what is wrong with the cells, if something is."""
        if not self.count:
            return
        first, *others = (f"{self._place(*bad)}: {self._shown(bad[2])}" for bad in self.bad)
        message = f"{first} is not a finite number"
        if self.count > 1:
            message += f", nor are {counted(self.count - 1, 'more cell')}"
        also = "; ".join(others) + "; …" * (self.count > len(self.bad)) if others else ""
        help = ". ".join(filter(None, (also, self._cure())))
        raise self.source.error("E407", message, help=help)

    def _fast(self, cells: Sequence[str]) -> Floats | None:
        """All at once, where every cell is a finite number."""
        text = "".join(cells)
        if "_" in text or (self.decimal == "," and "." in text):
            return None
        given = [cell.replace(",", ".") for cell in cells] if self.decimal == "," else cells
        try:
            found = np.array(list(map(float, given)))
        except ValueError:
            return None
        return found if np.isfinite(found).all() else None

    def _with_point(self, cell: str) -> str:
        """The cell with a decimal point; a point in a file with commas is none."""
        if self.decimal == ".":
            return cell
        return "" if "." in cell else cell.replace(",", ".")

    def _add(self, line: int, column: int, cell: str) -> None:
        self.count += 1
        if len(self.bad) < SHOWN:
            self.bad.append((line, column, cell))

    def _place(self, line: int, column: int, _: str) -> str:
        return f"line {line}, column {quote(self.names[column])}"

    def _shown(self, cell: str) -> str:
        return quote(cell) if cell else "an empty cell"

    def _cure(self) -> str:
        """What would help against the cells that are shown, where they are of one kind."""
        cells = [cell for *_, cell in self.bad]
        if self.decimal == "." and all(map(DECIMAL_COMMA.fullmatch, cells)):
            return 'a decimal comma is read by decimal: ","'
        for mark in SEPARATORS:
            if mark != self.decimal and all(mark in cell for cell in cells):
                return f"are columns separated otherwise? {as_key(mark)}"
        if all(cell.lower() in MISSING for cell in cells):
            return self.if_missing
        if all(number(cell) is None for cell in cells):
            return self.if_words
        return ""
