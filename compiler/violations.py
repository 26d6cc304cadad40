"""Are the compiler's own passes right about this spec? Every one is checked by value on the way."""

from __future__ import annotations

import numpy as np

from ..spec.model import Spec
from .initial import initial_weights
from .ir.program import Program
from .lower import lower
from .passes.checked import PassViolation, value_checked
from .reference import Reference


def violations(spec: Spec) -> list[PassViolation]:
    """Lower the spec, then run and differentiate its reference once, all passes checked.

    The first violation is the innermost: a law before the simplification it is part of. Raises
    SpecError for a spec that does not compile.
    """
    found: list[PassViolation] = []
    with value_checked(found.append):
        try:
            _use(lower(spec))
        except (ArithmeticError, LookupError, TypeError, ValueError):
            if not found:  # what a broken pass leaves behind may well not run
                raise
    return list(dict.fromkeys(found))


def _use(program: Program) -> None:
    """Everything that the reference makes of a program's expressions, on one row."""
    reference = Reference(program)
    weights = initial_weights(program)
    x = np.ones((1, program.features))
    with np.errstate(all="ignore"):
        if program.loss is None:
            reference.trajectory(weights, x)
        else:
            reference.gradient(weights, x, np.ones((1, program.outputs)))
