"""What the operations that only move numbers about mean, on numbers written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wellposed.compiler.ir.expr import Expr, build, constant, times, variable
from wellposed.compiler.ir.operations import OPERATIONS
from wellposed.compiler.ir.types import (
    BATCH,
    NODE,
    STEP,
    Axis,
    Layout,
    Size,
    Type,
    array_shape,
    columns,
    rows,
    stored,
)
from wellposed.compiler.semantics.evaluate import evaluate

y = variable("y", columns((2,)))
b = variable("b", columns((2,), batch=False))
r = variable("r", columns())
a = variable("a")
i = variable("i")
w = variable("w", stored((2,), NODE))
steps = variable("steps", stored((2,), STEP))
M = variable("M", stored((2, 2)))
x = variable("x", rows((2,)))
e = variable("e", rows())
p = variable("p", Type((2,), (NODE, BATCH), Layout.COLUMNS))
P = np.arange(18.0).reshape(3, 2, 3)
VALUES = {
    y: np.array([[1.0, 2, 3], [4, 5, 6]]),
    b: np.array([[7.0], [8]]),
    r: np.array([[9.0, 10, 11]]),
    a: np.array(12.0),
    i: np.array(1),
    w: np.array([[1.0, 2], [3, 4], [5, 6]]),
    steps: np.array([[1.0, 2], [3, 4]]),
    M: np.array([[1.0, 2], [3, 4]]),
    x: np.array([[1.0, 4], [2, 5], [3, 6]]),
    e: np.array([1.0, 2, 3]),
    p: P,
}
SIZES = {"s": 3, "N": 2, "L": 5}
CUT = (Axis("five"), Axis("segment"), Axis("inner"), Axis("left"), Size(2), Size(2))


def of(op: str, *args: Expr, at: tuple[int, ...] = ()) -> Expr:
    return build(op, *args, attributes=tuple(map(Size, at)))


def over(x: Expr, *axes: Axis) -> Expr:
    return build("reduce", x, attributes=axes)


FIVE = variable("five", stored((), Axis("five")))
HALVES = build("segments", FIVE, attributes=CUT)
LEFT = build("rest", FIVE, attributes=CUT)
VALUES[FIVE] = np.arange(5.0)

MEANINGS: dict[str, list[tuple[Expr, Any]]] = {
    "slice": [
        (of("slice", y, at=(1, 2)), [[4, 5, 6]]),
        (of("slice", x, at=(0, 1)), [[1], [2], [3]]),
        (of("slice", M, at=(1, 2)), [[3, 4]]),
        (of("slice", p, at=(1, 2)), P[:, 1:]),
    ],
    "pad": [(of("pad", y, at=(1, 4)), [[0, 0, 0], [1, 2, 3], [4, 5, 6], [0, 0, 0]])],
    "concat": [
        (build("concat", y, y), [[1, 2, 3], [4, 5, 6], [1, 2, 3], [4, 5, 6]]),
        (build("concat", b, b), [[7], [8], [7], [8]]),
        (build("concat", x, x), [[1, 4, 1, 4], [2, 5, 2, 5], [3, 6, 3, 6]]),
    ],
    "append": [
        (build("append", y, a), [[1, 2, 3], [4, 5, 6], [12, 12, 12]]),
        (build("append", y, r), [[1, 2, 3], [4, 5, 6], [9, 10, 11]]),
    ],
    "broadcast": [
        (of("broadcast", a, at=(2,)), [[12], [12]]),
        (of("broadcast", r, at=(2,)), [[9, 10, 11], [9, 10, 11]]),
        (of("broadcast", a, at=(2, 2)), [[12, 12], [12, 12]]),
    ],
    "per_example": [
        (build("per_example", b, y), [[7, 7, 7], [8, 8, 8]]),
        (build("per_example", a, y), [[12, 12, 12]]),
        (build("per_example", a, e), [12, 12, 12]),
    ],
    "sum": [
        (build("sum", y), [[5, 7, 9]]),
        (build("sum", x), [5, 7, 9]),
        (build("sum", b), 15),
        (build("sum", w), 21),
    ],
    "inner_sum": [
        (build("inner_sum", y), [[5, 7, 9]]),
        (build("inner_sum", x), [5, 7, 9]),
        (build("inner_sum", w), [3, 7, 11]),
        (build("inner_sum", M), 10),
        (build("inner_sum", p), P.sum(axis=1, keepdims=True)),
    ],
    "reduce": [
        (over(y, BATCH), [[6], [15]]),
        (over(x, BATCH), [6, 15]),
        (over(r, BATCH), 30),
        (over(w, NODE), [9, 12]),
        (over(p, BATCH), P.sum(axis=2, keepdims=True)),
        (over(p, NODE), P.sum(axis=0)),
        (over(p, NODE, BATCH), P.sum(axis=(0, 2))[:, None]),
    ],
    "mean": [(build("mean", e), 2)],
    "diagonal": [(build("diagonal", M), [[1], [4]])],
    "head": [(build("head", w), [[1, 2], [3, 4]])],
    "tail": [(build("tail", w), [[3, 4], [5, 6]])],
    "pad_last": [(build("pad_last", steps), [[1, 2], [3, 4], [0, 0]])],
    "pad_first": [(build("pad_first", steps), [[0, 0], [1, 2], [3, 4]])],
    "at": [(build("at", w, i), [3, 4]), (build("at", p, i), P[1])],
    "last": [(build("last", w), [5, 6]), (build("last", p), P[-1])],
    "put": [(build("put", build("at", w, i), i, w), [[0, 0], [3, 4], [0, 0]])],
    "times": [(times(a, Size(2), (STEP,)), [0, 12])],
    "step_of": [
        (build("step_of", constant(t), constant(0.1), attributes=(Size(10),)), j)
        for t, j in ((0.0, 0), (0.05, 0), (0.1 * 3, 3), (0.299999, 2), (1.0, 9), (7.0, 9), (-1, 0))
    ],
    "scalar": [(build("scalar", a, y), 12)],
    "column": [
        (build("column", variable("b", stored((2,)))), [[7], [8]]),
        (build("column", w), [[[1], [2]], [[3], [4]], [[5], [6]]]),
        (build("column", FIVE), np.arange(5.0)[:, None, None]),
    ],
    "uncolumn": [
        (build("uncolumn", b), [7, 8]),
        (build("uncolumn", build("column", w)), [[1, 2], [3, 4], [5, 6]]),
        (build("uncolumn", build("column", FIVE)), np.arange(5.0)),
    ],
    "flip": [
        (build("flip", y), [[1, 4], [2, 5], [3, 6]]),
        (build("flip", x), [[1, 2, 3], [4, 5, 6]]),
        (build("flip", r), [9, 10, 11]),
        (build("flip", e), [[1, 2, 3]]),
        (build("flip", p), P.swapaxes(1, 2)),
    ],
    "outer": [(build("outer", y, y), [[14, 32], [32, 77]])],
    "class_probabilities": [
        (build("class_probabilities", x, attributes=(Size(2),)), [[1, 4], [2, 5], [3, 6]])
    ],
    "segments": [(HALVES, [[0, 1], [2, 3]])],
    "rest": [(LEFT, [4])],
    "unsegmented": [(build("unsegmented", HALVES, LEFT, attributes=CUT), [0, 1, 2, 3, 4])],
    "zeros_like": [(build("zeros_like", y), [[0, 0, 0], [0, 0, 0]])],
    "rounded": [(build("rounded", y), [[1, 2, 3], [4, 5, 6]])],
    "dense": [(build("dense", M), [[1, 2], [3, 4]])],
    "entries": [(build("entries", build("dense", M)), [[1, 2], [3, 4]])],
    "transpose": [(M.T, [[1, 3], [2, 4]]), (build("dense", M).T, [[1, 3], [2, 4]])],
}
VALUES |= {v: np.array([7.0, 8]) for v in MEANINGS["column"][0][0].args}
MOVING = sorted(op for op, row in OPERATIONS.items() if row.moves)


def test_everything_that_moves_numbers_is_written_out():
    assert set(MOVING) <= set(MEANINGS)


@pytest.mark.covers("value", by="op", of="operation")
@pytest.mark.parametrize("op", MEANINGS)
def test_what_it_means(op: str):
    sizes = {**SIZES, "segment": 2, "inner": 2, "left": 1, "five": 5}
    for node, expected in MEANINGS[op]:
        found = evaluate(node, VALUES)
        assert np.array_equal(found, expected)
        assert found.shape == array_shape(node.type, sizes), node.type


def test_classes_become_probabilities_of_one():
    node = build("class_probabilities", x, attributes=(Size(3),))
    found = evaluate(node, {x: np.array([2, 0])})
    assert found.tolist() == [[0, 0, 1], [1, 0, 0]]
