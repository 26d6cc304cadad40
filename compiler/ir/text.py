"""Expressions as a reader writes them: `y' = tanh(K y + b)`, `½ (K − Kᵀ − γ I)`."""

from __future__ import annotations

from collections.abc import Mapping

from .elementary import FUNCTIONS
from .expr import Expr, is_constant, is_number, substitute, variable, variables, walk
from .naming import numbered

SUM, REACH, PRODUCT, SIGN, POWER, ATOM = range(1, 7)
"""Precedences. REACH is that of `Σ y` and `a / b`: a factor behind them would belong to them."""

GREEK = {
    **{"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η"},
    **{"theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "rho": "ρ"},
    **{"sigma": "σ", "tau": "τ", "omega": "ω", "pi": "π"},
}
"""Letters by their names, as keys of the language and names of constants have them."""
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_NUMERALS = "0123456789½"
_NAMES = {"log_softmax": "log softmax"} | {
    name: function.symbol for name, function in FUNCTIONS.items() if function.symbol
}
_SILENT = ("dense", "entries", "broadcast", "per_example", "column", "uncolumn", "flip", "rounded")
"""Operations that mathematics does not write: they lay arrays out."""
PARAMETERS = "p"
"""What a vector is called of which matrices are read."""
DERIVATIVE_MARKS = {1: "'", 2: "''"}


def mathematics(e: Expr) -> str:
    """The expression in Unicode."""
    return _print(e)[0]


def equations(field: Mapping[str, Expr], order: int = 1) -> list[str]:
    """`y' = …` for every block; `…, p = …` behind it, where matrices are read off a vector p."""
    return [
        f"{block}{DERIVATIVE_MARKS[order]} = {', '.join([mathematics(short), *definitions(made)])}"
        for block, e in field.items()
        for short, made in [shortened(e)]
    ]


def definitions(made: Mapping[Expr, Expr]) -> list[str]:
    """`p = W₂ tanh(W₁ t + b₁) + b₂`, of what `shortened` gave a name."""
    return [f"{p.name} = {mathematics(value)}" for p, value in made.items()]


def shortened(e: Expr) -> tuple[Expr, dict[Expr, Expr]]:
    """The expression with a name in the place of every vector of which matrices are read, and what
    the names stand for: it would be written once for every matrix."""
    names = {v.name for v in variables(e)}
    made: dict[Expr, Expr] = {}
    for vector in read_as_matrices(e):
        name = numbered(PARAMETERS, names)
        names.add(name)
        made[variable(name, vector.type)] = vector
    return substitute(e, {vector: p for p, vector in made.items()}), made


def read_as_matrices(e: Expr) -> list[Expr]:
    """The vectors of which matrices are read, in whole or in part, where they are computed."""
    read = (node.args[0] for node in walk(e) if node.op == "matrix")
    whole = (part.args[0] if part.op == "slice" else part for part in read)
    return [vector for vector in dict.fromkeys(whole) if vector.args]


def definition(name: str, raw: str, value: Expr) -> str:
    """`K = −Cᵀ C`; where the raw weight has the same name, `K ↦ ½ (K − Kᵀ)`."""
    return f"{symbol(name)} {'=' if raw != name else '↦'} {mathematics(value)}"


def symbol(name: str) -> str:
    """A variable or weight: `W1` is W₁, `mu` μ."""
    letters = name.rstrip("0123456789")
    letter = "μ" if letters == "mu" else letters
    return letter + name[len(letters) :].translate(_SUBSCRIPTS)


def subscript(number: int) -> str:
    """₁₂ of 12."""
    return str(number).translate(_SUBSCRIPTS)


def constant_symbol(name: str) -> str:
    """A constant of a program: `ALPHA_2` is α₂, `GAMMA_A` γ_A, `H` h."""
    letter, _, index = name.partition("_")
    index = index.translate(_SUBSCRIPTS) if index.isdigit() else "_" * bool(index) + index
    return "h" if name == "H" else GREEK.get(letter.lower(), letter.lower()) + index


def number(value: int | float) -> str:
    """A number as it was written: 0.1, 1e-05, 20."""
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _print(e: Expr) -> tuple[str, int]:
    """Text and precedence."""
    match e.op:
        case "constant":
            value, name = e.attributes
            assert isinstance(value, (int, float))
            text = constant_symbol(str(name)) if name else number(value)
            return text, SIGN if text.startswith("-") else ATOM
        case "variable" | "weight":
            return symbol(e.name), ATOM
        case "eye" | "identity_operator":
            return "I", ATOM
        case "transpose":
            return f"{_wrapped(e.args[0], ATOM)}ᵀ", POWER
        case "add" | "sub":
            a, b = e.args
            sign = "+" if e.op == "add" else "−"
            return f"{_wrapped(a, SUM)} {sign} {_wrapped(b, REACH)}", SUM
        case "neg":
            return f"−{_wrapped(e.args[0], REACH)}", min(SIGN, _print(e.args[0])[1])
        case "mul" | "matmul":
            return _product(e), PRODUCT
        case "div":
            return _quotient(*e.args)
        case "pow":
            return _power(e), POWER
        case "sum" | "inner_sum" | "reduce":
            return f"Σ {_wrapped(e.args[0], ATOM)}", REACH
        case "slice":
            start, stop = e.attributes
            return f"{_wrapped(e.args[0], ATOM)}[{start}:{stop}]", ATOM
        case "component":
            return f"{_wrapped(e.args[0], ATOM)}[{e.attributes[0]}]", ATOM
        case "concat":
            return f"[{'; '.join(_print(part)[0] for part in e.args)}]", ATOM
        case "matrix":
            return f"mat({_print(e.args[0])[0]})", ATOM
        case "flatten":
            return f"vec({_print(e.args[0])[0]})", ATOM
        case "pad":
            return f"({_print(e.args[0])[0]}, 0)", ATOM
        case "at":
            return f"{_wrapped(e.args[0], ATOM)}[{_print(e.args[1])[0]}]", ATOM
        case "times":
            return "tⱼ", ATOM
        case "call":
            return f"{e.name}({', '.join(_print(arg)[0] for arg in e.args)})", ATOM
        case op if op in _SILENT:
            return _print(e.args[0])
        case "head" | "tail":
            return f"{_wrapped(e.args[0], ATOM)}{'ⱼ' if e.op == 'head' else 'ⱼ₊₁'}", ATOM
        case _:
            inside = ", ".join(_print(arg)[0] for arg in e.args)
            return f"{_NAMES.get(e.op, e.op)}({inside})", ATOM


def _wrapped(e: Expr, least: int) -> str:
    text, precedence = _print(e)
    return f"({text})" if precedence < least else text


def _product(e: Expr) -> str:
    """Juxtaposition; `⊙` between vectors, `·` between numbers, which would run together."""
    a, b = e.args
    is_applied = e.op == "matmul" and _is_by_entries(a)
    left, right = _wrapped(a, POWER if is_applied else PRODUCT), _wrapped(b, POWER)
    if _is_by_entries(e):
        return f"{left} ⊙ {right}"
    last = left.rsplit(" ", 1)[-1].lstrip("-−")
    between = " · " if last[0] in _NUMERALS and right[0] in _NUMERALS else " "
    return f"{left}{between}{right}"


def _is_by_entries(e: Expr) -> bool:
    """Is it a ⊙ b, also as an operator?"""
    while e.op in ("dense", "entries"):
        (e,) = e.args
    return e.op == "mul" and all(x.shape for x in e.args)


def _quotient(a: Expr, b: Expr) -> tuple[str, int]:
    """`½ a`, but `3 / 2`; else `a / b`."""
    if is_constant(b, 2) and is_constant(a, 1):
        return "½", ATOM
    if is_constant(b, 2) and not (is_number(a) and mathematics(a)[0] in _NUMERALS):
        return f"½ {_wrapped(a, POWER)}", PRODUCT
    return f"{_wrapped(a, REACH)} / {_wrapped(b, POWER)}", REACH


def _power(e: Expr) -> str:
    base, exponent = e.args
    if is_constant(exponent) and isinstance(exponent.attributes[0], int):
        return _wrapped(base, ATOM) + str(exponent.attributes[0]).translate(_SUPERSCRIPTS)
    return f"{_wrapped(base, ATOM)}^{_wrapped(exponent, ATOM)}"
