"""Printed text means what the expression means, with no parenthesis too few and none too many."""

from __future__ import annotations

from typing import Any

import numpy as np
import printed
import pytest
from expressions import EXPRESSIONS, SCOPE, VALUES, n
from hypothesis import given, settings
from nodes import NODES, OPERATORS, OTHERS, array, leaves

from wellposed.backends.document import WIDTH
from wellposed.backends.expressions import Expressions
from wellposed.compiler.ir.expr import Expr, constant, variable
from wellposed.compiler.ir.operators import arrays, as_operator
from wellposed.compiler.ir.types import stored
from wellposed.compiler.language.elaborate import elaborate
from wellposed.compiler.semantics.evaluate import evaluate

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")
PARAMS = tuple(VALUES)
Array = np.ndarray


def run(backend: str, e: Expr, values: dict[Expr, Array]) -> Array:
    """The printed function on these values, in float64; numbers stay numbers."""
    f = printed.compiled(backend, e, tuple(values))
    if backend == "torch":
        found = f(*map(torch.tensor, values.values()))
        return found.numpy() if isinstance(found, torch.Tensor) else np.asarray(found)
    with jax.enable_x64(True):
        return np.asarray(f(*map(jax.numpy.asarray, values.values())))


def assert_same(e: Expr, backend: str) -> None:
    e = arrays(e)
    with np.errstate(all="ignore"):
        expected = evaluate(e, VALUES)
    try:
        found = run(backend, e, VALUES)
    except (ZeroDivisionError, OverflowError):  # Python's arithmetic of bare numbers
        return
    kept = np.isfinite(expected)
    found, expected = np.broadcast_arrays(found, expected)
    scale = np.abs(expected[kept]).max(initial=0)
    np.testing.assert_allclose(
        found[kept],
        expected[kept],
        rtol=1e-9,
        atol=1e-12 * scale,
        err_msg=str(printed.lines(backend, printed.function_of(PARAMS, e))),
    )


@settings(max_examples=1500, deadline=None, derandomize=True, database=None)
@given(EXPRESSIONS)
def test_torch_text_means_the_expression(e: Expr):
    assert_same(e, "torch")


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(EXPRESSIONS)
def test_jax_text_means_the_expression(e: Expr):
    assert_same(e, "jax")


EVERY: dict[str, list[Expr]] = NODES | OTHERS


@pytest.mark.covers("torch", "jax", "float64", by="op", of="operation")
@pytest.mark.parametrize("op", EVERY)
@pytest.mark.parametrize("backend", printed.BACKENDS)
def test_every_operation_means_the_same_in_every_framework(backend: str, op: str):
    rng = np.random.default_rng(11)
    for node in EVERY[op]:
        values = {v: array(v, rng) for v in leaves(node)}
        expected, found = evaluate(node, values), run(backend, node, values)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-13, err_msg=op)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("backend", printed.BACKENDS)
def test_operators_are_printed_as_their_arrays(backend: str, name: str):
    rng = np.random.default_rng(12)
    e = arrays(OPERATORS[name])
    values = {v: array(v, rng) for v in leaves(e)}
    np.testing.assert_allclose(run(backend, e, values), evaluate(e, values), rtol=1e-13)


@pytest.mark.parametrize("text", ["a - (y - b)", "y / (b / a)"])
def test_a_wrong_associativity_is_caught(text: str, monkeypatch: pytest.MonkeyPatch):
    """a − (b − c) printed as a − b − c."""
    e = elaborate(text, SCOPE)
    assert_same(e, "torch")

    def careless(self: Any, e: Expr, least: int) -> str:
        text, precedence = self._print(e)
        return f"({text})" if precedence < least - 1 else text

    monkeypatch.setattr(Expressions, "_wrapped", careless)
    with pytest.raises(AssertionError):
        assert_same(e, "torch")


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
    e = arrays(elaborate(text.replace("torch.", ""), SCOPE))
    assert printed.text("torch", e, PARAMS) == text


def test_negative_numbers_are_wrapped_where_they_have_to_be():
    y, minus = SCOPE["y"], constant(-2)

    def text(e: Expr) -> str:
        return printed.text("torch", e, PARAMS)

    assert text(y**minus) == "y**-2"
    assert text(minus**y) == "(-2) ** y"
    assert text(y - minus) == "y - -2"
    assert text(minus * y) == "-2 * y"


def test_a_part_that_is_used_twice_is_computed_once():
    e = elaborate("tanh(y) * b + tanh(y) / a", SCOPE)
    assert printed.lines("jax", printed.function_of(PARAMS, e)) == [
        "    u1 = jnp.tanh(y)",
        "    return u1 * b + u1 / a",
    ]


def test_a_new_name_is_none_of_the_parameters():
    """A parameter that is called u1 is not overwritten by a part that needs a name."""
    u1 = variable("u1", SCOPE["y"].type)
    e = elaborate("tanh(y) * u + tanh(y) / u", {"y": SCOPE["y"], "u": u1})
    values = {SCOPE["y"]: VALUES[SCOPE["y"]], u1: VALUES[SCOPE["z"]]}
    np.testing.assert_allclose(run("torch", e, values), evaluate(e, values), rtol=1e-14)


def test_numbers_alone_go_through_math():
    e = elaborate("sqrt(2) * y + gelu(1)", SCOPE)
    text = printed.text("torch", e, PARAMS)
    assert text.startswith("math.sqrt(2) * y + 0.8413447")


# --- lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", printed.BACKENDS)
@pytest.mark.parametrize("terms", [3, 10, 30])
@pytest.mark.parametrize("symbol", [" + ", " - ", " * ", " @ "])
def test_long_expressions_are_broken(symbol: str, terms: int, backend: str):
    weights = {f"weight_{i}": variable(f"weight_{i}", stored((n, n))) for i in range(terms)}
    text = symbol.join(f"tanh(cos({name} * 2.5))" for name in weights)
    scope = {name: as_operator(w) for name, w in weights.items()}
    e = arrays(elaborate(f"({text}) @ y", SCOPE | scope))
    function = printed.function_of((*PARAMS, *weights.values()), e)
    assert max(map(len, "\n".join(printed.lines(backend, function)).splitlines())) <= WIDTH


@pytest.mark.parametrize("backend", printed.BACKENDS)
def test_deep_nesting_is_broken_at_names(backend: str):
    text = "tanh(K @ " * 20 + "y" + " + b)" * 20
    function = printed.function_of(PARAMS, arrays(elaborate(text, SCOPE)))
    assert max(map(len, "\n".join(printed.lines(backend, function)).splitlines())) <= WIDTH
