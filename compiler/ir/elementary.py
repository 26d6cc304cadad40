"""The elementary functions of the language: one row says all that is known of a function.

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
class Elementary:
    """A function of one number.

    Between the ends of `domain` (the numbers of float64 there, the ends excluded) the value and
    the derivative are finite. At a kink, where there is no derivative, it is `at_kink`, in the
    reference and in both programs. `slopes` is the range of the derivative where that is of use;
    `antiderivative` is S with S' = the function, up to a constant, where the language has it.
    """

    domain: tuple[float, float]
    derivative: str = ""
    definition: str = ""
    """The expression that the function is a name for, if it is nothing else."""
    kink: float | None = None
    at_kink: float = 0.0
    slopes: tuple[float, float] | None = None
    antiderivative: str = ""
    rounds: bool = True
    """Is the value rounded? |x| and the steps are exact."""
    is_public: bool = True
    """May an expression of the user's call it? The catalogue's own texts may call all."""
    symbol: str = ""
    """How formulas write it, where not by its name."""

    @property
    def has_jump(self) -> bool:
        """Is the value itself not continuous at the kink?"""
        return self.kink is not None and self.derivative == "0"


FUNCTIONS: dict[str, Elementary] = {
    # both programs differentiate tanh and sigmoid like that; it costs the digits that a rounding of
    # their values costs
    "tanh": Elementary(
        REALS, "1 - tanh(x) ** 2", slopes=(0, 1), antiderivative="softplus(2 * x) - x"
    ),
    "relu": Elementary(
        REALS,
        "heaviside(x)",
        kink=0,
        slopes=(0, 1),
        antiderivative="relu(x) ** 2 / 2",
        rounds=False,
    ),
    "sigmoid": Elementary(
        REALS, "sigmoid(x) * (1 - sigmoid(x))", slopes=(0, 0.25), antiderivative="softplus(x)"
    ),
    "softplus": Elementary(REALS, "sigmoid(x)", slopes=(0, 1)),
    # x Φ(x), Φ the normal distribution function: Φ(x) + x φ(x)
    "gelu": Elementary(
        REALS,
        "ndtr(x) + x * exp(-(x ** 2) / 2) / sqrt(2 * pi)",
        slopes=(-0.129, 1.129),
        antiderivative="((x ** 2 - 1) * ndtr(x) + x * exp(-(x ** 2) / 2) / sqrt(2 * pi)) / 2",
    ),
    "sin": Elementary(REALS, "cos(x)", slopes=(-1, 1), antiderivative="-cos(x)"),
    "identity": Elementary(REALS, definition="x", slopes=(1, 1), antiderivative="x ** 2 / 2"),
    "cubic": Elementary(
        (-5e102, 5e102), definition="x ** 3", slopes=(0, math.inf), antiderivative="x ** 4 / 4"
    ),
    "exp": Elementary((-math.inf, 709.78), "exp(x)", slopes=(0, math.inf), antiderivative="exp(x)"),
    "log": Elementary(POSITIVE, "1 / x", antiderivative="x * log(x) - x"),
    "sqrt": Elementary(POSITIVE, "1 / (2 * sqrt(x))", antiderivative="2 * x * sqrt(x) / 3"),
    "cos": Elementary(REALS, "-sin(x)", slopes=(-1, 1), antiderivative="sin(x)"),
    "sinh": Elementary(
        (-709.78, 709.78), "cosh(x)", slopes=(1, math.inf), antiderivative="cosh(x)"
    ),
    "cosh": Elementary((-709.78, 709.78), "sinh(x)", antiderivative="sinh(x)"),
    "abs": Elementary(
        REALS, "sign(x)", kink=0, slopes=(-1, 1), antiderivative="x * abs(x) / 2", rounds=False
    ),
    "ndtr": Elementary(
        REALS, "exp(-(x ** 2) / 2) / sqrt(2 * pi)", slopes=(0, 0.4), is_public=False, symbol="Φ"
    ),
    "sign": Elementary(REALS, "0", kink=0, antiderivative="abs(x)", rounds=False, is_public=False),
    "heaviside": Elementary(
        REALS,
        "0",
        kink=0,
        antiderivative="relu(x)",
        rounds=False,
        is_public=False,
        symbol="step",
    ),
}

DERIVATIVES: dict[str, str] = {n: f.derivative for n, f in FUNCTIONS.items() if f.derivative}

BY_DEFINITION: dict[str, str] = {n: f.definition for n, f in FUNCTIONS.items() if f.definition}

PUBLIC = (*(name for name, f in FUNCTIONS.items() if f.is_public), "sum")
"""What a user's expression may call, in the order in which errors list it."""
