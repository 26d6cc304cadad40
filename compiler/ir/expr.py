"""The expressions of the compiler: one node class, one name per operation, a type on every node.

Expressions are immutable and shared: two expressions that look the same are the same object. A
variable is itself and no other: two variables of one name are different, and what a program calls
them is decided where it is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from threading import Lock
from weakref import WeakValueDictionary

from .operations import LEAVES, OPERATIONS
from .types import PROBE, SCALAR, Shape, Size, Type, columns, stored

Number = int | float


@dataclass(frozen=True, eq=False)
class Expr:
    """One operation on operands; `attributes` are its constants (a value, a name, a range)."""

    op: str
    args: tuple[Expr, ...]
    attributes: tuple[object, ...]
    type: Type

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of components that are its constants: a range, a place."""
        return tuple(a.value for a in self.attributes if isinstance(a, Size))

    @property
    def name(self) -> str:
        """What a variable, a raw weight or a called function is known by."""
        return str(self.attributes[0])

    def __add__(self, other: Operand) -> Expr:
        return build("add", self, as_expr(other))

    def __radd__(self, other: Number) -> Expr:
        return as_expr(other) + self

    def __sub__(self, other: Operand) -> Expr:
        return build("sub", self, as_expr(other))

    def __rsub__(self, other: Number) -> Expr:
        return as_expr(other) - self

    def __mul__(self, other: Operand) -> Expr:
        return build("mul", self, as_expr(other))

    def __rmul__(self, other: Number) -> Expr:
        return as_expr(other) * self

    def __truediv__(self, other: Operand) -> Expr:
        return build("div", self, as_expr(other))

    def __rtruediv__(self, other: Number) -> Expr:
        return as_expr(other) / self

    def __pow__(self, other: Operand) -> Expr:
        return build("pow", self, as_expr(other))

    def __matmul__(self, other: Expr) -> Expr:
        return build("matmul", self, other)

    def __neg__(self) -> Expr:
        return build("neg", self)

    @property
    def T(self) -> Expr:
        return build("transpose", self)


Operand = Expr | Number

_known: WeakValueDictionary[tuple[object, ...], Expr] = WeakValueDictionary()
_making = Lock()
_numbers = count(1)


def build(op: str, *args: Expr, attributes: tuple[object, ...] = ()) -> Expr:
    """The expression `op(args)`, typed by the operation's rule. Raises ShapeError."""
    type = OPERATIONS[op].rule(attributes, *(a.type for a in args))
    return _unique(op, args, attributes, type)


def _unique(op: str, args: tuple[Expr, ...], attributes: tuple[object, ...], type: Type) -> Expr:
    key = (op, args, repr(attributes), type)
    found = _known.get(key)
    if found is None:
        with _making:  # two threads that find none would make two
            found = _known.setdefault(key, Expr(op, args, attributes, type))
    return found


def variable(name: str, type: Type = SCALAR) -> Expr:
    """A new variable; `name` is what it would best be called."""
    return _unique("variable", (), (name, next(_numbers)), type)


def weight(name: str, type: Type) -> Expr:
    """A raw weight as it is stored: the same one wherever it is named."""
    return _unique("weight", (), (name,), type)


def constant(value: Number, name: str = "") -> Expr:
    """A number; one with a name is printed by that name (`H`, `GAMMA`)."""
    return _unique("constant", (), (value, name), SCALAR)


def eye(size: Size) -> Expr:
    """The identity as an array."""
    return _unique("eye", (), (size,), stored((size.value, size.value)))


def units(size: Size) -> Expr:
    """The unit vectors e₁ … eₙ as a stack of columns."""
    return _unique("units", (), (size,), columns((size.value,), batch=False).along(PROBE))


def identity(size: Size) -> Expr:
    """The identity as an operator."""
    return _unique("identity_operator", (), (size,), Type((size.value,), domain=(size.value,)))


def component(x: Expr, index: int) -> Expr:
    """One number of a vector, counted from 0. Raises ShapeError."""
    return build("component", x, attributes=(Size(index),))


def times(h: Expr, steps: Size, axes: tuple) -> Expr:
    """t_j = j h at the start of every step."""
    return _unique("times", (h,), (steps,), Type((), axes))


def call(function: str, args: Iterable[Expr], type: Type) -> Expr:
    """What a function with one result gives; `type` is that of its result."""
    return _unique("call", tuple(args), (function,), type)


def as_expr(value: Operand) -> Expr:
    return value if isinstance(value, Expr) else constant(value)


def is_constant(e: Expr, value: Number | None = None) -> bool:
    """Is `e` a number without a name (and this one)?"""
    if e.op != "constant" or e.attributes[1]:
        return False
    return value is None or e.attributes[0] == value


# --- walking ---------------------------------------------------------------------------------


def walk(*roots: Expr) -> Iterator[Expr]:
    """Every distinct node below the roots, operands before what uses them."""
    seen: set[Expr] = set()
    pending = [(root, False) for root in reversed(roots)]
    while pending:
        node, ready = pending.pop()
        if node in seen:
            continue
        if ready:
            seen.add(node)
            yield node
        else:
            pending.append((node, True))
            pending.extend((arg, False) for arg in reversed(node.args))


def depth(root: Expr) -> int:
    """How many operations lie inside each other."""
    found: dict[Expr, int] = {}
    for node in walk(root):
        found[node] = 1 + max((found[arg] for arg in node.args), default=0)
    return found[root]


def rewrite(root: Expr, rule: Callable[[Expr], Expr]) -> Expr:
    """Apply a rule to every node, operands first."""
    new: dict[Expr, Expr] = {}
    for node in walk(root):
        args = tuple(new[arg] for arg in node.args)
        moved = node if args == node.args else rebuild(node, args)
        new[node] = rule(moved)
    return new[root]


def rebuild(node: Expr, args: tuple[Expr, ...]) -> Expr:
    """The same operation on other operands."""
    if node.op in LEAVES:
        return _unique(node.op, args, node.attributes, node.type)
    return build(node.op, *args, attributes=node.attributes)


def substitute(root: Expr, values: Mapping[Expr, Expr]) -> Expr:
    """Replace variables and weights by expressions."""
    if not values:
        return root
    return rewrite(root, lambda node: values.get(node, node))


def variables(*roots: Expr) -> list[Expr]:
    """The variables and weights below the roots, in order of first use."""
    return [e for e in walk(*roots) if e.op in ("variable", "weight")]


def is_number(e: Expr) -> bool:
    """Is it made of numbers alone?"""
    along = ("times", "interval")
    return not any(node.op in ("variable", "weight", "call", *along) for node in walk(e))
