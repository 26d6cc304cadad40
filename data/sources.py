"""Files of the user's: what a reader is given, what it hands back, and how it refuses."""

from __future__ import annotations

import hashlib
import math
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..spec.diagnostics import Diagnostic, Span, SpecError, did_you_mean, quote
from .dataset import Floats, Integers

Place = Callable[..., Span | None]
"""The place of a key below the data node, as in place("features", 0)."""


class Teller(Protocol):
    """What refuses data: the file that holds them, or the rule by which they are drawn."""

    def error(
        self, code: str, message: str, *, span: Span | None = None, help: str = ""
    ) -> SpecError: ...


@dataclass(frozen=True)
class Source:
    """One data file: its path, its name without the folder, and where the spec names it."""

    path: Path
    name: str
    span: Span | None

    def error(
        self, code: str, message: str, *, span: Span | None = None, help: str = ""
    ) -> SpecError:
        """The located error of this file; `span` is the place of a key that is to blame."""
        return SpecError(self.diagnostic(code, message, span=span, help=help))

    def diagnostic(
        self, code: str, message: str, *, span: Span | None = None, label: str = "", help: str = ""
    ) -> Diagnostic:
        """As `error`, to be gathered with others."""
        text = f"{quote(self.name)}: {message}"
        return Diagnostic(code, text, span or self.span, label=label, help=help)

    def missing(self, what: str, name: str, known: Iterable[str], span: Span | None) -> Diagnostic:
        """That the file has no column (or array) of this name, and which it has."""
        known = list(known)
        label = did_you_mean(name, known)
        message = f"has no {what} {quote(name)}"
        return self.diagnostic(
            "E406", message, span=span, label=label, help=listing(f"{what}s", known)
        )

    def check(self) -> None:
        """Refuse what is no regular file; a device or a pipe would be read without end."""
        try:
            mode = self.path.stat().st_mode
        except (OSError, ValueError) as error:
            raise self.unreadable(error) from None
        if not stat.S_ISREG(mode):
            raise self.error("E401", "is not a regular file")

    def digest(self) -> str:
        """SHA-256 of the bytes. SpecError where the file cannot be read."""
        self.check()
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise self.unreadable(error) from None

    def unreadable(self, error: OSError | ValueError) -> SpecError:
        """The located error for what the system says of the file."""
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        folder = self.path.absolute().parent
        return self.error("E401", f"cannot be read: {reason}", help=f"looked in {folder}")


@dataclass(frozen=True)
class Labels:
    """A column of labels: that of row i is texts[codes[i]]; texts[k] is first in row first[k]."""

    texts: tuple[str, ...]
    codes: Integers
    first: tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """What a file holds: x (s, d) with the names of its columns, and labels or values (s, k), with
    `targets` as the names of theirs.

    `row(i)` says where row i stands in the file.
    """

    x: Floats
    names: tuple[str, ...]
    row: Callable[[int], str]
    labels: Labels | None = None
    values: Floats | None = None
    targets: tuple[str, ...] | None = None


def number(text: str) -> float | None:
    """The number a text stands for, nan and inf included; None for a word. No digit separators."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def integer(text: str) -> int | None:
    """The integer a text stands for, `2.0` and `2e0` included; None for anything else."""
    value = number(text)
    return (
        int(value) if value is not None and math.isfinite(value) and value == int(value) else None
    )


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def listing(title: str, names: list[str], most: int = 12) -> str:
    """`columns: 'a', 'b', …` for a help line."""
    return f"{title}: {few([quote(name) for name in names[: most + 1]], most)}"


def few(texts: list[str], most: int = 12) -> str:
    """`a, b, …`: the first ones."""
    return ", ".join(texts[:most]) + ", …" * (len(texts) > most)
