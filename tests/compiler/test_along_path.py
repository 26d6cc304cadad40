"""Regularizers along the path: against SciPy, autograd-free Jacobians by hand, and differences."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.linalg import expm

import wellposed
from wellposed import compile
from wellposed.compiler.front import along
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.promises.checked import value_checked
from wellposed.spec.diagnostics import SpecError
from wellposed.spec.model import Spec

Plain = dict[str, Any]
Array = np.ndarray

KINETIC: Plain = {"kind": "kinetic-energy", "alpha": 1}
JACOBIAN: Plain = {"kind": "jacobian-frobenius", "alpha": 1}
BY_PROBES: Plain = {**JACOBIAN, "estimate": {"kind": "hutchinson", "probes": 4000}}
HEAD: Plain = {"kind": "classifier", "classes": 3}
TIGHT: Plain = {"kind": "dopri5", "rtol": 1e-10, "atol": 1e-12}
MLP: Plain = {"kind": "mlp", "hidden": [5], "time_input": True}
BLOCKS: Plain = {
    "kind": "custom",
    "weights": {"K": {"shape": ["y", "z"]}, "b": {"shape": ["y"]}},
    "equations": {"y": "tanh(K @ z + b)", "z": "-tanh(K.T @ y) * z[0] + t"},
}
FIELDS: dict[str, Plain] = {
    "one hidden layer": {"vector_field": MLP},
    "two hidden layers": {"vector_field": {"kind": "mlp", "hidden": [4, 4], "time_input": True}},
    "antisymmetric": {"vector_field": "layer", "parametrization": "antisymmetric", "state": 4},
    "two blocks": {"vector_field": BLOCKS, "state": {"y": 2, "z": 3}},
    "planar terms": {"vector_field": {"kind": "planar-mixture", "width": 3, "hidden": [4]}},
}


def spec(regularizers: list[Plain], model: Plain | None = None, **top: Any) -> Spec:
    """A classifier of the plane by rk4 in 4 steps, where nothing else is said."""
    time = {"horizon": 1, "steps": 4, "weights": "shared"}
    plain: Plain = {"state": 2, "vector_field": MLP, "time": time, "integrator": "rk4"}
    plain |= {} if "task" in top else {"readout": HEAD}
    head = {"wellposed": 1, "name": "path", "seed": 3, "dtype": "float64"}
    return Spec.model_validate(
        {**head, **top, "regularizers": regularizers, "model": plain | (model or {})}
    )


def made(given: Spec, backend: str = "numpy") -> tuple[Any, dict[str, Array]]:
    """The model, and random weights of its size."""
    model = compile(given, backend=backend)
    random = np.random.default_rng(1)
    return model, {n: w + 0.4 * random.normal(size=w.shape) for n, w in model.init().items()}


def rows(count: int = 4, n: int = 2) -> Array:
    return np.random.default_rng(0).normal(size=(count, n))


def jacobian(f: Callable[[Array], Array], y: Array, size: float = 1e-5) -> Array:
    """∂f/∂y of rows by central differences: (s, n, n)."""
    moves = size * np.eye(y.shape[1])
    return np.stack([(f(y + e) - f(y - e)) / (2 * size) for e in moves], axis=-1)


def by_scipy(model: Any, weights: dict[str, Array], start: Array, kind: str) -> float:
    """∫₀¹ of one row's rate by quadrature, along a path that SciPy solves."""

    def field(t: float, y: Array) -> Array:
        return model.vector_field(weights, t, y[None])[0]

    path = solve_ivp(field, (0, 1), start, "DOP853", rtol=1e-11, atol=1e-12, dense_output=True)

    def rate(t: float) -> float:
        y = path.sol(t)
        if kind == "kinetic-energy":
            return float(np.sum(field(t, y) ** 2))
        there = jacobian(lambda rows: model.vector_field(weights, t, rows), y[None])
        return float(np.sum(there**2))

    return float(quad(rate, 0, 1, epsabs=1e-9, epsrel=1e-9)[0])


@pytest.mark.covers(
    *("value", "float64"), names=("regularizer kinetic-energy", "regularizer jacobian-frobenius")
)
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("penalty", [KINETIC, JACOBIAN], ids=["kinetic", "jacobian"])
def test_a_penalty_is_the_integral_along_the_path(field: str, penalty: Plain) -> None:
    """α ∫ of every row, solved by the reference together with the state."""
    alpha = 0.3
    model = {**FIELDS[field], "integrator": TIGHT, "time": {"horizon": 1}}
    ours, weights = made(spec([{**penalty, "alpha": alpha}], model))
    x = rows(n=ours.module.signature.features)
    found = ours.path_penalty(weights, x)
    assert found.shape == (4,)
    starts = ours.trajectory(weights, x)[0]
    for value, start in zip(found, starts, strict=True):
        expected = alpha * by_scipy(ours, weights, start, penalty["kind"])
        assert value == pytest.approx(expected, rel=1e-7), field


def test_a_linear_flow_has_closed_forms() -> None:
    """y' = A y: ∫ ‖A e^{At} x‖² dt, and T ‖A‖²_F whatever the path."""
    linear = {
        "kind": "custom",
        "weights": {"A": {"shape": ["y", "y"]}},
        "equations": {"y": "A @ y"},
    }
    model = {"vector_field": linear, "integrator": TIGHT, "time": {"horizon": 1.5}}
    ours, weights = made(spec([KINETIC], model))
    A, x = weights["A"], rows(1)
    expected = quad(lambda t: float(np.sum((A @ expm(A * t) @ x[0]) ** 2)), 0, 1.5)[0]
    assert ours.path_penalty(weights, x)[0] == pytest.approx(expected, rel=1e-9)
    ours, weights = made(spec([JACOBIAN], model))
    found = ours.path_penalty(weights, rows())
    np.testing.assert_allclose(found, 1.5 * np.sum(A**2), rtol=1e-9)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_the_integral_has_the_order_of_the_method(method: str, order: int) -> None:
    """In the root mean square over rows, of which one alone may be right by chance."""
    errors, kinds = [], (KINETIC["kind"], JACOBIAN["kind"])
    for steps in (16, 32):
        time = {"horizon": 1, "steps": steps, "weights": "shared"}
        ours, weights = made(spec([KINETIC, JACOBIAN], {"integrator": method, "time": time}))
        x = rows(3)
        expected = [sum(by_scipy(ours, weights, y, kind) for kind in kinds) for y in x]
        errors.append(np.linalg.norm(ours.path_penalty(weights, x) - expected))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_an_euler_step_adds_h_times_the_rate_at_its_beginning() -> None:
    """The quadrature is that of the steps, each with its own weights."""
    time = {"horizon": 2, "steps": 5}
    ours, weights = made(spec([{**KINETIC, "alpha": 0.7}], {"integrator": "euler", "time": time}))
    y, total = rows(), np.zeros(4)
    for j in range(5):
        slope = ours.vector_field(weights, 0.4 * j, y)
        y, total = y + 0.4 * slope, total + 0.4 * np.sum(slope**2, axis=1)
    np.testing.assert_allclose(ours.path_penalty(weights, rows()), 0.7 * total, rtol=1e-12)


def test_the_loss_holds_every_regularizer_and_forward_none() -> None:
    decay = {"kind": "weight-decay", "of": ["W"], "alpha": 0.5}
    whole, weights = made(spec([KINETIC, decay, JACOBIAN]))
    bare, _ = made(spec([]))
    x, targets = rows(), np.arange(4) % 3
    R = 0.25 * np.sum(weights["W"] ** 2)
    assert whole.regularizer(weights) == pytest.approx(R, rel=1e-14)
    expected = bare.loss(weights, x, targets) + R + whole.path_penalty(weights, x).mean()
    assert whole.loss(weights, x, targets) == pytest.approx(expected, rel=1e-13)
    for name in ("forward", "trajectory"):
        one, other = (getattr(m, name)(weights, x) for m in (whole, bare))
        np.testing.assert_array_equal(one, other)
    assert bare.regularizer(weights) == made(spec([KINETIC]))[0].regularizer(weights) == 0


@pytest.mark.parametrize("target", [None, "potential-1"])
@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_a_density_pays_for_its_path(target: str | None, method: str) -> None:
    """In either direction the integral is that from 0 to T, and positive."""
    task = "density" if target is None else {"kind": "density", "target": target, "samples": 5}
    integrator = method if method == "rk4" else TIGHT
    time = {"horizon": 1, "steps": 40 if method == "rk4" else 1, "weights": "shared"}
    model = {"integrator": integrator, "time": time}
    whole, weights = made(spec([KINETIC, JACOBIAN], model, task=task))
    bare, _ = made(spec([], model, task=task))
    x = rows()
    starts = x
    if target is not None:  # x are y(T): where their paths begin
        starts = (
            solve_ivp(
                lambda t, y: whole.vector_field(weights, t, y.reshape(-1, 2)).ravel(),
                *((1, 0), x.ravel(), "DOP853"),
                rtol=1e-11,
                atol=1e-12,
            )
            .y[:, -1]
            .reshape(-1, 2)
        )
    kinds = (KINETIC["kind"], JACOBIAN["kind"])
    expected = [sum(by_scipy(whole, weights, y, kind) for kind in kinds) for y in starts]
    found = whole.path_penalty(weights, x)
    np.testing.assert_allclose(found, expected, rtol=1e-6 if method == "rk4" else 1e-7)
    difference = whole.loss(weights, x) - bare.loss(weights, x)
    assert difference == pytest.approx(found.mean(), rel=1e-6)


@pytest.mark.covers(
    "gradient", names=("regularizer kinetic-energy", "regularizer jacobian-frobenius")
)
@pytest.mark.parametrize("gradient", ["backprop", "checkpoint", "adjoint"])
def test_the_gradient_is_that_of_differences(gradient: str) -> None:
    """Of the penalties alone, in every entry of a random direction."""
    model = {"gradient": gradient}
    if gradient == "adjoint":
        model |= {"integrator": TIGHT, "time": {"horizon": 1}}
    estimate = {**JACOBIAN, "estimate": {"kind": "hutchinson", "law": "rademacher"}}
    ours, weights = made(spec([KINETIC, JACOBIAN, estimate], model))
    x, targets = rows(), np.arange(4) % 3
    found = ours.gradient(weights, x, targets)
    for seed in range(3):
        random = np.random.default_rng(seed)
        v = {n: random.normal(size=w.shape) for n, w in weights.items()}

        def at(e: float, v: dict[str, Array] = v) -> float:
            return ours.loss({n: w + e * v[n] for n, w in weights.items()}, x, targets)

        slope = (at(1e-5) - at(-1e-5)) / 2e-5
        along_v = sum(float(np.sum(found[n] * v[n])) for n in v)
        assert along_v == pytest.approx(slope, rel=1e-7)


# --- by random vectors ---------------------------------------------------------------------------


@pytest.mark.parametrize("law", ["normal", "rademacher"])
def test_an_estimate_has_the_norm_as_its_mean(law: str) -> None:
    estimate = {**BY_PROBES, "estimate": {**BY_PROBES["estimate"], "law": law}}
    exact, weights = made(spec([JACOBIAN]))
    drawn, _ = made(spec([estimate]))
    x = rows()
    one, other = exact.path_penalty(weights, x), drawn.path_penalty(weights, x)
    assert (np.abs(one - other) < 5 * one * np.sqrt(2 / 4000)).all()
    assert (one != other).all()


def test_an_estimate_is_one_for_a_row_and_a_solve() -> None:
    one = {**JACOBIAN, "estimate": "hutchinson"}
    ours, weights = made(spec([one]))
    x, targets = np.repeat(rows(1), 3, axis=0), np.zeros(3, int)
    first = ours.path_penalty(weights, x)
    assert len(set(first)) == 3, "every row has vectors of its own"
    np.testing.assert_array_equal(first, ours.path_penalty(weights, x, draw=0))
    assert (first != ours.path_penalty(weights, x, draw=1)).all()
    losses = [ours.loss(weights, x, targets, draw=d) for d in (0, 0, 5)]
    assert losses[0] == losses[1] != losses[2]


def test_trace_and_norm_have_the_same_vectors() -> None:
    """Of a derivative a I the trace is estimated by a εᵀε, the norm by a² εᵀε."""
    scaled = {"kind": "custom", "weights": {"a": {"shape": []}}, "equations": {"y": "a * y"}}
    model = {"vector_field": scaled, "divergence": "hutchinson"}
    ours, weights = made(spec([{**JACOBIAN, "estimate": "hutchinson"}], model, task="density"))
    x, a = rows(), float(weights["a"])
    for draw in (0, 2):
        trace = ours.divergence(weights, 0.0, x, draw=draw)
        found = ours.path_penalty(weights, x, draw=draw)
        np.testing.assert_allclose(found, a * trace, rtol=1e-12)


# --- how it is taken, and that a slip is seen ----------------------------------------------------


@pytest.mark.parametrize("field", FIELDS)
def test_closed_forms_and_products_are_one_norm(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = spec([JACOBIAN], FIELDS[field])
    first = compiled(given).problem.path_penalties[0]
    expected = {"two hidden layers": "exact"}
    assert first.kind == expected.get(field, "closed-form")
    assert first.reason
    ours, weights = made(given)
    monkeypatch.setattr(along, "squared_norm", lambda *args: None)
    assert compiled(given).problem.path_penalties[0].kind == "exact"
    by_products, _ = made(given)
    x = rows(n=ours.module.signature.features)
    one, other = (m.path_penalty(weights, x) for m in (ours, by_products))
    np.testing.assert_allclose(one, other, rtol=1e-12)


SLIPS: dict[str, Callable[[Any], Any]] = {
    "twice the rate": lambda p: replace(p, rate=2 * p.rate),
    "no factor": lambda p: replace(p, alpha=p.alpha / p.alpha),
    "half the factor": lambda p: replace(p, alpha=p.alpha / 2),
}


@pytest.mark.covers(
    "planted bug", names=("regularizer kinetic-energy", "regularizer jacobian-frobenius")
)
@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize("penalty", [KINETIC, JACOBIAN], ids=["kinetic", "jacobian"])
def test_a_slip_is_seen(slip: str, penalty: Plain, monkeypatch: pytest.MonkeyPatch) -> None:
    given = spec([{**penalty, "alpha": 0.3}])
    right, weights = made(given)
    penalties = along.penalties
    monkeypatch.setattr(along, "penalties", lambda *args: tuple(map(SLIPS[slip], penalties(*args))))
    with value_checked(None):
        wrong, _ = made(given)
        one, other = (m.path_penalty(weights, rows()) for m in (right, wrong))
    assert not np.allclose(one, other, rtol=1e-3)


# --- what is refused -----------------------------------------------------------------------------

LEAPFROG: Plain = {
    "vector_field": {"kind": "second-order", "activation": "tanh"},
    "integrator": "leapfrog",
}
VERLET: Plain = {"vector_field": {"kind": "hamiltonian"}, "integrator": "verlet"}
REFUSED: dict[str, tuple[list[Plain], Plain, Plain, str]] = {
    "a negative factor": ([{**KINETIC, "alpha": -0.1}], {}, {}, "alpha must be ≥ 0"),
    "no factor": ([{"kind": "kinetic-energy"}], {}, {}, "alpha"),
    "weights": ([{**KINETIC, "of": ["W1"]}], {}, {}, "of"),
    "an infinite factor": ([{**JACOBIAN, "alpha": float("inf")}], {}, {}, "finite"),
    "a factor beyond the dtype": (
        [{**KINETIC, "alpha": 1e39}],
        {},
        {"dtype": "float32"},
        "beyond the range",
    ),
    "an estimate of the energy": ([{**KINETIC, "estimate": "hutchinson"}], {}, {}, "estimate"),
    "an estimate that is none": ([{**JACOBIAN, "estimate": "exact"}], {}, {}, "unknown estimate"),
    "no vectors": (
        [{**JACOBIAN, "estimate": {"kind": "hutchinson", "probes": 0}}],
        {},
        {},
        "probes must be ≥ 1",
    ),
    "another law": (
        [{**JACOBIAN, "estimate": {"kind": "hutchinson", "law": "uniform"}}],
        {},
        {},
        "law",
    ),
    "no loss": ([KINETIC], {"readout": None}, {}, "regularizers need a readout"),
    "leapfrog": ([KINETIC], LEAPFROG, {}, "kinetic-energy goes with euler"),
    "verlet": ([KINETIC, JACOBIAN], VERLET, {}, "jacobian-frobenius goes with euler"),
    "two draws": (
        [{**JACOBIAN, "estimate": {"kind": "hutchinson", "probes": 3}}],
        {"divergence": "hutchinson"},
        {"task": "density"},
        "one draw serves a solve: 1 normal vector, not 3 normal vectors",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_go_together_is_refused_in_place(what: str, tmp_path: Path) -> None:
    """With the line of the regularizer, or of the list of them."""
    regularizers, model, top, words = REFUSED[what]
    plain: Plain = {"wellposed": 1, "name": "path", **top, "regularizers": regularizers}
    time = {"horizon": 1, "steps": 4}
    own: Plain = {"state": 2, "vector_field": MLP, "time": time, "integrator": "rk4", **model}
    own |= {} if "task" in top or "readout" in own else {"readout": HEAD}
    lines = [f"{key}: {json.dumps(value)}" for key, value in plain.items()]
    model_lines = [f"  {key}: {json.dumps(value)}" for key, value in own.items() if value]
    file = tmp_path / "m.yaml"
    file.write_text("\n".join([*lines, "model:", *model_lines]).replace("Infinity", ".inf"))
    with pytest.raises(SpecError, match=words) as caught:
        compiled(wellposed.load(file))
    (found,) = [d for d in caught.value.diagnostics if re.search(words, d.message)]
    assert found.span is not None
    assert found.span.line == 1 + next(i for i, t in enumerate(lines) if "regularizers" in t)
