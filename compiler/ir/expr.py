"""The expressions of the compiler: one node class, one name per operation, a type on every node.

A value is a scalar, a vector or a matrix *of one example and one time step*. Two flags say what
else its array holds at run time: `batched` (the last axis runs over the examples: a vector is a
matrix of columns (n, s)) and `stacked` (the first axis runs over the time steps or nodes).
Expressions are immutable and shared: two expressions that look the same are the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from weakref import WeakValueDictionary

Shape = tuple[int, ...]
Number = int | float


class ShapeError(ValueError):
    """Operands that do not fit the operation."""


@dataclass(frozen=True)
class Type:
    """Shape of one example at one step, and the axes around it."""

    shape: Shape = ()
    batched: bool = False
    stacked: int = 0

    @property
    def rank(self) -> int:
        return len(self.shape)

    def with_shape(self, shape: Shape) -> Type:
        return Type(shape, self.batched, self.stacked)

    def __str__(self) -> str:
        names = {0: "a scalar", 1: "a vector", 2: "a matrix"}
        size = "×".join(map(str, self.shape))
        return f"{names[self.rank]} ({size})" if self.shape else names[0]


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

    def __add__(self, other: Operand) -> Expr:
        return build("add", self, lift(other))

    def __radd__(self, other: Number) -> Expr:
        return lift(other) + self

    def __sub__(self, other: Operand) -> Expr:
        return build("sub", self, lift(other))

    def __rsub__(self, other: Number) -> Expr:
        return lift(other) - self

    def __mul__(self, other: Operand) -> Expr:
        return build("mul", self, lift(other))

    def __rmul__(self, other: Number) -> Expr:
        return lift(other) * self

    def __truediv__(self, other: Operand) -> Expr:
        return build("div", self, lift(other))

    def __rtruediv__(self, other: Number) -> Expr:
        return lift(other) / self

    def __pow__(self, other: Operand) -> Expr:
        return build("pow", self, lift(other))

    def __matmul__(self, other: Expr) -> Expr:
        return build("matmul", self, other)

    def __neg__(self) -> Expr:
        return build("neg", self)

    @property
    def T(self) -> Expr:
        return build("transpose", self)


Operand = Expr | Number

_known: WeakValueDictionary[tuple[object, ...], Expr] = WeakValueDictionary()


def build(op: str, *args: Expr, attributes: tuple[object, ...] = ()) -> Expr:
    """The expression `op(args)`, typed by the operation's rule. Raises ShapeError."""
    return _unique(op, args, attributes, TYPE_RULES[op](attributes, *(a.type for a in args)))


def _unique(op: str, args: tuple[Expr, ...], attributes: tuple[object, ...], type: Type) -> Expr:
    key = (op, args, repr(attributes), type)
    found = _known.get(key)
    if found is None:
        found = _known[key] = Expr(op, args, attributes, type)
    return found


def variable(name: str, shape: Shape = (), *, batched: bool = False, stacked: int = 0) -> Expr:
    return _unique("variable", (), (name,), Type(shape, batched, stacked))


def constant(value: Number, name: str = "") -> Expr:
    """A number; one with a name is printed by that name (`H`, `GAMMA`)."""
    return _unique("constant", (), (value, name), Type())


def eye(n: int) -> Expr:
    return _unique("eye", (), (n,), Type((n, n)))


def lift(value: Operand) -> Expr:
    return value if isinstance(value, Expr) else constant(value)


def is_constant(e: Expr, value: Number | None = None) -> bool:
    """Is `e` a number without a name (and this one)?"""
    if e.op != "constant" or e.attributes[1]:
        return False
    return value is None or e.attributes[0] == value


# --- types -----------------------------------------------------------------------------------


def _around(*types: Type) -> tuple[bool, int]:
    return any(t.batched for t in types), max(t.stacked for t in types)


def _no_batched_matrix(type: Type) -> Type:
    if type.rank == 2 and type.batched:
        raise ShapeError(
            "a matrix may not depend on the state; multiply the vector instead: K @ (a * y)"
        )
    return type


def _elementwise(_: tuple[object, ...], *types: Type) -> Type:
    shapes = {t.shape for t in types if t.shape}
    if len(shapes) > 1:
        raise ShapeError(f"{types[0]} and {types[1]} do not fit elementwise")
    batched, stacked = _around(*types)
    return _no_batched_matrix(Type(next(iter(shapes), ()), batched, stacked))


def _matmul(_: tuple[object, ...], left: Type, right: Type) -> Type:
    if left.rank != 2 or right.rank == 0:
        raise ShapeError(f"@ takes a matrix on the left, and {left} @ {right} is none")
    if left.shape[1] != right.shape[0]:
        raise ShapeError(
            f"{left} @ {right} does not fit: {left.shape[1]} columns meet {right.shape[0]} rows"
        )
    batched, stacked = _around(left, right)
    return Type((left.shape[0], *right.shape[1:]), batched, stacked)


def _transpose(_: tuple[object, ...], x: Type) -> Type:
    if x.rank != 2:
        raise ShapeError(f".T takes a matrix, and this is {x}")
    return x.with_shape(x.shape[::-1])


def _outer(_: tuple[object, ...], left: Type, right: Type) -> Type:
    return Type((*left.shape, *right.shape), False, _around(left, right)[1])


def _sum(_: tuple[object, ...], x: Type) -> Type:
    return Type((), x.batched, 0)


def _vector(_: tuple[object, ...], x: Type) -> Type:
    if x.rank != 1:
        raise ShapeError(f"this function takes a vector, not {x}")
    return x


def _nodes(change: int) -> Callable[..., Type]:
    return lambda _, x: Type(x.shape, x.batched, x.stacked + change)


TYPE_RULES: dict[str, Callable[..., Type]] = {
    "add": _elementwise,
    "sub": _elementwise,
    "mul": _elementwise,
    "div": _elementwise,
    "pow": _elementwise,
    "neg": _elementwise,
    "matmul": _matmul,
    "transpose": _transpose,
    "sum": _sum,
    # rows start..stop of a vector, and its adjoint: a vector put into zeros of a given length
    "rows": lambda at, x: x.with_shape((at[1] - at[0],)),
    "pad": lambda at, x: x.with_shape((at[1],)),
    # a vector with a scalar below it: [y; t]
    "append": lambda _, x, last: Type((x.shape[0] + 1,), x.batched or last.batched, x.stacked),
    # a scalar as a vector or matrix of equal entries
    "broadcast": lambda at, x: x.with_shape(at),
    # a quantity of one example (or none) repeated over the batch of another
    "per_example": lambda _, x, like: Type(x.shape, True, x.stacked),
    # all time nodes but the last, all but the first, and their adjoints
    "head": _nodes(-1),
    "tail": _nodes(-1),
    "unhead": _nodes(+1),
    "untail": _nodes(+1),
    # what reverse differentiation needs: g yᵀ summed over the batch, a sum over the batch
    "outer": _outer,
    "batch_sum": lambda _, x: Type(x.shape, False, x.stacked),
    "softmax": _vector,
    "log_softmax": _vector,
}

ELEMENTWISE_FUNCTIONS = (
    "tanh",
    "relu",
    "sigmoid",
    "softplus",
    "gelu",
    "sin",
    "cos",
    "exp",
    "log",
    "sqrt",
    "sinh",
    "cosh",
    "abs",
    "sign",
    "heaviside",
    "ndtr",
)
TYPE_RULES |= dict.fromkeys(ELEMENTWISE_FUNCTIONS, _elementwise)

LEAVES = ("variable", "constant", "eye", "rate")
OPERATIONS = frozenset(TYPE_RULES) | frozenset(LEAVES)


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


def rewrite(root: Expr, rule: Callable[[Expr], Expr]) -> Expr:
    """Apply a rule to every node, operands first."""
    new: dict[Expr, Expr] = {}
    for node in walk(root):
        args = tuple(new[arg] for arg in node.args)
        moved = node if args == node.args else rebuild(node, args)
        new[node] = rule(moved)
    return new[root]


def rebuild(node: Expr, args: tuple[Expr, ...]) -> Expr:
    if node.op == "rate":
        return _unique("rate", args, node.attributes, node.type)
    return build(node.op, *args, attributes=node.attributes)


def substitute(root: Expr, values: dict[str, Expr]) -> Expr:
    """Replace variables by expressions."""

    def rule(node: Expr) -> Expr:
        return values.get(str(node.attributes[0]), node) if node.op == "variable" else node

    return rewrite(root, rule)


def rate(block: str, shape: Shape, node: str, t: Expr, states: dict[str, Expr]) -> Expr:
    """The right-hand side of one block at a stage: dy/dt at (t, states) with the weights of a node.

    `node` is 'start', 'mid' or 'end' of the step: where weights that vary within it are taken.
    """
    type = Type(shape, True, 0)
    return _unique("rate", (t, *states.values()), (block, node, tuple(states)), type)


def variables(*roots: Expr) -> list[str]:
    """Names of the variables below the roots, in order of first use."""
    return [str(e.attributes[0]) for e in walk(*roots) if e.op == "variable"]
