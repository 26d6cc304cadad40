"""The program that a backend writes for a spec, or why it writes none, at its place in the spec."""

from __future__ import annotations

from ..compiler.ir.compiled import Compiled
from ..spec.diagnostics import Diagnostic, SpecError
from .expressions import NotPrinted
from .registry import get


def text_of(compiled: Compiled, backend: str) -> str:
    """The text. Raises BackendError, SpecError."""
    try:
        return get(backend).emit(compiled.program)
    except NotPrinted as error:
        span = compiled.problem.spec.span(*error.loc)
        raise SpecError(Diagnostic("E214", str(error), span)) from None
