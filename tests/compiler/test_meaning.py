"""What every operation means, on numbers written out, and a row of another one is seen.

The functions of one number are in test_functions, held to mpmath.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from wellposed.compiler.ir.expr import (
    Expr,
    build,
    constant,
    eye,
    identity,
    rebuild,
    times,
    units,
    variable,
)
from wellposed.compiler.ir.operations import ELEMENTWISE_FUNCTIONS, LEAVES, OPERATIONS
from wellposed.compiler.ir.types import (
    BATCH,
    GRID,
    NODE,
    OBSERVATION,
    STEP,
    Axis,
    Layout,
    ShapeError,
    Size,
    Type,
    array_shape,
    columns,
    rows,
    stored,
)
from wellposed.compiler.semantics.evaluate import evaluate
from wellposed.compiler.semantics.meaning import MEANING

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
p6 = variable("p6", columns((6,), batch=False))
classes = variable("classes", rows((3,)))
logs = variable("logs", columns((2,)))
v = variable("v", Type((2,), (OBSERVATION, BATCH), Layout.ROWS))
since = variable("since", Type((), (OBSERVATION, BATCH), Layout.COLUMNS))
grid = variable("grid", Type((), (GRID,)))
along = variable("along", Type((2,), (GRID, BATCH), Layout.COLUMNS))
P = np.arange(18.0).reshape(3, 2, 3)
G = np.arange(24.0).reshape(4, 2, 3)
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
    p6: np.arange(1.0, 7.0)[:, None],
    classes: np.array([2, 0, 1]),
    logs: np.array([[0.0, 5, 0], [np.log(3), 5, 0]]),
    # two observations of three series, some numbers missing, and a grid of four times
    v: np.array([[[1.0, 2], [3, np.nan], [5, 6]], [[np.nan, np.nan], [9, 10], [11, 12]]]),
    since: np.array([[[0.0, 0.9, 2]], [[1, 4.6, 7]]]),
    grid: np.array([0.0, 1, 2, 6]),
    along: G,
}
SIZES = {"s": 3, "N": 2, "L": 2, "G": 4, "ends": 2, "probes": 2}
CUT = (Axis("five"), Axis("segment"), Axis("inner"), Axis("left"), Size(2), Size(2))


def of(op: str, *args: Expr, at: tuple[int, ...] = ()) -> Expr:
    return build(op, *args, attributes=tuple(map(Size, at)))


def over(x: Expr, *axes: Axis) -> Expr:
    return build("reduce", x, attributes=axes)


FIVE = variable("five", stored((), Axis("five")))
HALVES = build("segments", FIVE, attributes=CUT)
LEFT = build("rest", FIVE, attributes=CUT)
VALUES[FIVE] = np.arange(5.0)

BEFORE = build("before", grid, since)
KNOWN = np.nan_to_num(VALUES[v])
MERGED = [[1, 2], [3, 0], [5, 6], [0, 0], [9, 10], [11, 12]]

MEANINGS: dict[str, list[tuple[Expr, Any]]] = {
    "constant": [(constant(2.5), 2.5)],
    "eye": [(eye(Size(2)), [[1, 0], [0, 1]])],
    "units": [(units(Size(2)), [[[1], [0]], [[0], [1]]])],
    "identity_operator": [(identity(Size(2)), [[1, 0], [0, 1]])],
    "add": [(y + b, [[8, 9, 10], [12, 13, 14]]), (y + r, [[10, 12, 14], [13, 15, 17]])],
    "sub": [(y - b, [[-6, -5, -4], [-4, -3, -2]]), (a - y, [[11, 10, 9], [8, 7, 6]])],
    "mul": [(y * b, [[7, 14, 21], [32, 40, 48]]), (M * M, [[1, 4], [9, 16]])],
    "div": [(y / 2, [[0.5, 1, 1.5], [2, 2.5, 3]]), (a / M, [[12, 6], [4, 3]])],
    "pow": [(y**2, [[1, 4, 9], [16, 25, 36]]), (constant(2) ** M, [[2, 4], [8, 16]])],
    "neg": [(-y, [[-1, -2, -3], [-4, -5, -6]]), (-a, -12)],
    "matmul": [
        (M @ y, [[9, 12, 15], [19, 26, 33]]),
        (M @ b, [[23], [53]]),
        (M @ M, [[7, 10], [15, 22]]),
    ],
    # e^0 : e^{log 3} is 1 : 3
    "softmax": [(build("softmax", logs), [[0.25, 0.5, 0.5], [0.75, 0.5, 0.5]])],
    "log_softmax": [(build("log_softmax", logs), np.log([[0.25, 0.5, 0.5], [0.75, 0.5, 0.5]]))],
    "slice": [
        (of("slice", y, at=(1, 2)), [[4, 5, 6]]),
        (of("slice", x, at=(0, 1)), [[1], [2], [3]]),
        (of("slice", M, at=(1, 2)), [[3, 4]]),
        (of("slice", p, at=(1, 2)), P[:, 1:]),
    ],
    "pad": [(of("pad", y, at=(1, 4)), [[0, 0, 0], [1, 2, 3], [4, 5, 6], [0, 0, 0]])],
    "matrix": [
        (of("matrix", p6, at=(2, 3)), [[1, 2, 3], [4, 5, 6]]),
        (of("matrix", p6, at=(3, 2)), [[1, 2], [3, 4], [5, 6]]),
    ],
    "flatten": [(build("flatten", M), [[1], [2], [3], [4]])],
    "concat": [
        (build("concat", y, y), [[1, 2, 3], [4, 5, 6], [1, 2, 3], [4, 5, 6]]),
        (build("concat", b, b), [[7], [8], [7], [8]]),
        (build("concat", y, r), [[1, 2, 3], [4, 5, 6], [9, 10, 11]]),
        (build("concat", r, r), [[9, 10, 11], [9, 10, 11]]),
        (build("concat", x, x), [[1, 4, 1, 4], [2, 5, 2, 5], [3, 6, 3, 6]]),
    ],
    "component": [
        (of("component", y, at=(1,)), [[4, 5, 6]]),
        (of("component", x, at=(0,)), [1, 2, 3]),
        (of("component", b, at=(1,)), 8),
        (of("component", p, at=(1,)), P[:, 1:]),
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
    "row_sums": [(build("row_sums", M), [[3], [7]])],
    "head": [(build("head", w), [[1, 2], [3, 4]])],
    "tail": [(build("tail", w), [[3, 4], [5, 6]])],
    "pad_last": [(build("pad_last", steps), [[1, 2], [3, 4], [0, 0]])],
    "pad_first": [(build("pad_first", steps), [[0, 0], [1, 2], [3, 4]])],
    "at": [(build("at", w, i), [3, 4]), (build("at", p, i), P[1])],
    "last": [(build("last", w), [5, 6]), (build("last", p), P[-1])],
    "put": [(build("put", build("at", w, i), i, w), [[0, 0], [3, 4], [0, 0]])],
    "times": [(times(a, Size(2), (STEP,)), [0, 12])],
    "interval": [(build("interval", constant(0.5), constant(2)), [0.5, 2])],
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
        (
            build("class_probabilities", classes, attributes=(Size(3),)),
            [[0, 0, 1], [1, 0, 0], [0, 1, 0]],
        ),
        (build("class_probabilities", x, attributes=(Size(2),)), [[1, 4], [2, 5], [3, 6]]),
    ],
    "segments": [(HALVES, [[0, 1], [2, 3]])],
    "rest": [(LEFT, [4])],
    "unsegmented": [(build("unsegmented", HALVES, LEFT, attributes=CUT), [0, 1, 2, 3, 4])],
    "nearest": [(build("nearest", grid, since), [[[0, 1, 2]], [[1, 3, 3]]])],
    # no step begins at the last time of a grid
    "before": [(BEFORE, [[[0, 0, 2]], [[1, 2, 2]]])],
    "taken": [
        (
            build("taken", along, BEFORE),
            [[[0, 1, 14], [3, 4, 17]], [[6, 13, 14], [9, 16, 17]]],
        ),
        (build("taken", build("column", grid), BEFORE), [[[0, 0, 2]], [[1, 2, 2]]]),
    ],
    # of the third series both observations are at one time of the grid
    "scattered": [
        (
            build("scattered", build("flip", build("filled", v)), BEFORE, along),
            [
                [[1, 3, 0], [2, 0, 0]],
                [[0, 0, 0], [0, 0, 0]],
                [[0, 9, 16], [0, 10, 18]],
                [[0, 0, 0], [0, 0, 0]],
            ],
        ),
    ],
    "merged": [(build("merged", build("filled", v)), MERGED)],
    "parted": [
        (build("parted", build("merged", 2 * build("filled", v)), v), 2 * KNOWN),
        (build("parted", build("sum", build("merged", build("filled", v))), v), KNOWN.sum(axis=2)),
    ],
    "known": [(build("known", v), [[[1, 1], [1, 0], [1, 1]], [[0, 0], [1, 1], [1, 1]]])],
    "filled": [(build("filled", v), KNOWN)],
    "total": [(build("total", y), 21), (build("total", build("filled", v)), 59)],
    "zeros_like": [(build("zeros_like", y), [[0, 0, 0], [0, 0, 0]])],
    "rounded": [(build("rounded", -y), [[-1, -2, -3], [-4, -5, -6]])],
    "dense": [(build("dense", -M), [[-1, -2], [-3, -4]])],
    "entries": [(build("entries", build("dense", -M)), [[-1, -2], [-3, -4]])],
    "transpose": [(M.T, [[1, 3], [2, 4]]), (build("dense", M).T, [[1, 3], [2, 4]])],
}
VALUES |= {v: np.array([7.0, 8]) for v in MEANINGS["column"][0][0].args}
EXACT = {op for op in MEANINGS if op not in ("softmax", "log_softmax")}
MEASURES = {**SIZES, "segment": 2, "inner": 2, "left": 1, "five": 5}


def holds(op: str, node: Expr, expected: Any) -> bool:
    """Does the node mean what is written out, in the shape of its type?"""
    found = evaluate(node, VALUES)
    sizes = MEASURES | ({"s": 6} if op == "merged" else {})  # two observations of three series
    alike = np.array_equal if op in EXACT else lambda a, b: np.allclose(a, b, rtol=1e-15, atol=0)
    return found.shape == array_shape(node.type, sizes) and bool(alike(found, expected))


def test_every_operation_is_written_out():
    assert set(MEANINGS) == set(MEANING) - set(ELEMENTWISE_FUNCTIONS)


@pytest.mark.covers("value", by="op", of="operation")
@pytest.mark.parametrize("op", MEANINGS)
def test_what_it_means(op: str):
    for node, expected in MEANINGS[op]:
        assert holds(op, node, expected), node.type


# --- wrong rows -------------------------------------------------------------------------------

UNCHANGED = {
    *("rounded", "dense", "entries", "class_probabilities", "filled"),
    *("reduce", "concat", "broadcast", "column", "uncolumn"),
}
"""Rows that leave one array as it is where no axis, size or layout tells them more."""
SAME: dict[str, set[str]] = {
    "interval": {"concat"},
    "eye": {"identity_operator"},
    "identity_operator": {"eye"},
    "transpose": {"flip"},
    "rounded": UNCHANGED - {"column", "uncolumn"},
    "dense": UNCHANGED,
    "entries": UNCHANGED,
}
"""Rows of others that mean the same on the nodes of an operation."""


@cache
def written(op: str) -> list[tuple[Expr, Any]]:
    """Nodes with their values; of a function that is one with the values of test_functions."""
    if op in MEANINGS:
        return MEANINGS[op]
    return [(build(op, v), MEANING[op](v, VALUES[v])) for v in (y, b, r, w, x, e)]


def is_seen(op: str) -> bool:
    """Does something that is written out not hold, its node typed anew, or break?"""
    try:
        return not all(holds(op, rebuild(node, node.args), x) for node, x in written(op))
    except (ShapeError, ValueError, TypeError, IndexError, AttributeError, AssertionError):
        return True


@pytest.mark.covers("planted bug", "wrong meaning", by="op", of="operation")
@pytest.mark.parametrize("op", MEANINGS)
def test_the_row_of_another_operation_is_seen(op: str, monkeypatch: pytest.MonkeyPatch):
    rows, unseen = dict(MEANING), set[str]()
    for other, row in rows.items():
        monkeypatch.setitem(MEANING, op, row)
        with np.errstate(all="ignore"):
            unseen |= set() if row is rows[op] or is_seen(op) else {other}
    assert unseen == SAME.get(op, set()) - {op}


def _longer(type: Type) -> Type:
    return type.with_shape((*type.shape[:-1], type.shape[-1] + 1)) if type.shape else type


def _in_the_other_layout(type: Type) -> Type:
    other = Layout.COLUMNS if type.layout is not Layout.COLUMNS else Layout.ROWS
    return replace(type, layout=other)


TYPED = [op for op in (*MEANINGS, *ELEMENTWISE_FUNCTIONS) if op not in LEAVES]
WRONG_TYPES: dict[str, Callable[[Type], Type]] = {
    "a component more": _longer,
    "a number": lambda type: type.with_shape(()),
    "no batch": lambda type: type.with_axes(type.path),
    "no time": lambda type: type.with_axes((BATCH,) * type.batched),
    "an entry more in time": lambda type: type.with_axes(
        tuple(axis.longer() if axis != BATCH else axis for axis in type.axes)
    ),
    "another layout": _in_the_other_layout,
}


@pytest.mark.covers("wrong type", by="op", of="operation")
@pytest.mark.parametrize("name", WRONG_TYPES)
@pytest.mark.parametrize("op", TYPED)
def test_a_wrong_type_is_seen(op: str, name: str, monkeypatch: pytest.MonkeyPatch):
    """By the shape of what is written out, wherever the type is another one."""
    row, nodes = OPERATIONS[op], [node for node, _ in written(op)]

    def wrong(*args: Any) -> Type:
        return WRONG_TYPES[name](row.rule(*args))

    monkeypatch.setitem(OPERATIONS, op, replace(row, rule=wrong))
    types = [(node.type, rebuild(node, node.args).type) for node in nodes]
    assert is_seen(op) == any(before != after for before, after in types)
