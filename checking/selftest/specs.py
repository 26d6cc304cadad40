"""The specs that bugs are planted in: a handful that between them use every part of the language.

Five steps on [0, 2] are enough: h = 0.4 is large, so that a wrong term is a large error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...data.rng import rng
from ...spec.model import Spec

STEPS = 5
POINTS = 12
CLASSIFIER = {"kind": "classifier", "classes": 3}


def spec(model: Mapping[str, Any], **top: Any) -> Spec:
    """A float64 spec of STEPS steps with seed 5; `weights` of the model are those of its time."""
    given = dict(model)
    time = {"horizon": 2, "steps": STEPS, "weights": given.pop("weights", "per-step")}
    plain = {"wellposed": 1, "name": "net", "seed": 5, "dtype": "float64", **top}
    return Spec.model_validate({**plain, "model": {"time": time, **given}})


def _points() -> dict[str, Any]:
    """Some points of three features, in the three classes."""
    features = rng(5, "points").normal(size=(POINTS, 3)).round(2).tolist()
    return {"kind": "points", "features": features, "labels": [i % 3 for i in range(POINTS)]}


def specs() -> dict[str, Spec]:
    """The specs by name."""
    return {
        "rk4": _rk4(),
        "mlp": _mlp(),
        "leapfrog": _leapfrog(),
        "verlet": _verlet(),
        "shared": _shared(),
        "functions": _functions(),
        "energy": _energy(),
    }


def _rk4() -> Spec:
    """An antisymmetric layer with a linear lift, regularizers, Adam and a cosine."""
    model = {
        "state": 3,
        "lift": "linear",
        "vector_field": "layer",
        "parametrization": {"kind": "antisymmetric", "gamma": 0.2},
        "integrator": "rk4",
        "readout": CLASSIFIER,
    }
    penalties = [
        {"kind": "smoothness", "of": ["K", "b"], "alpha": 1e-2},
        {"kind": "weight-decay", "of": ["W"], "alpha": 1e-2},
    ]
    train = {
        "optimizer": {"kind": "adam", "lr": 1e-2, "eps": 1e-3},
        "schedule": {"kind": "cosine", "final": 1e-3, "warmup": 2},
        "epochs": 10,
    }
    return spec(model, data=_points(), regularizers=penalties, train=train)


def _mlp() -> Spec:
    """A perceptron of (y, t) with weights linear in time; a regression."""
    model = {
        "state": 3,
        "vector_field": {"kind": "mlp", "hidden": [4], "time_input": True},
        "weights": "linear",
        "integrator": "heun",
        "readout": {"kind": "regression", "outputs": 2},
    }
    return spec(model, task="regression")


def _leapfrog() -> Spec:
    """A field of second order, logistic least squares; SGD with Nesterov, steps and clipping."""
    logistic = {"hypothesis": "logistic", "loss": "least-squares"}
    model = {
        "state": 3,
        "vector_field": "second-order",
        "integrator": "leapfrog",
        "readout": CLASSIFIER | logistic,
    }
    optimizer = {"kind": "sgd", "lr": 1e-2, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}
    schedule = {"kind": "step", "every": 2, "factor": 0.5}
    train = {"optimizer": optimizer, "schedule": schedule, "clip": 1.0, "epochs": 10}
    return spec(model, data=_points(), train=train)


def _verlet() -> Spec:
    """Two blocks of different size on data of fewer features, trained by AdamW in batches."""
    model = {
        "state": {"y": 3, "z": 2},
        "vector_field": "hamiltonian",
        "integrator": "verlet",
        "readout": CLASSIFIER,
    }
    train = {
        "optimizer": {"kind": "adamw", "lr": 1e-2, "weight_decay": 0.1},
        "epochs": 4,
        "batch": 5,
    }
    return spec(model, data={"kind": "ellipses", "train": 12, "validation": 0}, train=train)


def _shared() -> Spec:
    """One negative-gram weight for all steps, a scalar bias, no readout."""
    return spec(
        {
            "state": 2,
            "vector_field": {"kind": "layer", "bias": "scalar"},
            "parametrization": "negative-gram",
            "weights": "shared",
            "integrator": "midpoint",
        }
    )


def _functions() -> Spec:
    """Equations of one's own: functions with kinks and tails, a power, a quotient, the time."""
    field = {
        "kind": "custom",
        "weights": {"K": {"shape": ["y", "y"]}, "b": {"shape": ["y"]}},
        "equations": {
            "y": "gelu(K @ y + b) - softplus(30 * y) / 30"
            " + sin(t) * cos(y) / (1 + y ** 2) + abs(K @ y + b) / 2"
        },
    }
    squared = CLASSIFIER | {"loss": "least-squares"}
    return spec({"state": {"y": 3}, "vector_field": field, "readout": squared})


def _energy() -> Spec:
    """A field that is derived from a Hamiltonian."""
    field = {
        "kind": "custom",
        "weights": {"K": {"shape": ["y", "z"]}, "b": {"shape": ["y"]}},
        "hamiltonian": "sum(log(cosh(K @ z + b))) + y.T @ y / 2",
    }
    return spec(
        {
            "state": {"y": 3, "z": 3},
            "vector_field": field,
            "weights": "shared",
            "integrator": "verlet",
            "readout": CLASSIFIER,
        }
    )
