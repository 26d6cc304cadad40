"""What a flow cannot do: when it is said, in which words, and that it is so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wellposed
from wellposed.compiler.analysis.describe import describe
from wellposed.compiler.analysis.findings import Finding
from wellposed.compiler.analysis.flow import limits
from wellposed.compiler.pipeline import Compiled, compiled
from wellposed.compiler.reference.reference import Reference
from wellposed.spec.model import Spec

CLASSES = {"kind": "classifier", "classes": 2}
NUMBER = {"kind": "regression", "outputs": 1}
MLP = {"kind": "mlp", "hidden": [8], "time_input": True}
SPHERES = {"kind": "nested-spheres", "dimensions": 2}
NUMBERS = {"kind": "points", "features": [[1.0, 2.0]], "targets": [[1.0]]}
VERLET = {"vector_field": "hamiltonian", "integrator": "verlet"}


def made(data: Any, state: Any, readout: Any = CLASSES, **model: Any) -> Compiled:
    time = {"horizon": 1, "steps": 50, "weights": "shared"}
    given = {"state": state, "readout": readout, "vector_field": MLP, "time": time}
    spec = {"wellposed": 1, "name": "net", "data": data, "model": given | {"integrator": "rk4"}}
    spec["model"] |= model
    return compiled(Spec.model_validate(spec))


def said(*of: Any, **model: Any) -> Finding:
    (found,) = limits(made(*of, **model).problem)
    assert (found.code, found.level) == ("N207", "note")
    return found


@pytest.mark.parametrize(
    ("state", "model"),
    [
        (3, {}),
        (3, {"lift": "linear"}),
        (2, VERLET),
        ({"y": 2, "z": 1}, VERLET),
        (2, {"vector_field": "layer", "parametrization": "hamiltonian", "integrator": "verlet"}),
        (2, {"vector_field": "second-order", "integrator": "leapfrog"}),
        ({"y": 2, "p": 1}, {"vector_field": {"kind": "custom", "equations": {"y": "y", "p": "p"}}}),
    ],
    ids=str,
)
def test_nothing_is_said_of_a_state_wider_than_the_data(state: Any, model: dict[str, Any]) -> None:
    assert limits(made(SPHERES, state, **model).problem) == ()


def test_nothing_is_said_where_nothing_is_read() -> None:
    assert limits(made(SPHERES, 2, None).problem) == ()


SURROUNDS = "a class that surrounds another cannot be told from it"
SIDES = "a class that lies on both sides of another cannot be told from it"
TURNS = "the prediction only rises or only falls with"


@pytest.mark.parametrize(
    ("data", "state", "readout", "model", "claim", "cure"),
    [
        (SPHERES, 2, CLASSES, {}, SURROUNDS, "state: 3 with lift: zeros"),
        (SPHERES, {"y": 2}, CLASSES, {}, SURROUNDS, "state: {y: 3} with lift: zeros"),
        (SPHERES, 2, CLASSES, {"lift": "linear"}, SURROUNDS, "state: 3,"),
        (SPHERES, 1, CLASSES, {"lift": "linear"}, SURROUNDS, "state: 3,"),
        (
            SPHERES,
            {"y": 1, "z": 1},
            CLASSES,
            {**VERLET, "lift": "blocks"},
            SURROUNDS,
            "lift: zeros, with 2 components in y,",
        ),
        (SPHERES | {"dimensions": 1}, 1, CLASSES, {}, SIDES, "state: 2"),
        ("flip", 1, "state", {}, "the prediction rises with x", "state: 2 with lift: zeros"),
        ("flip", 1, NUMBER, {}, f"{TURNS} x", "state: 2"),
        ("flip", 1, "state", {"lift": "linear"}, f"{TURNS} x", "state: 2,"),
        (NUMBERS, 1, NUMBER, {"lift": "linear"}, f"{TURNS} L x", "state: 3,"),
        (NUMBERS, 2, NUMBER, {}, "the prediction has no peak and no valley in x", "state: 3"),
    ],
)
def test_what_is_said_and_the_remedy(
    data: Any, state: Any, readout: Any, model: dict[str, Any], claim: str, cure: str
) -> None:
    found = said(data, state, readout, **model)
    assert found.claim.endswith(claim) and found.cure.startswith(cure)
    assert ("full rank" in found.assumption) == (readout != CLASSES and "lift" in model)
    assert ("walked back" in found.assumption) == ("integrator" in model)


def test_the_remedy_is_one() -> None:
    """Each of the cures, followed to the letter."""
    assert limits(made(SPHERES, 3, lift="zeros").problem) == ()
    assert limits(made(SPHERES, {"y": 2, "z": 1}, **VERLET, lift="zeros").problem) == ()


def test_it_stands_at_the_state_in_show_and_is_no_finding_on_stability() -> None:
    shown = describe(compiled(wellposed.load("spheres-flow")))
    assert [f.code for f in shown.limits] == ["N207"]
    assert all(f.code != "N207" for f in shown.findings)
    assert [f["code"] for f in shown.to_json()["limits"]] == ["N207"]
    (found,) = shown.limits
    assert found.span is not None and found.span.text.strip() == "state: 2"
    assert describe(compiled(wellposed.load("spheres-augmented"))).limits == ()


# --- and it is so --------------------------------------------------------------------------------


def predicted(net: Compiled, x: np.ndarray, seed: int) -> np.ndarray:
    """The predictions (s, k) of a network with random weights that bend its flow."""
    rng = np.random.default_rng(seed)
    weights = {w.name: 1.5 * rng.normal(size=w.shape) for w in net.problem.weights}
    return Reference(net.module).forward(weights, x)


LINE = np.linspace(-3, 3, 101)[:, None]


@pytest.mark.parametrize("seed", range(5))
def test_on_a_line_the_order_is_kept(seed: int) -> None:
    assert np.all(np.diff(predicted(made("flip", 1, "state"), LINE, seed), axis=0) > 0)
    turned = np.diff(predicted(made("flip", 1, NUMBER, lift="linear"), LINE, seed), axis=0)
    assert np.all(turned > 0) or np.all(turned < 0)


def test_a_wider_state_has_room_to_turn() -> None:
    """Without which the test above would show nothing of the width."""
    slopes = [np.diff(predicted(made("flip", 2, "state"), LINE, k)[:, 0]) for k in range(5)]
    assert any(slope.min() < 0 < slope.max() for slope in slopes)


def test_a_step_that_is_too_long_passes_over() -> None:
    """y' = -2 y by one step of Euler, h = 1, is y ↦ -y: the flip, which no exact flow does."""
    field = {"kind": "custom", "equations": {"y": "-2 * y"}}
    time = {"horizon": 1, "steps": 1}
    net = made("flip", 1, "state", vector_field=field, integrator="euler", time=time)
    np.testing.assert_array_equal(predicted(net, LINE, 0), -LINE)
    assert "steps that are short" in said("flip", 1, "state").assumption


@pytest.mark.parametrize("model", [{}, {"lift": "linear"}], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_what_surrounds_reaches_beyond_what_it_surrounds(seed: int, model: dict[str, Any]) -> None:
    """The difference of two logits is largest, and smallest, on the circle around, never within."""
    angle = np.linspace(0, 2 * np.pi, 2001)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    within = np.random.default_rng(seed).uniform(-0.7, 0.7, size=(500, 2))
    logits = predicted(made(SPHERES, 2, **model), np.concatenate([circle, within]), seed)
    margin = logits[:, 0] - logits[:, 1]
    around, inside = margin[: len(circle)], margin[len(circle) :]
    assert around.min() < inside.min() and inside.max() < around.max()
