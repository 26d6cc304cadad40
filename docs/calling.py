"""Calls lines as a user would, and writes what is printed: the machinery of `docs/cases.py`."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MEASURED = re.compile(r"  (time|time estimate) |^$")
"""Lines that differ from call to call."""


@dataclass(frozen=True)
class Case:
    """Files, and lines to call: of the command line, or of Python after `>>> `. Of what is printed
    the lines that `keep` is found in, of them its group where it has one."""

    lines: tuple[str, ...]
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    keep: str = ""


@dataclass(frozen=True)
class Chapter:
    title: str
    text: str
    cases: tuple[Case, ...]


def page(chapters: Sequence[Chapter], usual: str) -> str:
    """The page, every case called anew; of net.yaml the lines that `usual` has not are shown."""
    lines = [
        "# What is said of inputs that go wrong",
        "",
        "Written by `python docs/cases.py`, which puts the files into a folder and calls each",
        "line. Of long output the lines that matter are kept. A `net.yaml` is this one but for the",
        "lines that are shown:",
        "```",
        *usual.splitlines(),
        "```",
    ]
    for chapter in chapters:
        lines += ["", f"## {chapter.title}", *([chapter.text] if chapter.text else [])]
        for case in chapter.cases:
            lines += ["", *_shown(case, usual)]
    return "\n".join(lines) + "\n"


def _shown(case: Case, usual: str) -> Iterator[str]:
    for name, text in case.files.items():
        yield from [f"`{name}`", "```", *_quoted(name, text, usual), "```"]
    yield "```text"
    with _folder(case.files):
        known: dict[str, Any] = {}
        for line in case.lines:
            printed = _python(line[4:], known) if line.startswith(">>> ") else _command(line)
            yield line if line.startswith(">>> ") else f"$ {line}"
            yield from _kept(printed.splitlines(), case.keep)
    yield "```"


def _quoted(name: str, text: str | bytes, usual: str) -> list[str]:
    """The lines of a file: of a table the first ones, of net.yaml those that are its own."""
    if isinstance(text, bytes):
        return [f"{len(text)} bytes: {text[:12]!r}…"]
    known = usual.splitlines() if name == "net.yaml" else []
    lines = [line for line in text.splitlines() if line not in known]
    many = name.endswith(".csv") and len(lines) > 12
    return [*lines[:4], f"… {len(lines)} lines"] if many else lines


def _kept(lines: list[str], keep: str) -> list[str]:
    found = ((line, re.search(keep, line)) for line in lines if line and not MEASURED.match(line))
    return [(hit[hit.lastindex] if hit.lastindex else line).rstrip() for line, hit in found if hit]


@contextlib.contextmanager
def _folder(files: Mapping[str, str | bytes]) -> Iterator[None]:
    """A folder with the files, where programs can be imported from; none are after it."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as made:
        for name, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            (Path(made) / name).write_bytes(data)
        os.chdir(made)
        sys.path.insert(0, made)
        try:
            yield
        finally:
            sys.path.remove(made)
            os.chdir(before)


def _command(line: str) -> str:
    """What a line of the command line prints; another is one of the shell."""
    from wellposed.cli.app import run

    first, *arguments = shlex.split(line)
    if first != "wellposed":
        return str(os.system(line) or "")
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = run(arguments)
    return out.getvalue() + f"exit {code}"


def _python(line: str, known: dict[str, Any]) -> str:
    """What Python says of a line, or the last line of its error."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            try:
                value = eval(line, known)
            except SyntaxError:
                exec(line, known)
                value = None
            print("" if value is None else repr(value))
        except Exception as error:
            print(f"{type(error).__name__}: {error}")
    return out.getvalue()
