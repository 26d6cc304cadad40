"""Files of the user's that stand in for emitted programs: read, and refused where they are none."""

from __future__ import annotations

import stat
import warnings
from pathlib import Path

from ..spec.diagnostics import Diagnostic, Span, SpecError


def read_program(path: Path) -> str:
    """The text of a file that parses. Raises SpecError, with the place in the file."""
    name = str(path)
    nowhere = Span(name, 1, 1, 1, 1, "")
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(None, "it is not a regular file")  # a device would be read without end
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SpecError(Diagnostic("E001", f"{name} cannot be read: {reason}", nowhere)) from None
    except UnicodeDecodeError:
        raise SpecError(Diagnostic("E002", f"{name} is no text in UTF-8", nowhere)) from None
    _require_python(text, name)
    return text


def _require_python(text: str, name: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        message = f"{name} is no Python: {error.msg}"
        raise SpecError(Diagnostic("E016", message, _place(error, text, name))) from None
    except (ValueError, RecursionError, MemoryError) as error:
        message = f"{name} is no Python: {error or 'nested too deep'}"
        raise SpecError(Diagnostic("E016", message, Span(name, 1, 1, 1, 1, ""))) from None


def _place(error: SyntaxError, text: str, name: str) -> Span:
    lines = [*text.splitlines(), ""]
    line = min(error.lineno or 1, len(lines))
    column = max(error.offset or 1, 1)
    is_one_line = error.end_lineno == line and (error.end_offset or 0) > column
    end = (error.end_offset or 0) if is_one_line else column + 1
    return Span(name, line, column, line, end, lines[line - 1])
