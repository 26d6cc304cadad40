"""The first number of a computation that is not finite: which operation made it, and of what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..ir.expr import Expr, is_number
from ..ir.module import Module
from ..ir.operations import LEAVES, OPERATIONS
from ..ir.text import mathematics
from ..ir.types import Layout
from ..semantics.meaning import MEANING, Array
from .trace import Place, Stage, traced


@dataclass(frozen=True)
class BadNumber:
    """A number that is not finite, made of numbers that are."""

    place: Place
    expression: str
    """The part of the program: `y' = tanh(K y + b)`."""
    part: str
    """The operation in it: `K y`."""
    value: float
    """NaN or an infinity."""
    exact: float
    """The value before it was rounded to the dtype; it may be finite."""
    operands: tuple[tuple[str, float], ...] = ()
    """`y − 2` at this entry, or the largest `|K|` and `|y|` of a product or a sum."""
    row: int | None = None
    """The example within the batch; None where it is no quantity of one example."""
    entry: tuple[int, ...] = ()
    """The index of the number in its array, without the example."""


@dataclass(frozen=True)
class Largest:
    """The largest number that was met."""

    place: Place
    part: str
    magnitude: float


class _Found(Exception):
    """Stops the run at a number that is not finite."""

    def __init__(self, bad: BadNumber) -> None:
        super().__init__(bad.part)
        self.bad = bad


def first_bad(
    module: Module, weights: Mapping[str, Array], x: Array, targets: Array, dtype: str
) -> tuple[BadNumber | Largest, dict[str, Array]]:
    """The first result of a stage that is not finite, traced to where it comes from.

    A number that an operation absorbs (tanh ∞ = 1) is no result; where it does harm later, as in
    the derivative of that tanh, it is found there. Where all is finite, the largest number, and the
    gradient.
    """
    largest = Largest(Place("data", ()), "", 0.0)

    def see(stage: Stage) -> None:
        nonlocal largest
        bad = bad_in(stage)
        if bad is not None:
            raise _Found(bad)
        largest = max(largest, _largest(stage), key=lambda known: known.magnitude)

    try:
        gradient = traced(module, weights, x, targets, dtype, see)
    except _Found as found:
        return found.bad, {}
    return largest, gradient


def bad_in(stage: Stage) -> BadNumber | None:
    """The first result of a stage that is not finite. What a function passes on was seen where it
    was made, and of observations some may be missing."""
    for at, i in enumerate(stage.evaluator.results):
        is_passed_on = stage.place.role is not None and stage.node(i).op == "variable"
        if not is_passed_on and not np.isfinite(stage.values[i]).all():
            return _described(stage, at, *_origin(stage, i))
    return None


def _origin(stage: Stage, i: int) -> tuple[int, int | None]:
    """From a bad node down to one whose operands are good, in the example that is bad first."""
    example: int | None = None
    while True:
        node = stage.node(i)
        if not node.type.batched:
            example = None
        elif example is None:
            example = _first_bad_example(node, stage.values[i])
        below = stage.evaluator.operands[i]
        bad = (k for k in below if not np.isfinite(_of(stage, k, example)).all())
        worse = next(bad, None)
        if worse is None:
            return i, example
        i = worse


def _batch_axis(node: Expr) -> int:
    """Which axis of the array the batch is."""
    return -1 if node.type.layout is Layout.COLUMNS else len(node.type.path)


def _first_bad_example(node: Expr, value: Array) -> int:
    moved = np.moveaxis(np.asarray(value), _batch_axis(node), -1)
    finite = np.isfinite(moved).all(axis=tuple(range(moved.ndim - 1)))
    return int(np.argmin(finite))


def _of(stage: Stage, i: int, example: int | None) -> Array:
    """The value of a node for one example, where it has one for each."""
    node, value = stage.node(i), np.asarray(stage.values[i])
    return _taken(node, value, example)


def _taken(node: Expr, value: Array, example: int | None) -> Array:
    if example is None or not node.type.batched or value.dtype.kind not in "fc":
        return value
    axis = _batch_axis(node)
    return value if value.shape[axis] == 1 else np.take(value, [example], axis=axis)


def _described(stage: Stage, at: int, i: int, example: int | None) -> BadNumber:
    node, value = stage.node(i), _of(stage, i, example)
    index = tuple(int(k) for k in np.argwhere(~np.isfinite(value))[0])
    place = stage.place_of(at)
    if place.layer is None and node.type.path:
        place = replace(place, layer=index[0] + 1)
    return BadNumber(
        place,
        stage.text,
        mathematics(node),
        float(value[index]),
        float(_taken(node, _exact(stage, i), example)[index]),
        tuple(dict(_operands(stage, i, example, index)).items()),
        example,
        _entry(node, index, example),
    )


def _entry(node: Expr, index: tuple[int, ...], example: int | None) -> tuple[int, ...]:
    """The index without the example."""
    if example is None:
        return index
    axis = _batch_axis(node) % len(index)
    return index[:axis] + index[axis + 1 :]


def _exact(stage: Stage, i: int) -> Array:
    """The value of a node before it was rounded."""
    node = stage.evaluator.order[i]
    if node.op in LEAVES:
        return np.asarray(stage.given.get(node, stage.values[i]))
    with np.errstate(all="ignore"):
        operands = (stage.values[k] for k in stage.evaluator.operands[i])
        return np.asarray(MEANING[node.op](node, *operands))


def _operands(
    stage: Stage, i: int, example: int | None, index: tuple[int, ...]
) -> Iterator[tuple[str, float]]:
    node, shape = stage.node(i), _of(stage, i, example).shape
    elementwise = node.op in OPERATIONS and OPERATIONS[node.op].elementwise
    for k in stage.evaluator.operands[i]:
        arg, value = stage.node(k), _of(stage, k, example)
        if is_number(arg):
            continue
        if elementwise:
            yield mathematics(arg), float(np.broadcast_to(value, shape)[index])
        else:
            yield f"|{mathematics(arg)}|", float(np.max(np.abs(value), initial=0.0))


def _largest(stage: Stage) -> Largest:
    sizes = [float(np.max(np.abs(v), initial=0.0)) for v in map(_finite, stage.values)]
    i = int(np.argmax(sizes))
    return Largest(stage.place_of(0), mathematics(stage.node(i)), sizes[i])


def _finite(value: Array) -> Array:
    return np.where(np.isfinite(value), value, 0.0)
