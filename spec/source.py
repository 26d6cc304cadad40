"""Reading a spec: bytes in, a `Document` out, in bounded time and memory."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .compose import Composed, Loc, compose, lines_of, span_at
from .diagnostics import COMMAND_LINE, Diagnostic, Span, SpecError
from .overrides import override

MAX_BYTES = 1_000_000
_CONTEXT = 80  # bytes after one that is no UTF-8 that its diagnostic may show


@dataclass(frozen=True)
class Document:
    """Plain values with a place for each; `problems` are errors after which reading went on.

    A document with problems is no valid spec: `spec.load.validate` raises them with its own. `name`
    is what diagnostics call it, `folder` what paths of data files in it are relative to.
    """

    name: str
    composed: Composed
    first_line: str
    folder: Path = Path()

    @property
    def value(self) -> dict[str, Any]:
        """Mappings, lists and scalars as dict, list, str, int, float, bool, None."""
        return self.composed.value

    @property
    def problems(self) -> tuple[Diagnostic, ...]:
        return tuple(self.composed.problems)

    def span(self, loc: Loc, key: bool = False) -> Span:
        """The place of the value at `loc`, or of its key; the nearest known key above it if none.

        The document as a whole is its first line.
        """
        place = self.composed.places.get(loc) if loc else None
        if place is not None:
            return place.key if key and place.key else place.value
        if len(loc) > 1:
            return self.span(loc[:-1], key=True)
        return Span(self.name, 1, 1, 1, len(self.first_line) + 1, self.first_line)

    def span_in_force(self, loc: Loc) -> Span:
        """The place that decides what holds at `loc`: of the last override of it or of a part of
        it, and `span(loc)` where there is none."""
        overrides = [
            place.value
            for known, place in self.composed.places.items()
            if known[: len(loc)] == loc and place.value.source == COMMAND_LINE
        ]
        if not loc or not overrides:
            return self.span(loc)
        return next(span for span in overrides if span.text == overrides[-1].text)

    def with_override(self, text: str) -> Document:
        """The document with the override `text`, as in `model.time.steps=64`."""
        return replace(self, composed=override(self.composed, text))


def read(path: str | os.PathLike[str], name: str = "") -> Document:
    """Read a file; SpecError when it cannot be read, is too large, no text or no YAML.

    Paths in it are relative to its folder. A file of the package goes by a `name` in diagnostics,
    and paths in overrides of it are relative to the current folder.
    """
    folder = Path() if name else Path(path).parent
    name = name or os.fspath(path)
    try:
        data = _bytes(Path(path))
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise _refusal("E001", f"{name} cannot be read: {reason}", name) from None
    if len(data) > MAX_BYTES:
        raise _refusal("E003", f"the file is larger than {MAX_BYTES} bytes", name)
    return replace(read_text(_text(data, name), name), folder=folder)


def read_text(text: str, name: str) -> Document:
    """Read a spec from a string that goes by `name` in diagnostics."""
    if len(text) > MAX_BYTES:
        raise _refusal("E003", f"the text is longer than {MAX_BYTES} characters", name)
    text = text.removeprefix("\ufeff")
    document = Document(name, compose(text, name), lines_of(text)[0])
    if not isinstance(document.value, dict):
        message = "a spec is a mapping of keys to values"
        span = document.composed.places[()].value
        raise SpecError([*document.problems, Diagnostic("E006", message, span)])
    return document


def _bytes(path: Path) -> bytes:
    """At most one byte more than is allowed; nothing but a regular file is opened."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ValueError("it is a directory")
    if not stat.S_ISREG(mode):
        raise ValueError("it is not a regular file")
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        lines = lines_of(data[: error.start + _CONTEXT].decode("utf-8", "replace"))
        message = f"byte 0x{data[error.start]:02X} is not UTF-8: a spec is a text file"
        raise SpecError(Diagnostic("E002", message, span_at(lines, before, name))) from None


def _refusal(code: str, message: str, name: str) -> SpecError:
    return SpecError(Diagnostic(code, message, Span(name, 1, 1, 1, 1, "")))
