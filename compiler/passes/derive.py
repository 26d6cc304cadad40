"""Reverse differentiation of expressions: one rule per operation, the result is an expression.

For y = f(x) and a cotangent g of y's shape the rule gives gᵀ ∂f/∂x for every operand. A batched
operand gets a batched cotangent; an operand that all examples share gets the sum over the batch,
one that all steps share the sum over the steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add

from ..ir.elementary import DERIVATIVES
from ..ir.expr import Expr, build, component, constant, eye, is_constant, walk
from ..ir.operations import ELEMENTWISE_FUNCTIONS
from ..ir.operators import entries
from ..ir.types import BATCH, Layout, Size, Type
from ..language.elaborate import elaborate
from ..promises import claims
from ..promises.checked import checked
from .simplify import simplify

Rule = Callable[[Expr, Expr], tuple[Expr | None, ...]]
"""(node, cotangent of its value) → cotangents of its operands; None where there is none."""


class NotDifferentiable(TypeError):
    """An operation without a derivative rule stands between an output and a variable."""


def gradient(output: Expr, wrt: Sequence[Expr], cotangent: Expr) -> list[Expr | None]:
    """Cotangents of the variables `wrt` for one output; None where it does not depend on one."""
    return vjp([(output, cotangent)], wrt)


def vjp(outputs: Sequence[tuple[Expr, Expr]], wrt: Sequence[Expr]) -> list[Expr | None]:
    """Cotangents of the variables `wrt`, given outputs with a cotangent each."""
    return [simplify(sum_of(parts)) if parts else None for parts in by_use(outputs, wrt)]


@checked("derive", claims.slope_kept)
def by_use(outputs: Sequence[tuple[Expr, Expr]], wrt: Sequence[Expr]) -> list[list[Expr]]:
    """The cotangents of `vjp` before they are added up: one for every use of a variable."""
    found: dict[Expr, list[Expr]] = {}
    for output, g in outputs:
        found.setdefault(output, []).append(g)
    order = list(walk(*found))
    needed = depends_on(order, set(wrt))
    for node in reversed(order):
        if node not in found or node not in needed or not node.args:
            continue
        if node.op not in RULES:
            raise NotDifferentiable(f"{node.op} has no derivative")
        parts = RULES[node.op](node, sum_of(found[node]))
        for arg, part in zip(node.args, parts, strict=True):
            if part is not None and arg in needed:
                found.setdefault(arg, []).append(unbroadcast(part, arg.type))
    return [[simplify(part) for part in found.get(x, [])] for x in wrt]


def sum_of(parts: Sequence[Expr]) -> Expr:
    """All of them, added up in order."""
    return reduce(add, parts)


def depends_on(order: list[Expr], sources: set[Expr]) -> set[Expr]:
    """The nodes of `order`, operands first, that depend on one of the sources."""
    found: set[Expr] = set()
    for node in order:
        if node in sources or any(arg in found for arg in node.args):
            found.add(node)
    return found


def unbroadcast(g: Expr, to: Type) -> Expr:
    """Undo a broadcast: sum over the components and over the axes that the operand lacks."""
    if g.shape and not to.shape:
        g = build("inner_sum", g)
    over = tuple(axis for axis in g.type.axes if axis not in to.axes)
    return build("reduce", g, attributes=over) if over else g


def derivative(function: str, x: Expr) -> Expr:
    """σ'(x) from the table of derivatives, entry by entry."""
    text = DERIVATIVES[function]
    return entries(elaborate(text, {"x": x, "pi": constant(math.pi)}, catalogue=True))


# --- rules -----------------------------------------------------------------------------------


def _elementwise(node: Expr, g: Expr) -> tuple[Expr]:
    return (g * derivative(node.op, node.args[0]),)


def _power(node: Expr, g: Expr) -> tuple[Expr | None, Expr | None]:
    base, exponent = node.args
    if is_constant(exponent, 0):
        return None, None
    return g * exponent * base ** (exponent - 1), g * slope_by_exponent(node)


def slope_by_exponent(power: Expr) -> Expr:
    """∂ xᵖ/∂p = xᵖ log x. At x = 0 it is xᵖ log 1: the limit 0 for p > 0, as in both frameworks."""
    base, _ = power.args
    if base.op == "constant" and base.attributes[0] != 0:
        return power * build("log", base)
    is_zero = 1 - build("abs", build("sign", base))
    return power * build("log", base + is_zero)


def _matmul(node: Expr, g: Expr) -> tuple[Expr | None, Expr]:
    left, right = node.args
    if left.type.is_operator:
        return None, left.T @ g
    if right.type.rank == 2:
        return g @ right.T, left.T @ g
    if g.type.batched and not right.type.batched:
        summed = build("reduce", g, attributes=(BATCH,))
        return build("outer", summed, right), left.T @ g
    return build("outer", g, right), left.T @ g


def _sum(node: Expr, g: Expr) -> tuple[Expr]:
    """A number spreads over a weight as it is stored by itself."""
    (x,) = node.args
    is_stored = x.type.rank == 1 and x.type.layout is Layout.STORED
    return (_spread(g, x) if x.shape and not is_stored else g,)


def _inner_sum(node: Expr, g: Expr) -> tuple[Expr]:
    (x,) = node.args
    return (_spread(g, x) if x.shape else g,)


def _spread(g: Expr, x: Expr) -> Expr:
    return build("broadcast", g, attributes=tuple(map(Size, x.shape)))


def _diagonal(node: Expr, g: Expr) -> tuple[Expr]:
    size = Size(node.shape[0])
    return (_rows(g, size) * eye(size),)


def _row_sums(node: Expr, g: Expr) -> tuple[Expr]:
    return (_rows(g, Size(node.args[0].shape[1])),)


def _rows(g: Expr, size: Size) -> Expr:
    """Rows whose entries are all the same, g 1ᵀ."""
    return build("outer", g, build("broadcast", constant(1), attributes=(size,)))


def _reduce(node: Expr, g: Expr) -> tuple[Expr]:
    """The same for all that was added up."""
    return (g + build("zeros_like", node.args[0]),)


def _mean(node: Expr, g: Expr) -> tuple[Expr]:
    """1/s for each of s examples: s is the sum of as many ones."""
    (x,) = node.args
    ones = build("per_example", constant(1), x)
    count = build("reduce", ones, attributes=x.type.axes)
    return (build("per_example", g / count, x),)


def _slice(node: Expr, g: Expr) -> tuple[Expr]:
    start, _ = node.attributes
    total = Size(node.args[0].shape[0])
    if g.type.rank == 2:  # rows of a matrix go back among rows of zeros
        return (build("slice", eye(total), attributes=node.attributes).T @ g,)
    return (build("pad", g, attributes=(start, total)),)


def _pad(node: Expr, g: Expr) -> tuple[Expr]:
    start, _ = node.attributes
    assert isinstance(start, Size)
    stop = Size(start.value + node.args[0].shape[0])
    return (build("slice", g, attributes=(start, stop)),)


def _concat(node: Expr, g: Expr) -> tuple[Expr, ...]:
    parts: list[Expr] = []
    at = 0
    for arg in node.args:
        stop = at + arg.type.height
        place = (Size(at), Size(stop))
        part = build("slice", g, attributes=place) if arg.shape else component(g, at)
        parts.append(part)
        at = stop
    return tuple(parts)


def _component(node: Expr, g: Expr) -> tuple[Expr]:
    (x,), (index,) = node.args, node.attributes
    alone = build("broadcast", g, attributes=(Size(1),))
    return (build("pad", alone, attributes=(index, Size(x.shape[0]))),)


def _matrix(node: Expr, g: Expr) -> tuple[Expr]:
    return (build("flatten", g),)


def _flatten(node: Expr, g: Expr) -> tuple[Expr]:
    return (build("matrix", g, attributes=tuple(map(Size, node.args[0].shape))),)


def _segments(node: Expr, g: Expr) -> tuple[Expr]:
    left = build("zeros_like", build("rest", node.args[0], attributes=node.attributes))
    return (build("unsegmented", g, left, attributes=node.attributes),)


def _rest(node: Expr, g: Expr) -> tuple[Expr]:
    before = build("zeros_like", build("segments", node.args[0], attributes=node.attributes))
    return (build("unsegmented", before, g, attributes=node.attributes),)


def _unsegmented(node: Expr, g: Expr) -> tuple[Expr, Expr]:
    return (
        build("segments", g, attributes=node.attributes),
        build("rest", g, attributes=node.attributes),
    )


def _softmax(node: Expr, g: Expr) -> tuple[Expr]:
    return (node * (g - build("inner_sum", g * node)),)


def _log_softmax(node: Expr, g: Expr) -> tuple[Expr]:
    return (g - build("softmax", node.args[0]) * build("inner_sum", g),)


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
    "inner_sum": _inner_sum,
    "diagonal": _diagonal,
    "row_sums": _row_sums,
    "reduce": _reduce,
    "mean": _mean,
    "component": _component,
    "slice": _slice,
    "pad": _pad,
    "matrix": _matrix,
    "flatten": _flatten,
    "concat": _concat,
    "broadcast": lambda node, g: (build("inner_sum", g),),
    "per_example": lambda node, g: (g, None),
    "head": lambda node, g: (build("pad_last", g),),
    "tail": lambda node, g: (build("pad_first", g),),
    "pad_last": lambda node, g: (build("head", g),),
    "pad_first": lambda node, g: (build("tail", g),),
    "at": lambda node, g: (build("put", g, node.args[1], node.args[0]), None),
    "last": lambda node, g: (build("put", g, constant(-1), node.args[0]),),
    "column": lambda node, g: (build("uncolumn", g),),
    "uncolumn": lambda node, g: (build("column", g),),
    "flip": lambda node, g: (build("flip", g),),
    "taken": lambda node, g: (build("scattered", g, node.args[1], node.args[0]), None),
    "scattered": lambda node, g: (build("taken", g, node.args[1]), None, None),
    "merged": lambda node, g: (build("parted", g, node.args[0]),),
    "parted": lambda node, g: (build("merged", g), None),
    "filled": lambda node, g: (g * build("known", node.args[0]),),
    "total": _reduce,
    "class_probabilities": lambda node, g: (g,),  # of probabilities; nobody asks it of classes
    "segments": _segments,
    "rest": _rest,
    "unsegmented": _unsegmented,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
}
RULES |= dict.fromkeys(ELEMENTWISE_FUNCTIONS, _elementwise)
