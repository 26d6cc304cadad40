"""The first number of a computation that is not finite: which operation made it, and of what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from .evaluate import MEANING
from .ir.expr import ELEMENTWISE_FUNCTIONS, Expr, variables
from .ir.text import mathematics
from .tape import Array, Place, Stage

ELEMENTWISE = frozenset({"add", "sub", "mul", "div", "pow", "neg", "broadcast"}) | frozenset(
    ELEMENTWISE_FUNCTIONS
)


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


def first_bad(stages: Iterable[Stage]) -> BadNumber | Largest:
    """The first result of a stage that is not finite, traced to where it comes from.

    A number that an operation absorbs (tanh ∞ = 1) is no result; where it does harm later, as in
    the derivative of that tanh, it is found there. Where all is finite, the largest number.
    """
    largest = Largest(Place("data", ()), "", 0.0)
    for stage in stages:
        found = _bad(stage)
        if found is not None:
            return found
        largest = max(largest, _largest(stage), key=lambda known: known.magnitude)
    return largest


def _bad(stage: Stage) -> BadNumber | None:
    for i in stage.evaluator.results:
        if not np.isfinite(stage.values[i]).all():
            return _described(stage, *_origin(stage, i))
    return None


def _origin(stage: Stage, i: int) -> tuple[int, int | None]:
    """From a bad node down to one whose operands are good, in the example that is bad first."""
    column: int | None = None
    while True:
        if not stage.evaluator.order[i].type.batched:
            column = None
        elif column is None:
            column = int(np.argmin(np.isfinite(stage.values[i]).all(axis=0)))
        below = stage.evaluator.operands[i]
        bad = (k for k in below if not np.isfinite(_example(stage, k, column)).all())
        worse = next(bad, None)
        if worse is None:
            return i, column
        i = worse


def _example(stage: Stage, i: int, column: int | None) -> Array:
    """The value of a node for one example, where it has one for each."""
    value = stage.values[i]
    if column is None or not stage.evaluator.order[i].type.batched or value.shape[-1] == 1:
        return value
    return value[..., column : column + 1]


def _described(stage: Stage, i: int, column: int | None) -> BadNumber:
    node, value = stage.evaluator.order[i], _example(stage, i, column)
    index = tuple(int(k) for k in np.argwhere(~np.isfinite(value))[0])
    place = stage.place
    if place.layer is None and node.type.stacked:
        place = replace(place, layer=index[0] + 1)
    return BadNumber(
        place,
        stage.text,
        mathematics(node),
        float(value[index]),
        _exact(stage, i, column, index),
        tuple(dict(_operands(stage, i, column, index)).items()),
        column,
        index[:-1] if column is not None else index,
    )


def _exact(stage: Stage, i: int, column: int | None, index: tuple[int, ...]) -> float:
    node = stage.evaluator.order[i]
    if node.op == "variable":
        value = np.asarray(stage.given[str(node.attributes[0])])
    else:
        with np.errstate(all="ignore"):
            operands = (stage.values[k] for k in stage.evaluator.operands[i])
            value = np.asarray(MEANING[node.op](node, *operands))
    if column is not None and node.type.batched and value.shape[-1] > 1:
        index = (*index[:-1], column)
    return float(value[index])


def _operands(
    stage: Stage, i: int, column: int | None, index: tuple[int, ...]
) -> Iterator[tuple[str, float]]:
    node, shape = stage.evaluator.order[i], _example(stage, i, column).shape
    for k in stage.evaluator.operands[i]:
        arg, value = stage.evaluator.order[k], _example(stage, k, column)
        if not variables(arg):
            continue
        if node.op in ELEMENTWISE:
            yield mathematics(arg), float(np.broadcast_to(value, shape)[index])
        else:
            yield f"|{mathematics(arg)}|", float(np.max(np.abs(value), initial=0.0))


def _largest(stage: Stage) -> Largest:
    sizes = [float(np.max(np.abs(v), initial=0.0)) for v in map(_finite, stage.values)]
    i = int(np.argmax(sizes))
    node: Expr = stage.evaluator.order[i]
    return Largest(stage.place, mathematics(node), sizes[i])


def _finite(value: Array) -> Array:
    return np.where(np.isfinite(value), value, 0.0)
