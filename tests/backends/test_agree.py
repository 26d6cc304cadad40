"""torch, JAX and the reference compute the same numbers, whatever the spec says."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from specs import Case, Plain, all_pairs, batch, random_weights, regularizers

from wellposed import compile
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.reference.initial import initial_weights
from wellposed.spec.model import Spec

jax = pytest.importorskip("jax")
pytest.importorskip("torch")

FRAMEWORKS = ("torch", "jax")
Values = dict[str, np.ndarray]
Weights = dict[str, np.ndarray]

FORWARD, GRADIENT = 1e-12, 1e-10
"""Relative to the largest entry, in float64: rounding, and rounding through N adjoint steps."""
SINGLE = 2e-5
"""In float32, against the float64 reference: 2⁻²⁴ times the operations of three steps."""


def outputs(model: Any, weights: Weights, x: np.ndarray, targets: np.ndarray) -> Values:
    """Everything a model computes, by name."""
    y = np.random.default_rng(3).normal(size=(4, model.module.signature.size))
    t = 0.4 * model.module.horizon
    found = {
        "trajectory": model.trajectory(weights, x),
        "forward": model.forward(weights, x),
        "vector_field": model.vector_field(weights, t, y),
        "loss": np.asarray(model.loss(weights, x, targets)),
        "regularizer": np.asarray(model.regularizer(weights)),
    }
    gradient = model.gradient(weights, x, targets)
    return found | {f"gradient of {name}": value for name, value in gradient.items()}


def differences(found: Values, expected: Values) -> dict[str, float]:
    """Relative to the largest entry of what is expected; infinite where shapes differ."""
    assert list(found) == list(expected)
    return {name: _relative(found[name], expected[name]) for name in expected}


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        return float("inf")
    scale = np.abs(expected).max(initial=0) or 1.0
    return float(np.abs(found.astype(float) - expected).max(initial=0) / scale)


def disagreements(
    plain: Plain,
    tolerance: float | None = None,
    size: int = 5,
    targets: Any = None,
    jitted: bool = False,
) -> dict[str, float]:
    """What differs by more than its tolerance, as `backend quantity` → difference.

    JAX runs the program operation by operation unless `jitted`: compilation takes seconds.
    """
    spec = Spec.model_validate(plain)
    reference = compile(spec, "numpy")
    problem = compiled(spec).problem
    weights, (x, drawn) = random_weights(problem), batch(problem, size)
    targets = drawn if targets is None else targets
    expected = outputs(reference, weights, x, targets)
    bad: dict[str, float] = {}
    for backend in FRAMEWORKS:
        with nullcontext() if jitted else jax.disable_jit():
            found = outputs(compile(spec, backend), weights, x, targets)
        for name, difference in differences(found, expected).items():
            allowed = tolerance or (GRADIENT if name.startswith("gradient") else FORWARD)
            if not difference <= allowed:
                bad[f"{backend} {name}"] = difference
    return bad


# --- the grid -----------------------------------------------------------------------------------


@pytest.mark.covers("torch", "jax", "float64", by="case")
@pytest.mark.parametrize("case", all_pairs(), ids=str)
def test_the_three_agree_over_all_pairs(case: Case):
    assert disagreements(case.plain(regularizers=regularizers(case.problem()))) == {}


@pytest.mark.parametrize("case", all_pairs()[:5], ids=str)
def test_they_agree_when_compiled(case: Case):
    plain = case.plain(regularizers=regularizers(case.problem()))
    assert disagreements(plain, jitted=True) == {}


@pytest.mark.parametrize("case", all_pairs(seed=1)[:6], ids=str)
def test_they_agree_in_single_precision(case: Case):
    plain = case.plain(regularizers=regularizers(case.problem()), dtype="float32")
    assert disagreements(plain, SINGLE) == {}


def test_a_wrong_program_is_caught(monkeypatch: pytest.MonkeyPatch):
    """The comparison sees a change in the last third of the digits of one weight's use."""
    from wellposed.backends import jax_program

    emit = jax_program.emit
    monkeypatch.setattr(
        jax_program, "emit", lambda p: emit(p).replace("jnp.tanh(", "1.00000001 * jnp.tanh(")
    )
    found = disagreements(Case().plain())
    assert {name.split()[0] for name in found} == {"jax"}
    assert {"jax trajectory", "jax forward", "jax vector_field", "jax gradient of K"} <= set(found)


# --- fields of one's own --------------------------------------------------------------------------


def own(
    equations: dict[str, str] | str,
    weights: dict[str, list[Any]],
    state: Any = None,
    **changes: Any,
) -> Plain:
    """A custom field: equations by block, or H as one text."""
    key = "hamiltonian" if isinstance(equations, str) else "equations"
    shapes = {name: {"shape": shape} for name, shape in weights.items()}
    field = {"kind": "custom", "weights": shapes, key: equations}
    return Case("one-block").plain(vector_field=field, state=state or {"y": 2, "z": 2}, **changes)


OWN: dict[str, Plain] = {
    "kink in H": own("sum(relu(K @ z)) + sum(abs(y))", {"K": ["y", "z"]}),
    "smooth kinks in H": own("sum(gelu(K @ z)) + sum(softplus(y))", {"K": ["y", "z"]}),
    "H with a scalar": own("s * sum(y) + sum(z**2) + cosh(s) * sum(z) * t", {"s": []}),
    "H of numbers": own("sum(y) + 2 * sum(z)", {}, integrator="verlet"),
    "H of y alone": own("sum(y * b)", {"b": ["y"]}, integrator="verlet"),
    "large arguments": own("sum(log(cosh(300 * z))) + sum(log(cosh(y * b)))", {"b": ["y"]}),
    "a number": own({"y": "1", "z": "s"}, {"s": []}),
    "only time": own({"y": "t"}, {}, {"y": 2}),
    "zero times": own({"y": "0 * b"}, {"b": ["y"]}, {"y": 2}),
    "numbers under verlet": own({"y": "1", "p": "t"}, {}, {"y": 2, "p": 3}, integrator="verlet"),
    "other blocks under verlet": own(
        {"y": "A @ p", "p": "-A.T @ y"}, {"A": ["y", "p"]}, {"y": 2, "p": 3}, integrator="verlet"
    ),
    "names of the reference": own(
        {"y": "g @ y + p * g_y"}, {"g": ["y", "y"], "p": ["y"], "g_y": ["y"]}, {"y": 2}
    ),
    "names of results": own({"y": "dz * z", "z": "dy * y"}, {"dy": ["y"], "dz": ["y"]}),
    "inner products": own(
        {"y": "K @ (y.T @ b * b) + b.T @ b * y - (y.T @ K).T / (1 + y.T @ y) + sum(K) * s ** 2"},
        {"b": ["y"], "s": [], "K": ["y", "y"]},
        {"y": 2},
    ),
    "powers": own(
        {"y": "(1 + y**2) ** 0.5 + (2 + sin(y)) ** b - (1 + y**2) ** -2 + 2 ** y + 2.5 ** s"},
        {"b": ["y"], "s": []},
        {"y": 2},
    ),
    "functions": own(
        {
            "y": "exp(-y**2) + log(1 + y**2) + sqrt(1 + b**2) + cos(y) + sinh(sin(y)) + cosh(b)"
            " + abs(y) + abs(b - 1) + sigmoid(2) + gelu(1) + sqrt(2) + sum(3)"
        },
        {"b": ["y"]},
        {"y": 2},
    ),
    "matrices": own(
        {"y": "A @ A.T @ y - tanh(A * 2 + s) @ y + D @ (D.T @ y) + (D @ D.T - sum(A)) @ y / 2"},
        {"A": ["y", "y"], "D": ["y", 3], "s": []},
        {"y": 2},
    ),
    "quotients": own(
        {"y": "1 / (1 / (1 + y**2)) / (2 / (3 * b)) - (-y) / (1 + b**2)"}, {"b": ["y"]}, {"y": 2}
    ),
}


@pytest.mark.covers("torch", "jax", "float64", by="name", through=OWN)
@pytest.mark.parametrize("name", OWN)
def test_they_agree_on_fields_of_ones_own(name: str):
    assert disagreements(OWN[name]) == {}


# --- data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("readout", range(4))
def test_targets_may_be_class_probabilities(readout: int):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), size=5)
    assert disagreements(Case(readout=readout).plain(), targets=probabilities) == {}


@pytest.mark.parametrize("field", ["layer", "hamiltonian", "mlp", "hamiltonian-H"])
def test_a_batch_of_one(field: str):
    assert disagreements(Case(field, integrator="heun").plain(), size=1) == {}


@pytest.mark.parametrize("lift", ["zeros", "linear"])
@pytest.mark.parametrize("integrator", ["rk4", "verlet"])
def test_z_of_another_size_than_y(lift: str, integrator: str):
    case = Case("hamiltonian", integrator=integrator, mode="linear", lift=lift)
    assert disagreements(case.plain(state={"y": 2, "z": 5})) == {}


@pytest.mark.parametrize("bias", ["vector", "scalar", "none"])
def test_blocks_of_different_size_in_the_hamiltonian_parametrization(bias: str):
    case = Case("layer", "hamiltonian", "verlet", bias=bias)
    assert disagreements(case.plain(state={"y": 4, "z": 3})) == {}


def test_one_component_and_one_step():
    time = {"horizon": 0.5, "steps": 1}
    assert disagreements(Case().plain(state=1, time=time)) == {}
    linear = Case(mode="linear", integrator="rk4").plain(
        state=1, time={"horizon": 0.5, "steps": 1, "weights": "linear"}
    )
    assert disagreements(linear) == {}


def test_without_a_readout_forward_is_the_final_state():
    spec = Spec.model_validate(Case("hamiltonian").plain(readout=None, regularizers=[]))
    problem = compiled(spec).problem
    weights, (x, _) = random_weights(problem), batch(problem)
    for backend in ("numpy", *FRAMEWORKS):
        model = compile(spec, backend)
        final = model.trajectory(weights, x)[-1][:, :3]
        np.testing.assert_allclose(model.forward(weights, x), final, rtol=1e-13)
        assert model.regularizer(weights) == 0.0


# --- equivalences -----------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "sin", "identity", "cubic"])
@pytest.mark.parametrize("backend", ["numpy", *FRAMEWORKS])
def test_the_hamiltonian_parametrization_is_the_hamiltonian_field(activation: str, backend: str):
    """With c ↦ −c for odd σ: σ(−Kᵀ y + c) = −σ(Kᵀ y − c)."""
    state = {"y": 3, "z": 2}
    block = Case("layer", "hamiltonian", "verlet", activation=activation)
    field = Case("hamiltonian", "free", "verlet", activation=activation)
    layer, hamiltonian = (compile(c.spec(state=state), backend) for c in (block, field))
    problem = field.problem(state=state)
    weights, (x, _) = random_weights(problem), batch(problem)
    stacked = np.concatenate([weights["b"], -weights["c"]], axis=1)
    same = {"K": weights["K"], "b": stacked, "W": weights["W"], "mu": weights["mu"]}
    expected = hamiltonian.trajectory(weights, x)
    np.testing.assert_allclose(layer.trajectory(same, x), expected, rtol=1e-12, atol=1e-14)


def test_for_an_even_activation_they_differ():
    """The sigmoid is not odd: the equivalence must not hold."""
    with pytest.raises(AssertionError):
        test_the_hamiltonian_parametrization_is_the_hamiltonian_field("sigmoid", "numpy")


def test_a_hamiltonian_of_ones_own_is_the_catalogues():
    """H = Σ log cosh(K z + b) + Σ log cosh(Kᵀ y + c) is the field hamiltonian with tanh, but for
    the outer Kᵀ: the double-layer field."""
    H = "sum(log(cosh(K1 @ z + b))) + sum(log(cosh(K2 @ y + c)))"
    weights = {"K1": ["y", "z"], "K2": ["y", "y"], "b": ["y"], "c": ["y"]}
    mine = compile(
        Spec.model_validate(own(H, weights, {"y": 3, "z": 3}, integrator="verlet")), "numpy"
    )
    case = Case("double-layer-hamiltonian", integrator="verlet")
    theirs, problem = compile(case.spec(), "numpy"), case.problem()
    w, (x, _) = random_weights(problem), batch(problem)
    np.testing.assert_allclose(mine.trajectory(w, x), theirs.trajectory(w, x), rtol=1e-12)


# --- initial weights and times ----------------------------------------------------------------


INITIALIZERS: list[Plain] = [
    {},
    {"K": "zeros", "b": {"kind": "constant", "value": 0.1}},
    {"K": {"kind": "identity", "scale": -0.5}, "b": {"kind": "uniform", "low": -0.1, "high": 0.3}},
    {"K": {"kind": "normal", "std": 0.3, "mean": 0.7, "repeat": False}, "mu": "normal"},
    {"K": {"kind": "uniform", "repeat": False}, "b": {"kind": "normal", "repeat": False}},
    {"K": {"kind": "values", "values": [[1, 2.5, 3], [-4, 5, 1e-3], [7, 8, 9]]}},
    {"b": {"kind": "values", "values": [[0.1, 1 / 3, 0.3]] * 4}},
]


@pytest.mark.covers("torch", "jax", "float64", by="initializers")
@pytest.mark.parametrize("initializers", INITIALIZERS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_initial_weights_are_the_same_to_the_bit(initializers: Plain, dtype: str):
    time = {"horizon": 1.0, "steps": 3, "weights": "linear"}
    spec = Case(mode="linear").spec(initializers=initializers, time=time, dtype=dtype)
    for seed in (None, 0, 7):
        module = compiled(spec).module
        expected = initial_weights(module.weights, module.seed if seed is None else seed)
        for backend in ("numpy", *FRAMEWORKS):
            found = compile(spec, backend).init(seed)
            assert list(found) == list(expected)
            for name, value in found.items():
                assert value.dtype == dtype
                assert value.shape == expected[name].shape
                assert (value == expected[name].astype(dtype)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("horizon", "steps"), [(1.0, 7), (0.3, 64), (20.0, 97), (5.0, 7)])
def test_the_field_at_a_node_has_the_nodes_own_weight(horizon: float, steps: int, dtype: str):
    """t_j = j h, rounded as it may be, belongs to step j in every backend."""
    field = {"kind": "custom", "weights": {"k": {"shape": []}}, "equations": {"y": "k"}}
    time = {"horizon": horizon, "steps": steps}
    spec = Case("one-block").spec(vector_field=field, state=1, time=time, dtype=dtype)
    problem = compiled(spec).problem
    weights = random_weights(problem) | {"k": np.arange(steps, dtype=float)}
    for backend in ("numpy", *FRAMEWORKS):
        model = compile(spec, backend)
        found = [
            float(model.vector_field(weights, j * problem.h, np.zeros((1, 1)))[0, 0])
            for j in range(steps)
        ]
        assert found == list(range(steps)), backend
        assert model.vector_field(weights, horizon, np.zeros((1, 1)))[0, 0] == steps - 1
