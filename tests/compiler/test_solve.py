"""What an adaptive spec means: the exact flow, against closed forms and SciPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from flows import FLOWS, TANH, flow
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from wellposed import load
from wellposed.compiler.analysis.cost import cost
from wellposed.compiler.analysis.describe import describe
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.reference.chance import loss_arguments
from wellposed.compiler.reference.failed_solve import failed_solve
from wellposed.compiler.reference.reference import Reference
from wellposed.compiler.semantics.solved import solved
from wellposed.spec.adaptive import Adaptive, Dopri5
from wellposed.spec.diagnostics import SpecError
from wellposed.spec.integrators import Integrator
from wellposed.spec.model import Spec

Array = np.ndarray
LINEAR = {"kind": "layer", "activation": "identity", "bias": "none"}


def reference(spec: Spec) -> Reference:
    return Reference(compiled(spec).module)


def weights(spec: Spec, size: float = 0.5) -> dict[str, Array]:
    rng = np.random.default_rng(7)
    return {w.name: size * rng.normal(size=w.shape) for w in compiled(spec).problem.weights}


def rows(count: int, columns: int) -> Array:
    return np.random.default_rng(3).normal(size=(count, columns))


def test_a_linear_flow_is_the_exponential():
    spec = flow("flow", model={"vector_field": LINEAR})
    w, x = weights(spec), rows(5, 3)
    found = reference(spec).trajectory(w, x)[-1]
    np.testing.assert_allclose(found, x @ expm(2 * w["K"]).T, rtol=1e-11, atol=1e-12)


def test_weights_of_steps_are_one_flow_after_the_other():
    spec = flow("flow-steps", model={"vector_field": LINEAR})
    w, x = weights(spec), rows(5, 3)
    y, path = x, [x]
    for K in w["K"]:
        y = y @ expm(2 / 3 * K).T
        path.append(y)
    np.testing.assert_allclose(reference(spec).trajectory(w, x), path, rtol=1e-11, atol=1e-12)


def test_a_gradient_is_that_of_the_exponential():
    """By torch's own derivative of the matrix exponential."""
    torch = pytest.importorskip("torch")
    spec = flow("flow", model={"vector_field": LINEAR})
    w, x, targets = weights(spec), rows(5, 3), np.array([0, 1, 0, 1, 1])
    held = {n: torch.tensor(a, requires_grad=True) for n, a in w.items()}
    y = torch.tensor(x) @ torch.matrix_exp(2 * held["K"]).T
    loss = torch.nn.functional.cross_entropy(y @ held["W"] + held["mu"], torch.tensor(targets))
    loss.backward()
    found = reference(spec).gradient(w, x, targets)
    for name, tensor in held.items():
        np.testing.assert_allclose(found[name], tensor.grad.numpy(), rtol=1e-10, atol=1e-12)


def interpolated(w: Array, j: int, theta: float) -> Array:
    return (1 - theta) * w[j] + theta * w[j + 1]


def test_raw_weights_are_interpolated_before_a_matrix_is_made_of_them():
    spec = flow("flow-gram")
    w, x = weights(spec), rows(4, 3)

    def slopes(j: int) -> Any:
        def f(t: float, y: Array) -> Array:
            C, b = (interpolated(w[n], j, t) for n in ("C", "b"))
            return np.tanh(y.reshape(4, 3) @ (-C.T @ C).T + b).ravel()

        return f

    y = x.ravel()
    for j in range(2):
        y = solve_ivp(slopes(j), (0, 1), y, "DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    np.testing.assert_allclose(reference(spec).trajectory(w, x)[-1].ravel(), y, rtol=1e-10)


def test_blocks_are_solved_as_one_state():
    spec = flow("flow-blocks")
    w, x = weights(spec), rows(4, 2)

    def f(t: float, state: Array) -> Array:
        y, z = np.split(state.reshape(4, 5), [2], axis=1)
        return np.hstack([np.tanh(z @ w["K"].T), -y @ w["K"] + np.sin(t)]).ravel()

    start, times = np.hstack([x, np.zeros((4, 3))]).ravel(), np.linspace(0, 2, 5)
    run = solve_ivp(f, (0, 2), start, "DOP853", t_eval=times, rtol=1e-12, atol=1e-13)
    found = reference(spec).trajectory(w, x)
    np.testing.assert_allclose(found.reshape(5, -1), run.y.T, rtol=1e-10, atol=1e-12)


@pytest.mark.covers("value", "gradient", by="given")
@pytest.mark.parametrize("given", [*map(flow, FLOWS)], ids=FLOWS)
def test_gradients_are_those_of_differences(given: Spec):
    w, problem = weights(given), compiled(given).problem
    x, targets = rows(4, problem.features.value), np.array([0, 1, 1, 0])
    ref, rng = reference(given), np.random.default_rng(1)
    taken = loss_arguments(ref.module, x, targets)
    gradient = ref.gradient(w, *taken)
    v = {n: rng.normal(size=a.shape) for n, a in w.items()}

    def loss(by: float) -> float:
        return ref.loss({n: a + by * v[n] for n, a in w.items()}, *taken)

    h = 1e-3
    slope = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
    assert sum((gradient[n] * v[n]).sum() for n in w) == pytest.approx(slope, rel=1e-8)


# --- where there is no value ----------------------------------------------------------------------


def explosion(t: float, states: list[Array]) -> list[Array]:
    return [states[0] ** 2]


def test_a_flow_that_blows_up_has_no_value_from_there_on():
    """y' = y² from 1 is 1 / (1 − t)."""
    (found,) = solved(explosion, [np.ones((1, 1))], np.array([0, 0.5, 2.0]), Dopri5())
    assert found[:2, 0, 0] == pytest.approx([1, 2])
    assert np.isnan(found[2])


def test_times_before_the_first_are_reached_backwards():
    (found,) = solved(explosion, [np.ones((1, 1))], np.array([0, -1, -3.0]), Dopri5())
    assert found[:, 0, 0] == pytest.approx([1, 1 / 2, 1 / 4], rel=1e-11)


def cubed(**integrator: Any) -> Spec:
    K = {"K": {"shape": ["y", "y"]}}
    field = {"kind": "custom", "weights": K, "equations": {"y": "K @ y + y * y"}}
    solver = {"kind": "dopri5", **integrator}
    return flow("flow", model={"vector_field": field, "integrator": solver})


def test_the_row_that_fails_is_named_with_time_and_step():
    spec = cubed()
    w = {name: 0 * a for name, a in weights(spec).items()}
    x = np.array([[0.1, 0.1, 0.1], [-1, -1, -1], [0.1, 2.0, 0.1]])  # 2 blows up at 1/2
    found = failed_solve(compiled(spec), w, x)
    assert found.row == 2 and found.t == pytest.approx(0.5, abs=1e-3) and 0 < found.h < 1e-10
    assert "the step underflows at t = 0.5 of 2" in str(found)


def test_a_solve_that_takes_too_many_steps_says_how_many():
    spec = cubed(max_steps=3)
    w = {name: 0 * a for name, a in weights(spec).items()}
    found = failed_solve(compiled(spec), w, np.full((1, 3), 0.3))
    assert "it takes more than 3 steps" in str(found) and "max_steps" in found.cure


# --- what the analysis says -----------------------------------------------------------------------


ADAPTIVE = [kind for kind, m in Integrator.members().items() if issubclass(m, Adaptive)]


@pytest.mark.parametrize("kind", ADAPTIVE)
def test_the_stability_function_is_that_of_the_library(kind: str):
    """R(z) = 1 + z bᵀ (1 + A z + …) 1, with diffrax's tableau."""
    diffrax = pytest.importorskip("diffrax")
    solver = {"dopri5": diffrax.Dopri5, "tsit5": diffrax.Tsit5}[kind]
    b = np.asarray(solver.tableau.b_sol, float)
    A = np.zeros((len(b), len(b)))
    for i, row in enumerate(solver.tableau.a_lower, start=1):
        A[i, : len(row)] = row
    powers = [b @ np.linalg.matrix_power(A, k) @ np.ones(len(b)) for k in range(6)]
    method = Integrator.members()[kind]
    assert issubclass(method, Adaptive)
    declared = method.stability_polynomial()
    assert [1.0, *powers] == pytest.approx([float(c) for c in declared], rel=1e-12)


def test_fast_decay_that_asks_for_more_steps_than_allowed_is_warned_of():
    decay = {"K": {"kind": "identity", "scale": -1e6}}
    spec = flow("flow", model={"vector_field": LINEAR, "initializers": decay})
    (finding,) = (f for f in describe(compiled(spec)).findings if f.code == "W202")
    # the real interval of the pair of Dormand and Prince is [−3.3066, 0]
    assert "asks for 604,8" in finding.claim and "max_steps is 4,096" in finding.claim


def test_costs_are_those_of_one_step_of_each_solve():
    one, three = cost(compiled(flow("flow")).module), cost(compiled(flow("flow-steps")).module)
    assert (one.field_evaluations, three.field_evaluations) == (6, 18)
    assert one.is_of_one_step
    assert cost(compiled(flow("flow-adjoint")).written).activation_bytes == 0


# --- refusals -------------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "rtol 0": ({"integrator": {"kind": "dopri5", "rtol": 0}}, "E102", "rtol"),
    "rtol as text": ({"integrator": {"kind": "dopri5", "rtol": "x"}}, "E101", "rtol"),
    "atol of 2": ({"integrator": {"kind": "tsit5", "atol": 2}}, "E102", "atol"),
    "no step": ({"integrator": {"kind": "dopri5", "max_steps": 0}}, "E102", "max_steps"),
    "half a step": ({"integrator": {"kind": "dopri5", "max_steps": 1.5}}, "E101", "max_steps"),
    "min_step < 0": ({"integrator": {"kind": "dopri5", "min_step": -1}}, "E102", "min_step"),
    "a key of its own": ({"integrator": {"kind": "dopri5", "order": 5}}, "E103", "order"),
    "checkpoints": ({"gradient": "checkpoint"}, "E215", "checkpoint"),
    "undone": ({"gradient": "reversible"}, "E215", "reversible"),
    "adjoint of rk4": (
        {"integrator": "rk4", "gradient": "adjoint", "time": {"horizon": 1, "steps": 2}},
        "E215",
        "adjoint",
    ),
    "an infinite tolerance": ({"gradient": {"kind": "adjoint", "rtol": ".inf"}}, "E101", "rtol"),
    "rk4 without steps": ({"integrator": "rk4"}, "E104", "horizon"),
    "second order": ({"vector_field": "second-order"}, "E202", "dopri5"),
}
"""What is wrong in the model, the code, and what stands where it is told."""


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_at_its_place(name: str, tmp_path: Path):
    wrong, code, place = WRONG[name]
    model = {"state": 3, "vector_field": TANH, "time": {"horizon": 2}, "integrator": "dopri5"}
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump({"wellposed": 1, "name": "a", "model": model | wrong}))
    with pytest.raises(SpecError) as refused:
        compiled(load(file))
    (found,) = refused.value.diagnostics
    assert found.span is not None
    assert (found.code, place in found.span.text) == (code, True), str(found)
