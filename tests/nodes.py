"""Nodes of every operation that can be differentiated, with values of their variables."""

from __future__ import annotations

import numpy as np

from wellposed.compiler.ir.expr import Expr, build, constant, identity, variable, variables
from wellposed.compiler.ir.operations import ELEMENTWISE_FUNCTIONS
from wellposed.compiler.ir.types import (
    BATCH,
    GRID,
    NODE,
    OBSERVATION,
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

n, m, s, N = 3, 2, 4, 4
SIZES = {"s": s, "N": N, "L": 6, "G": 5, "segment": 1, "inner": 3, "left": 1}
column = variable("column", columns((n,)))
other = variable("other", columns((n,)))
short = variable("short", columns((m,)))
scalar = variable("scalar", columns())
vector = variable("vector", columns((n,), batch=False))
long = variable("long", columns((m * n,), batch=False))
number = variable("number")
matrix = variable("matrix", stored((m, n)))
square = variable("square", stored((n, n)))
stack = variable("stack", stored((m, n), NODE))
path = variable("path", stored((n,), NODE))
steps = variable("steps", stored((n,), STEP))
row = variable("row", rows((n,)))
example = variable("example", rows())
states = variable("states", Type((n,), (NODE, BATCH), Layout.COLUMNS))
along = variable("along", Type((n,), (GRID, BATCH), Layout.COLUMNS))
seen = variable("seen", Type((n,), (OBSERVATION, BATCH), Layout.ROWS))
holes = variable("holes", seen.type)
since = variable("since", Type((), (OBSERVATION, BATCH), Layout.COLUMNS))
grid = variable("grid", Type((), (GRID,)))
places = build("before", grid, since)
merged = build("merged", seen)
index = constant(1)
CUT = (STEP, Axis("segment"), Axis("inner"), Axis("left"), Size(1), Size(3))
"""Four steps as one segment of three, and one that is left."""
halves = variable("halves", stored((n,), CUT[1], CUT[2]))
left = variable("left", stored((n,), CUT[3]))
K = build("dense", matrix)
A = build("dense", square)


def of(op: str, *args: Expr, at: tuple[int, ...] = ()) -> Expr:
    """The operation with sizes as its attributes."""
    return build(op, *args, attributes=tuple(map(Size, at)))


def over(x: Expr, *axes: Axis) -> Expr:
    return build("reduce", x, attributes=axes)


NODES: dict[str, list[Expr]] = {
    "reduce": [
        over(column, BATCH),
        over(row, BATCH),
        over(example, BATCH),
        over(stack, NODE),
        over(states, NODE),
        over(states, BATCH),
        over(states, NODE, BATCH),
    ],
    "diagonal": [build("diagonal", square)],
    "row_sums": [build("row_sums", square)],
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
    "inner_sum": [build("inner_sum", e) for e in (column, vector, row, states)],
    "mean": [build("mean", example)],
    "slice": [of("slice", column, at=(1, 3)), of("slice", vector, at=(0, 2))],
    "pad": [of("pad", column, at=(2, 7))],
    "component": [of("component", e, at=(1,)) for e in (column, vector, states)],
    "matrix": [of("matrix", long, at=(m, n)), of("matrix", long, at=(n, m)) @ short],
    "flatten": [build("flatten", matrix), build("flatten", matrix.T)],
    "concat": [
        build("concat", column, short),
        build("concat", vector, vector),
        build("concat", scalar, column),
        build("concat", scalar, scalar),
    ],
    "broadcast": [
        of("broadcast", scalar, at=(4,)),
        of("broadcast", number, at=(4,)),
        of("broadcast", number, at=(3, 2)),
    ],
    "per_example": [
        build("per_example", vector, column),
        build("per_example", number, column),
        build("per_example", number, example),
    ],
    "head": [build("head", stack), build("head", path)],
    "tail": [build("tail", stack), build("tail", path) - build("head", path)],
    "pad_last": [build("pad_last", steps)],
    "pad_first": [build("pad_first", steps)],
    "at": [build("at", stack, index), build("at", states, index)],
    "last": [build("last", stack), build("last", states)],
    "column": [build("column", e) for e in (variable("stored", stored((n,))), path)],
    "uncolumn": [build("uncolumn", e) for e in (vector, build("column", path))],
    "flip": [build("flip", e) for e in (column, row, scalar, example, states)],
    "segments": [build("segments", steps, attributes=CUT)],
    "rest": [build("rest", steps, attributes=CUT)],
    "unsegmented": [build("unsegmented", halves, left, attributes=CUT)],
    "taken": [build("taken", along, places), build("taken", build("column", grid), places)],
    "scattered": [build("scattered", build("flip", seen), places, along)],
    "merged": [merged, build("merged", build("flip", since))],
    "parted": [
        build("parted", merged * 2, holes),
        build("parted", build("sum", merged), holes),
        build("parted", build("component", merged, attributes=(Size(1),)), holes),
    ],
    "filled": [build("filled", holes)],
    "total": [build("total", e) for e in (seen, example, column)],
    "softmax": [build("softmax", column)],
    "log_softmax": [build("log_softmax", column)],
    **{name: [build(name, column), build(name, matrix)] for name in ELEMENTWISE_FUNCTIONS},
}

OPERATORS: dict[str, Expr] = {
    "K y": K @ column,
    "K b": K @ vector,
    "Kᵀ K y": K.T @ (K @ column),
    "(Kᵀ K) y": (K.T @ K) @ column,
    "½ (A − Aᵀ − γ I) y": (A - A.T - number * identity(Size(n))) / 2 @ column,
    "−A y": -A @ column,
}
"""Linear operators that are applied: they have the values of the products of their arrays."""


def array(v: Expr, rng: np.random.Generator) -> np.ndarray:
    """A positive random value of the variable's type, away from all kinks. Times of a grid rise,
    and some numbers of `holes` are missing."""
    found = rng.uniform(0.3, 1.7, size=array_shape(v.type, SIZES))
    if v is grid:
        return np.cumsum(found) / 2
    if v is holes:
        found[rng.random(found.shape) < 0.3] = np.nan
    return found


def leaves(e: Expr) -> list[Expr]:
    return [x for x in variables(e) if x.op == "variable"]


time = variable("t")
OTHERS: dict[str, list[Expr]] = {
    "outer": [build("outer", column, short), build("outer", row, row)],
    "put": [build("put", matrix, index, stack)],
    "scalar": [build("scalar", time, column)],
    "zeros_like": [build("zeros_like", column)],
    "rounded": [build("rounded", column)],
    "nearest": [build("nearest", grid, since)],
    "before": [places],
    "known": [build("known", holes)],
}
"""Nodes of what has no derivative, but for what a program has a function or numbers for."""
