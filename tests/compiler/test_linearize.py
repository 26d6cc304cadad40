"""The derivative as words: products, traces and norms against matrices of central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from specs import Case, allowed, random_weights, structural

from wellposed.compiler.analysis import jacobian as jacobian_module
from wellposed.compiler.analysis.jacobian import Factors, applied
from wellposed.compiler.analysis.spectrum import in_text
from wellposed.compiler.ir.expr import Expr, build, variable, variables
from wellposed.compiler.ir.operators import arrays, as_operator
from wellposed.compiler.ir.types import Size, array_shape, columns, stored
from wellposed.compiler.language.elaborate import elaborate
from wellposed.compiler.passes import linearize as linearizing
from wellposed.compiler.passes.linearize import NotLinearized, linearize
from wellposed.compiler.passes.traces import closed_flops, squared_norm, trace
from wellposed.compiler.passes.words import Words, in_words, jvp, product_flops, vjp
from wellposed.compiler.promises.checked import value_checked
from wellposed.compiler.semantics.evaluate import Evaluator, evaluate

Array = np.ndarray
n, m, s = 3, 4, 5
VARIABLES = {
    "y": variable("y", columns((n,))),
    "z": variable("z", columns((m,))),
    "b": variable("b", columns((n,), batch=False)),
    "c": variable("c", columns((m,), batch=False)),
    "a": variable("a"),
    "t": variable("t"),
    "K": variable("K", stored((n, n))),
    "D": variable("D", stored((m, n))),
    "W": variable("W", stored((n, m))),
    "p": variable("p", columns((2 * n * m,), batch=False)),
}
SCOPE = {name: as_operator(v) for name, v in VARIABLES.items()}
y = VARIABLES["y"]
_rng = np.random.default_rng(5)
VALUES: dict[Expr, Array] = {
    v: _rng.uniform(0.4, 1.4, array_shape(v.type, {"s": s})) for v in VARIABLES.values()
}
TEXTS: dict[str, str] = {
    "tanh(K @ y + b)": "diag tanh'(K y + b) · K",
    "-K.T @ tanh(K @ y + b)": "−Kᵀ · diag tanh'(K y + b) · K",
    "W @ sin(D @ y + c) + b": "W · diag sin'(D y + c) · D",
    "(K - K.T) @ y - a * y / 2": "(K − Kᵀ) − ½ · a",
    "K @ K @ y": "K K",
    "y": "I",
    "2 * y": "2",
    "b * y": "diag(b)",
    "y * y": "",
    "y ** 3": "diag cubic'(y)",
    "cubic(y)": "diag cubic'(y)",
    "y ** 2.5": "",
    "2 ** y": "",
    "y ** b": "",
    "1 / y": "",
    "y / (1 + y)": "",
    "sum(y) * y": "",
    "y.T @ y * b": "",
    "(y.T @ K).T": "Kᵀ",
    "sum(y) + y": "",
    "y * sum(tanh(K @ y))": "",
    "exp(-y ** 2) * cos(t)": "",
    "sum(b) * b": "0",
    "0.1 * y + tanh(y) * sum(b)": "",
    "cos(t) * y": "",
    "[y[1], y[2], y[0]]": "e₀ · e₁ᵀ + e₁ · e₂ᵀ + e₂ · e₀ᵀ",
    "[y[0] * y[1], sum(y), 1] + y": "",
    "y[2] * b + [a, y[0] ** 2, sin(y[1])]": "",
    "W @ tanh(D @ [y[1], a, y[0]] + c)": "",
    "W @ tanh(concat(y, t))": "W · diag tanh'([y; t]) · I[0:3]ᵀ",
    "matrix(slice(p, 0, 12), 3, 4) @ tanh(matrix(slice(p, 12, 24), 4, 3) @ y + c)": (
        "mat(p[0:12]) · diag tanh'(mat(p[12:24]) y + c) · mat(p[12:24])"
    ),
    "sin(K @ tanh(K @ y))": "diag sin'(K tanh(K y)) · K · diag tanh'(K y) · K",
}


def field(text: str) -> Expr:
    value = elaborate(text, SCOPE, catalogue=True)
    if not value.type.batched:
        value = build("per_example", value, y)
    return value if value.shape else build("broadcast", value, attributes=(Size(n),))


def differences(e: Expr) -> Array:
    """∂e/∂y (s, n, n) by the complex step: to the last digit."""
    found = np.zeros((s, n, n))
    for i in range(n):
        step = np.zeros((n, s))
        step[i] = 1e-30
        ahead = evaluate(arrays(e), VALUES | {y: VALUES[y] + 1j * step})
        found[:, :, i] = (np.imag(ahead) / 1e-30).T
    return found


def close(found: Array, expected: Array) -> bool:
    found = np.broadcast_to(found, expected.shape)
    return bool(np.abs(found - expected).max() <= 1e-13 * max(np.abs(expected).max(), 1e-300))


def jacobian(words: Words) -> Array:
    """∂e/∂y (s, n, n) by its words."""
    columns = np.broadcast_to(np.eye(n), (1, s, n, n))
    return applied(words, Factors(words)([VALUES]), (1, s), columns, n)[0]


def value_of(e: Expr | None, values: dict[Expr, Array] = VALUES) -> Array:
    return np.zeros(()) if e is None else evaluate(arrays(e), values)


@pytest.mark.parametrize("text", TEXTS)
def test_words_are_the_jacobian(text: str):
    words = linearize(field(text), y)
    assert TEXTS[text] in (in_words(words), "")
    assert close(jacobian(words), differences(field(text)))


@pytest.mark.parametrize("text", TEXTS)
def test_products_with_a_vector_from_both_sides(text: str):
    words, J = linearize(field(text), y), differences(field(text))
    v, g = (variable(name, y.type) for name in ("v", "g"))
    values = VALUES | {x: np.random.default_rng(2).normal(size=(n, s)) for x in (v, g)}
    forward = np.einsum("sij,js->is", J, values[v])
    backward = np.einsum("sij,is->js", J, values[g])
    assert close(value_of(jvp(words, v), values), forward)
    assert close(value_of(vjp(words, g), values), backward)


NORMS = [
    "tanh(K @ y + b)",
    "-K.T @ tanh(K @ y + b)",
    "b * y",
    "y",
    "K @ K @ y",
    "cubic(y)",
    "y.T @ y * b",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_trace_in_closed_form(text: str):
    found = trace(linearize(field(text), y), y)
    assert found is not None
    expected = np.trace(differences(field(text)), axis1=1, axis2=2)[None]
    assert close(value_of(found), expected)


@pytest.mark.parametrize("text", NORMS)
def test_the_frobenius_norm_in_closed_form(text: str):
    found = squared_norm(linearize(field(text), y), y)
    assert found is not None
    expected = (differences(field(text)) ** 2).sum(axis=(1, 2))[None]
    assert close(value_of(found), expected)


def test_of_three_diagonals_there_is_no_closed_form():
    text = "sin(K @ sin(K @ tanh(K @ y)))"
    assert trace(linearize(field(text), y), y) is None


def test_what_is_no_word_is_told_of():
    with pytest.raises(NotLinearized, match="softmax"):
        linearize(build("softmax", y), y)


def test_the_factors_of_all_words_are_computed_once_for_each_step(monkeypatch: pytest.MonkeyPatch):
    """However many products a sum has."""
    made: list[int] = []

    class Counted(Evaluator):
        def every(self, *args: Any, **options: Any) -> list[Array]:
            made.append(len(self.order))
            return super().every(*args, **options)

    monkeypatch.setattr(jacobian_module, "Evaluator", Counted)
    case = Case("coupled-H").compiled()
    weights = random_weights(case.problem)
    path = np.zeros((case.problem.steps + 1, 2, case.problem.size))
    jacobian_module.jacobians(case, weights, path, np.arange(case.problem.steps))
    assert len(made) == case.problem.steps


def test_a_sum_that_nobody_would_read_is_told_of_by_its_length():
    product = " * ".join(f"sin({k} * y)" for k in range(2, 19))
    field = {"kind": "custom", "equations": {"y": product}}
    (text,) = in_text(Case("one-block").problem(vector_field=field))
    assert text == "∂y'/∂y = a sum of 17 products"


# --- cost -------------------------------------------------------------------------------------


def test_products_cost_two_operations_for_each_entry_of_a_matrix():
    """J v of W σ(D y + c): 2·4·3 for D, 4 for σ', 2·3·4 for W."""
    assert product_flops(linearize(field("W @ sin(D @ y + c)"), y)) == 24 + 4 + 24
    assert product_flops(linearize(field("b * y"), y)) == n


def test_the_trace_costs_less_than_a_product_for_every_component():
    """Of a layer n products of diagonal and weights, and their sum; n J v are 2 n³."""
    words = linearize(field("tanh(K @ y + b)"), y)
    found = trace(words, y)
    assert found is not None
    assert closed_flops(found) < n * product_flops(words)


# --- the grid, and planted mistakes -----------------------------------------------------------


@pytest.mark.parametrize("case", [c for c in structural() if allowed(c)][::13], ids=str)
def test_every_field_of_the_grid_has_its_words(case: Case):
    assert in_text(case.problem())


def _negative(words: Words) -> Words:
    return tuple(-w for w in words)


MISTAKES: dict[str, tuple[str, Callable[..., Any], str]] = {
    "sub": ("sub", lambda node, words: (*words[0], *words[1]), "b - tanh(K @ y)"),
    "div": ("div", lambda node, words: words[0], "y / (1 + y)"),
    "pow": ("pow", lambda node, words: words[0], "y ** 2.5"),
    "neg": ("neg", lambda node, words: words[0], "-tanh(K @ y)"),
    "matmul": ("matmul", lambda node, words: words[1], "K @ tanh(y)"),
    "mul": ("mul", lambda node, words: words[0], "y * sin(y)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_rule_is_seen(name: str, monkeypatch: pytest.MonkeyPatch):
    op, wrong, text = MISTAKES[name]
    assert close(jacobian(linearize(field(text), y)), differences(field(text)))
    monkeypatch.setitem(linearizing._RULES, op, wrong)
    with value_checked(None):
        found = jacobian(linearize(field(text), y))
    assert not close(found, differences(field(text)))


def test_variables_that_do_not_matter_have_no_words():
    assert linearize(SCOPE["K"] @ VARIABLES["b"], y) == ()
    assert variables(SCOPE["K"]) == [VARIABLES["K"]]
