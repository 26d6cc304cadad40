"""Typed expressions: values against Python on NumPy matrices, and what does not fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wellposed.compiler.ir.elementary import PUBLIC
from wellposed.compiler.ir.expr import Expr, variable
from wellposed.compiler.ir.operators import as_operator, entries
from wellposed.compiler.ir.types import columns, stored
from wellposed.compiler.language.elaborate import elaborate
from wellposed.compiler.language.syntax import ExpressionError
from wellposed.compiler.semantics.evaluate import evaluate

thorough = settings(max_examples=400, deadline=None, derandomize=True, database=None)

n, s = 3, 5
VARIABLES = {
    "y": variable("y", columns((n,))),
    "z": variable("z", columns((2,))),
    "b": variable("b", columns((n,), batch=False)),
    "a": variable("a"),
    "t": variable("t"),
    "K": variable("K", stored((n, n))),
    "D": variable("D", stored((n, 2))),
}
SCOPE = {name: as_operator(v) for name, v in VARIABLES.items()}
rng = np.random.default_rng(0)
VALUES = {
    "y": rng.normal(size=(n, s)),
    "z": rng.normal(size=(2, s)),
    "b": rng.normal(size=(n, 1)),
    "a": np.asarray(1.5),
    "t": np.asarray(0.25),
    "K": rng.normal(size=(n, n)),
    "D": rng.normal(size=(n, 2)),
}


def value(text: str) -> np.ndarray:
    return evaluate(entries(elaborate(text, SCOPE)), {VARIABLES[n]: v for n, v in VALUES.items()})


# --- matrices: the same text, read by us and by Python ------------------------------------------

MATRICES = {name: rng.normal(size=(2, 2)) for name in ("A", "B", "M")}
ENVIRONMENT = {**MATRICES, "tanh": np.tanh, "exp": np.exp, "sin": np.sin, "cos": np.cos}


def combined(matrices: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts that are mostly well typed and leave the grouping to the precedence."""
    operator = st.sampled_from([" + ", " - ", " @ ", " * ", " / "])
    number = st.sampled_from(["2 * ", "0.5 * ", "-", "3 / "])
    return st.one_of(
        st.tuples(matrices, operator, matrices).map("".join),
        st.tuples(number, matrices).map("".join),
        matrices.map(lambda m: f"({m}).T"),
        matrices.map(lambda m: f"({m})"),
        st.sampled_from(["A", "B"]).map(lambda m: f"{m}.T"),
        matrices.map(lambda m: f"{m} ** 2"),
        matrices.map(lambda m: f"tanh({m})"),
        matrices.map(lambda m: f"sin({m})"),
    )


TEXTS = st.recursive(st.sampled_from(["A", "B", "M"]), combined, max_leaves=10)


@thorough
@given(TEXTS)
def test_values_are_pythons(text: str):
    try:
        with np.errstate(all="ignore"):
            expected = eval(text, {"__builtins__": {}}, ENVIRONMENT)
    except ValueError:  # a number met @
        assume(False)
        return
    assume(bool(np.isfinite(expected).all()))
    scope = {name: variable(name, stored((2, 2))) for name in MATRICES}
    operators = {name: as_operator(v) for name, v in scope.items()}
    with np.errstate(all="ignore"):
        found = evaluate(
            entries(elaborate(text, operators)), {scope[n]: a for n, a in MATRICES.items()}
        )
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


# --- vectors and rows ---------------------------------------------------------------------------


def column_by_column(function) -> np.ndarray:
    """A function of one example's vectors, for every example: a matrix of columns."""
    b, K, D = VALUES["b"][:, 0], VALUES["K"], VALUES["D"]
    each = [function(y, z, b, K, D) for y, z in zip(VALUES["y"].T, VALUES["z"].T, strict=True)]
    return np.atleast_2d(np.array(each).T)


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("K @ y + b", lambda y, z, b, K, D: K @ y + b),
        ("-K.T @ y", lambda y, z, b, K, D: -K.T @ y),
        ("y.T @ b", lambda y, z, b, K, D: y @ b),
        ("b.T @ y", lambda y, z, b, K, D: b @ y),
        ("(y.T @ K).T", lambda y, z, b, K, D: y @ K),
        ("y.T @ K @ b", lambda y, z, b, K, D: y @ K @ b),
        ("y.T @ D @ z", lambda y, z, b, K, D: y @ D @ z),
        ("(2 * y.T + b.T / a - y.T).T", lambda y, z, b, K, D: y + b / 1.5),
        ("(-y.T).T", lambda y, z, b, K, D: -y),
        ("y.T @ y * y", lambda y, z, b, K, D: y @ y * y),
        ("y * sum(y) / a", lambda y, z, b, K, D: y * y.sum() / 1.5),
        ("y.T.T", lambda y, z, b, K, D: y),
        ("a.T * y", lambda y, z, b, K, D: 1.5 * y),
        ("K @ (b * y)", lambda y, z, b, K, D: K @ (b * y)),
        ("D @ z ** 2", lambda y, z, b, K, D: D @ z**2),
        ("identity(y) + cubic(y)", lambda y, z, b, K, D: y + y**3),
        ("cubic(K @ y) / 2", lambda y, z, b, K, D: (K @ y) ** 3 / 2),
        ("sum(K) + y", lambda y, z, b, K, D: K.sum() + y),
        ("sum(K @ K.T) * y", lambda y, z, b, K, D: (K @ K.T).sum() * y),
    ],
)
def test_vectors_rows_and_inner_products(text: str, function):
    np.testing.assert_allclose(value(text), column_by_column(function), rtol=1e-13)


@pytest.mark.parametrize("text", ["3", "-2 ** 2", "2 ** 3 ** 2 / 7", "1e-3 * 4", "t + a"])
def test_numbers(text: str):
    assert value(text) == eval(text, {"__builtins__": {}}, {"t": 0.25, "a": 1.5})


# --- what does not fit --------------------------------------------------------------------------


def refused(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        elaborate(text, SCOPE)
    return caught.value


@pytest.mark.parametrize(
    ("text", "marked", "help"),
    [
        ("tahn(y)", "tahn(y)", "did you mean tanh?"),
        ("K @ y + bb", "bb", "did you mean b?"),
        ("y + omega", "omega", "the names here: D, K, a, b, t, y, z"),
        ("tanh + y", "tanh", "write tanh(...)"),
        ("y + pi", "pi", ""),
        ("K(y)", "K(y)", "functions: "),
        ("tanh(y, y)", "tanh(y, y)", ""),
        ("eval(y)", "eval(y)", ""),
    ],
)
def test_unknown_names_and_functions(text: str, marked: str, help: str):
    error = refused(text)
    assert error.code == "E302"
    assert text[error.start : error.end] == marked
    assert help in error.help


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "slice", "concat", "head", "tail"])
def test_functions_of_the_catalogue_are_not_the_users(name: str):
    assert refused(f"{name}(y)").code == "E302"


def test_the_users_functions_are_those_of_the_language():
    activations = ["tanh", "relu", "sigmoid", "softplus", "gelu", "sin", "identity", "cubic"]
    others = ["exp", "log", "sqrt", "cos", "sinh", "cosh", "abs", "sum"]
    assert set(PUBLIC) == {*activations, *others}
    for name in PUBLIC:
        assert isinstance(elaborate(f"{name}(y)", SCOPE), Expr)


@pytest.mark.parametrize(
    ("text", "marked", "said"),
    [
        ("K @ z", "K @ z", ["3×3", "vector (2)", "3 columns meet 2 rows"]),
        ("tanh(D @ y) + y", "D @ y", ["3×2", "2 columns meet 3 rows"]),
        ("b + y + z", "b + y + z", ["vector (3)", "vector (2)"]),
        ("y * K", "y * K", ["vector (3)", "matrix (3×3)"]),
        ("y @ y", "y @ y", ["does not fit"]),
        ("a @ y", "a @ y", ["takes a matrix on the left"]),
        ("K @ a", "K @ a", ["takes a matrix on the left"]),
        ("K * (y.T @ y)", "K * (y.T @ y)", ["a matrix may not depend on the state"]),
        ("y.T", "y.T", ["row vector"]),
        ("y.T + b", "y.T + b", ["row vector"]),
        ("tanh(y.T)", "y.T", ["row vector"]),
        ("y @ y.T", "y @ y.T", ["row vector"]),
        ("y.T @ b.T", "y.T @ b.T", ["row vector"]),
        ("a / y.T", "a / y.T", ["row vector"]),
        ("y.T ** 2", "y.T ** 2", ["row vector"]),
        ("(y.T + z.T).T", "(y.T + z.T)", ["vector (3)", "vector (2)"]),
        ("y.T @ z", "y.T @ z", ["vector (3)", "vector (2)"]),
    ],
)
def test_shapes_that_do_not_fit_name_both_ends(text: str, marked: str, said: list[str]):
    error = refused(text)
    assert error.code == "E303"
    assert text[error.start : error.end] == marked
    assert [part for part in said if part not in error.message] == []


@pytest.mark.parametrize("text", ["1e999", "9" * 400])
def test_a_number_beyond_float64_is_refused(text: str):
    error = refused(f"y + {text}")
    assert "too large" in error.message
    assert (error.start, error.end) == (4, 4 + len(text))


def test_the_largest_numbers_are_read():
    assert value("1.7976931348623157e308") == 1.7976931348623157e308
    assert value("9" * 15) == 999999999999999
    assert value("9" * 17) == 1e17
    assert math.isclose(float(value("1e-320")), 1e-320)
