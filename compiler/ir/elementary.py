"""What each function of the grammar is: its domain, and its derivative or its meaning as text.

Texts are functions of `x`, the argument. Values and derivatives are held to an oracle outside this
table, over the whole domain, in NumPy and in both frameworks (tests).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

REALS = (-math.inf, math.inf)
POSITIVE = (2.0**-1022, math.inf)
"""Denormals are left out: XLA takes them for 0, where log and the slope of sqrt are infinite."""


@dataclass(frozen=True)
class Function:
    """A function of one number.

    Between the ends of `domain` (the numbers of float64 there, the ends excluded) the value and
    the derivative are finite. At a kink, where there is no derivative, it is `at_kink`, in the
    reference and in both programs.
    """

    domain: tuple[float, float]
    derivative: str = ""
    definition: str = ""
    """Of a function that is only a name for an expression."""
    kink: float | None = None
    at_kink: float = 0.0


FUNCTIONS: dict[str, Function] = {
    # both programs differentiate tanh like that; it costs the digits that a rounding of tanh costs
    "tanh": Function(REALS, "1 - tanh(x) ** 2"),
    "relu": Function(REALS, "heaviside(x)", kink=0),
    "sigmoid": Function(REALS, "sigmoid(x) * sigmoid(-x)"),
    "softplus": Function(REALS, "sigmoid(x)"),
    # x Φ(x), Φ the normal distribution function: Φ(x) + x φ(x)
    "gelu": Function(REALS, "ndtr(x) + x * exp(-(x ** 2) / 2) / sqrt(2 * pi)"),
    "ndtr": Function(REALS, "exp(-(x ** 2) / 2) / sqrt(2 * pi)"),
    "sin": Function(REALS, "cos(x)"),
    "cos": Function(REALS, "-sin(x)"),
    "exp": Function((-math.inf, 709.78), "exp(x)"),
    "log": Function(POSITIVE, "1 / x"),
    "sqrt": Function(POSITIVE, "1 / (2 * sqrt(x))"),
    "sinh": Function((-709.78, 709.78), "cosh(x)"),
    "cosh": Function((-709.78, 709.78), "sinh(x)"),
    "abs": Function(REALS, "sign(x)", kink=0),
    "sign": Function(REALS, "0", kink=0),
    "heaviside": Function(REALS, "0", kink=0),
    "identity": Function(REALS, definition="x"),
    "cubic": Function((-5e102, 5e102), definition="x ** 3"),
}

DERIVATIVES: dict[str, str] = {n: f.derivative for n, f in FUNCTIONS.items() if f.derivative}

BY_DEFINITION: dict[str, str] = {n: f.definition for n, f in FUNCTIONS.items() if f.definition}

PUBLIC = (
    "tanh",
    "relu",
    "sigmoid",
    "softplus",
    "gelu",
    "sin",
    "identity",
    "cubic",
    "exp",
    "log",
    "sqrt",
    "cos",
    "sinh",
    "cosh",
    "abs",
    "sum",
)
"""What a user's expression may call; the catalogue's own texts may call every function."""
