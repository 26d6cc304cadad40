"""The operations of expressions: for each, one row with its type rule and its plain facts.

What an operation means in NumPy, its derivative and its text in each framework are rows of tables
of their own (`semantics/meaning.py`, `passes/derive.py`, the dialects of `backends/`); a test names
a row that is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .elementary import FUNCTIONS
from .observations import merged, scattered, taken
from .types import BATCH, ENDS, NODE, SCALAR, STEP, Axis, Layout, ShapeError, Type, joined

Attributes = tuple[Any, ...]
Rule = Callable[..., Type]
"""(attributes, types of the operands …) → type of the result. Raises ShapeError."""


@dataclass(frozen=True)
class Operation:
    """One row. `exact` operations round nothing, `cheap` ones need no name of their own in a
    program, those by entries (`elementwise`) make an entry of the same entry of their operands."""

    rule: Rule
    exact: bool = False
    cheap: bool = False
    elementwise: bool = False
    moves: bool = False
    """Does it only move numbers, which costs no floating-point operation?"""


# --- rules -----------------------------------------------------------------------------------


def _elementwise(_: Attributes, *types: Type) -> Type:
    if any(t.is_operator for t in types):
        raise ShapeError("a linear operator has no entries; take those of its array")
    shapes = {t.shape for t in types if t.shape}
    if len(shapes) > 1:
        raise ShapeError(f"{types[0]} and {types[1]} do not fit elementwise")
    return _no_batched_matrix(Type(next(iter(shapes), ()), *joined(*types)))


def _no_batched_matrix(type: Type) -> Type:
    if type.rank == 2 and type.batched:
        raise ShapeError(
            "a matrix may not depend on the state; multiply the vector instead: K @ (a * y)"
        )
    return type


def _linear(attributes: Attributes, *types: Type) -> Type:
    """Sums of operators are operators; of arrays, arrays."""
    if not any(t.is_operator for t in types):
        return _elementwise(attributes, *types)
    if len({(t.shape, t.domain) for t in types}) > 1:
        raise ShapeError(f"{types[0]} and {types[-1]} do not fit elementwise")
    return replace(types[0], axes=joined(*types)[0])


def _scaled(attributes: Attributes, a: Type, b: Type) -> Type:
    """A number times an operator is an operator."""
    operators = [t for t in (a, b) if t.is_operator]
    if not operators:
        return _elementwise(attributes, a, b)
    if len(operators) > 1 or any(t.shape or t.batched for t in (a, b) if not t.is_operator):
        raise ShapeError(f"{a} and {b} do not fit elementwise")
    return operators[0]


def _divided(attributes: Attributes, a: Type, b: Type) -> Type:
    if b.is_operator:
        raise ShapeError("a matrix is no divisor")
    return _scaled(attributes, a, b)


def _matmul(_: Attributes, left: Type, right: Type) -> Type:
    if left.is_operator:
        return _applied(left, right)
    if left.rank != 2 or right.rank == 0:
        raise ShapeError(f"@ takes a matrix on the left, and {left} @ {right} is none")
    if left.shape[1] != right.shape[0]:
        raise _misfit(left, right, left.shape[1], right.shape[0])
    return Type((left.shape[0], *right.shape[1:]), *joined(left, right))


def _applied(left: Type, right: Type) -> Type:
    """An operator applied to a value, or after another operator."""
    if right.rank == 0:
        raise ShapeError(f"@ takes a matrix on the left, and {left} @ {right} is none")
    if left.domain != right.shape:
        raise _misfit(left, right, left.domain, right.shape)
    return Type(left.shape, *joined(left, right), right.domain)


def _misfit(left: Type, right: Type, columns: object, rows: object) -> ShapeError:
    meet = [str(n).strip("(),").replace(", ", "×") for n in (columns, rows)]
    return ShapeError(f"{left} @ {right} does not fit: {meet[0]} columns meet {meet[1]} rows")


def _transpose(_: Attributes, x: Type) -> Type:
    if x.domain is not None:
        return replace(x, shape=x.domain, domain=x.shape)
    if x.rank != 2:
        raise ShapeError(f".T takes a matrix, and this is {x}")
    return x.with_shape(x.shape[::-1])


def _dense(_: Attributes, x: Type) -> Type:
    if x.rank != 2:
        raise ShapeError(f"{x} is no matrix")
    rows, columns = x.shape
    return Type((rows,), x.axes, x.layout, (columns,))


def _entries(_: Attributes, x: Type) -> Type:
    if x.domain is None:
        raise ShapeError(f"{x} is no operator")
    return Type((*x.shape, *x.domain), x.axes)


def _sum(_: Attributes, x: Type) -> Type:
    """Over all entries of an example."""
    return Type((), (BATCH,) * x.batched, x.layout)


def _inner_sum(_: Attributes, x: Type) -> Type:
    """Over the components alone."""
    return x.with_shape(())


def _reduce(attributes: Attributes, x: Type) -> Type:
    """Over some of the axes."""
    return x.with_axes(tuple(axis for axis in x.axes if axis not in attributes))


def _vector(_: Attributes, x: Type) -> Type:
    if x.rank != 1:
        raise ShapeError(f"this function takes a vector, not {x}")
    return x


def _diagonal(_: Attributes, x: Type) -> Type:
    if x.is_operator or x.rank != 2 or x.shape[0] != x.shape[1]:
        raise ShapeError(f"{x} has no diagonal")
    return Type(x.shape[:1], x.axes, Layout.COLUMNS)


def _row_sums(_: Attributes, x: Type) -> Type:
    if x.is_operator or x.rank != 2:
        raise ShapeError(f"{x} has no rows")
    return Type(x.shape[:1], x.axes, Layout.COLUMNS)


def _slice(attributes: Attributes, x: Type) -> Type:
    """Components of a vector, rows of a matrix."""
    start, stop = attributes
    rest = x.shape[1:] if x.rank == 2 and not x.is_operator else _vector(attributes, x).shape[1:]
    return x.with_shape((stop.value - start.value, *rest))


def _pad(attributes: Attributes, x: Type) -> Type:
    return _vector(attributes, x).with_shape((attributes[1].value,))


def _matrix(attributes: Attributes, x: Type) -> Type:
    """A vector as a matrix, row by row."""
    rows, columns = (size.value for size in attributes)
    if x.rank != 1 or x.is_operator or x.axes or x.layout is not Layout.COLUMNS:
        raise ShapeError(f"a matrix is made of a vector that all examples share, and this is {x}")
    if rows * columns != x.shape[0]:
        raise ShapeError(f"{x} has not the entries of a matrix ({rows}×{columns})")
    return Type((rows, columns))


def _flatten(_: Attributes, x: Type) -> Type:
    """The rows of a matrix below each other."""
    if x.rank != 2 or x.is_operator or x.axes:
        raise ShapeError(f"{x} is no matrix")
    rows, columns = x.shape
    return Type((rows * columns,), (), Layout.COLUMNS)


def _component(attributes: Attributes, x: Type) -> Type:
    """One number of a vector."""
    (index,) = attributes
    if x.is_operator or x.rank != 1:
        raise ShapeError(f"a component is one of a vector, and this is {x}")
    (n,) = x.shape
    if index.value >= n:
        last = f" to {n - 1}" if n > 1 else ""
        raise ShapeError(f"there is no component {index}: they are counted from 0{last}")
    return x.with_shape(())


def _concat(attributes: Attributes, *parts: Type) -> Type:
    """Vectors, and numbers as vectors of one component, below each other."""
    if any(part.rank > 1 or part.is_operator for part in parts):
        raise ShapeError("what is put together is made of scalars and vectors")
    if len({part.axes for part in parts}) > 1:
        raise ShapeError("what is put together has one vector for every example, or for all")
    return Type((sum(p.height for p in parts),), *joined(*parts))


def _broadcast(attributes: Attributes, x: Type) -> Type:
    layout = x.layout if x.batched else Layout.COLUMNS
    return Type(tuple(size.value for size in attributes), x.axes, layout)


def _per_example(_: Attributes, x: Type, like: Type) -> Type:
    return Type(x.shape, (*x.path, BATCH), like.layout)


def _nodes(change: int) -> Rule:
    """Along the first axis of time."""

    def rule(_: Attributes, x: Type) -> Type:
        if not x.path:
            raise ShapeError(f"{x} does not lie along time")
        first, *rest = x.axes
        return x.with_axes((first.longer(change), *rest))

    return rule


def _at(_: Attributes, stack: Type, index: Type) -> Type:
    if not stack.path:
        raise ShapeError(f"{stack} does not lie along time")
    return stack.element()


def _column(_: Attributes, x: Type) -> Type:
    return replace(x, layout=Layout.COLUMNS)


def _uncolumn(_: Attributes, x: Type) -> Type:
    return replace(x, layout=Layout.STORED)


def _flip(_: Attributes, x: Type) -> Type:
    """Rows to columns and back."""
    if not x.batched:
        raise ShapeError(f"{x} has no batch")
    return replace(x, layout=Layout.COLUMNS if x.layout is Layout.ROWS else Layout.ROWS)


def _outer(_: Attributes, left: Type, right: Type) -> Type:
    axes, _layout = joined(left, right)
    return Type((*left.shape, *right.shape), tuple(axis for axis in axes if axis != BATCH))


def _segments(cut: Attributes, x: Type) -> Type:
    """The first entries, in segments of equal length. A cut is the axis that is cut, those of the
    segments, of what is within one and of the rest, the number of segments and their length."""
    return x.with_axes((cut[1], cut[2], *x.axes[1:]))


def _rest(cut: Attributes, x: Type) -> Type:
    return x.with_axes((cut[3].longer(x.axes[0].extra), *x.axes[1:]))


def _unsegmented(cut: Attributes, x: Type, rest: Type) -> Type:
    return x.with_axes((cut[0], *x.axes[2:]))


_same: Rule = lambda attributes, x, *others: x  # noqa: E731
_scalar: Rule = lambda attributes, *operands: SCALAR  # noqa: E731


def _arithmetic(rule: Rule, **facts: bool) -> Operation:
    return Operation(rule, elementwise=True, **facts)


def _moving(rule: Rule, **facts: bool) -> Operation:
    return Operation(rule, exact=True, moves=True, **facts)


OPERATIONS: dict[str, Operation] = {
    "add": _arithmetic(_linear),
    "sub": _arithmetic(_linear),
    "mul": _arithmetic(_scaled),
    "div": _arithmetic(_divided),
    "pow": _arithmetic(_elementwise),
    "neg": _arithmetic(_linear, exact=True, cheap=True),
    "matmul": Operation(_matmul),
    "transpose": _moving(_transpose, cheap=True),
    # a matrix as a linear operator, and the array of an operator that has one
    "dense": _moving(_dense, cheap=True),
    "entries": _moving(_entries, cheap=True),
    # Mᵢᵢ as a column
    "diagonal": _moving(_diagonal),
    # Σⱼ Mᵢⱼ as a column
    "row_sums": Operation(_row_sums),
    "sum": Operation(_sum),
    "inner_sum": Operation(_inner_sum),
    "reduce": Operation(_reduce),
    "mean": Operation(_scalar),
    "softmax": Operation(_vector),
    "log_softmax": Operation(_vector),
    # one number of a vector
    "component": _moving(_component, cheap=True),
    # components start..stop of a vector, and its adjoint: a vector put into zeros
    "slice": _moving(_slice, cheap=True),
    "pad": _moving(_pad),
    # the numbers of a vector as a matrix, row by row, and its adjoint
    "matrix": _moving(_matrix, cheap=True),
    "flatten": _moving(_flatten, cheap=True),
    # vectors and scalars below each other: [y; t]
    "concat": _moving(_concat),
    # a scalar as a vector or matrix of equal entries
    "broadcast": _moving(_broadcast, elementwise=True),
    # a quantity of one example (or none) repeated over the batch of another
    "per_example": _moving(_per_example),
    # along time: all entries but the last, all but the first, their adjoints, one entry
    "head": _moving(_nodes(-1), cheap=True),
    "tail": _moving(_nodes(-1), cheap=True),
    "pad_last": _moving(_nodes(+1)),
    "pad_first": _moving(_nodes(+1)),
    "at": _moving(_at, cheap=True),
    "last": _moving(lambda _, x: x.element(), cheap=True),
    # a value at one entry of zeros like a stack
    "put": _moving(lambda _, x, index, like: like),
    # a number of Python as an array like another one
    "scalar": _moving(_scalar),
    # the step that a time belongs to
    "step_of": _moving(_scalar),
    # the times at which a solve starts and stops
    "interval": _moving(lambda _, start, stop: Type((), (ENDS,))),
    # layouts
    "column": _moving(_column, cheap=True),
    "uncolumn": _moving(_uncolumn, cheap=True),
    "flip": _moving(_flip, cheap=True),
    "class_probabilities": _moving(_same),
    # which of increasing times is nearest to another, and the last one before it (but for the end)
    "nearest": _moving(lambda _, grid, times: times),
    "before": _moving(lambda _, grid, times: times),
    # entries of a stack, for every example others, and its adjoint
    "taken": _moving(taken),
    "scattered": Operation(scattered),
    # observations as examples, and back
    "merged": _moving(merged, cheap=True),
    "parted": _moving(lambda _, x, like: x.with_axes(like.axes), cheap=True),
    # of numbers that may be missing (NaN): 1 where there is one, else 0; itself, else 0
    "known": _moving(_same, elementwise=True),
    "filled": _moving(_same, elementwise=True),
    # Σ of all entries
    "total": Operation(_scalar),
    # what reverse differentiation needs: g yᵀ summed over the batch
    "outer": Operation(_outer),
    # what checkpoints need: steps cut into segments, those left over, and both put together again
    "segments": _moving(_segments),
    "rest": _moving(_rest),
    "unsegmented": _moving(_unsegmented),
    "zeros_like": _moving(_same),
    # rounded as a number that is stored is: in the sums of a gradient
    "rounded": Operation(_same, cheap=True),
    **{
        name: Operation(_elementwise, exact=not f.rounds, elementwise=True)
        for name, f in FUNCTIONS.items()
        if not f.definition
    },
}

ELEMENTWISE_FUNCTIONS = tuple(name for name, f in FUNCTIONS.items() if not f.definition)

LEAVES = ("variable", "weight", "constant", "eye", "units", "identity_operator", "times", "call")
"""What no rule types: a leaf has its type from the start, a call from the function it calls."""


def is_exact(op: str) -> bool:
    """Does an operation round nothing?"""
    return op in LEAVES or OPERATIONS[op].exact


def is_cheap(op: str) -> bool:
    """Is it so short that a program need not name it?"""
    return op in ("variable", "weight", "constant", "eye") or (
        op in OPERATIONS and OPERATIONS[op].cheap
    )


def time_axis(mode: str) -> tuple[Axis, ...]:
    """The time axis of a weight: a step each, a node each, or none where it is shared."""
    return {"per-step": (STEP,), "linear": (NODE,), "shared": ()}[mode]
