"""From syntax to typed expressions: names are looked up, shapes checked, places kept for errors.

A matrix is a linear operator: sums and multiples of operators are operators, `K @ y` applies one.
What has no meaning for operators (`exp(K)`, `K * K`) is done with the entries of their arrays. A
vector's transpose is a row, which has no array of its own: `y.T @ z` is Σ yᵢ zᵢ and `y.T @ K`
is the row of Kᵀ y. A row that is left over at the end is an error.

What is stacked, `[a, b]` and the arguments of a network, has one vector for every example, so that
numbers and weights may stand beside components of the state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ...spec.diagnostics import did_you_mean
from ..ir.elementary import BY_DEFINITION, PUBLIC
from ..ir.expr import Expr, build, component, constant, depth
from ..ir.operations import OPERATIONS
from ..ir.operators import as_operator, entries
from ..ir.types import ShapeError, Size
from ..promises.checked import checked
from .functions import NONE, Definition, Functions
from .hints import NAMES
from .literal import text_kept
from .syntax import ExpressionError, Syntax, parse

Scope = Mapping[str, Expr]
DEEPEST = 250
"""Operations inside each other: a network of 64 layers has 200."""

STRUCTURAL = ("slice", "matrix", "broadcast", "concat", "head", "tail")

_BINARY = {"+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow"}


@dataclass(frozen=True)
class _Row:
    """The transpose of a vector."""

    vector: Expr


_Value = Expr | _Row
V = TypeVar("V", Expr, Expr | _Row, Definition)


@checked("elaborate", text_kept)
def elaborate(
    text: str, scope: Scope, functions: Functions = NONE, *, catalogue: bool = False
) -> Expr:
    """The typed expression of a text, which may call networks as `functions`; `catalogue` opens
    those users do not have.

    Raises ExpressionError with the place in the text.
    """
    tree = parse(text)
    value = _Elaborator(scope, functions, catalogue).value(tree)
    if isinstance(value, _Row):
        raise ExpressionError("E303", "this is a row vector", tree.start, tree.end)
    return value


class _Elaborator:
    def __init__(self, scope: Scope, networks: Functions, catalogue: bool) -> None:
        self.scope, self.networks = scope, networks
        self.functions = [*OPERATIONS, *BY_DEFINITION] if catalogue else list(PUBLIC)
        self.catalogue = catalogue

    def value(self, tree: Syntax) -> _Value:
        match tree.op:
            case "number":
                return self._number(tree)
            case "name":
                return self._name(tree)
            case "call" if tree.text in self.networks:
                return self._network(tree)
            case "call":
                return self._call(tree)
            case "component":
                return self._component(tree)
            case "vector":
                return self._vector(tree)
            case ".T":
                return _transposed(self.value(tree.args[0]))
            case "neg":
                operand = self.value(tree.args[0])
                return _Row(-operand.vector) if isinstance(operand, _Row) else -operand
            case "@":
                return self._product(tree)
            case _:
                return self._elementwise(tree)

    def _number(self, tree: Syntax) -> Expr:
        is_int = tree.text.isdigit() and len(tree.text) < 16
        number = int(tree.text) if is_int else float(tree.text)
        if not math.isfinite(number):
            raise ExpressionError("E301", "this number is too large", tree.start, tree.end)
        return constant(number)

    def _name(self, tree: Syntax) -> Expr:
        if tree.text in self.scope:
            return self.scope[tree.text]
        if tree.text in (*self.functions, *self.networks):
            help = f"write {tree.text}(...)"
            raise ExpressionError("E302", f"{tree.text} is a function", tree.start, tree.end, help)
        known = f"the names here: {', '.join(sorted(self.scope))}"
        help = _instead(tree.text) or did_you_mean(tree.text, self.scope) or known
        raise ExpressionError("E302", f"unknown name {tree.text}", tree.start, tree.end, help)

    def _call(self, tree: Syntax) -> Expr:
        name = tree.text
        if name not in self.functions:
            listed = [*self.networks, *self.functions]
            known = f"functions: {', '.join(listed)}"
            near = "" if name in NAMES else did_you_mean(name, listed)
            help = _instead(name) or near or known
            raise ExpressionError("E302", f"unknown function {name}", tree.start, tree.end, help)
        if self.catalogue and name in STRUCTURAL:
            return self._structural(tree)
        if len(tree.args) != 1:
            message = f"{name} takes one argument, got {len(tree.args)}"
            raise ExpressionError("E302", message, tree.start, tree.end)
        argument = self._expression(tree.args[0])
        if name in BY_DEFINITION:
            return elaborate(BY_DEFINITION[name], {"x": argument}, catalogue=True)
        return self._typed(tree, lambda: as_operator(build(name, entries(argument))))

    def _structural(self, tree: Syntax) -> Expr:
        """slice(b, 0, n), matrix(b, m, n), broadcast(t, n), concat(y, t), head(K), tail(K): the
        catalogue's own shape operations."""
        arguments = [self._expression(a) for a in tree.args]
        if tree.text in ("slice", "matrix", "broadcast"):
            x, *sizes = arguments
            place = tuple(map(_size, sizes))
            return as_operator(self._typed(tree, lambda: build(tree.text, x, attributes=place)))
        if tree.text == "concat":
            return self._typed(tree, lambda: self._stacked(arguments))
        return self._typed(tree, lambda: build(tree.text, *arguments))

    def _component(self, tree: Syntax) -> Expr:
        vector = self._expression(tree.args[0])
        return self._typed(tree, lambda: component(vector, int(tree.text)))

    def _vector(self, tree: Syntax) -> Expr:
        numbers = self._parts(tree, 0, "a vector [a, b] is made of scalars")
        return self._typed(tree, lambda: self._stacked(numbers))

    def _network(self, tree: Syntax) -> Expr:
        """f(y, t): what the network computes of its arguments below each other."""
        arguments = self._parts(tree, 1, f"{tree.text} takes scalars and vectors")
        x = self._typed(tree, lambda: self._stacked(arguments))
        called = self._typed(tree, lambda: self.networks[tree.text].of(x.shape[0]))
        value = elaborate(called.text, {**called.scope, "x": x}, catalogue=True)
        if depth(value) > DEEPEST:
            message = f"more than {DEEPEST} operations inside each other, those of networks counted"
            raise ExpressionError("E301", message, tree.start, tree.end)
        return value

    def _parts(self, tree: Syntax, rank: int, rule: str) -> list[Expr]:
        """The operands, of this rank at most."""
        found = [self._expression(part) for part in tree.args]
        for value, part in zip(found, tree.args, strict=True):
            if value.type.rank > rank or value.type.is_operator:
                message = f"{rule}, and this is {value.type}"
                raise ExpressionError("E303", message, part.start, part.end)
        return found

    def _stacked(self, parts: Sequence[Expr]) -> Expr:
        """Below each other, a vector for every example."""
        states = (e for e in (*self.scope.values(), *parts) if e.type.batched)
        like = next(states, None)
        if like is None:
            raise ShapeError("there is no state whose examples this could be stacked for")
        each = [p if p.type.batched else build("per_example", p, like) for p in parts]
        return each[0] if len(each) == 1 and each[0].shape else build("concat", *each)

    def _elementwise(self, tree: Syntax) -> _Value:
        left, right = (self.value(a) for a in tree.args)
        if isinstance(left, _Row) or isinstance(right, _Row):
            return self._of_rows(tree, left, right)
        is_product = tree.op == "*" and left.type.is_operator and right.type.rank == 1
        help = "a matrix is applied by @" if is_product else ""
        return self._typed(tree, lambda: _arithmetic(_BINARY[tree.op], left, right), help)

    def _of_rows(self, tree: Syntax, left: _Value, right: _Value) -> _Value:
        """Rows may be scaled, divided by a scalar, added and subtracted."""
        columns = [v.vector if isinstance(v, _Row) else v for v in (left, right)]
        both = isinstance(left, _Row) and isinstance(right, _Row)
        scaled = any(isinstance(v, Expr) and not v.shape for v in (left, right))
        divided_by_row = tree.op == "/" and isinstance(right, _Row)
        fits = both if tree.op in "+-" else scaled and not divided_by_row
        if tree.op == "**" or not fits:
            raise ExpressionError(
                "E303", f"{tree.op} does not take this row vector", tree.start, tree.end
            )
        return self._typed(tree, lambda: _Row(_arithmetic(_BINARY[tree.op], *columns)))

    def _product(self, tree: Syntax) -> _Value:
        left, right = (self.value(a) for a in tree.args)
        if isinstance(left, _Row):
            return self._typed(tree, lambda: _row_times(left, right))
        if isinstance(right, _Row):
            message = "a product with a row vector on the right depends on the state: not allowed"
            raise ExpressionError("E303", message, tree.start, tree.end)
        if left.type.rank == 1 and not left.type.is_operator and right.type.rank:
            help = "the left of @ is a matrix; K.T @ y for Kᵀ y, y.T @ z for the inner product"
            message = f"{left.type} @ {right.type} does not fit"
            raise ExpressionError("E303", message, tree.start, tree.end, help)
        return self._typed(tree, lambda: left @ right)

    def _expression(self, tree: Syntax) -> Expr:
        value = self.value(tree)
        if isinstance(value, _Row):
            raise ExpressionError("E303", "a row vector cannot stand here", tree.start, tree.end)
        return value

    def _typed(self, tree: Syntax, make: Callable[[], V], help: str = "") -> V:
        """Build a node; a shape error is told at the part of the text that it is about."""
        try:
            return make()
        except ShapeError as error:
            raise ExpressionError("E303", str(error), tree.start, tree.end, help) from None


def _instead(name: str) -> str:
    """What to write for a name that other languages have."""
    return f"write {NAMES[name]}" if NAMES.get(name) else ""


def _arithmetic(op: str, a: Expr, b: Expr) -> Expr:
    """The operation on operators where it has a meaning for them, else on their arrays' entries."""
    operators = a.type.is_operator, b.type.is_operator
    is_linear = op in ("add", "sub") and all(operators)
    is_multiple = op in ("mul", "div") and any(operators) and _is_number(b if operators[0] else a)
    if is_linear or (is_multiple and not (op == "div" and operators[1])):
        return build(op, a, b)
    return as_operator(build(op, entries(a), entries(b)))


def _is_number(e: Expr) -> bool:
    """Is it a number that all examples share?"""
    return not (e.shape or e.type.batched)


def _size(e: Expr) -> Size:
    value, name = e.attributes
    return Size(int(str(value)), str(name))


def _transposed(value: _Value) -> _Value:
    if isinstance(value, _Row):
        return value.vector
    if value.type.is_operator:
        return value.T
    return _Row(value) if value.type.rank == 1 else value


def _row_times(left: _Row, right: _Value) -> _Value:
    if isinstance(right, _Row) or not right.shape:
        raise ShapeError("a row vector times this is no product; use * for a scalar")
    if right.type.is_operator:
        return _Row(right.T @ left.vector)
    return build("sum", left.vector * right)
