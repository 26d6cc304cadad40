"""A small language of layout: texts, groups that fit on a line or open up, nested lines.

After Wadler, "A prettier printer" (2003). What comes out is as `ruff format` leaves it: a bracket
that is too long opens up, what is in it goes on one line if it fits there, else on one line each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH = 88
INDENT = 4
HANG = " " * INDENT
LITERALS = ("(", "[", "{")
QUOTES = '"""'


@dataclass(frozen=True)
class Line:
    """A place where a group may break; `flat` is written where it does not."""

    flat: str = " "


@dataclass(frozen=True)
class IfBroken:
    """A text that is written only where the group breaks."""

    text: str


@dataclass(frozen=True)
class Nest:
    """Lines inside are indented once more."""

    inner: Doc


@dataclass(frozen=True)
class Group:
    """Either no line inside breaks or all of the group's own do."""

    inner: Doc


Doc = str | Line | IfBroken | Nest | Group | tuple["Doc", ...]


def joined(items: Iterable[Doc], separator: Doc) -> Doc:
    """The items with a separator between any two."""
    found: list[Doc] = []
    for item in items:
        found += [separator, item] if found else [item]
    return tuple(found)


def bracket(opening: str, items: Sequence[Doc], closing: str) -> Doc:
    """A call, a signature, a tuple; where it opens up, those of a call may share one line."""
    if not items:
        return opening + closing
    is_alone = len(items) == 1 and not opening.startswith("def ")
    inside = (joined(items, (",", Line())), IfBroken("" if is_alone else ","))
    inner = inside if opening in LITERALS else Group(inside)
    return Group((opening, Nest((Line(""), inner)), Line(""), closing))


def chain(terms: Sequence[tuple[str, Doc]]) -> Doc:
    """Terms behind their operators: on one line, or in parentheses on one line each."""
    inside: list[Doc] = []
    for sign, term in terms:
        inside += [Line(), f"{sign} ", term] if sign else [term]
    return Group((IfBroken("("), Nest((Line(""), tuple(inside))), Line(""), IfBroken(")")))


def flat(doc: Doc) -> str:
    """The document on one line."""
    match doc:
        case str():
            return doc
        case Line():
            return doc.flat
        case IfBroken():
            return ""
        case Nest() | Group():
            return flat(doc.inner)
        case _:
            return "".join(map(flat, doc))


def laid_out(doc: Doc, indent: int = 0, behind: int = 0) -> str:
    """The document from column `indent` on, its indentation not included.

    `behind` is the number of characters that follow on its last line: a comma, a comment.
    """
    return _Layout(behind).run(doc, indent)


class _Layout:
    """Texts as they come, each group broken if it does not fit the rest of its line."""

    def __init__(self, behind: int) -> None:
        self.behind = behind
        self.parts: list[str] = []
        self.column = 0

    def run(self, doc: Doc, indent: int) -> str:
        self.column = indent
        pending: list[tuple[Doc, int, bool]] = [(doc, indent, False)]
        while pending:
            part, depth, broken = pending.pop()
            match part:
                case str():
                    self._write(part)
                case Line() if broken:
                    self.parts.append("\n" + " " * depth)
                    self.column = depth
                case Line():
                    self._write(part.flat)
                case IfBroken():
                    self._write(part.text if broken else "")
                case Nest():
                    pending.append((part.inner, depth + INDENT, broken))
                case Group():
                    fits = self._fits(part, pending)
                    pending.append((part.inner, depth, not fits))
                case _:
                    pending.extend((inner, depth, broken) for inner in reversed(part))
        return "".join(self.parts)

    def _write(self, text: str) -> None:
        self.parts.append(text)
        self.column += len(text)

    def _fits(self, group: Group, pending: Sequence[tuple[Doc, int, bool]]) -> bool:
        """Does the group fit, with all that follows up to the next line that breaks?"""
        room = WIDTH - self.column - len(flat(group))
        for part, _, broken in reversed(pending):
            width, ends = _until_break(part, broken)
            room -= width
            if ends:
                return room >= 0
        return room >= self.behind


def _until_break(doc: Doc, broken: bool) -> tuple[int, bool]:
    """The width of a document up to its first line that breaks, and whether it has one."""
    match doc:
        case str():
            return len(doc), False
        case Line():
            return (0, True) if broken else (len(doc.flat), False)
        case IfBroken():
            return (len(doc.text) if broken else 0), False
        case Nest():
            return _until_break(doc.inner, broken)
        case Group():
            return len(flat(doc)), False
        case _:
            width = 0
            for part in doc:
                more, ends = _until_break(part, broken)
                width += more
                if ends:
                    return width, True
            return width, False


# --- comments ----------------------------------------------------------------------------------


def docstring(lines: Sequence[str], indent: int = INDENT) -> str:
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
    line = line.replace("\\", "\\\\").replace(QUOTES, '\\"' * 3).replace("\u00a0", " ")
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", line)


def fold(line: str, width: int, hang: str = HANG) -> list[str]:
    """A long line broken at spaces, what follows indented by `hang`."""
    lines: list[str] = []
    while len(line) > width and " " in line[len(hang) : width]:
        cut = line.rindex(" ", len(hang), width + 1 if width < len(line) else width)
        lines.append(line[:cut].rstrip())
        line = hang + line[cut:].lstrip()
    return [*lines, line]
