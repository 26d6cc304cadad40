"""What to write for what other languages and formulas have, and the grammar has not."""

from __future__ import annotations

SUPERSCRIPTS = "²³¹⁰⁴⁵⁶⁷⁸⁹⁺⁻ⁿᵀ"
"""Characters that are no part of a name, where a formula has them behind one."""
_CONDITIONS = "there are no conditions; relu, sigmoid and abs tell signs apart"

SYMBOLS = {
    **dict.fromkeys(f"^{SUPERSCRIPTS}", "a power is **"),
    "ᵀ": "a transpose is .T",
    **dict.fromkeys("·×⋅∗⊙", "a product is *, of a matrix and a vector @"),
    **dict.fromkeys("−–", "the minus sign is -"),
    "÷": "a quotient is /",
    "√": "a root is sqrt(...)",
    **dict.fromkeys("<>=?", _CONDITIONS),
    ".": "a function stands alone: tanh(y), sum(y)",
}
"""By the character that is no part of an expression."""

NAMES = {
    "tan": "sin(x) / cos(x)",
    "log10": "log(x) / log(10)",
    "log2": "log(x) / log(2)",
    "ln": "log(x)",
    "pow": "x ** 2",
    "square": "x ** 2",
    "dot": "y.T @ z",
    "norm": "sqrt(sum(x ** 2))",
    **dict.fromkeys(("max", "maximum"), "relu(x) for max(x, 0)"),
    **dict.fromkeys(("min", "minimum"), "-relu(-x) for min(x, 0)"),
    "e": "exp(1)",
    **dict.fromkeys("sign where floor ceil round asin acos atan arctan erf mean".split(), ""),  # noqa: SIM905
}
"""By the name that the language does not have; nothing where it has nothing for it."""
