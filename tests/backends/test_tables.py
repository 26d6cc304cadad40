"""Every table is complete and has no row too many: a missing row fails by its name."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from wellposed.backends.dialect import ARITHMETIC, COMMON, NOT_PRINTED, PYTHON_FUNCTIONS
from wellposed.backends.jax_dialect import JAX
from wellposed.backends.torch_dialect import TORCH
from wellposed.compiler.ir import text
from wellposed.compiler.ir.elementary import BY_DEFINITION, DERIVATIVES, FUNCTIONS, PUBLIC
from wellposed.compiler.ir.expr import constant, variable
from wellposed.compiler.ir.operations import ELEMENTWISE_FUNCTIONS, LEAVES, OPERATIONS
from wellposed.compiler.ir.types import columns
from wellposed.compiler.language.elaborate import elaborate
from wellposed.compiler.passes import linearize, simplify
from wellposed.compiler.passes.derive import RULES
from wellposed.compiler.pipeline import BUILDERS
from wellposed.compiler.semantics.evaluate import GIVEN, evaluate
from wellposed.compiler.semantics.meaning import MEANING
from wellposed.spec.model import Task

DIALECTS = {"torch": TORCH, "jax": JAX}
SPREAD = {"full", "zeros", "per_example"}
"""Rows for a number as an array, which the printer asks for by these names."""
WRITTEN = {op for op in OPERATIONS if op not in ARITHMETIC | NOT_PRINTED} | {
    "eye",
    "units",
    "times",
}
"""What a dialect needs a row for."""


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_writes_every_operation(name: str) -> None:
    assert set(DIALECTS[name].rows) == WRITTEN | SPREAD


def test_every_operation_and_leaf_has_a_meaning() -> None:
    computed = set(OPERATIONS) | set(LEAVES) - {*GIVEN, "call"}
    assert set(MEANING) == computed


def test_rules_are_for_operations() -> None:
    """What has none is no part of a program that is differentiated, or a result of that."""
    without = {"outer", "put", "zeros_like", "rounded", "known"}
    integers = {"step_of", "scalar", "interval", "nearest", "before"}
    assert set(OPERATIONS) - set(RULES) == without | integers | {"dense", "entries"}
    assert set(RULES) <= set(OPERATIONS)
    assert set(linearize._RULES) <= set(OPERATIONS)
    assert set(simplify.LAWS) <= set(OPERATIONS)


def test_the_printers_own_operations_are_operations() -> None:
    known = set(OPERATIONS) | set(LEAVES)
    assert known >= ARITHMETIC
    assert known >= NOT_PRINTED
    assert set(COMMON) <= known
    assert set(text._SILENT) <= known
    assert set(ELEMENTWISE_FUNCTIONS) >= PYTHON_FUNCTIONS


def test_every_task_has_a_builder() -> None:
    assert set(BUILDERS) == set(Task.members())


# --- the rows of functions ----------------------------------------------------------------------


def test_every_elementwise_function_has_a_derivative_as_text() -> None:
    assert set(DERIVATIVES) == set(ELEMENTWISE_FUNCTIONS)
    assert set(PUBLIC) <= {*ELEMENTWISE_FUNCTIONS, *BY_DEFINITION, "sum"}
    assert not set(DERIVATIVES) & set(BY_DEFINITION)


X = variable("x", columns())


def sampled(name: str) -> np.ndarray:
    """Points of the function's domain, none at its kink, as a row."""
    low, high = FUNCTIONS[name].domain
    points = np.concatenate([-np.geomspace(1e-3, 30, 120), np.geomspace(1e-3, 30, 120)])
    return points[(points > low) & (points < high)][None]


def values(expression: str, x: np.ndarray) -> np.ndarray:
    scope = {"x": X, "pi": constant(np.pi)}
    return np.broadcast_to(
        evaluate(elaborate(expression, scope, catalogue=True), {X: x.astype(x.dtype)}), x.shape
    )


def slope(expression: str, x: np.ndarray) -> np.ndarray:
    """By central differences of the sixth order."""
    h = 1e-3 * np.maximum(np.abs(x), 1e-2)
    weights = ((1, 45.0), (2, -9.0), (3, 1.0))
    total = np.zeros(x.shape)
    for k, w in weights:
        total = total + w * (values(expression, x + k * h) - values(expression, x - k * h))
    return total / (60 * h)


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if f.antiderivative])
def test_an_antiderivative_has_the_function_as_its_slope(name: str) -> None:
    x = sampled(name)
    with np.errstate(over="ignore"):
        exact = values(f"{name}(x)", x)
        found = slope(FUNCTIONS[name].antiderivative, x)
        size = np.maximum(np.abs(exact), 1e-3 * np.abs(values(FUNCTIONS[name].antiderivative, x)))
    assert (np.abs(found - exact) <= 1e-7 * np.maximum(size, 1)).all()


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if f.slopes])
def test_slopes_lie_in_the_range_and_reach_its_ends(name: str) -> None:
    low, high = FUNCTIONS[name].slopes or (-inf, inf)
    x = np.concatenate([sampled(name), np.linspace(-6, 6, 4001)[None]], axis=1)
    ends = FUNCTIONS[name].domain
    found = slope(f"{name}(x)", x[(x > ends[0]) & (x < ends[1])][None])
    slack = 1e-6 * np.maximum(np.abs(found), 1)
    assert (found >= low - slack).all() and (found <= high + slack).all()
    assert found.min() <= low + 0.01
    assert high == inf or found.max() >= high - 0.01


def test_a_wrong_range_or_antiderivative_is_seen() -> None:
    with pytest.raises(AssertionError):
        assert (slope("softplus(x)", sampled("tanh")) == values("tanh(x)", sampled("tanh"))).all()
    assert (slope("sin(x)", np.linspace(-6, 6, 4001)[None]) < 0).any()


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if not f.rounds])
def test_what_does_not_round_is_exact(name: str) -> None:
    x = np.array([[1 / 3, -1 / 3, 1e-300, -1e300]])
    assert set(np.abs(values(f"{name}(x)", x)).ravel()) <= {0.0, 1.0, *np.abs(x).ravel()}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_kink_is_where_the_slope_jumps(name: str) -> None:
    """And nowhere is one that the row does not tell of."""
    kink = FUNCTIONS[name].kink
    low, high = FUNCTIONS[name].domain
    x = np.linspace(max(low, -5), min(high, 5), 2003)[1:-1]
    d = slope(f"{name}(x)", x[None])[0]
    jumps = np.abs(np.diff(d)) > 0.5 + 0.05 * np.abs(d[:-1])
    at = x[:-1][jumps & (x[:-1] > low + 0.05)]
    if kink is None or FUNCTIONS[name].has_jump:
        assert kink is not None or not len(at)
    else:
        assert len(at) and np.abs(at - kink).max() < 0.02
