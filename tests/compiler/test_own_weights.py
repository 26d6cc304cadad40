"""What a user may say of weights and blocks of their own: time, trainable, value, names, lifts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import wellposed
from wellposed.backends.optimizers import updater
from wellposed.compiler.analysis.describe import describe
from wellposed.compiler.pipeline import compiled
from wellposed.spec.diagnostics import SpecError
from wellposed.spec.load import validate
from wellposed.spec.model import Spec
from wellposed.spec.node import content_hash
from wellposed.spec.source import read_text

BACKENDS = ("numpy", "torch", "jax")


def text(
    weights: str = "w2: {shape: [], time: shared, value: 4.0}",
    state: str = "{q: 1, p: 1}",
    equations: str = 'hamiltonian: "p.T @ p / 2 + w2 * q.T @ q / 2"',
    model: str = "lift: blocks; readout: state; integrator: {kind: verlet, form: kick-drift-kick}",
    rest: str = "",
) -> str:
    """An oscillator q'' = −w2 q whose position is observed."""
    keys = "".join(f"  {key}\n" for key in model.split("; ") if key)
    return (
        "wellposed: 1\nname: m\ndtype: float64\nmodel:\n"
        f"  state: {state}\n"
        f"  vector_field: {{kind: custom, weights: {{{weights}}}, {equations}}}\n"
        f"  time: {{horizon: 1, steps: 8}}\n{keys}{rest}"
    )


def spec(*args: str, **parts: str) -> Spec:
    return validate(read_text(text(*args, **parts), "m.yaml"), Spec)


def refusals(*args: str, **parts: str) -> list[tuple[str, str]]:
    """Code and message of every error."""
    with pytest.raises(SpecError) as caught:
        compiled(spec(*args, **parts))
    return [(d.code, d.message) for d in caught.value.diagnostics]


# --- time and value ------------------------------------------------------------------------------


def test_every_weight_has_the_time_it_says_and_else_that_of_the_model() -> None:
    weights = "A: {shape: [q, p]}, B: {shape: [p, q], time: linear}, c: {shape: [], time: shared}"
    equations = 'equations: {q: "A @ p", p: "c * B @ q"}'
    problem = compiled(spec(weights, equations=equations, model="readout: state")).problem
    assert {w.name: w.shape for w in problem.weights} == {"A": (8, 1, 1), "B": (9, 1, 1), "c": ()}
    assert {w.name: w.mode for w in problem.weights} == {
        "A": "per-step",
        "B": "linear",
        "c": "shared",
    }


def test_a_shared_scalar_is_one_number_and_starts_at_its_value() -> None:
    model = wellposed.compile(spec(), backend="numpy")
    assert model.init() == {"w2": np.array(4.0)}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[1, 2]", "w2 is a number, the values are 2"),
        ("x", "the values of w2 are not all finite numbers"),
        ("[[1], [1, 2]]", "the rows of w2 have different lengths"),
    ],
)
def test_a_value_of_another_shape_is_refused_at_its_place(value: str, message: str) -> None:
    given = spec(f"w2: {{shape: [], time: shared, value: {value}}}")
    with pytest.raises(SpecError) as caught:
        compiled(given)
    (found,) = caught.value.diagnostics
    assert found.message == message and found.span is not None
    marked = found.span.text[found.span.column - 1 : found.span.end_column - 1]
    assert marked == value


def test_a_weight_does_not_start_twice() -> None:
    found = refusals(model="lift: blocks; readout: state; initializers: {w2: zeros}")
    assert ("E109", "w2 starts at its value already") in found


def test_a_spec_of_before_has_the_hash_that_it_had() -> None:
    """Keys that came later are no part of the content where they say nothing."""
    plain: dict[str, Any] = {
        "wellposed": 1,
        "name": "m",
        "model": {
            "state": {"y": 1},
            "vector_field": {
                "kind": "custom",
                "weights": {"k": {"shape": []}},
                "equations": {"y": "k * y"},
            },
            "time": {"horizon": 1, "steps": 2},
        },
    }
    before = content_hash(Spec.model_validate(plain))
    weight = plain["model"]["vector_field"]["weights"]["k"]
    weight |= {"time": None, "trainable": True, "value": None}
    assert content_hash(Spec.model_validate(plain)) == before
    weight["time"] = "shared"
    assert content_hash(Spec.model_validate(plain)) != before


# --- trainable -----------------------------------------------------------------------------------

FIXED = "w2: {shape: [], time: shared, value: 4.0, trainable: false}, k: {shape: [], time: shared}"
DAMPED = 'equations: {q: "p", p: "-w2 * q - k * p"}'
DECAYING = "train: {optimizer: {kind: adamw, lr: 0.1, weight_decay: 0.5}, epochs: 2}\n"
HEUN = "lift: blocks; readout: state; integrator: heun"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_weight_that_is_not_trained_has_no_gradient_and_stays(backend: str) -> None:
    given = spec(FIXED, equations=DAMPED, model=HEUN, rest=DECAYING)
    assert given.train is not None
    model = wellposed.compile(given, backend=backend)
    weights, x, targets = model.init(), np.ones((3, 2)), np.zeros((3, 1))
    assert set(weights) == {"w2", "k"}
    assert set(model.gradient(weights, x, targets)) == {"k"}
    stepper = model.stepper(updater(given.train), x, targets)
    stepper.load(weights)
    assert set(stepper.state()) == {"m/k", "v/k", "count"}
    stepper.step(np.arange(3), 0.1)
    after = stepper.weights()
    assert after["w2"] == 4.0 and after["k"] != 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loss_sees_a_weight_that_is_not_trained(backend: str) -> None:
    """As any weight: another value, another loss."""
    given = spec(FIXED, equations=DAMPED, model=HEUN, rest=DECAYING)
    model = wellposed.compile(given, backend=backend)
    x, targets = np.ones((3, 2)), np.zeros((3, 1))
    weights = model.init()
    other = {**weights, "w2": np.array(9.0)}
    assert model.loss(other, x, targets) != model.loss(weights, x, targets)


def test_a_loop_of_ones_own_in_jax_leaves_it_alone_too() -> None:
    import jax

    model: Any = wellposed.compile(spec(FIXED, equations=DAMPED, model=HEUN), backend="jax")
    weights = {name: np.float32(w) for name, w in model.init().items()}
    gradient = jax.grad(model.native.loss)(weights, np.ones((3, 2)), np.zeros((3, 1)))
    assert gradient["w2"] == 0 and gradient["k"] != 0


def test_show_and_the_head_say_what_is_not_trained() -> None:
    found = compiled(spec(FIXED, equations=DAMPED, model=HEUN))
    assert {row.name: row.trainable for row in describe(found).weights} == {"w2": False, "k": True}
    assert ("Weights", "one weight shared by all steps; 2 numbers; w2 not trained") in (
        found.module.header.rows
    )


def test_a_training_of_nothing_is_refused() -> None:
    weights = "w2: {shape: [], time: shared, value: 4.0, trainable: false}"
    found = refusals(weights, rest=DECAYING)
    assert found == [("E208", "the network has no weight that is trained")]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_weight_that_the_loss_does_not_reach_has_gradient_zero(backend: str) -> None:
    """Found by the fuzzer: PyTorch refuses to go back from a loss that depends on no parameter."""
    given = spec(
        "K: {shape: [q]}", equations='equations: {q: "p", p: "-q"}', model=HEUN, rest=DECAYING
    )
    assert given.train is not None
    model = wellposed.compile(given, backend=backend)
    weights, x, targets = model.init(), np.ones((3, 2)), np.zeros((3, 1))
    assert not model.gradient(weights, x, targets)["K"].any()
    stepper = model.stepper(updater(given.train), x, targets)
    stepper.load(weights)
    assert stepper.step(np.arange(3), 0.1).gradient_norm == 0
    if backend != "numpy":
        exec(compile(model.source, "m.py", "exec"), {"__name__": "__main__", "__file__": "m.py"})


# --- blocks by any name, filled from x -----------------------------------------------------------


def test_the_pendulum_with_its_velocity_is_that_of_scipy() -> None:
    """q'' = −w2 sin q from (q, p) in x: kick-drift-kick at 1000 steps, against DOP853."""
    hamiltonian = 'hamiltonian: "p.T @ p / 2 - w2 * sum(cos(q))"'
    given = spec(equations=hamiltonian)
    given = Spec.model_validate(
        given.to_plain()
        | {"model": given.model.to_plain() | {"time": {"horizon": 3, "steps": 1000}}}
    )
    model = wellposed.compile(given, backend="numpy")
    x = np.array([[1.0, 0.5], [-0.3, 2.0]])
    found = model.trajectory(model.init(), x)[-1]
    for start, end in zip(x, found, strict=True):
        exact = solve_ivp(
            lambda t, s: [s[1], -4.0 * np.sin(s[0])],
            (0, 3),
            start,
            "DOP853",
            rtol=1e-11,
            atol=1e-12,
        )
        np.testing.assert_allclose(end, exact.y[:, -1], atol=3e-5)
    np.testing.assert_allclose(model.forward(model.init(), x), found[:, :1], rtol=1e-14)


def test_the_first_block_is_the_position_and_a_y_is_first_wherever_it_stands() -> None:
    swapped = compiled(spec(state="{p: 1, q: 1}", equations='hamiltonian: "sum(p * q)"', model=""))
    assert describe(swapped).equations[2].endswith("p' = ∂H/∂q, q' = −∂H/∂p")
    equations = 'equations: {x: "w2 * y", y: "-x"}'
    problem = compiled(spec(state="{x: 2, y: 2}", equations=equations, model="")).problem
    assert list(problem.blocks) == ["y", "x"] and problem.first.name == "y"


@pytest.mark.parametrize("backend", BACKENDS)
def test_linear_lift_and_readout_take_the_first_block(backend: str) -> None:
    given = spec(
        "A: {shape: [q, q], time: shared, value: [[0, 2], [-2, 0]]}",
        state="{q: 2}",
        equations='equations: {q: "A @ q"}',
        model="lift: linear; integrator: rk4; readout: {kind: regression, outputs: 2}",
    )
    model = wellposed.compile(given, backend=backend)
    weights = model.init() | {"L": np.eye(2), "W": np.eye(2), "mu": np.zeros(2)}
    angle = np.array([[np.cos(2), np.sin(2)], [-np.sin(2), np.cos(2)]])
    np.testing.assert_allclose(model.forward(weights, np.eye(2)).T, angle, atol=1e-4)


def test_the_lift_of_blocks_takes_what_all_blocks_hold() -> None:
    data = "data: {kind: points, features: [[1, 2, 3]], targets: [[1]]}\n"
    found = refusals(rest=data)
    assert ("E201", "the data has 3 features, the blocks have 2 components") in found


# --- the readout that is the state ---------------------------------------------------------------


def test_the_prediction_is_the_first_components_of_y() -> None:
    data = "data: {kind: points, features: [[1, 2]], targets: [[3]]}\n"
    given = spec(
        "A: {shape: [y, y], time: shared, value: [[0, 2], [-2, 0]]}",
        state="{y: 2}",
        equations='equations: {y: "A @ y"}',
        model="integrator: rk4; readout: state",
        rest=data,
    )
    model = wellposed.compile(given, backend="numpy")
    weights, x = model.init(), np.array([[1.0, 2.0]])
    assert set(weights) == {"A"}
    end = model.trajectory(weights, x)[-1]
    np.testing.assert_array_equal(model.forward(weights, x), end[:, :1])
    assert model.loss(weights, x, np.array([[3.0]])) == pytest.approx((end[0, 0] - 3) ** 2 / 2)


def test_more_targets_than_components_are_refused() -> None:
    data = "data: {kind: points, features: [[1, 2]], targets: [[1, 2]]}\n"
    assert ("E206", "the data has 2 targets, the state q has 1") in refusals(rest=data)


def test_the_task_is_that_of_the_readout_where_nothing_is_said() -> None:
    assert spec().task.kind == "regression"
    found = refusals(rest="task: classification\n")
    assert found[0] == ("E206", "task classification does not go with the readout state")


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        ("features: [[1], [2]], targets: [[1]]", "E405", "as many targets as points: got 1 for 2"),
        (
            "features: [[1], [2]], targets: [[1], [1, 2]]",
            "E405",
            "points 0 and 1 differ: 1 and 2 targets",
        ),
        (
            "features: [[1]], targets: [[1]], labels: [0]",
            "E109",
            "labels and targets exclude each other",
        ),
    ],
)
def test_targets_by_value_fit_the_points(data: str, code: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec(rest=f"data: {{kind: points, {data}}}\n")
    assert [(d.code, d.message) for d in caught.value.diagnostics] == [(code, message)]
