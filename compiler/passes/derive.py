"""Reverse differentiation of expressions: one rule per operation, the result is an expression.

For y = f(x) and a cotangent g of y's shape the rule gives gᵀ ∂f/∂x for every operand. A batched
operand gets a batched cotangent; an operand that all examples share gets the sum over the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add

from ..elaborate import elaborate
from ..ir.expr import (
    ELEMENTWISE_FUNCTIONS,
    Expr,
    Type,
    build,
    constant,
    is_constant,
    walk,
)
from ..ir.functions import DERIVATIVES
from . import claims
from .checked import checked
from .simplify import simplify

Rule = Callable[[Expr, Expr], tuple[Expr | None, ...]]
"""(node, cotangent of its value) → cotangents of its operands; None where there is none."""


def gradient(output: Expr, wrt: list[Expr], cotangent: Expr) -> list[Expr | None]:
    """Cotangents of the variables `wrt` for one output; None where it does not depend on one."""
    return vjp([(output, cotangent)], wrt)


@checked(claims.cotangents)
def vjp(outputs: Sequence[tuple[Expr, Expr]], wrt: list[Expr]) -> list[Expr | None]:
    """Cotangents of the variables `wrt`, given outputs with a cotangent each."""
    return [simplify(_sum_of(parts)) if parts else None for parts in _parts(outputs, wrt)]


@checked(claims.cotangents_by_use)
def by_use(outputs: Sequence[tuple[Expr, Expr]], wrt: list[Expr]) -> list[list[Expr]]:
    """The cotangents of `vjp` before they are added up: one for every use of a variable."""
    return [[simplify(part) for part in parts] for parts in _parts(outputs, wrt)]


def _parts(outputs: Sequence[tuple[Expr, Expr]], wrt: list[Expr]) -> list[list[Expr]]:
    found: dict[Expr, list[Expr]] = {}
    for output, g in outputs:
        found.setdefault(output, []).append(g)
    order = list(walk(*found))
    needed = _depends_on(order, set(wrt))
    for node in reversed(order):
        if node not in found or node not in needed or not node.args:
            continue
        g = _sum_of(found[node])
        for arg, part in zip(node.args, _pulled(RULES[node.op], node, g), strict=True):
            if part is not None and arg in needed:
                found.setdefault(arg, []).append(unbroadcast(part, arg.type))
    return [found.get(x, []) for x in wrt]


def _sum_of(parts: list[Expr]) -> Expr:
    return reduce(add, parts)


@checked(claims.rule)
def _pulled(rule: Rule, node: Expr, g: Expr) -> tuple[Expr | None, ...]:
    return rule(node, g)


def _depends_on(order: list[Expr], sources: set[Expr]) -> set[Expr]:
    found: set[Expr] = set()
    for node in order:
        if node in sources or any(arg in found for arg in node.args):
            found.add(node)
    return found


def unbroadcast(g: Expr, to: Type) -> Expr:
    """Undo a broadcast: sum over the components and over the batch that the operand lacks."""
    if g.shape and not to.shape:
        g = build("sum", g)
    if g.type.batched and not to.batched:
        g = build("batch_sum", g)
    return g


def derivative(function: str, x: Expr) -> Expr:
    """σ'(x) from the table of derivatives."""
    return elaborate(DERIVATIVES[function], {"x": x, "pi": constant(math.pi)}, catalogue=True)


# --- rules -----------------------------------------------------------------------------------


def _elementwise(node: Expr, g: Expr) -> tuple[Expr]:
    return (g * derivative(node.op, node.args[0]),)


def _power(node: Expr, g: Expr) -> tuple[Expr | None, Expr | None]:
    base, exponent = node.args
    if is_constant(exponent, 0):
        return None, None
    return g * exponent * base ** (exponent - 1), g * node * build("log", base)


def _matmul(node: Expr, g: Expr) -> tuple[Expr, Expr]:
    left, right = node.args
    if right.type.rank == 2:
        return g @ right.T, left.T @ g
    if g.type.batched and not right.type.batched:
        return build("outer", build("batch_sum", g), right), left.T @ g
    return build("outer", g, right), left.T @ g


def _sum(node: Expr, g: Expr) -> tuple[Expr]:
    """A number spreads over a stack of vectors by itself: `broadcast` would make a column of it."""
    (x,) = node.args
    is_path = x.type.rank == 1 and x.type.stacked
    return (build("broadcast", g, attributes=x.shape) if x.shape and not is_path else g,)


def _rows(node: Expr, g: Expr) -> tuple[Expr]:
    return (build("pad", g, attributes=(node.attributes[0], node.args[0].shape[0])),)


def _pad(node: Expr, g: Expr) -> tuple[Expr]:
    start = int(str(node.attributes[0]))
    return (build("rows", g, attributes=(start, start + node.args[0].shape[0])),)


def _append(node: Expr, g: Expr) -> tuple[Expr, Expr]:
    n = node.args[0].shape[0]
    last = build("sum", build("rows", g, attributes=(n, n + 1)))
    return build("rows", g, attributes=(0, n)), last


def _softmax(node: Expr, g: Expr) -> tuple[Expr]:
    return (node * (g - build("sum", g * node)),)


def _log_softmax(node: Expr, g: Expr) -> tuple[Expr]:
    return (g - build("softmax", node.args[0]) * build("sum", g),)


RULES: dict[str, Rule] = {
    "add": lambda node, g: (g, g),
    "sub": lambda node, g: (g, -g),
    "mul": lambda node, g: (g * node.args[1], g * node.args[0]),
    "div": lambda node, g: (g / node.args[1], -(g * node) / node.args[1]),
    "pow": _power,
    "neg": lambda node, g: (-g,),
    "matmul": _matmul,
    "transpose": lambda node, g: (g.T,),
    "sum": _sum,
    "rows": _rows,
    "pad": _pad,
    "append": _append,
    "broadcast": lambda node, g: (build("sum", g),),
    "per_example": lambda node, g: (g, None),
    "head": lambda node, g: (build("unhead", g),),
    "tail": lambda node, g: (build("untail", g),),
    "unhead": lambda node, g: (build("head", g),),
    "untail": lambda node, g: (build("tail", g),),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
}
RULES |= dict.fromkeys(ELEMENTWISE_FUNCTIONS, _elementwise)

NOT_DIFFERENTIATED = frozenset({"outer", "batch_sum"})
"""Operations that only reverse differentiation itself makes: no spec contains them."""
