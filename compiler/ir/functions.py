"""What each function of the grammar is: its derivative as text, or its meaning by other ones.

Derivatives are functions of `x`, the argument, and are checked against an oracle outside this
table (tests). At a kink: relu'(0) = 0 and abs'(0) = 0, in the reference and in both programs.
"""

DERIVATIVES: dict[str, str] = {
    "tanh": "1 - tanh(x) ** 2",
    "relu": "heaviside(x)",
    "sigmoid": "sigmoid(x) * sigmoid(-x)",
    "softplus": "sigmoid(x)",
    # x Φ(x), Φ the normal distribution function: Φ(x) + x φ(x)
    "gelu": "ndtr(x) + x * exp(-(x ** 2) / 2) / sqrt(2 * pi)",
    "ndtr": "exp(-(x ** 2) / 2) / sqrt(2 * pi)",
    "sin": "cos(x)",
    "cos": "-sin(x)",
    "exp": "exp(x)",
    "log": "1 / x",
    "sqrt": "1 / (2 * sqrt(x))",
    "sinh": "cosh(x)",
    "cosh": "sinh(x)",
    "abs": "sign(x)",
    "sign": "0",
    "heaviside": "0",
}

BY_DEFINITION: dict[str, str] = {
    "identity": "x",
    "cubic": "x ** 3",
}
"""Functions that are only names for an expression of `x`."""

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
