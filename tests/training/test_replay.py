"""The replay is the reference, stage by stage; and the modes of a layer against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from specs import Case, all_pairs, batch, random_weights, regularizers

from wellposed.compiler.analysis.modes import Modes, modes_at
from wellposed.compiler.pipeline import Compiled, compiled
from wellposed.compiler.reference.first_bad import BadNumber, Largest, first_bad
from wellposed.compiler.reference.reference import Reference
from wellposed.compiler.reference.trace import Place, Stage, traced
from wellposed.spec.model import Spec


@pytest.mark.parametrize("case", all_pairs()[::3], ids=str)
def test_loss_and_gradient_are_those_of_the_reference(case: Case) -> None:
    found = case.compiled(regularizers=regularizers(case.problem()))
    weights, (x, targets) = random_weights(found.problem), batch(found.problem)
    reference, stages = Reference(found.module), list[Stage]()
    slopes = traced(found.module, weights, x, targets, "float64", stages.append)
    results = {name: value for stage in stages for name, value in _results(stage)}
    loss = reference.loss(weights, x, targets)
    assert float(results["loss"]) == pytest.approx(loss, rel=1e-13)
    expected = reference.gradient(weights, x, targets)
    for name, gradient in slopes.items():
        scale = np.abs(expected[name]).max() + 1e-300
        assert gradient.shape == expected[name].shape
        np.testing.assert_allclose(gradient / scale, expected[name] / scale, rtol=0, atol=1e-14)
    norm = sum((g**2).sum() for g in expected.values())
    assert float(results["‖g‖²"]) == pytest.approx(norm, rel=1e-12)


def _results(stage: Any) -> Any:
    values = [stage.values[i] for i in stage.evaluator.results]
    return zip(stage.names, values, strict=True)


def test_values_are_rounded_to_the_dtype() -> None:
    found = Case().compiled()
    weights, (x, targets) = random_weights(found.problem), batch(found.problem)
    stages: list[Stage] = []
    slopes = traced(found.module, weights, x, targets, "float32", stages.append)
    values = [np.asarray(v) for stage in stages for v in stage.values]
    assert all((v == v.astype(np.float32)).all() for v in values if v.dtype.kind == "f")
    exact = Reference(found.module).gradient(weights, x, targets)["K"]
    assert 1e-12 < np.abs(slopes["K"] - exact).max() / np.abs(exact).max() < 1e-5


@pytest.mark.parametrize("mode", ["per-step", "shared"])
def test_what_a_place_says_hangs_on_no_name(mode: str) -> None:
    """Blocks and weights called y_bar, step_bar are what they are under other names, a stage each:
    a forward one is not taken for a cotangent, nor one of y_bar for one of y."""
    first, second = (_places(mode, *names) for names in (("qq", "ww"), ("y_bar", "step_bar")))
    assert len(first) == len(second) > 20
    for (name, place), (_, other) in zip(first, second, strict=True):
        assert place.by == (name.removesuffix("_bar") if name.endswith("_bar") else "")
        by = place.by.replace("qq", "y_bar").replace("ww", "step_bar")
        assert (by, place.role) == (other.by, other.role)
        assert place.layer == other.layer and place.is_in_step == other.is_in_step
    in_step = [place for _, place in second if place.is_in_step]
    assert {"y", "y_bar", "step_bar"} <= {place.by for place in in_step}
    assert {place.equation for place in in_step} == {"step", "field y", "field y_bar"}


def _places(mode: str, block: str, weight: str) -> list[tuple[str, Place]]:
    """Name and place of every result of a run and its gradient, in order."""
    weights = {"K": {"shape": ["y", "y"]}, weight: {"shape": ["y"]}}
    model = {
        "state": {"y": 2, block: 2},
        "vector_field": {
            "kind": "custom",
            "weights": weights,
            "equations": {"y": f"K @ {block}", block: f"tanh(K.T @ y + {weight})"},
        },
        "integrator": "heun",
        "time": {"horizon": 1, "steps": 2, "weights": mode},
        "readout": {"kind": "classifier", "classes": 2},
    }
    found = compiled(Spec.model_validate({"wellposed": 1, "name": "n", "model": model}))
    values, (x, targets) = random_weights(found.problem), batch(found.problem)
    stages: list[Stage] = []
    traced(found.module, values, x, targets, "float64", stages.append)
    return [(n, stage.place_of(i)) for stage in stages for i, n in enumerate(stage.names)]


def test_a_number_that_is_absorbed_is_not_to_blame() -> None:
    """tanh ∞ = 1, and its derivative is 0: nothing is lost by it."""
    found = replay(field(1.0, "layer", activation="tanh"), [[1e150], [0.5]], K=1e200)
    assert isinstance(found, Largest) and found.magnitude > 1e290
    found = replay(field(1.0, "layer", activation="sin"), [[0.5], [1e150]], K=1e200)
    assert isinstance(found, BadNumber)
    assert (found.part, found.row, found.value) == ("K y", 1, np.inf)
    assert dict(found.operands) == {"|K|": 1e200, "|y|": 1e150}


def test_the_first_row_that_is_bad_is_followed_to_its_own_cause() -> None:
    """1 / y is infinite in row 0 and absorbed by tanh; row 2 is lost for another reason."""
    equation = {"y": "tanh(1 / y) + log(y + 1) + 0 * K @ y"}
    custom = {"weights": {"K": {"shape": ["y", "y"]}}, "equations": equation}
    found = replay(field(1.0, "custom", **custom), [[0.0], [1.0], [-2.0]], K=1.0)
    assert isinstance(found, BadNumber)
    assert (found.part, found.row, dict(found.operands)) == ("log(y + 1)", 2, {"y + 1": -1.0})


def replay(found: Compiled, x: Any, **values: float) -> BadNumber | Largest:
    module = found.module
    weights = {w.name: np.full(w.shape, values.get(w.name, 0.1)) for w in module.weights}
    return first_bad(module, weights, np.array(x), np.zeros(len(x), int), "float64")[0]


# --- modes ---------------------------------------------------------------------------------------


def field(h: float, kind: str, integrator: str = "euler", state: int = 1, **keys: Any) -> Compiled:
    field = {"kind": kind, **({} if kind == "custom" else {"bias": "none"}), **keys}
    model = {
        "state": state,
        "vector_field": field,
        "integrator": integrator,
        "time": {"horizon": 3 * h, "steps": 3},
        "readout": {"kind": "classifier", "classes": 2},
    }
    return compiled(
        Spec.model_validate({"wellposed": 1, "name": "net", "dtype": "float64", "model": model})
    )


def modes_of(network: Compiled, K: Any, layer: int = 2) -> Modes:
    module = network.module
    weights = {w.name: np.zeros(w.shape) for w in module.weights}
    weights["K"] = np.broadcast_to(np.array(K, float), module.weight("K").shape)
    found = modes_at(network, weights, np.full(module.signature.features, 0.1), layer)
    assert found is not None
    return found


REACHES = {
    "euler": (-1.0, 2.0),
    "midpoint": (-1.0, 2.0),
    "rk4": (-1.0, 2.785293563405282),
    "rk4 on the imaginary axis": (1j, np.sqrt(8)),
    "euler on the imaginary axis": (1j, 0.0),
    "euler at 45°": (-1 + 1j, np.sqrt(2)),
}


@pytest.mark.parametrize("name", REACHES)
def test_the_reach_of_a_method_is_the_textbooks(name: str) -> None:
    """|R(z)| = 1 at −2 for Euler and midpoint, at −2.785 and 2√2 i for RK4; |1 + z| = 1 at 45°."""
    direction, reach = REACHES[name]
    z = 4 * direction / abs(direction)
    K = [[z.real, z.imag], [-z.imag, z.real]]
    found = modes_of(field(1.0, "layer", name.split()[0], 2, activation="identity"), K)
    assert found.modulus == pytest.approx(4) and abs(found.worst) == pytest.approx(4)
    assert found.reach == pytest.approx(reach, abs=1e-3)


def test_what_is_said_of_the_modes() -> None:
    euler = field(0.5, "layer", "euler", 2, activation="identity")
    said = str(modes_of(euler, [[-8.4, 0], [0, -1]]))
    assert said == "h·|λ| = 4.2 > 2, |R(h λ)| = 3.2: beyond the region of euler"
    said = str(modes_of(euler, [[0, 2], [-2, 0]]))
    assert said == "h·|λ| = 1, |R(h λ)| = 1.41: euler amplifies this oscillation"
    assert "the field itself amplifies" in str(modes_of(euler, [[3, 0], [0, -1]]))
    assert str(modes_of(euler, [[-2, 0], [0, -1]])) == (
        "h·ρ(∂f/∂y) = 1, |R(h λ)| ≤ 1: euler amplifies no mode there"
    )


def test_the_step_size_and_the_slope_of_the_state_count() -> None:
    """∂f/∂y of tanh(K y) is (1 − tanh²(K y)) K at the state with which the layer begins."""
    network, K, y = field(0.5, "layer", activation="tanh"), -3.0, 0.1
    for layer in (1, 2, 3):
        slope = (1 - np.tanh(K * y) ** 2) * K
        assert modes_of(network, [[K]], layer).modulus == pytest.approx(0.5 * abs(slope), rel=1e-12)
        y += 0.5 * np.tanh(K * y)


def test_a_second_order_field_has_the_roots() -> None:
    """y'' = −9 y has λ = ±3 i; leapfrog is stable up to h |ω| = 2."""
    found = modes_of(field(0.5, "second-order", "leapfrog", activation="identity"), [[-9.0]])
    assert found.worst == pytest.approx(1.5j) or found.worst == pytest.approx(-1.5j)
    assert found.growth == pytest.approx(1)
    found = modes_of(field(1.0, "second-order", "leapfrog", activation="identity"), [[-9.0]])
    assert str(found).startswith("h·|λ| = 3 > 2, ") and found.reach == pytest.approx(2, abs=1e-3)


def test_a_jacobian_that_is_not_finite_has_no_modes() -> None:
    linear = field(1.0, "layer", activation="identity")
    weights = {w.name: np.full(w.shape, 1e308) for w in linear.module.weights}
    assert modes_at(linear, weights, np.array([1e308]), 3) is not None  # a linear field has K
    cubic = field(1.0, "layer", activation="cubic")
    assert modes_at(cubic, weights, np.array([1e308]), 3) is None
