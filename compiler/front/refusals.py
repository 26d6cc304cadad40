"""The collector of what is wrong with a spec, by its places in the document."""

from __future__ import annotations

from collections.abc import Iterable

from ...spec.diagnostics import Diagnostic, Span, SpecError
from ...spec.model import Spec
from ..language.syntax import ExpressionError

Loc = tuple[str | int, ...]


class Refusals:
    """Errors of one spec; `stop()` raises them all, if there are any."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.found: list[Diagnostic] = []

    def add(
        self,
        code: str,
        message: str,
        *loc: str | int,
        key: bool = False,
        label: str = "",
        help: str = "",
    ) -> None:
        span = self.spec.span(*loc, key=key)
        self.found.append(Diagnostic(code, message, span, label=label, help=help))

    def add_expression(self, error: ExpressionError, text: str, *loc: str | int) -> None:
        """An error inside a text of the spec: carets under the very characters."""
        span = _inside(self.spec.span(*loc), text, error.start, error.end)
        self.found.append(Diagnostic(error.code, error.message, span, help=error.help))

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.found.extend(diagnostics)

    def stop(self) -> None:
        if self.found:
            raise SpecError(self.found)


def either(words: Iterable[str]) -> str:
    """`euler, heun or rk4`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _inside(span: Span | None, text: str, start: int, end: int) -> Span | None:
    """The part of a span that holds text[start:end]; all of it where the YAML text differs."""
    if span is None:
        return None
    quoted = span.text[span.column - 1 : span.column] in ("'", '"')
    first = span.column + quoted
    if span.text[first - 1 : first - 1 + len(text)] != text:
        return span
    return Span(span.source, span.line, first + start, span.line, first + end, span.text)
