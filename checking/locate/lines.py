"""The lines of a program: its functions by name, and where a text departs from the emitted one."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Mapping

from .difference import Departure, Excerpt, Line

REWRITTEN = 0.5
"""A text that shares less than half of its lines with the emitted one is another program."""


def functions(text: str) -> dict[str, ast.FunctionDef]:
    """The functions of a module and the methods of its classes by name, in order.

    A name that a program has made way with (`step_`) counts as the name itself. A text that is no
    Python has none.
    """
    found: dict[str, ast.FunctionDef] = {}
    for node in parsed(text).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        found |= {f.name.rstrip("_"): f for f in inner if isinstance(f, ast.FunctionDef)}
    return found


def parsed(text: str) -> ast.Module:
    """The syntax tree; an empty one of a text that is no Python."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def function_at(text: str, number: int) -> str:
    """The function that a line belongs to; '' for one of none."""
    for name, f in functions(text).items():
        if _first(f) <= number <= (f.end_lineno or f.lineno):
            return name
    return ""


def excerpt(
    backend: str, text: str, names: Iterable[str], departures: Iterable[Departure] = ()
) -> Excerpt | None:
    """The first of these functions that the text has, without its docstring.

    A function with a departure from the emitted text goes before one without.
    """
    known = functions(text)
    departed = _numbers(departures)
    at = {name: _lines(text, known[name]) for name in names if name in known}
    if not at:
        return None
    name = next((n for n, ls in at.items() if any(i in departed for i, _ in ls)), next(iter(at)))
    marked = tuple(i for i, _ in at[name] if i in departed)
    return Excerpt(backend, known[name].name, at[name], marked)


def _numbers(departures: Iterable[Departure]) -> set[int]:
    return {number for d in departures for number, _ in d.given}


def _first(function: ast.FunctionDef) -> int:
    return min([function.lineno, *(d.lineno for d in function.decorator_list)])


def _lines(text: str, function: ast.FunctionDef) -> tuple[Line, ...]:
    """The lines of a function but for its docstring."""
    hidden: set[int] = set()
    if ast.get_docstring(function) is not None and len(function.body) > 1:
        doc = function.body[0]
        hidden = set(range(doc.lineno, (doc.end_lineno or doc.lineno) + 1))
    numbered = enumerate(text.splitlines(), start=1)
    inside = range(_first(function), (function.end_lineno or function.lineno) + 1)
    return tuple((i, line) for i, line in numbered if i in inside and i not in hidden)


def departures(emitted: str, given: str) -> tuple[Departure, ...]:
    """The hunks in which a text differs from the emitted one; trailing spaces do not count."""
    old, new = _stripped(emitted), _stripped(given)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return tuple(
        Departure(_numbered(old, i, j), _numbered(new, k, m))
        for kind, i, j, k, m in matcher.get_opcodes()
        if kind != "equal"
    )


def is_rewritten(emitted: str, given: str) -> bool:
    """Is the text rather another program than an edited one?"""
    matcher = difflib.SequenceMatcher(None, _stripped(emitted), _stripped(given), autojunk=False)
    return matcher.ratio() < REWRITTEN


def _stripped(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def _numbered(lines: list[str], start: int, stop: int) -> tuple[Line, ...]:
    return tuple((i + 1, lines[i]) for i in range(start, stop))


def departed_functions(given: str, found: Iterable[Departure]) -> list[str]:
    """The functions that hold a departure, in the order of the text."""
    numbers = _numbers(found)
    known: Mapping[str, ast.FunctionDef] = functions(given)
    return [n for n, f in known.items() if any(i in numbers for i, _ in _lines(given, f))]
