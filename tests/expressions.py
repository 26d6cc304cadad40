"""Random typed expressions with values of their variables, for what must keep the value."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from wellposed.compiler.ir.expr import Expr, build, constant, variable, variables
from wellposed.compiler.ir.operators import as_operator, entries
from wellposed.compiler.ir.types import ShapeError, Size, columns, stored

n, s = 3, 4
_rng = np.random.default_rng(1)
VARIABLES: dict[str, tuple[Expr, np.ndarray]] = {
    "y": (variable("y", columns((n,))), _rng.uniform(0.5, 2, size=(n, s))),
    "z": (variable("z", columns((n,))), _rng.uniform(-2, -0.5, size=(n, s))),
    "b": (variable("b", columns((n,), batch=False)), _rng.uniform(0.5, 2, size=(n, 1))),
    "a": (variable("a"), np.asarray(1.25)),
    "r": (variable("r", columns()), _rng.uniform(0.5, 2, size=(1, s))),
    "K": (variable("K", stored((n, n))), _rng.normal(size=(n, n))),
}
SCOPE = {name: as_operator(v) for name, (v, _) in VARIABLES.items()}
VALUES = dict(VARIABLES.values())
LEAVES = [*SCOPE.values(), *(constant(c) for c in (0, 1, 2, 3, 0.5, -1.5))]

BINARY = ("add", "sub", "mul", "div", "matmul")
UNARY = ("neg", "transpose", "sum", "tanh", "cosh", "sinh", "sin", "sigmoid", "abs", "relu")


def fitting(op: str, *args: Expr, attributes: tuple[object, ...] = ()) -> Expr:
    """The operation, on arrays where it is none of operators; or its first operand where the
    operands do not fit."""
    for operands in (args, tuple(map(entries, args))):
        try:
            return build(op, *operands, attributes=attributes)
        except ShapeError:
            continue
    return args[0]


def _combined(parts: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    return st.one_of(
        st.builds(fitting, st.sampled_from(BINARY), parts, parts),
        st.builds(fitting, st.sampled_from(BINARY), parts, parts),
        st.builds(fitting, st.sampled_from(UNARY), parts),
        st.builds(lambda e, by: fitting("pow", e, constant(by)), parts, st.sampled_from([1, 2, 3])),
        parts.map(_spread),
        parts.map(_per_example),
        parts.map(_cut),
    )


def _spread(e: Expr) -> Expr:
    return e if e.shape or not variables(e) else build("broadcast", e, attributes=(Size(n),))


def _per_example(e: Expr) -> Expr:
    fits = not e.type.batched and not e.type.is_operator and e.type.rank < 2 and variables(e)
    return build("per_example", e, SCOPE["y"]) if fits else e


def _cut(e: Expr) -> Expr:
    """The middle of a vector, put back into zeros."""
    if e.type.rank != 1 or e.type.is_operator:
        return e
    middle = build("slice", e, attributes=(Size(1), Size(2)))
    return build("pad", middle, attributes=(Size(1), Size(n)))


EXPRESSIONS = st.recursive(st.sampled_from(LEAVES), _combined, max_leaves=12)
