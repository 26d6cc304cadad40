"""Random typed expressions with values of their variables, for what must keep the value."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from wellposed.compiler.ir.expr import Expr, ShapeError, build, constant, variable, variables

n, s = 3, 4
_rng = np.random.default_rng(1)
VARIABLES: dict[str, tuple[Expr, np.ndarray]] = {
    "y": (variable("y", (n,), batched=True), _rng.uniform(0.5, 2, size=(n, s))),
    "z": (variable("z", (n,), batched=True), _rng.uniform(-2, -0.5, size=(n, s))),
    "b": (variable("b", (n,)), _rng.uniform(0.5, 2, size=(n, 1))),
    "a": (variable("a"), np.asarray(1.25)),
    "r": (variable("r", batched=True), _rng.uniform(0.5, 2, size=(1, s))),
    "K": (variable("K", (n, n)), _rng.normal(size=(n, n))),
}
SCOPE = {name: v for name, (v, _) in VARIABLES.items()}
VALUES = {name: value for name, (_, value) in VARIABLES.items()}
LEAVES = [*SCOPE.values(), *(constant(c) for c in (0, 1, 2, 3, 0.5, -1.5))]

BINARY = ("add", "sub", "mul", "div", "matmul")
UNARY = ("neg", "transpose", "sum", "tanh", "cosh", "sinh", "sin", "sigmoid", "abs", "relu")


def fitting(op: str, *args: Expr, attributes: tuple[object, ...] = ()) -> Expr:
    """The operation, or its first operand where the operands do not fit."""
    try:
        return build(op, *args, attributes=attributes)
    except ShapeError:
        return args[0]


def _combined(parts: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    return st.one_of(
        st.builds(fitting, st.sampled_from(BINARY), parts, parts),
        st.builds(fitting, st.sampled_from(BINARY), parts, parts),
        st.builds(fitting, st.sampled_from(UNARY), parts),
        st.builds(lambda e, by: e ** constant(by), parts, st.sampled_from([1, 2, 3])),
        parts.map(_spread),
        parts.map(_per_example),
        parts.map(_cut),
    )


def _spread(e: Expr) -> Expr:
    return e if e.shape or not variables(e) else build("broadcast", e, attributes=(n,))


def _per_example(e: Expr) -> Expr:
    fits = not e.type.batched and e.type.rank < 2 and variables(e)
    return build("per_example", e, SCOPE["y"]) if fits else e


def _cut(e: Expr) -> Expr:
    """The middle of a vector, put back into zeros."""
    if e.type.rank != 1:
        return e
    return build("pad", build("rows", e, attributes=(1, 2)), attributes=(1, n))


EXPRESSIONS = st.recursive(st.sampled_from(LEAVES), _combined, max_leaves=12)
