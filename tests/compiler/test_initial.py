"""Initial weights: what each initializer draws, from a stream of each weight's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from specs import Case

from wellposed.compiler.pipeline import Compiled, compiled
from wellposed.compiler.reference.initial import initial_weights
from wellposed.spec.diagnostics import SpecError
from wellposed.spec.load import validate
from wellposed.spec.model import Spec
from wellposed.spec.source import read_text


def drawn(found: Compiled, seed: int | None = None) -> dict[str, np.ndarray]:
    module = found.module
    return initial_weights(module.weights, module.seed if seed is None else seed)


def weights(seed: int | None = None, mode: str = "per-step", **initializers: Any) -> dict:
    """Weights K (3, 3, 3), b (3, 3), W (3, 3), mu (3,) of a layer with three steps."""
    return drawn(Case(mode=mode).compiled(initializers=initializers), seed)


def test_by_default_matrices_are_normal_and_vectors_zero():
    found = weights()
    assert {name: w.shape for name, w in found.items()} == {
        "K": (3, 3, 3),
        "b": (3, 3),
        "W": (3, 3),
        "mu": (3,),
    }
    assert not found["b"].any() and not found["mu"].any()
    assert found["K"].any() and found["W"].any()


def test_one_layer_is_repeated_unless_told_otherwise():
    once = weights()["K"]
    assert (once == once[0]).all()
    every = weights(K={"kind": "normal", "repeat": False})["K"]
    assert not (every == every[0]).all()


def test_the_default_deviation_keeps_the_length():
    """Std 1/√(columns): |K y| ≈ |y|."""
    found = Case().compiled(state=400, time={"horizon": 1.0, "steps": 1})
    K = drawn(found)["K"][0]
    assert K.std() == pytest.approx(400**-0.5, rel=0.01)
    y = np.random.default_rng(0).normal(size=400)
    assert np.linalg.norm(K @ y) == pytest.approx(np.linalg.norm(y), rel=0.1)


@pytest.mark.covers(
    "value", names=("initializer constant", "initializer identity", "initializer zeros")
)
def test_constants_and_identity():
    found = weights(
        K={"kind": "identity", "scale": -0.5}, b={"kind": "constant", "value": 0.25}, W="zeros"
    )
    assert (found["K"] == -0.5 * np.eye(3)).all()
    assert (found["b"] == 0.25).all()
    assert not found["W"].any()


def test_the_identity_of_an_oblong_matrix_is_the_main_diagonal():
    case = Case("hamiltonian", "free", "verlet")
    found = case.compiled(state={"y": 2, "z": 3}, initializers={"K": "identity"})
    assert (drawn(found)["K"] == [[1, 0, 0], [0, 1, 0]]).all()


@pytest.mark.covers("value", names=("initializer normal", "initializer uniform"))
def test_random_initializers_draw_from_their_distribution():
    time = {"horizon": 1.0, "steps": 2000}
    compiled_case = Case().compiled(
        time=time,
        initializers={
            "K": {"kind": "normal", "mean": 2.0, "std": 0.1, "repeat": False},
            "b": {"kind": "uniform", "low": -3.0, "high": 1.0, "repeat": False},
        },
    )
    found = drawn(compiled_case)
    assert found["K"].mean() == pytest.approx(2.0, abs=0.01)
    assert found["K"].std() == pytest.approx(0.1, rel=0.05)
    assert found["b"].min() == pytest.approx(-3, abs=0.02)
    assert found["b"].max() == pytest.approx(1, abs=0.02)


@pytest.mark.covers("value", names=("initializer values",))
def test_values_are_one_steps_weight_or_the_whole_stack():
    step = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    stack = [step, [[0] * 3] * 3, step]
    assert (weights(K={"kind": "values", "values": step})["K"] == step).all()
    assert (weights(K={"kind": "values", "values": stack})["K"] == stack).all()
    shared = weights(mode="shared", K={"kind": "values", "values": step})["K"]
    assert shared.shape == (3, 3)


def test_integers_longer_than_64_bits_are_values():
    """`1e23` written out; beyond float64 they are no numbers."""
    step = [[10**23, -(2**63) - 1, 3], [4, 5, 6], [7, 8, 2**64]]
    assert (weights(K={"kind": "values", "values": step})["K"] == np.array(step, float)).all()
    with pytest.raises(SpecError, match="not all finite"):
        weights(b={"kind": "values", "values": [10**400, 0, 0]})


def test_streams_do_not_depend_on_each_other_but_on_seed_and_name():
    found, again = weights(seed=5), weights(seed=5, b="normal", W="zeros")
    assert (found["K"] == again["K"]).all()
    assert not (found["K"] == weights(seed=6)["K"]).any()
    same = weights(seed=5, K={"kind": "normal", "std": 1.0}, W={"kind": "normal", "std": 1.0})
    assert not (same["K"][0] == same["W"]).any()
    expected = np.random.default_rng([5, *b"K"]).normal(0, 1, (3, 3))
    assert (same["K"][0] == expected).all()


def test_the_seed_is_the_specs_unless_given():
    assert (weights()["K"] == weights(seed=1)["K"]).all()


@pytest.mark.parametrize(
    ("initializers", "code", "marked", "message"),
    [
        ("{Q: zeros}", "E204", "Q", "there is no weight Q"),
        ("{b: identity}", "E210", "identity", "identity is for matrices, b is none"),
        ("{K: {kind: values, values: [1, 2]}}", "E210", "[1, 2]", "K is 2×2, the values are 2"),
        ("{K: {kind: values, values: [[1, 2], [3]]}}", "E210", "[[1", "different lengths"),
        ("{K: {kind: values, values: [[1, .nan], [3, 4]]}}", "E210", "[[1", "finite"),
        ("{K: {kind: values, values: [[a, b], [3, 4]]}}", "E210", "[[a", "finite"),
        ("{K: {kind: values, values: {a: 1}}}", "E210", "{a", "finite"),
    ],
)
def test_initializers_that_do_not_fit_are_located(
    initializers: str, code: str, marked: str, message: str
):
    text = f"""wellposed: 1
name: m
model:
  state: 2
  vector_field: layer
  time: {{horizon: 1, steps: 2}}
  initializers: {initializers}
"""
    spec = validate(read_text(text, "m.yaml"), Spec)
    with pytest.raises(SpecError) as caught:
        compiled(spec)
    (found,) = caught.value.diagnostics
    assert (found.code, message in found.message) == (code, True), found.message
    assert found.span is not None and found.span.line == 7
    assert text.splitlines()[6][found.span.column - 1 :].startswith(marked)
