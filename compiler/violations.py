"""Are the compiler's own passes right about this spec? Every one is checked by value on the way."""

from __future__ import annotations

import numpy as np

from ..spec.model import Spec
from .front.facts import Facts
from .ir.module import Module
from .pipeline import compiled
from .promises.checked import PassViolation, value_checked
from .reference.reference import Reference


def violations(spec: Spec, facts: Facts | None = None) -> list[PassViolation]:
    """Compile the spec, then run and differentiate its reference once, all passes checked.

    The first violation is the innermost: a rule before what uses it. Raises SpecError for a spec
    that does not compile.
    """
    found: list[PassViolation] = []
    with value_checked(found.append):
        try:
            _use(compiled(spec, facts).module)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            if not found:  # what a broken pass leaves behind may well not run
                raise
    return list(dict.fromkeys(found))


def _use(module: Module) -> None:
    """Everything that the reference makes of a module, on one row."""
    reference = Reference(module)
    weights = reference.init()
    x = np.ones((1, module.signature.features))
    with np.errstate(all="ignore"):
        if not module.has_loss:
            reference.trajectory(weights, x)
        else:
            targets = np.ones((1, module.signature.outputs))
            reference.gradient(weights, x, targets)
