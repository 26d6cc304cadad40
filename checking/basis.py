"""Where the tolerance of a rung comes from: every figure of a certificate has a reason."""

from __future__ import annotations

from .checks import CHECKS, Expect
from .drift import DISTANCE
from .quantities import GRADIENT, PASSES
from .rungs import Rung, asked_as
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
    check = CHECKS[asked_as(rung.quantity)]
    if check.basis:
        return check.basis
    if check.expect is Expect.BYTES:
        return "equality"
    if check.expect is Expect.PEER:
        return f"{DISTANCE:g} × self-drift: how far one backend parts from itself, one ulp away"
    multiple = GRADIENTS[rung.dtype] if rung.quantity.startswith(GRADIENT) else VALUES
    unit = multiple * EPSILON[rung.dtype]
    return f"{unit:.2g} ({multiple:.4g} ε of {rung.dtype}) × {GROWTH}"
