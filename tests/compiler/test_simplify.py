"""Simplification: the value stays, what a reader would write comes out, and it is a fixed point."""

from __future__ import annotations

import numpy as np
import pytest
from expressions import EXPRESSIONS, SCOPE, VALUES
from hypothesis import given, settings

from wellposed.compiler.ir.expr import Expr, build, constant
from wellposed.compiler.ir.operators import entries
from wellposed.compiler.ir.text import mathematics
from wellposed.compiler.language.elaborate import elaborate
from wellposed.compiler.passes import simplify as laws
from wellposed.compiler.passes.simplify import simplify
from wellposed.compiler.semantics.evaluate import evaluate

thorough = settings(max_examples=1000, deadline=None, derandomize=True, database=None)


@thorough
@given(EXPRESSIONS)
def test_the_value_and_the_type_stay(e: Expr):
    simple = simplify(e)
    assert simple.type == e.type
    with np.errstate(all="ignore"):
        before, after = (evaluate(entries(each), VALUES) for each in (e, simple))
    kept = np.isfinite(before)
    scale = np.abs(before[kept]).max(initial=1.0)
    before, after = np.broadcast_arrays(before, after)
    np.testing.assert_allclose(after[kept], before[kept], rtol=1e-9, atol=1e-12 * scale)


@thorough
@given(EXPRESSIONS)
def test_simplifying_twice_changes_nothing(e: Expr):
    assert simplify(simplify(e)) is simplify(e)


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("y + 0", "y"),
        ("0 + y", "y"),
        ("y - 0", "y"),
        ("0 - y", "-y"),
        ("y + -z", "y - z"),
        ("y - -z", "y + z"),
        ("1 * y * 1", "y"),
        ("y / 1", "y"),
        ("y ** 1", "y"),
        ("- -y", "y"),
        ("2 * 3", "6"),
        ("2 * 0.5 * y", "y"),
        ("2 * (1 / 2 / z) * y", "1 / z * y"),
        ("2 * (3 / 2 / z)", "3 / z"),
        ("1 + 2 + y", "3 + y"),
        ("y * 2", "2 * y"),
        ("2 * y / 2", "y"),
        ("2 / 2 * y", "y"),
        ("6 / 2 * y", "3 * y"),
        ("(-y) * z", "-(y * z)"),
        ("y * (-z)", "-(y * z)"),
        ("-y / z", "-(y / z)"),
        ("K.T.T @ y", "K @ y"),
        ("K @ -y", "-(K @ y)"),
        ("y * y", "y ** 2"),
        ("y * (1 / z)", "y / z"),
        ("3 * (y / 3)", "y"),
        ("1 / cosh(y) * sinh(y)", "1 * tanh(y)"),
        ("sum(a)", "a"),
    ],
)
def test_laws(text: str, simple: str):
    """Both sides simplified: the right one is what a reader would write."""
    assert simplify(elaborate(text, SCOPE)) is simplify(elaborate(simple, SCOPE))


@pytest.mark.parametrize(
    "text",
    [
        "y / y",
        "y - y",
        "0 * y",
        "y * 0",
        "y ** 0",
        "a * 0.5 * 2.5",
        "1 / 3",
        "1 / 0",
        "1e300 * 1e300",
        "1.5 * 2.0",
    ],
)
def test_what_holds_only_for_some_values_stays(text: str):
    """0 · y is not 0 where y is not finite, and 0.5 · 2.5 is the user's to round."""
    e = elaborate(text, SCOPE)
    assert simplify(e).op == e.op


def test_log_cosh_of_a_large_argument_has_a_finite_slope():
    from wellposed.compiler.passes.derive import gradient

    e = elaborate("sum(log(cosh(1000 * y)))", SCOPE)
    (found,) = gradient(e, [SCOPE["y"]], constant(1))
    assert found is not None
    assert mathematics(found) == "1000 tanh(1000 y)"
    assert np.isfinite(evaluate(found, VALUES)).all()


def test_a_wrong_law_is_caught(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(laws.LAWS, "sub", (lambda e: build("add", *e.args),))
    with pytest.raises(AssertionError):
        test_the_value_and_the_type_stay()
