"""Nodes of every operation that can be differentiated, with values of their variables."""

from __future__ import annotations

import numpy as np

from wellposed.compiler.ir.expr import (
    ELEMENTWISE_FUNCTIONS,
    Expr,
    build,
    constant,
    variable,
    walk,
)

n, m, s, T = 3, 2, 4, 5
column = variable("column", (n,), batched=True)
other = variable("other", (n,), batched=True)
short = variable("short", (m,), batched=True)
scalar = variable("scalar", batched=True)
vector = variable("vector", (n,))
number = variable("number")
matrix = variable("matrix", (m, n))
square = variable("square", (n, n))
stack = variable("stack", (m, n), stacked=T)
path = variable("path", (n,), stacked=T)

NODES: dict[str, list[Expr]] = {
    "add": [column + other, column + vector, column + number, scalar + column, matrix + number],
    "sub": [column - other, vector - column, number - column, column - scalar],
    "mul": [column * other, column * vector, number * column, scalar * column, square * square],
    "div": [column / other, vector / column, column / number, number / column, column / scalar],
    "pow": [
        column**2,
        column**3,
        column**2.5,
        column ** constant(-2),
        column**vector,
        vector**column,
        column**number,
        scalar**column,
        constant(2) ** column,
        matrix**2,
    ],
    "neg": [-column, -matrix],
    "matmul": [
        matrix @ column,
        matrix @ vector,
        matrix @ square,
        square.T @ square,
        square @ square @ column,
    ],
    "transpose": [matrix.T, matrix.T @ short],
    "sum": [build("sum", column), build("sum", matrix), build("sum", stack), build("sum", scalar)],
    "rows": [build("rows", column, attributes=(1, 3)), build("rows", vector, attributes=(0, 2))],
    "pad": [build("pad", column, attributes=(2, 7))],
    "append": [build("append", column, number), build("append", column, scalar)],
    "broadcast": [
        build("broadcast", scalar, attributes=(4,)),
        build("broadcast", number, attributes=(4,)),
        build("broadcast", number, attributes=(3, 2)),
    ],
    "per_example": [build("per_example", vector, column), build("per_example", number, column)],
    "head": [build("head", stack), build("head", path)],
    "tail": [build("tail", stack), build("tail", path) - build("head", path)],
    "unhead": [build("unhead", stack)],
    "untail": [build("untail", stack)],
    "softmax": [build("softmax", column)],
    "log_softmax": [build("log_softmax", column)],
    **{name: [build(name, column), build(name, matrix)] for name in ELEMENTWISE_FUNCTIONS},
}


def array(v: Expr, rng: np.random.Generator) -> np.ndarray:
    """A positive random value in the layout of columns; away from all kinks."""
    shape = (*([v.type.stacked] * bool(v.type.stacked)), *v.shape)
    if v.type.batched:
        shape = (*(v.shape or (1,)), s)
    elif len(v.shape) == 1 and not v.type.stacked:
        shape = (*shape, 1)
    return rng.uniform(0.3, 1.7, size=shape)


def leaves(e: Expr) -> list[Expr]:
    return [x for x in walk(e) if x.op == "variable"]
