"""What goes to the terminal: tables and lines for people, one JSON value for programs."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 240
"""Columns where the output is no terminal: no table is broken."""


def console() -> Console:
    """Standard output. Nothing a user wrote is taken for markup."""
    return _console(sys.stdout)


def error_console() -> Console:
    """Standard error."""
    return _console(sys.stderr)


def _console(file: Any) -> Console:
    from rich.console import Console

    width = None if file.isatty() else PLAIN_WIDTH
    colours = None if os.environ.get("NO_COLOR") else "auto"  # rich would still print in bold
    plain: dict[str, Any] = {"markup": False, "highlight": False, "emoji": False}
    return Console(file=file, width=width, color_system=colours, **plain)


def say(*lines: str) -> None:
    """Lines as they are, never broken or cropped."""
    for line in lines:
        print(line)


def say_json(value: Any) -> None:
    """One JSON value; a number that is not finite is null, as JSON has none."""
    print(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    right: Sequence[str] = (),
    alarm: str = "",
) -> None:
    """A table; the columns named in `right` are numbers, a row with the cell `alarm` is red."""
    from rich import box
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        shown.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        style = "red" if alarm and alarm in row else None
        shown.add_row(*(str(cell) for cell in row), style=style)
    console().print(shown)


class Lines:
    """A table whose rows are printed as they come; `columns` says how wide each is at least."""

    def __init__(self, columns: Mapping[str, int], right: Sequence[str], alarm: str) -> None:
        self.widths = {name: max(width, len(name)) for name, width in columns.items()}
        self.right, self.alarm, self.is_begun = right, alarm, False

    def print(self, row: Sequence[str]) -> None:
        """One row, after the head if it is the first; red where a cell is the alarm."""
        if not self.is_begun:
            self.is_begun = True
            head = self._line(list(self.widths))
            self._say(head, "bold")
            self._say("─" * len(head), "")
        self._say(self._line(row), "red" if self.alarm in row else "")

    def _line(self, cells: Sequence[str]) -> str:
        columns = zip(cells, self.widths.items(), strict=True)
        shown = (f"{c:>{w}}" if name in self.right else f"{c:{w}}" for c, (name, w) in columns)
        return "   ".join(shown).rstrip()

    def _say(self, line: str, style: str) -> None:
        console().print(line, style=style or None, soft_wrap=True)
        sys.stdout.flush()


def pairs(rows: Iterable[tuple[str, Any]]) -> None:
    """Names and values, one pair a line."""
    listed = [(name, str(value)) for name, value in rows]
    width = max((len(name) for name, _ in listed), default=0)
    say(*(f"  {name:{width}}  {value}" for name, value in listed))


def section(title: str, lines: Iterable[str] = ()) -> None:
    """A heading and indented lines below it."""
    console().print(f"\n{title}", style="bold")
    say(*(f"  {line}" for line in lines))


def quantity(value: float, unit: str, base: int = 1000) -> str:
    """A count in a readable size: 1.5 M, 3.75 KiB."""
    prefixes = ["", "k", "M", "G", "T"] if base == 1000 else ["", "Ki", "Mi", "Gi", "Ti"]
    power = 0
    while value >= base and power < len(prefixes) - 1:
        value, power = value / base, power + 1
    return f"{value:.4g} {prefixes[power]}{unit}".rstrip()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return value
