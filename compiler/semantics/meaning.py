"""What every operation means in NumPy, float64 (or complex): the definition of the IR.

The shape of a value's array is that of its type (`ir.types.array_shape`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir.expr import Expr
from ..ir.types import BATCH, Layout, Size

Array = NDArray[Any]
Meaning = Callable[..., Array]
"""(node, values of its operands) → value."""

ROUNDING_OF_TIMES = 1e-9
"""A time that is t_j but for so much of a step counts as t_j."""


def _constant(node: Expr) -> Array:
    return np.asarray(node.attributes[0], dtype=np.float64)


def _size(attribute: object) -> int:
    assert isinstance(attribute, Size)
    return attribute.value


def _component_axis(e: Expr) -> int:
    """Where the components of a vector lie: before the column's examples, else last."""
    return -2 if e.type.layout is Layout.COLUMNS else -1


def _sum(node: Expr, x: Array) -> Array:
    """Over all but the batch."""
    (arg,) = node.args
    if not arg.type.batched:
        return x.sum()
    axes = tuple(range(x.ndim - 1)) if arg.type.layout is Layout.COLUMNS else (*range(x.ndim),)
    if arg.type.layout is Layout.COLUMNS:
        return x.sum(axis=axes).reshape(1, -1)
    batch = len(arg.type.path)
    return x.sum(axis=tuple(axis for axis in axes if axis != batch))


def _inner_sum(node: Expr, x: Array) -> Array:
    (arg,) = node.args
    if arg.type.rank != 1:
        return x if not arg.shape else x.sum(axis=(-2, -1))
    axis = _component_axis(arg)
    if arg.type.layout is Layout.COLUMNS and (arg.type.batched or arg.type.path):
        return x.sum(axis=axis, keepdims=True)
    return x.sum(axis=axis).reshape(x.shape[: len(arg.type.axes)])


def _reduce(node: Expr, x: Array) -> Array:
    """Over some of the axes, the components as they are."""
    (arg,) = node.args
    over = [axis for axis in arg.type.axes if axis in node.attributes]
    path = tuple(i for i, axis in enumerate(arg.type.path) if axis in over)
    if BATCH in over and arg.type.layout is Layout.COLUMNS:
        x = x.sum(axis=-1, keepdims=True)
    elif BATCH in over:
        x = x.sum(axis=len(arg.type.path))
    x = x.sum(axis=path) if path else x
    return x.reshape(()) if not node.shape and not node.type.axes else x


def _broadcast(node: Expr, x: Array) -> Array:
    if len(node.shape) == 2:
        return np.broadcast_to(x, node.shape)
    if node.type.layout is Layout.ROWS:
        return np.broadcast_to(x[..., None], (*x.shape, *node.shape))
    columns = x.shape[-1] if x.ndim >= 2 else 1
    path = x.shape[:-2]
    return np.broadcast_to(x, (*path, node.shape[0], columns))


def _per_example(node: Expr, x: Array, like: Array) -> Array:
    """As many copies as `like` has examples."""
    if node.type.layout is Layout.ROWS:
        path = len(node.args[1].type.path)
        return np.broadcast_to(x, (*x.shape[: len(node.type.path)], like.shape[path], *node.shape))
    rows = node.shape[0] if node.shape else 1
    return np.broadcast_to(x, (*x.shape[:-2], rows, like.shape[-1]))


def _slice(node: Expr, x: Array) -> Array:
    start, stop = map(_size, node.attributes)
    if node.type.rank == 2:
        return x[..., start:stop, :]
    return x[(..., slice(start, stop), *[slice(None)] * (-1 - _component_axis(node)))]


def _component(node: Expr, x: Array) -> Array:
    index, axis = _size(node.attributes[0]), _component_axis(node.args[0])
    if node.type.layout is Layout.COLUMNS:  # of a batch or a path a row of numbers
        return x[..., index : index + 1, :]
    return x.take(index, axis=axis).reshape(x.shape[: len(node.type.axes)])


def _pad(node: Expr, x: Array) -> Array:
    start, length = map(_size, node.attributes)
    axis = _component_axis(node)
    padded = np.zeros((*x.shape[:axis], length, *x.shape[axis:][1:]), x.dtype)
    padded[(..., slice(start, start + x.shape[axis]), *[slice(None)] * (-1 - axis))] = x
    return padded


def _concat(node: Expr, *parts: Array) -> Array:
    axis = _component_axis(node)
    if node.type.layout is not Layout.COLUMNS:
        pairs = zip(parts, node.args, strict=True)
        parts = tuple(p if arg.shape else p[..., None] for p, arg in pairs)
    most = max(parts, key=np.size).shape
    kept = [np.broadcast_to(p, (*most[:axis], p.shape[axis], *most[axis:][1:])) for p in parts]
    return np.concatenate(kept, axis=axis)


def _nodes(before: int, after: int) -> Meaning:
    def meaning(node: Expr, x: Array) -> Array:
        zeros = np.zeros_like(x[:1])
        return np.concatenate([zeros] * before + [x] + [zeros] * after)

    return meaning


def _outer(node: Expr, g: Array, y: Array) -> Array:
    """g yᵀ, summed over the batch."""
    if node.args[0].type.layout is Layout.ROWS:
        return np.swapaxes(g, -1, -2) @ y
    return g @ np.swapaxes(y, -1, -2)


def _flip(node: Expr, x: Array) -> Array:
    """Rows to columns and back; of numbers (s,) to (1, s)."""
    if node.type.rank == 0:
        is_row = node.type.layout is Layout.ROWS
        return x[..., 0, :] if is_row else x[..., None, :]
    return np.swapaxes(x, -1, -2)


def _column(node: Expr, x: Array) -> Array:
    if not node.type.lies_differently:
        return x
    return x[..., None] if node.shape else x[..., None, None]


def _uncolumn(node: Expr, x: Array) -> Array:
    if not node.type.lies_differently:
        return x
    return x[..., 0] if node.shape else x[..., 0, 0]


def _times(node: Expr, h: Array) -> Array:
    return np.arange(_size(node.attributes[0])) * h


def _step_of(node: Expr, t: Array, h: Array) -> Array:
    """The step j with t_j ≤ t < t_{j+1}, the last one at T."""
    j = np.floor(np.real(t) / h + ROUNDING_OF_TIMES)
    return np.clip(j, 0, _size(node.attributes[0]) - 1).astype(int)


def _at(node: Expr, stack: Array, index: Array) -> Array:
    return stack[_whole(index)]


def _whole(index: Array) -> int:
    """An index as an integer; one like j + 1 may be off by rounding."""
    return int(np.rint(np.real(index)))


def _put(node: Expr, x: Array, index: Array, like: Array) -> Array:
    found = np.zeros(like.shape, np.result_type(x, like))
    found[_whole(index)] = x
    return found


def _class_probabilities(node: Expr, targets: Array) -> Array:
    """Integer classes as one-hot rows; probabilities as they are."""
    if targets.ndim == 1:
        return np.eye(_size(node.attributes[0]))[targets.astype(int)]
    return targets


def _nearest(node: Expr, grid: Array, times: Array) -> Array:
    return np.searchsorted((grid[1:] + grid[:-1]) / 2, times)


def _before(node: Expr, grid: Array, times: Array) -> Array:
    return np.searchsorted(grid[1:-1], times, side="right")


def _taken(node: Expr, path: Array, places: Array) -> Array:
    return np.take_along_axis(path, _indices(places), axis=0)


def _indices(places: Array) -> NDArray[np.int64]:
    """Places as integers; those like j + 1 may have become real numbers."""
    return np.rint(np.real(places)).astype(np.int64)


def _scattered(node: Expr, g: Array, places: Array, like: Array) -> Array:
    found = np.zeros((len(like), *g.shape[1:]), np.result_type(g, like))
    components, examples = np.arange(g.shape[1])[:, None], np.arange(g.shape[2])
    np.add.at(found, (_indices(places), components, examples), g)
    return found


def _parted(node: Expr, x: Array, like: Array) -> Array:
    return x.reshape(*like.shape[:2], *x.shape[1:])


def _segments(node: Expr, x: Array) -> Array:
    count, each = map(_size, node.attributes[-2:])
    return x[: count * each].reshape(count, each, *x.shape[1:])


def _rest(node: Expr, x: Array) -> Array:
    count, each = map(_size, node.attributes[-2:])
    return x[count * each :]


def _unsegmented(node: Expr, x: Array, rest: Array) -> Array:
    return np.concatenate([x.reshape(-1, *x.shape[2:]), rest])


def _log_softmax(node: Expr, x: Array) -> Array:
    from scipy import special

    return special.log_softmax(x, axis=_component_axis(node))


def _softmax(node: Expr, x: Array) -> Array:
    from scipy import special

    return special.softmax(x, axis=_component_axis(node))


def _function(f: Callable[[Array], Array]) -> Meaning:
    return lambda node, x: f(x)


def _special(name: str, **options: int) -> Meaning:
    """A function of SciPy, which takes a quarter of a second to import and few specs need."""

    def meaning(node: Expr, x: Array) -> Array:
        from scipy import special

        return getattr(special, name)(x, **options)

    return meaning


def _gelu(node: Expr, x: Array) -> Array:
    return x * MEANING["ndtr"](node, x)


def _binary(f: Callable[[Array, Array], Array]) -> Meaning:
    return lambda node, x, y: f(x, y)


def _power(node: Expr, x: Array, exponent: Array) -> Array:
    """Whole powers by multiplication, as both frameworks do: x³ = x x x, also for x < 0."""
    (_, by) = node.args
    if by.op == "constant" and isinstance(by.attributes[0], int) and by.attributes[0] >= 0:
        return x ** by.attributes[0]
    return np.power(x, exponent)


MEANING: dict[str, Meaning] = {
    "constant": _constant,
    "eye": lambda node: np.eye(_size(node.attributes[0])),
    "units": lambda node: np.eye(_size(node.attributes[0]))[..., None],
    "identity_operator": lambda node: np.eye(_size(node.attributes[0])),
    "times": _times,
    "add": _binary(np.add),
    "sub": _binary(np.subtract),
    "mul": _binary(np.multiply),
    "div": _binary(np.divide),
    "pow": _power,
    "neg": _function(np.negative),
    "matmul": _binary(np.matmul),
    "transpose": _function(np.matrix_transpose),
    "sum": _sum,
    "inner_sum": _inner_sum,
    "diagonal": lambda node, x: np.diagonal(x, axis1=-2, axis2=-1)[..., None],
    "row_sums": lambda node, x: x.sum(axis=-1, keepdims=True),
    "reduce": _reduce,
    "mean": _function(np.mean),
    "component": _component,
    "slice": _slice,
    "pad": _pad,
    "matrix": lambda node, x: x.reshape(tuple(map(_size, node.attributes))),
    "flatten": lambda node, x: x.reshape(-1, 1),
    "concat": _concat,
    "broadcast": _broadcast,
    "per_example": _per_example,
    "head": lambda node, x: x[:-1],
    "tail": lambda node, x: x[1:],
    "pad_last": _nodes(0, 1),
    "pad_first": _nodes(1, 0),
    "at": _at,
    "put": _put,
    "last": lambda node, x: x[-1],
    "scalar": lambda node, x, like: np.asarray(x),
    "step_of": _step_of,
    "interval": lambda node, start, stop: np.asarray([start, stop]),
    "column": _column,
    "uncolumn": _uncolumn,
    "flip": _flip,
    "class_probabilities": _class_probabilities,
    "nearest": _nearest,
    "before": _before,
    "taken": _taken,
    "scattered": _scattered,
    "merged": lambda node, x: x.reshape(-1, *x.shape[2:]),
    "parted": _parted,
    "known": lambda node, x: np.where(np.isnan(x), 0.0, 1.0),
    "filled": lambda node, x: np.where(np.isnan(x), 0.0, x),
    "total": lambda node, x: np.asarray(x.sum()),
    "outer": _outer,
    "segments": _segments,
    "rest": _rest,
    "unsegmented": _unsegmented,
    "zeros_like": _function(np.zeros_like),
    "rounded": _function(lambda x: x),
    "dense": _function(lambda x: x),
    "entries": _function(lambda x: x),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "tanh": _function(np.tanh),
    "relu": _function(lambda x: np.maximum(x, 0)),
    "sigmoid": _special("expit"),
    "softplus": _function(lambda x: np.logaddexp(x, 0)),
    "gelu": _gelu,
    "ndtr": _special("ndtr"),
    "sin": _function(np.sin),
    "cos": _function(np.cos),
    "exp": _function(np.exp),
    "log": _function(np.log),
    "sqrt": _function(np.sqrt),
    "sinh": _function(np.sinh),
    "cosh": _function(np.cosh),
    "abs": _function(np.abs),
    "sign": _function(np.sign),
    "heaviside": _function(lambda x: np.heaviside(x, 0.0)),
}
