"""What is legal and odd is told in a line; what is usual is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wellposed.compiler.analysis.oddities import majority, oddities
from wellposed.compiler.front.load import examples, load
from wellposed.compiler.pipeline import compiled
from wellposed.data.dataset import Dataset, Split
from wellposed.data.preprocessing import Preprocessing
from wellposed.data.standardize import standardized
from wellposed.spec.data import Standardized
from wellposed.spec.model import Spec


def spec(y: str = "tanh(K @ y)", z: str = "K.T @ y", **more: Any) -> Spec:
    weights = {"K": {"shape": ["y", "y"]}, "b": {"shape": ["y"]}}
    field = {"kind": "custom", "weights": weights, "equations": {"y": y, "z": z}}
    model = {
        "state": {"y": 2, "z": 2},
        "vector_field": field,
        "time": {"horizon": 1, "steps": 4},
        "readout": {"kind": "classifier", "classes": 3},
    }
    return Spec.model_validate({"wellposed": 1, "name": "odd", "model": model | more})


def codes(given: Spec, dataset: Dataset | None = None) -> list[str]:
    return [found.code for found in oddities(compiled(given), dataset)]


def test_a_weight_that_no_equation_uses() -> None:
    (found,) = oddities(compiled(spec()))
    assert (found.code, found.severity) == ("W301", "warning")
    assert found.message == "no equation uses the weight b"
    assert codes(spec(z="K.T @ y + b")) == []


@pytest.mark.parametrize("z", ["0", "0 * z", "z - z", "b - b"])
def test_a_block_that_never_moves(z: str) -> None:
    found = oddities(compiled(spec(y="tanh(K @ y + b)", z=z)))
    assert [f.message for f in found] == ["the block z never moves: z' = 0"]


@pytest.mark.parametrize("z", ["1e-200 * z", "1 / (z - z)", "t * z"])
def test_a_block_that_moves_is_let_be(z: str) -> None:
    assert codes(spec(y="tanh(K @ y + b)", z=z)) == []


def rows(x: list[list[float]], targets: Any, known: Preprocessing) -> Dataset:
    split = Split(np.array(x, float), None if targets is None else np.array(targets))
    return Dataset(split, split, known)


NAMES = Preprocessing(("u", "v"), ("a", "b", "c"))
X = [[1e6, 1.0], [2e6, -1.0], [-1e6, 0.5], [1e6, 0.1]]


def test_features_far_from_scale_1() -> None:
    whole = spec(z="K.T @ y + b")
    far = rows(X, [0, 1, 2, 0], NAMES)
    (found,) = oddities(compiled(whole), far)
    assert found.code == "W303" and "'u' (1.3e+06)" in found.message and "'v'" not in found.message
    assert codes(whole, standardized(far, Standardized())) == []
    near = rows((np.array(X) * [1e-6, 1]).tolist(), [0, 1, 2, 0], NAMES)
    assert codes(whole, near) == []
    for scale, expected in (([1e-10, 1], []), ([1e-10, 1e-4], ["W303"])):
        tiny = rows((np.array(X) * scale).tolist(), [0, 1, 2, 0], NAMES)
        assert codes(whole, tiny) == expected
    nothing = rows([[0.0, 1.0]] * 3, [0, 1, 2], NAMES)
    assert codes(whole, nothing) == []


def test_targets_far_from_scale_1() -> None:
    known = Preprocessing(("u", "v"), targets=("r",))
    data = rows([[0.1, 1.0], [1.0, -1.0]], [[1e200], [3e200]], known)
    (found,) = oddities(compiled(spec(z="K.T @ y + b")), data)
    assert found.code == "W303" and "targets far from scale 1" in found.message
    assert "'r' (2.2e+200)" in found.message
    assert codes(spec(z="K.T @ y + b"), standardized(data, Standardized())) == []


def test_a_class_without_examples() -> None:
    data = rows([[0.1, 1.0], [1.0, -1.0]], [0, 2], NAMES)
    (found,) = oddities(compiled(spec(z="K.T @ y + b")), data)
    assert (found.code, found.message) == ("W304", "1 class has no example to train on: 'b'")


def test_a_classifier_that_names_one_class_only() -> None:
    data = rows(X, [0, 0, 0, 1], NAMES)
    (found,) = majority(spec(), data, 0.75)
    assert found.code == "W305" and "naming 'a', the most frequent class" in found.message
    assert majority(spec(), data, 0.5) == majority(spec(), data, 1.0) == []
    assert majority(spec(), data, None) == []
    regression = Preprocessing(("u", "v"), targets=("r",))
    assert majority(spec(), rows(X, [[1.0]] * 4, regression), 0.75) == []


@pytest.mark.parametrize("path", examples(), ids=lambda path: path.stem)
def test_no_example_is_odd(path: Any) -> None:
    made = compiled(load(path))
    assert oddities(made, made.dataset) == []
