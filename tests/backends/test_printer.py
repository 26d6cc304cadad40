"""Printed text means what the expression means, with no parenthesis too few and none too many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from expressions import EXPRESSIONS, SCOPE, VALUES, n
from hypothesis import given, settings

from wellposed.backends.dialects import (
    ARITHMETIC,
    COMMON,
    JAX,
    NOT_PRINTED,
    TORCH,
    Dialect,
)
from wellposed.backends.layout import WIDTH
from wellposed.backends.printer import Printer
from wellposed.compiler.elaborate import elaborate
from wellposed.compiler.evaluate import evaluate
from wellposed.compiler.ir.expr import OPERATIONS, Expr, constant, variable

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")
Run = Callable[[str], np.ndarray]


def printed(e: Expr, dialect: Dialect) -> str:
    """A function of all variables that returns the expression."""
    lines = Printer(dialect, like="y").lines(e)
    return "\n".join([f"def f({', '.join(VALUES)}):", *lines])


def run_torch(text: str) -> np.ndarray:
    functional = torch.nn.functional
    found = _called(text, {"torch": torch, "F": functional}, torch.tensor)
    return found.numpy() if isinstance(found, torch.Tensor) else np.asarray(found)


def run_jax(text: str) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(_called(text, {"jax": jax, "jnp": jax.numpy}, jax.numpy.asarray))


def _called(text: str, names: dict[str, Any], array: Callable[..., Any]) -> Any:
    import math

    scope = {**names, "math": math}
    exec(text, scope)
    return scope["f"](**{name: array(value) for name, value in VALUES.items()})


def assert_same(e: Expr, dialect: Dialect, run: Run) -> None:
    with np.errstate(all="ignore"):
        expected = evaluate(e, VALUES)
    text = printed(e, dialect)
    try:
        found = run(text)
    except (ZeroDivisionError, OverflowError):  # Python's arithmetic of bare numbers
        return
    kept = np.isfinite(expected)
    found, expected = np.broadcast_arrays(found, expected)
    scale = np.abs(expected[kept]).max(initial=0)
    np.testing.assert_allclose(
        found[kept], expected[kept], rtol=1e-9, atol=1e-12 * scale, err_msg=text
    )


@settings(max_examples=2000, deadline=None, derandomize=True, database=None)
@given(EXPRESSIONS)
def test_torch_text_means_the_expression(e: Expr):
    assert_same(e, TORCH, run_torch)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(EXPRESSIONS)
def test_jax_text_means_the_expression(e: Expr):
    assert_same(e, JAX, run_jax)


@pytest.mark.parametrize("text", ["a - (y - b)", "y / (b / a)"])
def test_a_wrong_associativity_is_caught(text: str, monkeypatch: pytest.MonkeyPatch):
    """a − (b − c) printed as a − b − c."""
    e = elaborate(text, SCOPE)
    assert_same(e, TORCH, run_torch)

    def careless(self: Printer, e: Expr, least: int) -> str:
        text, precedence = self._print(e)
        return f"({text})" if precedence < least - 1 else text

    monkeypatch.setattr(Printer, "_wrapped", careless)
    with pytest.raises(AssertionError):
        assert_same(e, TORCH, run_torch)


# --- parentheses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a - (y - b)",
        "a - y - b",
        "y / (b / a)",
        "y * b / a",
        "K @ (y * b)",
        "K @ y * b",
        "-(y**2)",
        "(-y) ** 2",
        "a**-y",
        "(y**2) ** b",
        "y ** b**2",
        "-(y + b)",
        "-y * b",
        "-K.T @ y",
        "(K @ K).T @ y",
        "(y + b) * (y - b)",
        "a * (b * y)",
        "y - -b",
        "2.5 * y**0.5",
        "torch.tanh(K @ y + b)",
        "y / (1 + torch.sigmoid(-y))",
    ],
)
def test_text_comes_back_as_it_was(text: str):
    """No parentheses but those that are needed, or that the formatter asks for."""
    e = elaborate(text.replace("torch.", ""), SCOPE)
    assert Printer(TORCH, like="y").text(e) == text


def test_negative_numbers_are_wrapped_where_they_have_to_be():
    y, minus = SCOPE["y"], constant(-2)
    text = Printer(TORCH, like="y").text
    assert text(y**minus) == "y**-2"
    assert text(minus**y) == "(-2) ** y"
    assert text(y - minus) == "y - -2"
    assert text(minus * y) == "-2 * y"


def test_a_part_that_is_used_twice_is_computed_once():
    e = elaborate("tanh(y) * b + tanh(y) / a", SCOPE)
    assert Printer(JAX, like="y").lines(e) == [
        "    u1 = jnp.tanh(y)",
        "    return u1 * b + u1 / a",
    ]


def test_numbers_alone_go_through_math():
    e = elaborate("sqrt(2) * y + gelu(1)", SCOPE)
    (line,) = Printer(TORCH, like="y").lines(e)
    assert line.startswith("    return math.sqrt(2) * y + 0.8413447")


# --- lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", [TORCH, JAX], ids=lambda d: d.name)
@pytest.mark.parametrize("terms", [3, 10, 30])
@pytest.mark.parametrize("symbol", [" + ", " - ", " * ", " @ "])
def test_long_expressions_are_broken_at_names(symbol: str, terms: int, dialect: Dialect):
    weights = {f"weight_{i}": variable(f"weight_{i}", (n, n)) for i in range(terms)}
    text = symbol.join(f"tanh(cos({name} * 2.5))" for name in weights)
    lines = Printer(dialect, like="y").lines(elaborate(f"({text}) @ y", SCOPE | weights))
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize("dialect", [TORCH, JAX], ids=lambda d: d.name)
def test_deep_nesting_is_broken_at_names(dialect: Dialect):
    text = "tanh(K @ " * 20 + "y" + " + b)" * 20
    lines = Printer(dialect, like="y").lines(elaborate(text, SCOPE))
    assert max(map(len, lines)) <= WIDTH


# --- tables -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", [TORCH, JAX], ids=lambda d: d.name)
def test_every_operation_is_printed(dialect: Dialect):
    rest = OPERATIONS - ARITHMETIC - NOT_PRINTED - {"rate"}
    assert {op for op in rest if not dialect.covers(op)} == set()


def test_both_dialects_have_the_same_rows():
    assert set(TORCH.operations) == set(JAX.operations)
    assert not set(COMMON) & set(TORCH.operations)
