"""What the operations that only move numbers about mean, on numbers written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wellposed.compiler.evaluate import evaluate
from wellposed.compiler.ir.expr import Expr, build, variable

y = variable("y", (2,), batched=True)
b = variable("b", (2,))
r = variable("r", batched=True)
a = variable("a")
w = variable("w", (2,), stacked=3)
VALUES = {
    "y": np.array([[1.0, 2, 3], [4, 5, 6]]),
    "b": np.array([[7.0], [8]]),
    "r": np.array([[9.0, 10, 11]]),
    "a": np.array(12.0),
    "w": np.array([[1.0, 2], [3, 4], [5, 6]]),
}
MEANINGS: dict[str, list[tuple[Expr, Any]]] = {
    "rows": [(build("rows", y, attributes=(1, 2)), [[4, 5, 6]])],
    "pad": [(build("pad", y, attributes=(1, 4)), [[0, 0, 0], [1, 2, 3], [4, 5, 6], [0, 0, 0]])],
    "append": [
        (build("append", y, a), [[1, 2, 3], [4, 5, 6], [12, 12, 12]]),
        (build("append", y, r), [[1, 2, 3], [4, 5, 6], [9, 10, 11]]),
    ],
    "broadcast": [
        (build("broadcast", a, attributes=(2,)), [[12], [12]]),
        (build("broadcast", r, attributes=(2,)), [[9, 10, 11], [9, 10, 11]]),
        (build("broadcast", a, attributes=(2, 2)), [[12, 12], [12, 12]]),
    ],
    "per_example": [
        (build("per_example", b, y), [[7, 7, 7], [8, 8, 8]]),
        (build("per_example", a, y), [[12, 12, 12]]),
    ],
    "sum": [(build("sum", y), [[5, 7, 9]]), (build("sum", b), 15), (build("sum", w), 21)],
    "head": [(build("head", w), [[1, 2], [3, 4]])],
    "tail": [(build("tail", w), [[3, 4], [5, 6]])],
    "unhead": [(build("unhead", build("head", w)), [[1, 2], [3, 4], [0, 0]])],
    "untail": [(build("untail", build("tail", w)), [[0, 0], [3, 4], [5, 6]])],
    "batch_sum": [(build("batch_sum", y), [[6], [15]])],
    "outer": [(build("outer", y, y), [[14, 32], [32, 77]])],
}


@pytest.mark.covers("value", by="op", of="operation")
@pytest.mark.parametrize("op", sorted(MEANINGS.keys() - {"batch_sum", "outer"}))
def test_what_it_moves(op: str):
    _check(op)


@pytest.mark.parametrize("op", ["batch_sum", "outer"])
def test_what_only_differentiation_makes(op: str):
    _check(op)


def _check(op: str) -> None:
    for e, expected in MEANINGS[op]:
        assert np.array_equal(evaluate(e, VALUES), expected)
