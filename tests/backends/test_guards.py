"""Emitted programs alone, as in a user's own loop, refuse in words what they would misread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from wellposed.backends.load import load_module
from wellposed.backends.registry import get
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec

BACKENDS = ("torch", "jax")
S, D = 5, 2
Arrays = Mapping[str, np.ndarray]


def spec(steps: int = 4, **changes: Any) -> Spec:
    model: dict[str, Any] = {
        "state": 3,
        "vector_field": "layer",
        "time": {"horizon": 2, "steps": steps},
        "readout": {"kind": "classifier", "classes": 3},
    }
    points = {"kind": "points", "features": [[0.0, 1.0]]}
    plain = {"wellposed": 1, "name": "m", "dtype": "float64", "data": points}
    return Spec.model_validate({**plain, "model": model | changes})


REGRESSION = {"readout": {"kind": "regression", "outputs": 2}}
BLOCKS = {"vector_field": "hamiltonian", "integrator": "verlet", "state": {"y": 3, "z": 2}}


def program(backend: str, given: Spec, *edit: str) -> ModuleType:
    text = get(backend).emit(compiled(given).module)
    if edit:
        old, new = edit
        assert old in text
        text = text.replace(old, new)
    return load_module(text, "m")


def loss(backend: str, native: ModuleType, weights: Arrays, x: Any, targets: Any) -> float:
    if backend == "torch":
        import torch

        given = (torch.tensor(np.asarray(a)) for a in (x, targets))
        return float(native.Network(dict(weights)).loss(*given).detach())
    import jax

    with jax.enable_x64(True):
        return float(jax.jit(native.loss)(dict(weights), np.asarray(x), np.asarray(targets)))


X, CLASSES = np.ones((S, D)), np.arange(S) % 3
BAD: dict[str, tuple[dict[str, Any], Any, Any, str]] = {
    "one row without its axis": ({}, np.ones(D), CLASSES[:1], r"x is \(2,\), not \(s, 2\)"),
    "a column too many": ({}, np.ones((S, 3)), CLASSES, r"x is \(5, 3\), not \(s, 2\)"),
    "classes as a column": ({}, X, CLASSES[:, None], r"targets are \(5, 1\), not \(5, 3\)"),
    "too few classes": ({}, X, CLASSES[:1], r"targets are \(1,\), not \(5,\)"),
    "probabilities of two classes": ({}, X, np.ones((S, 2)), r"targets are \(5, 2\), not \(5, 3\)"),
    "values as a row": (REGRESSION, X, np.ones(S), r"targets are \(5,\), not \(5, 2\)"),
    "one value for two": (REGRESSION, X, np.ones((S, 1)), r"targets are \(5, 1\), not \(5, 2\)"),
    "too few values": (REGRESSION, X, np.ones((1, 2)), r"targets are \(1, 2\), not \(5, 2\)"),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("what", BAD)
def test_arrays_of_another_shape_are_refused(what: str, backend: str) -> None:
    """Also where the framework has compiled the loss."""
    changes, x, targets, message = BAD[what]
    native = program(backend, spec(**changes))
    with pytest.raises(ValueError, match=message):
        loss(backend, native, native.init(), x, targets)


def test_a_class_out_of_range_is_an_error_in_torch_and_nan_in_jax() -> None:
    for wrong in (3, -1):
        targets = np.array([0, 1, 2, 0, wrong])
        native = program("jax", spec())
        assert np.isnan(loss("jax", native, native.init(), X, targets))
        native = program("torch", spec())
        with pytest.raises(RuntimeError, match="Class values must be"):
            loss("torch", native, native.init(), X, targets)


OTHERS: dict[str, Callable[[Arrays], Arrays]] = {
    "of more steps": lambda w: program("jax", spec(steps=8)).init(),
    "of another network": lambda w: program("jax", spec(**BLOCKS)).init(),
    "one is missing": lambda w: {n: a for n, a in w.items() if n != "mu"},
    "one too many": lambda w: {**w, "L": np.ones((3, 2))},
    "one transposed": lambda w: {**w, "W": w["W"][:2]},
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("what", OTHERS)
def test_weights_of_another_network_are_refused(what: str, backend: str) -> None:
    native = program(backend, spec())
    with pytest.raises(ValueError, match=r"weights are \{.*\}, not \{'K': \(4, 3, 3\)"):
        loss(backend, native, OTHERS[what](native.init()), X, CLASSES)


@pytest.mark.parametrize("backend", BACKENDS)
def test_another_number_of_steps_is_no_other_horizon(backend: str) -> None:
    """The number of layers is that of the weights: with the old ones half a horizon would be left
    out in silence."""
    native = program(backend, spec(), "HORIZON, STEPS = 2, 4", "HORIZON, STEPS = 2, 8")
    old = program(backend, spec()).init()
    with pytest.raises(ValueError, match=r"'K': \(4, 3, 3\).* not \{'K': \(8, 3, 3\)"):
        loss(backend, native, old, X, CLASSES)
    assert np.isfinite(loss(backend, native, native.init(), X, CLASSES))


@pytest.mark.parametrize("backend", BACKENDS)
def test_states_of_another_size_are_refused(backend: str) -> None:
    native = program(backend, spec(**BLOCKS))
    with pytest.raises(ValueError, match=r"y is \(5, 3\), not \(s, 5\)"):
        if backend == "torch":
            import torch

            native.Network().vector_field(0.0, torch.ones(S, 3, dtype=torch.float64))
        else:
            native.vector_field(native.init(), 0.0, np.ones((S, 3)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_right_shapes_pass(backend: str) -> None:
    cases: list[tuple[dict[str, Any], np.ndarray]] = [
        ({}, CLASSES),
        ({}, np.ones((S, 3)) / 3),
        (REGRESSION, np.ones((S, 2))),
    ]
    for changes, targets in cases:
        native = program(backend, spec(**changes))
        assert np.isfinite(loss(backend, native, native.init(), X, targets))
