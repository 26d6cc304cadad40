"""Laying out emitted text as `ruff format` would: one line if it fits, else one item a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

WIDTH = 88
HANG = " " * 4
QUOTES = '"""'


def bracketed(before: str, items: Sequence[str], after: str, indent: int = 0) -> str:
    """`before` items `after` on one line, on one indented line, or on a line each.

    `before` ends with the opening bracket and `after` starts with the closing one. Items are
    laid out already; the second form is for calls and signatures only, as the formatter has it.
    """
    pad = " " * indent
    line = f"{pad}{before}{', '.join(items)}{after}"
    if len(line) <= WIDTH and "\n" not in line:
        return line
    inner = f"{pad}    {', '.join(items)}"
    if len(inner) <= WIDTH and "\n" not in inner and before.endswith("("):
        return f"{pad}{before}\n{inner}\n{pad}{after}"
    lines = "".join(f"{pad}    {item},\n" for item in items)
    return f"{pad}{before}\n{lines}{pad}{after}"


def docstring(lines: Sequence[str], indent: int = 4) -> str:
    """A docstring: one line where it fits, else a first line, a blank one and the rest."""
    pad = " " * indent
    hang = "" if len(lines) == 1 else HANG
    room = WIDTH - indent - (2 * len(QUOTES) if len(lines) == 1 else 0)
    wrapped = [part for line in lines for part in fold(line, room, hang)]
    if len(wrapped) == 1:
        return f"{pad}{QUOTES}{wrapped[0]}{QUOTES}"
    body = "\n".join(f"{pad}{line}".rstrip() for line in wrapped[1:])
    return f"{pad}{QUOTES}{wrapped[0]}\n{body}\n{pad}{QUOTES}"


def fold(line: str, width: int, hang: str = HANG) -> list[str]:
    """A long line broken at spaces, what follows indented by `hang`."""
    lines: list[str] = []
    while len(line) > width and " " in line[len(hang) : width]:
        cut = line.rindex(" ", len(hang), width + 1 if width < len(line) else width)
        lines.append(line[:cut].rstrip())
        line = hang + line[cut:].lstrip()
    return [*lines, line]


def block(lines: Iterable[str]) -> str:
    """Lines of a function body, without trailing blanks."""
    return "\n".join(lines).rstrip()


def unpacking(names: list[str]) -> str:
    """The left side of an assignment to these names."""
    return f"({names[0]},)" if len(names) == 1 else ", ".join(names)


def returned(results: list[str], indent: int = 4) -> str:
    """A return statement of several values."""
    line = f"{' ' * indent}return {unpacking(results)}"
    return line if len(line) <= WIDTH else bracketed("return (", results, ")", indent)
