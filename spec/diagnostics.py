"""Diagnostics: what is wrong, where it stands in the source, and how to say so.

m.yaml:6:10: error[E102]: gamma must be ≥ 0, got -0.1
  6 |   gamma: -0.1
    |          ^^^^ a negative γ makes every mode grow: Re λ = -γ/2 > 0
    = help: ...
"""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from .codes import CODES

COMMAND_LINE = "command line"
Severity = Literal["error", "warning", "note"]

_WINDOW = 100  # characters of a source line that are shown at most
_CONTROL_PICTURES = 0x2400  # U+2400 + c depicts the control character c
_QUOTED = 40  # characters of a user's value that a message quotes at most


@dataclass(frozen=True)
class Span:
    """A place in a source, 1-based; `end_column` is one past the last character.

    `source` is the file's name as given, or `command line`; `text` is the source line.
    """

    source: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str

    def overlaps(self, other: Span) -> bool:
        """Whether the two places share a character (or are the same place)."""
        if self.source != other.source:
            return False
        mine, others = self._ends(), other._ends()
        return mine == others or (mine[0] < others[1] and others[0] < mine[1])

    def _ends(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return (self.line, self.column), (self.end_line, self.end_column)


@dataclass(frozen=True)
class Diagnostic:
    """One finding with its declared code; ValueError for a code that is not in `CODES`."""

    code: str
    message: str
    span: Span | None
    label: str = ""
    help: str = ""
    severity: Severity = "error"

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"diagnostic code {self.code!r} is not declared in spec/codes.py")

    def render(self) -> str:
        """The finding as text: its place, its message, the source line and carets under it."""
        lines = [f"{self._place()}{self.severity}[{self.code}]: {visible(self.message)}"]
        gutter = ""
        if self.span is not None and self.span.text.strip():
            gutter = " " * (len(str(self.span.line)) + 1)
            lines += marked(self.span, self.label)
        if self.help:
            lines.append(f"  {gutter}= help: {visible(self.help)}")
        return "\n".join(lines)

    def _place(self) -> str:
        span = self.span
        return "" if span is None else f"{visible(span.source)}:{span.line}:{span.column}: "

    def to_json(self) -> dict[str, Any]:
        """The finding as plain data; the place is None where there is none."""
        span = self.span
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "file": span and span.source,
            "line": span and span.line,
            "column": span and span.column,
            "end_line": span and span.end_line,
            "end_column": span and span.end_column,
            "label": self.label,
            "help": self.help,
        }


class Error(Exception):
    """What is wrong with what a user wrote or asked for, in words: the base of all such errors."""


class SpecError(Error):
    """Everything that is wrong with a spec, sorted by position: the file first, then overrides."""

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        found = [diagnostics] if isinstance(diagnostics, Diagnostic) else list(diagnostics)
        self.diagnostics: tuple[Diagnostic, ...] = tuple(sorted(found, key=position))
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return "\n".join([*(d.render() for d in self.diagnostics), self._count()])

    def _count(self) -> str:
        counts = Counter(d.severity for d in self.diagnostics)
        return ", ".join(f"{n} {word}{'s' * (n > 1)}" for word, n in counts.items())


def position(diagnostic: Diagnostic) -> tuple[bool, str, int, int]:
    """The order of reading: no place, then the files, then the command line."""
    span = diagnostic.span
    if span is None:
        return (False, "", 0, 0)
    return (span.source == COMMAND_LINE, span.source, span.line, span.column)


def marked(span: Span, label: str = "") -> list[str]:
    """The source line of a span, and carets under it with a label after them."""
    shown, carets = _excerpt(span)
    gutter = " " * (len(str(span.line)) + 1)
    said = f" {visible(label)}" if label else ""
    return [f"  {span.line} | {shown}", f"  {gutter}| {carets}{said}"]


def visible(text: str) -> str:
    """The text with every control, format and surrogate character made harmless, one for one."""
    return text if text.isprintable() else "".join(map(_visible_character, text))


def quote(text: str) -> str:
    """A user's string in quotes, harmless and short enough for a message."""
    shown = text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"
    return f"'{visible(shown)}'"


def nearest(word: str, choices: Iterable[str]) -> str:
    """The choice nearest to the word, or nothing when none is near."""
    plain = {_plain_word(choice): choice for choice in choices}
    near = difflib.get_close_matches(_plain_word(word[: 2 * _QUOTED]), plain, n=1, cutoff=0.6)
    return plain[near[0]] if near else ""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """The label that offers the choice nearest to the word, or nothing when none is near."""
    choice = nearest(word, choices)
    return f"did you mean {choice}?" if choice else ""


def _plain_word(word: str) -> str:
    return word.lower().replace("_", "-")


def _visible_character(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    if character == "\x7f":
        return "␡"
    if character < " ":
        return chr(_CONTROL_PICTURES + ord(character))
    return "\N{REPLACEMENT CHARACTER}"


def _excerpt(span: Span) -> tuple[str, str]:
    """The part of the source line around the span, and the carets below it."""
    start, shown = _window(span.text.rstrip(" "), span.column - 1)
    first = min(span.column - 1 - start, len(shown))
    last = span.end_column - 1 - start if span.end_line == span.line else len(shown)
    marked = shown[first : max(first, last)]
    return shown, " " * _width(shown[:first]) + "^" * max(1, _width(marked))


def _window(text: str, column: int) -> tuple[int, str]:
    """Where the shown part of a long line starts, and that part, about `column`."""
    start, shown = _crop(text, column, _WINDOW)
    return (start, shown) if _width(shown) <= _WINDOW else _crop(text, column, _WINDOW // 2)


def _crop(text: str, column: int, size: int) -> tuple[int, str]:
    if len(text) <= size:
        return 0, visible(text)
    start = max(0, min(column - size // 3, len(text) - size))
    end = start + size
    head, tail = "…" if start > 0 else "", "…" if end < len(text) else ""
    return start, head + visible(text[start + len(head) : end - len(tail)]) + tail


def _width(text: str) -> int:
    """Columns of a terminal that the text takes."""
    return len(text) if text.isascii() else sum(map(_character_width, text))


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
