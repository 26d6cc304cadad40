"""Trajectories against literal loops written from the language, and against other codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from specs import Case, batch, random_weights

from wellposed.compiler.ir.problem import Problem
from wellposed.compiler.reference.reference import Reference

Array = np.ndarray
Weights = dict[str, Array]


def drawn(case: Case, **changes: Any) -> tuple[Problem, Weights, Array, Array]:
    """A problem with weights and features, and its trajectory by the reference."""
    found = case.compiled(**changes)
    weights, (x, _) = random_weights(found.problem), batch(found.problem)
    return found.problem, weights, x, Reference(found.module).trajectory(weights, x)


@pytest.mark.parametrize("steps", [1, 2, 17])
def test_leapfrog_is_the_recurrence_of_the_language(steps: int):
    """y₁ = y₀ + (h²/2) f₀(y₀);  y_{j+1} = 2 y_j − y_{j−1} + h² f_j(y_j)."""
    time = {"horizon": 2.0, "steps": steps}
    p, w, x, path = drawn(Case("second-order", integrator="leapfrog"), time=time)

    def f(j: int, y: Array) -> Array:
        return np.tanh(y @ w["K"][j].T + w["b"][j])

    y = [x, x + p.h**2 / 2 * f(0, x)]
    for j in range(1, steps):
        y.append(2 * y[j] - y[j - 1] + p.h**2 * f(j, y[j]))
    np.testing.assert_allclose(path, y, rtol=1e-13, atol=1e-13)


def test_verlet_is_the_recurrence_of_the_language():
    """z_{j+½} = z_{j−½} + h g_j(y_j);  y_{j+1} = y_j + h f_j(z_{j+½});  (y_j, z_{j−½}) at t_j."""
    p, w, x, path = drawn(Case("hamiltonian", integrator="verlet"), state={"y": 3, "z": 2})
    y, z = x, np.zeros((len(x), 2))
    expected = [np.hstack([y, z])]
    for j in range(p.steps):
        K, b, c = w["K"][j], w["b"][j], w["c"][j]
        z = z - p.h * np.tanh(y @ K + c)
        y = y + p.h * np.tanh(z @ K.T + b)
        expected.append(np.hstack([y, z]))
    np.testing.assert_allclose(path, expected, rtol=1e-13, atol=1e-14)


def test_verlet_takes_linear_weights_at_the_start_and_in_the_middle():
    """The z half evaluates at t_j, the y half at t_j + h/2, the user's t as well."""
    field = {
        "kind": "custom",
        "weights": {"K": {"shape": ["y", "z"]}},
        "equations": {"y": "K @ z + t", "z": "-K.T @ y * cos(t)"},
    }
    case = Case("two-blocks", integrator="verlet", mode="linear")
    p, w, x, path = drawn(case, vector_field=field, state={"y": 3, "z": 3})
    y, z = x, np.zeros((len(x), 3))
    for j in range(p.steps):
        t, K, mid = j * p.h, w["K"][j], (w["K"][j] + w["K"][j + 1]) / 2
        z = z - p.h * (y @ K) * np.cos(t)
        y = y + p.h * (z @ mid.T + t + p.h / 2)
        np.testing.assert_allclose(path[j + 1], np.hstack([y, z]), rtol=1e-13, atol=1e-13)


def test_linear_weights_under_rk4_as_the_language_has_them():
    """N + 1 nodes, interpolated at t_j + c h; raw weights first, then ½(K − Kᵀ − γI)."""
    p, w, x, path = drawn(Case("layer", "antisymmetric", "rk4", "linear"))

    def f(t: float, y: Array) -> Array:
        j = min(int(t / p.h + 1e-9), p.steps - 1)
        theta = t / p.h - j
        K, b = ((1 - theta) * w[name][j] + theta * w[name][j + 1] for name in ("K", "b"))
        return np.tanh(y @ ((K - K.T - 0.3 * np.eye(3)) / 2).T + b)

    y, h = x, p.h
    for j in range(p.steps):
        t = j * h
        k1 = f(t, y)
        k2 = f(t + h / 2, y + h / 2 * k1)
        k3 = f(t + h / 2, y + h / 2 * k2)
        k4 = f(t + h, y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        np.testing.assert_allclose(path[j + 1], y, rtol=1e-13, atol=1e-14)


def test_every_stage_of_a_step_uses_its_weight():
    """per-step: the stage at t_j + h still uses weight j."""
    p, w, x, path = drawn(Case(integrator="heun"))
    y = x
    for j in range(p.steps):
        k1 = np.tanh(y @ w["K"][j].T + w["b"][j])
        k2 = np.tanh((y + p.h * k1) @ w["K"][j].T + w["b"][j])
        y = y + p.h / 2 * (k1 + k2)
        np.testing.assert_allclose(path[j + 1], y, rtol=1e-13, atol=1e-14)


def test_mlp_takes_time_last_and_no_activation_after_the_last_layer():
    p, w, x, path = drawn(Case("mlp"))
    y = x
    for j in range(p.steps):
        a = np.hstack([y, np.full((len(y), 1), j * p.h)])
        for k in (1, 2):
            a = np.tanh(a @ w[f"W{k}"][j].T + w[f"b{k}"][j])
        y = y + p.h * (a @ w["W3"][j].T + w["b3"][j])
        np.testing.assert_allclose(path[j + 1], y, rtol=1e-13, atol=1e-14)


# --- other people's codes -----------------------------------------------------------------------

SAME = {"euler": "Euler", "midpoint": "Midpoint", "heun": "Heun"}


def time_dependent(integrator: str) -> tuple[Any, Weights, Array]:
    import wellposed

    case = Case("one-block", integrator=integrator, mode="shared")
    time = {"horizon": 1.0, "steps": 8, "weights": "shared"}
    spec = case.spec(time=time, readout=None, regularizers=[])
    problem = case.problem(time=time, readout=None, regularizers=[])
    return wellposed.compile(spec, "torch"), random_weights(problem), batch(problem)[0]


@pytest.mark.parametrize(("integrator", "method"), [("euler", "euler"), ("midpoint", "midpoint")])
def test_the_steps_of_torchdiffeq(integrator: str, method: str):
    """On the emitted program's own field. Its rk4 is the 3/8 rule, so not compared."""
    torch = pytest.importorskip("torch")
    torchdiffeq = pytest.importorskip("torchdiffeq")
    model, weights, x = time_dependent(integrator)
    network = model.network({n: np.asarray(w) for n, w in weights.items()})
    times = torch.linspace(0, 1, 9, dtype=torch.float64)
    with torch.no_grad():
        path = torchdiffeq.odeint(network.vector_field, torch.tensor(x), times, method=method)
    np.testing.assert_allclose(model.trajectory(weights, x), path.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("integrator", SAME)
def test_the_steps_of_diffrax(integrator: str):
    """Euler, Midpoint and Heun have our tableaux; the field is the emitted JAX program's."""
    jax = pytest.importorskip("jax")
    diffrax = pytest.importorskip("diffrax")
    import wellposed

    _, weights, x = time_dependent(integrator)
    case = Case("one-block", integrator=integrator, mode="shared")
    time = {"horizon": 1.0, "steps": 8, "weights": "shared"}
    model: Any = wellposed.compile(case.spec(time=time, readout=None, regularizers=[]), "jax")
    with model.settings():
        arrays = {name: jax.numpy.asarray(w) for name, w in weights.items()}
        term = diffrax.ODETerm(lambda t, y, _: model.native.vector_field(arrays, t, y))
        found = diffrax.diffeqsolve(
            term,
            getattr(diffrax, SAME[integrator])(),
            t0=0.0,
            t1=1.0,
            dt0=0.125,
            y0=jax.numpy.asarray(x),
            saveat=diffrax.SaveAt(t0=True, steps=True),
            max_steps=8,
        )
        path = np.asarray(found.ys)
    np.testing.assert_allclose(model.trajectory(weights, x)[1:], path[-8:], rtol=1e-12, atol=1e-13)
