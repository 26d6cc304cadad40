"""Every row of the table of derivatives against mpmath, every rule of reverse differentiation
against central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from wellposed.compiler.elaborate import elaborate
from wellposed.compiler.evaluate import MEANING, evaluate
from wellposed.compiler.ir.expr import (
    ELEMENTWISE_FUNCTIONS,
    LEAVES,
    TYPE_RULES,
    Expr,
    build,
    constant,
    variable,
)
from wellposed.compiler.ir.functions import BY_DEFINITION, DERIVATIVES, PUBLIC
from wellposed.compiler.passes import derive

Exact = Any
"""A number of mpmath."""
DIGITS = 50
EVERYWHERE = (-30.0, -3.7, -1.0, -0.25, -1e-3, 1e-3, 0.25, 1.0, 2.3, 30.0)
MODERATE = (-3.7, -1.0, -0.25, 0.0, 0.25, 1.0, 2.3)
POSITIVE = (1e-3, 0.25, 1.0, 2.3, 40.0)
TAIL = (-6.0, *MODERATE, 6.0)


def _phi(x: Exact) -> Exact:
    """The normal distribution function."""
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def _step(x: Exact) -> Exact:
    return mpmath.mpf(x > 0)


ORACLE: dict[str, tuple[Callable[..., Exact], tuple[float, ...]]] = {
    "tanh": (mpmath.tanh, (-8.0, *MODERATE, 8.0)),
    "relu": (lambda x: x * _step(x), EVERYWHERE),
    "sigmoid": (lambda x: 1 / (1 + mpmath.exp(-x)), (*EVERYWHERE, 0.0)),
    "softplus": (lambda x: mpmath.log1p(mpmath.exp(x)), (*EVERYWHERE, 0.0)),
    "gelu": (lambda x: x * _phi(x), TAIL),
    "ndtr": (_phi, TAIL),
    "sin": (mpmath.sin, MODERATE),
    "cos": (mpmath.cos, MODERATE),
    "exp": (mpmath.exp, (-30.0, *MODERATE)),
    "log": (mpmath.log, POSITIVE),
    "sqrt": (mpmath.sqrt, POSITIVE),
    "sinh": (mpmath.sinh, MODERATE),
    "cosh": (mpmath.cosh, MODERATE),
    "abs": (abs, EVERYWHERE),
    "sign": (mpmath.sign, EVERYWHERE),
    "heaviside": (_step, EVERYWHERE),
    "identity": (lambda x: x, MODERATE),
    "cubic": (lambda x: x**3, MODERATE),
}
KINKS = {"relu": 0.0, "abs": 0.0, "sign": 0.0, "heaviside": 0.0}
"""The derivative at 0 where there is none, in the reference and in both programs."""


def test_every_function_has_an_oracle():
    assert set(ORACLE) == {*DERIVATIVES, *BY_DEFINITION}
    assert set(DERIVATIVES) == set(ELEMENTWISE_FUNCTIONS)
    assert {*PUBLIC} - {"sum"} <= set(ORACLE)


def test_every_operation_has_a_meaning_and_a_rule():
    assert set(MEANING) == set(TYPE_RULES) | set(LEAVES) - {"variable", "rate"}
    assert set(derive.RULES) | derive.NOT_DIFFERENTIATED == set(TYPE_RULES)


def applied(name: str) -> Expr:
    return elaborate(f"{name}(x)", {"x": variable("x")}, catalogue=True)


def close(found: float, exact: Exact, scale: float = 1.0) -> bool:
    """Within 8 units in the last place, of the value or of what cancels in it."""
    return bool(abs(found - exact) <= 8 * np.finfo(float).eps * max(abs(exact), scale))


CANCELS = {"tanh": 1.0, "gelu": 1.0}
"""Size of the terms that cancel in a derivative: 1 − tanh² loses digits where it is small."""


@pytest.mark.parametrize("name", ORACLE)
def test_values_are_those_of_mpmath(name: str):
    function, points = ORACLE[name]
    with mpmath.workdps(DIGITS):
        for x in points:
            found = float(evaluate(applied(name), {"x": np.asarray(x)}))
            assert close(found, function(mpmath.mpf(x)), 1e-2), (name, x)


@pytest.mark.parametrize("name", ORACLE)
def test_derivatives_are_those_of_mpmath(name: str):
    function, points = ORACLE[name]
    with mpmath.workdps(DIGITS):
        for x in points:
            exact = mpmath.diff(function, mpmath.mpf(x), h=mpmath.mpf(10) ** -20)
            assert close(slope(name, x), exact, CANCELS.get(name, 1e-2)), (name, x)


def slope(name: str, x: float) -> float:
    e, v = applied(name), variable("x")
    (found,) = derive.gradient(e, [v], constant(1))
    assert found is not None
    return float(evaluate(found, {"x": np.asarray(x)}))


@pytest.mark.parametrize("name", KINKS)
def test_derivatives_at_a_kink(name: str):
    assert slope(name, 0.0) == KINKS[name]


def test_a_wrong_row_is_caught(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(DERIVATIVES, "tanh", "1 - tanh(x) ** 3")
    with pytest.raises(AssertionError):
        test_derivatives_are_those_of_mpmath("tanh")


# --- rules ------------------------------------------------------------------------------------

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
    return [x for x in derive.walk(e) if x.op == "variable"]


def test_every_rule_has_nodes():
    assert set(NODES) == set(derive.RULES)


@pytest.mark.parametrize("op", NODES)
def test_the_rule_is_the_transpose_of_the_derivative(op: str):
    """⟨g, f(x + εv) − f(x − εv)⟩ / 2ε = ⟨vjp, v⟩ for random g and v, for every operand."""
    rng = np.random.default_rng(7)
    for node in NODES[op]:
        wrt = leaves(node)
        values = {str(v.attributes[0]): array(v, rng) for v in wrt}
        out = evaluate(node, values)
        g = variable("g", node.shape, batched=node.type.batched, stacked=node.type.stacked)
        bar = rng.normal(size=out.shape)
        for v, part in zip(wrt, derive.gradient(node, wrt, g), strict=True):
            name = str(v.attributes[0])
            step = rng.normal(size=values[name].shape)
            ahead, behind = (
                evaluate(node, values | {name: values[name] + e * step}) for e in (1e-6, -1e-6)
            )
            expected = float((bar * (ahead - behind)).sum()) / 2e-6
            found = 0.0
            if part is not None:
                pulled = evaluate(part, values | {"g": bar})
                assert pulled.size <= step.size, (op, name)  # summed over what the operand lacks
                found = float((pulled * step).sum())
            assert found == pytest.approx(expected, rel=1e-7, abs=1e-7), (op, name)


def test_a_wrong_rule_is_caught(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(derive.RULES, "sub", lambda node, g: (g, g))
    with pytest.raises(AssertionError):
        test_the_rule_is_the_transpose_of_the_derivative("sub")


def test_a_sum_that_does_not_contain_a_variable_has_no_cotangent():
    assert derive.gradient(column + other, [vector], variable("g", (n,), batched=True)) == [None]


def test_cotangents_of_several_outputs_add_up():
    g, k = (variable(name, (n,), batched=True) for name in ("g", "k"))
    (found,) = derive.vjp([(column * 2, g), (column * 3, k), (column * 2, g)], [column])
    assert found is not None
    values = {name: np.full((n, s), v) for name, v in (("g", 1.0), ("k", 10.0), ("column", 0.0))}
    assert (evaluate(found, values) == 34).all()
