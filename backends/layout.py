"""Laying out emitted text as `ruff format` would: one line if it fits, else one item a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 88
HANG = " " * 4
QUOTES = '"""'


@dataclass(frozen=True)
class Bracket:
    """`before` items `after`, as a call or a list is; an item may be a bracket of its own."""

    before: str
    items: tuple[Bracket | str, ...]
    after: str

    def __str__(self) -> str:
        return f"{self.before}{', '.join(map(str, self.items))}{self.after}"


def laid_out(part: Bracket | str, indent: int, behind: int = 0) -> str:
    """The text from column `indent` on, opened up where it is too long for one line.

    `behind` is the number of characters that follow on the same line: a comma, a comment.
    """
    flat = str(part)
    if isinstance(part, str) or indent + len(flat) + behind <= WIDTH:
        return flat
    inside = ", ".join(map(str, part.items))
    pad = " " * (indent + 4)
    if part.before.endswith("(") and len(pad) + len(inside) <= WIDTH:
        return f"{part.before}\n{pad}{inside}\n{' ' * indent}{part.after}"
    lines = "".join(f"{pad}{laid_out(item, indent + 4, 1)},\n" for item in part.items)
    return f"{part.before}\n{lines}{' ' * indent}{part.after}"


def bracketed(before: str, items: Sequence[str], after: str, indent: int = 0) -> str:
    """A whole line from its indent on: `before` items `after`, laid out."""
    return f"{' ' * indent}{laid_out(Bracket(before, tuple(items), after), indent)}"


def docstring(lines: Sequence[str], indent: int = 4) -> str:
    """A docstring: one line where it fits, else a first line, a blank one and the rest."""
    pad = " " * indent
    hang = "" if len(lines) == 1 else HANG
    room = WIDTH - indent - (2 * len(QUOTES) if len(lines) == 1 else 0)
    first, *rest = lines
    # the quotes stand before the first line
    opening = fold(first, room if len(lines) == 1 else room - len(QUOTES), hang)
    folded = [*opening, *(part for line in rest for part in fold(line, room, hang))]
    wrapped = [_escaped(line) for line in folded]
    if len(wrapped) == 1:
        return f"{pad}{QUOTES}{wrapped[0]}{QUOTES}"
    body = "\n".join(f"{pad}{line}".rstrip() for line in wrapped[1:])
    return f"{pad}{QUOTES}{wrapped[0]}\n{body}\n{pad}{QUOTES}"


def _escaped(line: str) -> str:
    """The text as it is written between triple quotes: a user's own words may hold anything."""
    return line.replace("\\", "\\\\").replace(QUOTES, '\\"' * 3)


def fold(line: str, width: int, hang: str = HANG) -> list[str]:
    """A long line broken at spaces, what follows indented by `hang`."""
    lines: list[str] = []
    while len(line) > width and " " in line[len(hang) : width]:
        cut = line.rindex(" ", len(hang), width + 1 if width < len(line) else width)
        lines.append(line[:cut].rstrip())
        line = hang + line[cut:].lstrip()
    return [*lines, line]


def unpacking(names: list[str]) -> str:
    """The left side of an assignment to these names."""
    return f"({names[0]},)" if len(names) == 1 else ", ".join(names)


def returned(results: list[str], indent: int = 4) -> str:
    """A return statement of several values."""
    pad = " " * indent
    line = f"{pad}return {unpacking(results)}"
    if len(line) <= WIDTH:
        return line
    lines = "".join(f"{pad}    {result},\n" for result in results)
    return f"{pad}return (\n{lines}{pad})"
