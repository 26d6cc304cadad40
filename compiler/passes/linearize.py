"""The derivative of a field, once: linearization to a sum of words.

Bounds on the spectrum, J v and Jᵀ w, the trace and ‖J‖²_F in closed form are read off the words.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from ..ir.elementary import FUNCTIONS
from ..ir.expr import Expr, constant, is_constant, walk
from ..ir.operations import ELEMENTWISE_FUNCTIONS
from .derive import depends_on, derivative, slope_by_exponent
from .simplify import simplify
from .words import Column, Diagonal, Factor, Matrix, Number, Part, Row, Word, Words


class NotLinearized(TypeError):
    """An operation whose derivative is no word."""


def linearize(e: Expr, y: Expr) -> Words:
    """∂e/∂y as a sum of words. Raises NotLinearized."""
    order = list(walk(e))
    needed = depends_on(order, {y})
    known: dict[Expr, Words] = {}
    for node in order:
        if node not in needed:
            known[node] = ()
        elif node is y:
            known[node] = (Word(),)
        else:
            known[node] = _of_node(node, [known[arg] for arg in node.args])
    return known[e]


def _of_node(node: Expr, words: list[Words]) -> Words:
    if node.op in ELEMENTWISE_FUNCTIONS:
        return _after(_slope(node), words[0])
    rule = _RULES.get(node.op)
    if rule is None:
        raise NotLinearized(f"the derivative of {node.op} is no word")
    return rule(node, words)


def _after(factor: Factor, words: Words) -> Words:
    return tuple(word.after(factor) for word in words)


def _times(e: Expr, size: int) -> Factor:
    """Multiplication by e, entry by entry, of a vector of that many components (0: a number)."""
    if not size or not e.shape:
        return Number(e)
    return Diagonal(e)


def _slope(node: Expr) -> Factor:
    """σ' at its argument."""
    (x,) = node.args
    d = simplify(derivative(node.op, x))
    if not node.shape:
        return Number(d)
    return Diagonal(d, FUNCTIONS[node.op].slopes or (-inf, inf), node.op, x)


def _sum(node: Expr, words: list[Words]) -> Words:
    a, b = (_spread(node, arg, w) for arg, w in zip(node.args, words, strict=True))
    return (*a, *(b if node.op == "add" else tuple(-w for w in b)))


def _spread(node: Expr, arg: Expr, words: Words) -> Words:
    """The words of an operand; of a number that is spread over the components a column of it."""
    if node.shape and not arg.shape:
        return _after(Column(None, node.shape[0]), words)
    return words


def _product(node: Expr, words: list[Words]) -> Words:
    a, b = node.args
    return (*_scaled(node, a, words[0], b), *_scaled(node, b, words[1], a))


def _scaled(node: Expr, arg: Expr, words: Words, by: Expr) -> Words:
    """by · ∂arg, the number that is not spread first if one is."""
    if not words:
        return ()
    if node.shape and not arg.shape:
        return _after(Column(by, node.shape[0]), words)
    return _after(_times(by, node.shape[0] if node.shape else 0), words)


def _quotient(node: Expr, words: list[Words]) -> Words:
    a, b = node.args
    upper = _scaled(node, a, words[0], constant(1) / b)
    lower = _scaled(node, b, words[1], node / b)
    return (*upper, *(-w for w in lower))


def _power(node: Expr, words: list[Words]) -> Words:
    base, exponent = node.args
    found: Words = ()
    if words[0]:
        d = simplify(exponent * base ** (exponent - 1))
        size = node.shape[0] if node.shape else 0
        factor = _times(d, size)
        if is_constant(exponent, 3) and isinstance(factor, Diagonal):
            factor = Diagonal(d, FUNCTIONS["cubic"].slopes or (-inf, inf), "cubic", base)
        words_of_base = words[0]
        if node.shape and not base.shape:
            words_of_base, factor = _after(Column(None, size), words[0]), Diagonal(d)
        found = _after(factor, words_of_base)
    if words[1]:
        found = (*found, *_scaled(node, exponent, words[1], slope_by_exponent(node)))
    return found


def _matmul(node: Expr, words: list[Words]) -> Words:
    if words[0]:
        raise NotLinearized("a matrix that depends on the state")
    return _after(Matrix(node.args[0]), words[1])


def _total(node: Expr, words: list[Words]) -> Words:
    (x,) = node.args
    return _after(Row(None, x.shape[0]), words[0]) if x.shape else words[0]


def _broadcast(node: Expr, words: list[Words]) -> Words:
    return _after(Column(None, node.shape[0]), words[0])


def _slice(node: Expr, words: list[Words]) -> Words:
    start, stop = node.sizes
    return _after(Part(start, stop, node.args[0].shape[0]), words[0])


def _pad(node: Expr, words: list[Words]) -> Words:
    start, total = node.sizes
    n = node.args[0].shape[0]
    return _after(Part(start, start + n, total, padded=True), words[0])


def _component(node: Expr, words: list[Words]) -> Words:
    (at,) = node.sizes
    alone = _after(Part(at, at + 1, node.args[0].shape[0]), words[0])
    return _after(Row(None, 1), alone)


def _concat(node: Expr, words: list[Words]) -> Words:
    found: list[Word] = []
    at, (total,) = 0, node.shape
    for arg, of_part in zip(node.args, words, strict=True):
        size = arg.type.height
        spread = of_part if arg.shape else _after(Column(None, 1), of_part)
        found += _after(Part(at, at + size, total, padded=True), spread)
        at += size
    return tuple(found)


_RULES: dict[str, Callable[[Expr, list[Words]], Words]] = {
    "add": _sum,
    "sub": _sum,
    "neg": lambda node, words: tuple(-w for w in words[0]),
    "mul": _product,
    "div": _quotient,
    "pow": _power,
    "matmul": _matmul,
    "sum": _total,
    "inner_sum": _total,
    "broadcast": _broadcast,
    "per_example": lambda node, words: words[0],
    "slice": _slice,
    "pad": _pad,
    "component": _component,
    "concat": _concat,
}
