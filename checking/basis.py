"""Where the tolerance of a rung comes from: every figure of a certificate has a reason."""

from __future__ import annotations

from .drift import DISTANCE
from .quantities import GRADIENT, PASSES
from .questions import QUESTIONS, Judge
from .rungs import Rung, question_of
from .single import RATIO, ROUNDING
from .tolerances import EPSILON, GRADIENTS, VALUES

GROWTH = "the growth of rounding that the reference shows when its inputs move by one ε"


def basis(rung: Rung) -> str:
    """One phrase."""
    if rung.tolerance is None:
        return "nothing was measured"
    if rung.quantity == PASSES:
        return "the same operations in another order, on random numbers"
    if rung.rung == "L7":
        least = f"that taken as {ROUNDING:g} at least"
        return f"{RATIO:g} × the other backend's error, {least}; in units of ε × {GROWTH}"
    question = QUESTIONS[question_of(rung.quantity)]
    if question.judge is Judge.BYTES:
        return "equality"
    if question.judge is Judge.PEER:
        return f"{DISTANCE:g} × self-drift: how far one backend parts from itself, one ulp away"
    if question.judge is Judge.STATED:
        return question.basis
    multiple = GRADIENTS[rung.dtype] if rung.quantity.startswith(GRADIENT) else VALUES
    unit = multiple * EPSILON[rung.dtype]
    return f"{unit:.2g} ({multiple:.4g} ε of {rung.dtype}) × {GROWTH}"
