"""Expressions as a reader writes them: `y' = tanh(K y + b)`, `½ (K − Kᵀ − γ I)`."""

from __future__ import annotations

from .expr import Expr, is_constant
from .program import Operand, Program

SUM, PRODUCT, SIGN, POWER, ATOM = range(1, 6)

_SYMBOLS = {"GAMMA": "γ", "ALPHA": "α", "H": "h", "mu": "μ"}
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_NAMES = {"log_softmax": "log softmax", "ndtr": "Φ", "heaviside": "step"}
DERIVATIVE_MARKS = {1: "'", 2: "''"}


def mathematics(e: Expr) -> str:
    """The expression in Unicode."""
    return _print(e)[0]


def equations(field: dict[str, Expr], order: int = 1) -> list[str]:
    """`y' = …` for every block."""
    mark = DERIVATIVE_MARKS[order]
    return [f"{block}{mark} = {mathematics(e)}" for block, e in field.items()]


def definition(operand: Operand) -> str:
    """`K = −Cᵀ C`; where the raw weight has the same name, `K ↦ ½ (K − Kᵀ)`."""
    sign = "=" if operand.raw.name != operand.name else "↦"
    return f"{operand.name} {sign} {mathematics(operand.definition)}"


def initial_blocks(program: Program) -> list[str]:
    """`y(0) = …`, and `z(0) = 0` of every other block."""
    others = [f"{name}(0) = 0" for name in program.blocks if name != "y"]
    return [f"y(0) = {mathematics(program.lift)}", *others]


def number(value: int | float) -> str:
    """A number as it was written: 0.1, 1e-05, 20."""
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _print(e: Expr) -> tuple[str, int]:
    """Text and precedence."""
    match e.op:
        case "constant":
            value, name = e.attributes
            assert isinstance(value, (int, float))
            text = _symbol(str(name)) if name else number(value)
            return text, SIGN if text.startswith("-") else ATOM
        case "variable":
            return _variable(str(e.attributes[0])), ATOM
        case "eye":
            return "I", ATOM
        case "transpose":
            return f"{_wrapped(e.args[0], ATOM)}ᵀ", POWER
        case "add" | "sub":
            a, b = e.args
            sign = "+" if e.op == "add" else "−"
            return f"{_wrapped(a, SUM)} {sign} {_wrapped(b, PRODUCT)}", SUM
        case "neg":
            return f"−{_wrapped(e.args[0], PRODUCT)}", SIGN
        case "mul" | "matmul":
            return _product(e), PRODUCT
        case "div":
            a, b = e.args
            if is_constant(b, 2):
                return f"½ {_wrapped(a, POWER)}", PRODUCT
            return f"{_wrapped(a, PRODUCT)} / {_wrapped(b, POWER)}", PRODUCT
        case "pow":
            return _power(e), POWER
        case "sum":
            return f"Σ {_wrapped(e.args[0], ATOM)}", PRODUCT
        case "rows":
            start, stop = e.attributes
            return f"{_wrapped(e.args[0], ATOM)}[{start}:{stop}]", ATOM
        case "append":
            return f"[{_print(e.args[0])[0]}; {_print(e.args[1])[0]}]", ATOM
        case "pad":
            return f"({_print(e.args[0])[0]}, 0)", ATOM
        case "broadcast" | "per_example":
            return _print(e.args[0])
        case "rate":
            return _rate(e), ATOM
        case "head" | "tail":
            return f"{_wrapped(e.args[0], ATOM)}{'ⱼ' if e.op == 'head' else 'ⱼ₊₁'}", ATOM
        case _:
            inside = ", ".join(_print(arg)[0] for arg in e.args)
            return f"{_NAMES.get(e.op, e.op)}({inside})", ATOM


def _symbol(name: str) -> str:
    """`ALPHA_2` is α₂, `GAMMA_A` is γ_A."""
    letter, _, index = name.partition("_")
    index = index.translate(_SUBSCRIPTS) if index.isdigit() else "_" * bool(index) + index
    return _SYMBOLS.get(letter, letter) + index


def _rate(e: Expr) -> str:
    """`f(t + h / 2, y + …)`: the right-hand side of a block at a stage."""
    block, _, names = e.attributes
    letter = "f" if names == ("y",) else f"f_{block}"
    return f"{letter}({', '.join(_print(arg)[0] for arg in e.args)})"


def _variable(name: str) -> str:
    letters = name.rstrip("0123456789")
    index = name[len(letters) :].translate(_SUBSCRIPTS)
    return _SYMBOLS.get(letters, letters) + index


def _wrapped(e: Expr, least: int) -> str:
    text, precedence = _print(e)
    return f"({text})" if precedence < least else text


def _product(e: Expr) -> str:
    """Juxtaposition; `·` where two numbers or two elementwise vectors would run together."""
    a, b = e.args
    left, right = _wrapped(a, PRODUCT), _wrapped(b, POWER)
    elementwise = e.op == "mul" and bool(a.shape) and bool(b.shape)
    return f"{left} ⊙ {right}" if elementwise else f"{left} {right}"


def _power(e: Expr) -> str:
    base, exponent = e.args
    if is_constant(exponent) and isinstance(exponent.attributes[0], int):
        return _wrapped(base, ATOM) + str(exponent.attributes[0]).translate(_SUPERSCRIPTS)
    return f"{_wrapped(base, ATOM)}^{_wrapped(exponent, ATOM)}"
