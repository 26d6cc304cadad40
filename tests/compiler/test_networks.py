"""Components, vectors, π, and networks that a user's equations call, against NumPy and SciPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.integrate import solve_ivp

import wellposed
from wellposed.checking.inline import run_fast
from wellposed.checking.ladder import check
from wellposed.compiler.analysis.describe import describe
from wellposed.compiler.analysis.oddities import oddities
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec

X = np.random.default_rng(3).normal(size=(5, 2))


def spec(field: dict[str, Any], **changes: Any) -> Spec:
    return Spec.model_validate(plain(field, **changes))


def plain(field: dict[str, Any], **changes: Any) -> dict[str, Any]:
    model = {
        "state": {"y": 2},
        "vector_field": {"kind": "custom", **field},
        "time": {"horizon": 1, "steps": 3, "weights": "per-step"},
        "integrator": "rk4",
        "readout": {"kind": "classifier", "classes": 2},
    }
    top = {key: changes.pop(key) for key in ("regularizers", "train") if key in changes}
    return {"wellposed": 1, "name": "net", "dtype": "float64", "model": model | changes, **top}


def random_weights(model: Any) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {name: 0.5 * rng.normal(size=w.shape) for name, w in model.init().items()}


def field_of(given: Spec, backend: str = "numpy") -> tuple[Any, dict[str, np.ndarray]]:
    model = wellposed.compile(given, backend)
    return model, random_weights(model)


F = {"f": {"hidden": [5], "activation": "tanh", "outputs": "y"}}


def f(w: dict[str, np.ndarray], j: int, *parts: np.ndarray) -> np.ndarray:
    """W2 tanh(W1 [parts] + b1) + b2, a row for each example."""
    x = np.concatenate([np.broadcast_to(p, (len(X), p.shape[-1])) for p in parts], axis=1)
    hidden = np.tanh(x @ w["f_W1"][j].T + w["f_b1"][j])
    return hidden @ w["f_W2"][j].T + w["f_b2"][j]


CALLS = {
    "f(y)": lambda w, j, t, y: f(w, j, y),
    "-2 * y + f(y, t)": lambda w, j, t, y: -2 * y + f(w, j, y, np.array([t])),
    "f(t, y)": lambda w, j, t, y: f(w, j, np.array([t]), y),
    "f(f(y))": lambda w, j, t, y: f(w, j, f(w, j, y)),
    "f(y)[1] * y": lambda w, j, t, y: f(w, j, y)[:, 1:] * y,
    "f(y[1])": lambda w, j, t, y: f(w, j, y[:, 1:]),
    "f(2 * y - 1, sum(y), 0.5)": lambda w, j, t, y: f(
        w, j, 2 * y - 1, y.sum(axis=1, keepdims=True), np.array([0.5])
    ),
    "(f(y) + y)[0] * [1, y[1]]": lambda w, j, t, y: (
        (f(w, j, y) + y)[:, :1] * np.stack([np.ones(len(y)), y[:, 1]], axis=1)
    ),
}


@pytest.mark.parametrize("text", CALLS)
@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_a_network_is_what_its_weights_say(text: str, backend: str) -> None:
    model, w = field_of(spec({"networks": F, "equations": {"y": text}}), backend)
    found = model.vector_field(w, 0.4, X)
    np.testing.assert_allclose(found, CALLS[text](w, 1, 0.4, X), rtol=1e-13, atol=1e-14)


EXPRESSIONS = {
    "[y[1], -y[0]]": lambda y: np.stack([y[:, 1], -y[:, 0]], axis=1),
    "[0, -9.81]": lambda y: np.broadcast_to([0, -9.81], y.shape),
    "sin(pi * y) * y[0]": lambda y: np.sin(np.pi * y) * y[:, :1],
    "([1, 2] * y)[1] * [1, 1]": lambda y: np.repeat(2 * y[:, 1:], 2, axis=1),
    "y * ([y[0], 1].T @ y)": lambda y: y * (y[:, :1] ** 2 + y[:, 1:]),
    "tanh([y[0] ** 2, 1 / (2 + y[1] ** 2)])": lambda y: np.tanh(
        np.stack([y[:, 0] ** 2, 1 / (2 + y[:, 1] ** 2)], axis=1)
    ),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_components_and_vectors_are_what_they_say(text: str, backend: str) -> None:
    model, w = field_of(spec({"equations": {"y": text}}), backend)
    found = model.vector_field(w, 0.4, X)
    np.testing.assert_allclose(found, EXPRESSIONS[text](X), rtol=1e-14)


def test_weights_stand_as_the_language_says() -> None:
    """f_W1 (out, in), f_b1, … with the time axis of the field, after the other weights."""
    field = {
        "weights": {"k": {"shape": []}},
        "networks": {"f": {"hidden": [5, 4], "outputs": "y"}},
        "equations": {"y": "k * y + f(y, t)"},
    }
    model = wellposed.compile(spec(field), "numpy")
    assert {name: w.shape for name, w in model.init().items()} == {
        "k": (3,),
        "f_W1": (3, 5, 3),
        "f_b1": (3, 5),
        "f_W2": (3, 4, 5),
        "f_b2": (3, 4),
        "f_W3": (3, 2, 4),
        "f_b3": (3, 2),
        "W": (2, 2),
        "mu": (2,),
    }


def test_a_hamiltonian_may_be_a_network() -> None:
    """y' = ∂H/∂z, z' = −∂H/∂y by finite differences of H itself."""
    field = {
        "networks": {"f": {"hidden": [6], "activation": "softplus", "outputs": 1}},
        "hamiltonian": "sum(z ** 2) / 2 + f(y, z)[0]",
    }
    given = spec(
        field, state={"y": 2, "z": 2}, time={"horizon": 1, "steps": 3, "weights": "shared"}
    )
    model, w = field_of(given)

    def H(u: np.ndarray) -> np.ndarray:
        hidden = np.logaddexp(u @ w["f_W1"].T + w["f_b1"], 0)
        net = hidden @ w["f_W2"].T + w["f_b2"]
        return (u[:, 2:] ** 2).sum(axis=1) / 2 + net[:, 0]

    u = np.random.default_rng(5).normal(size=(5, 4))
    steps = 1e-6 * np.eye(4)
    slope = np.stack([(H(u + e) - H(u - e)) / 2e-6 for e in steps], axis=1)
    expected = np.concatenate([slope[:, 2:], -slope[:, :2]], axis=1)
    np.testing.assert_allclose(model.vector_field(w, 0.0, u), expected, rtol=1e-7, atol=1e-8)
    assert oddities(compiled(given)) == [], (
        "its last bias moves nothing, and nobody can leave it out"
    )


def test_a_hamiltonian_by_components_is_separable_and_keeps_its_form() -> None:
    hamiltonian = "z[0] ** 2 / 2 + z[1] ** 2 / 4 - cos(y[0]) * cos(y[1]) + [1, 2].T @ z"
    given = spec({"hamiltonian": hamiltonian}, state={"y": 2, "z": 2}, integrator="verlet")
    model, w = field_of(given)
    u = np.random.default_rng(5).normal(size=(5, 4))
    (a, b), (p, q) = u[:, :2].T, u[:, 2:].T
    expected = [p + 1, q / 2 + 2, -np.sin(a) * np.cos(b), -np.cos(a) * np.sin(b)]
    np.testing.assert_allclose(model.vector_field(w, 0.0, u), np.stack(expected, 1), rtol=1e-13)
    assert "pad" not in wellposed.compile(given, "torch").source, "components stand side by side"


def test_lotka_volterra_by_components_against_scipy() -> None:
    rates = {"a": 1.1, "b": 0.4, "c": 0.4, "d": 0.1}
    field = {
        "weights": {n: {"shape": [], "time": "shared", "value": v} for n, v in rates.items()},
        "equations": {"y": "[a * y[0] - b * y[0] * y[1], d * y[0] * y[1] - c * y[1]]"},
    }
    given = spec(field, time={"horizon": 5, "steps": 2000}, readout="state")
    model = wellposed.compile(given, "numpy")

    def rhs(t: float, y: np.ndarray) -> list[float]:
        return [1.1 * y[0] - 0.4 * y[0] * y[1], 0.1 * y[0] * y[1] - 0.4 * y[1]]

    exact = solve_ivp(rhs, (0, 5), [10.0, 5.0], method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
    found = model.forward(model.init(), np.array([[10.0, 5.0]]))[0]
    np.testing.assert_allclose(found, exact, rtol=1e-9)


def test_the_name_of_a_network_stands_for_its_weights_in_a_regularizer() -> None:
    decay = [{"kind": "weight-decay", "of": ["f"], "alpha": 0.2}]
    given = spec({"networks": F, "equations": {"y": "f(y)"}}, regularizers=decay)
    model, w = field_of(given)
    expected = 0.1 * sum((w[name] ** 2).sum() for name in ("f_W1", "f_b1", "f_W2", "f_b2"))
    assert model.regularizer(w) == pytest.approx(expected, rel=1e-13)


LADDER = {
    "known physics": {"networks": F, "equations": {"y": "-y + f(y, t) + [0, y[0]] * sin(pi * t)"}},
    "called twice": {"networks": F, "equations": {"y": "f(y) - f(-y)"}},
}


@pytest.mark.parametrize("name", LADDER)
def test_both_programs_climb_the_ladder(name: str) -> None:
    report = check(spec(LADDER[name]), run=run_fast)
    assert report.passed, report.message


def test_the_linearized_field_sees_through_a_network() -> None:
    said = describe(compiled(spec({"networks": F, "equations": {"y": "-y + f(y)"}})))
    assert "∂y'/∂y = −I + f_W₂ · diag tanh'(f_W₁ y + f_b₁) · f_W₁" in " ".join(said.equations)


WRONG = {
    "f(y, y)": ("f(y) + f(y, y)", "f is called with 2 inputs elsewhere, here with 4"),
    "another number": ("f(y[0]) + f(y)", "f is called with 1 input elsewhere, here with 2"),
    "f(K)": ("f(K) + y", "f takes scalars and vectors, and this is a matrix"),
    "no call": ("f * y", "f is a function"),
    "g": ("g(y)", "unknown function g"),
    "y[2]": ("y[2] * y", "there is no component 2: they are counted from 0 to 1"),
    "K[0]": ("K[0] * y", "a component is one of a vector, and this is a matrix"),
    "[y]": ("[y, y[0]]", "a vector [a, b] is made of scalars, and this is a vector"),
    "too long": ("[y[0], y[1], 1]", "the right-hand side of y is a vector (3), y is a vector (2)"),
    "y[1…1]": (f"y[{'1' * 5000}] * y", "expected the number of a component"),
    "nested": (f"{'f(' * 60}y{')' * 60}", "more than 250 operations inside each other"),
    "y.T[0]": ("y.T[0] * y", "a row vector cannot stand here"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_once_at_its_place(name: str) -> None:
    text, message = WRONG[name]
    field = {"weights": {"K": {"shape": ["y", "y"]}}, "networks": F, "equations": {"y": text}}
    with pytest.raises(wellposed.SpecError) as refused:
        compiled(spec(field))
    (found,) = refused.value.diagnostics
    assert message in found.message


WRONG_NETWORKS = {
    "of no block": ({"f": {"hidden": [3], "outputs": "q"}}, "'q' is no block of the state"),
    "without outputs": ({"f": {"hidden": [3], "outputs": 0}}, "outputs must be ≥ 1"),
    "called like a block": ({"y": {"hidden": [3], "outputs": "y"}}, "cannot be called y"),
    "called like a weight": ({"K": {"hidden": [3], "outputs": "y"}}, "a weight and a network"),
    "called like a function": ({"tanh": {"hidden": [3], "outputs": "y"}}, "cannot be called tanh"),
    "never called": (F | {"g": {"hidden": [3], "outputs": "y"}}, "no equation calls the network g"),
}


@pytest.mark.parametrize("name", WRONG_NETWORKS)
def test_a_network_that_is_wrong_is_told(name: str, tmp_path: Path) -> None:
    networks, message = WRONG_NETWORKS[name]
    call = "f(y)" if "f" in networks else "y"
    field = {"weights": {"K": {"shape": ["y", "y"]}}, "networks": networks}
    given = plain({**field, "equations": {"y": f"K @ y + {call}"}})
    (tmp_path / "net.yaml").write_text(yaml.safe_dump(given), encoding="utf-8")
    with pytest.raises(wellposed.SpecError) as refused:
        wellposed.load(tmp_path / "net.yaml")
    (found,) = refused.value.diagnostics
    assert message in found.message
