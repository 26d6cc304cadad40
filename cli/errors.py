"""Errors of a call: what the user reads, or a program."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer

from ..spec.diagnostics import Error, SpecError, visible

USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""The exceptions of click, which newer versions of typer have inside."""


class CallError(Error):
    """A call that cannot be meant; `help` says what would do."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.help = help


USER_ERRORS = (Error, OSError, USAGE_ERROR)


def report(error: Exception, as_json: bool) -> None:
    """Print an error of the user's; raise any other again."""
    if not isinstance(error, USER_ERRORS):
        raise error
    if as_json:
        print(json.dumps({"errors": as_data(error)}, indent=2, ensure_ascii=False))
    else:
        _print(as_text(error))


def as_text(error: Exception) -> str:
    """The error in the form of a diagnostic; one without a place in a spec has its first line."""
    if isinstance(error, SpecError):
        return str(error)
    message, help = _said(error)
    lines = [f"error: {_visible_lines(message)}"]
    return "\n".join([*lines, *([f"  = help: {_visible_lines(help)}"] if help else [])])


def as_data(error: Exception) -> list[dict[str, Any]]:
    """The error as diagnostics; those of a call have no code and no place."""
    if isinstance(error, SpecError):
        return [diagnostic.to_json() for diagnostic in error.diagnostics]
    message, help = _said(error)
    nowhere = dict.fromkeys(("file", "line", "column", "end_line", "end_column"))
    said = {"code": None, "severity": "error", "message": message}
    return [{**said, **nowhere, "label": "", "help": help}]


def _said(error: Exception) -> tuple[str, str]:
    """What an error says, and what it says would help."""
    if isinstance(error, CallError):
        return str(error), error.help
    if isinstance(error, USAGE_ERROR):
        return _usage(error)
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f"{error.filename}: "
        return f"{where}{error.strerror.lower()}", ""
    return str(error), ""


def _usage(error: Any) -> tuple[str, str]:
    """A call that typer has refused: an unknown option, a missing argument, a value."""
    usage = error.ctx.get_usage().strip() if error.ctx is not None else ""
    near = sorted(getattr(error, "possibilities", None) or ())
    message = (error.message if near else _value(error) or error.format_message()).rstrip(".")
    help = f"did you mean {' or '.join(near)}?" if near else usage
    return message[:1].lower() + message[1:], help


def _value(error: Any) -> str:
    """The value of an option that typer has had pydantic refuse, in our words."""
    from pydantic import ValidationError

    from ..spec.issues import wanted

    if not isinstance(error.__cause__, ValidationError):
        return ""
    (details, *_) = error.__cause__.errors(include_url=False)
    name, got = error.param.get_error_hint().strip("'"), details["input"]
    expected, reason = wanted(details), details.get("ctx", {}).get("error")
    return f"{name} must be {expected}, got {got}" if expected else f"{name}: {reason or got}"


def _visible_lines(text: str) -> str:
    return "\n".join(visible(line) for line in text.splitlines())


def _print(text: str) -> None:
    """On stderr, in colour where that is a terminal."""
    from .output import error_console

    if not sys.stderr.isatty():
        print(text, file=sys.stderr)
        return
    from rich.text import Text

    shown = Text(text)
    shown.highlight_regex(r"error(\[E\d+\])?(?=: )", "bold red")
    shown.highlight_regex(r"(?m)^ +\| +\^+.*$", "red")
    error_console().print(shown, soft_wrap=True)
