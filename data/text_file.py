"""A table as text: lines of cells, read with the standard library's csv.

Every refusal names the line of the file, as an editor counts it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from .formats import as_key, foreign, is_utf16, separator
from .sources import Source

LIMIT = 128 * 2**20
"""Bytes of a file that are read at most; an npz file holds more in less."""
LOOKED_AT = 20
"""Lines from which the separator is told."""
BLOCK = 2**12
"""Lines that are handed on at once: a loop over cells takes longer than one over columns."""


@dataclass(frozen=True)
class Conventions:
    """How a table is written."""

    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Lines:
    """Rows of cells, and the line that each one ends at."""

    numbers: list[int]
    rows: list[list[str]]

    def __len__(self) -> int:
        return len(self.rows)


def read_lines(source: Source, how: Conventions) -> Iterator[Lines]:
    """The lines that are not blank, the first one alone; whatever can be wrong with the text is
    refused here."""
    source.check()
    line = 0
    try:
        _check_start(source, how)
        with source.path.open(encoding=codec(how), newline="") as text:
            reader = csv.reader(text, delimiter=how.delimiter, strict=True, skipinitialspace=True)
            found, wanted = Lines([], []), 1
            for cells in reader:
                line = reader.line_num
                if len(cells) > 1 or (cells and cells[0].strip()):
                    found.numbers.append(line)
                    found.rows.append(cells)
                    if len(found) == wanted:
                        yield found
                        found, wanted = Lines([], []), BLOCK
            if found.rows:
                yield found
    except UnicodeError:
        raise _not_text(source, how) from None
    except csv.Error as error:
        raise source.error("E403", f"line {line + 1}: {error}") from None
    except OSError as error:
        raise source.unreadable(error) from None


def codec(how: Conventions) -> str:
    """The encoding as Python calls it; a mark at the beginning is no part of the text."""
    return "utf-8-sig" if how.encoding == "utf-8" else how.encoding


def _check_start(source: Source, how: Conventions) -> None:
    """Refuse what is no table of text, or one that is separated by another character."""
    if (size := source.path.stat().st_size) > LIMIT:
        message = f"has {size:,} bytes, of which at most {LIMIT:,} are read"
        raise source.error("E402", message, help="an npz file holds more: kind: npz")
    with source.path.open("rb") as file:
        start = file.read(4096)
    if (said := foreign(start)) is not None:
        raise source.error("E403", said[0], help=said[1])
    if how.encoding == "utf-8" and is_utf16(start):
        raise source.error("E403", "is text in UTF-16", help="encoding: utf-16")
    with source.path.open(encoding=codec(how), errors="replace") as text:
        lines = list(islice((line[:10_000] for line in text), LOOKED_AT))
    if mark := separator(lines, how.delimiter):
        shown = {"\t": "tabs"}.get(mark, f"'{mark}'")
        raise source.error("E403", f"looks separated by {shown}", help=as_key(mark))


def _not_text(source: Source, how: Conventions) -> Exception:
    names = {"utf-8": "UTF-8", "utf-16": "UTF-16", "latin-1": "Latin-1"}
    help = "encoding: latin-1 reads text of older programs" if how.encoding == "utf-8" else ""
    message = f"line {_last_of_text(source, how)} is not text in {names[how.encoding]}"
    return source.error("E403", message, help=help)


def _last_of_text(source: Source, how: Conventions) -> int:
    """The line in which a file stops to be text; lines are decoded in blocks, which tell less."""
    try:
        return source.path.read_bytes().decode(codec(how)).count("\n") + 1
    except UnicodeDecodeError as error:
        return error.object[: error.start].decode(codec(how), errors="ignore").count("\n") + 1
    except UnicodeError:
        return 1
