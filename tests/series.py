"""Small specs of dynamics, every shape that a path through observations has, and series."""

from __future__ import annotations

from typing import Any

import numpy as np

from wellposed.spec.model import Spec

Plain = dict[str, Any]
Array = np.ndarray

STEPS: Plain = {"horizon": 2, "steps": 10}
DRIVEN: Plain = {
    "kind": "custom",
    "weights": {"K": {"shape": ["y", "y"]}, "b": {"shape": ["y"]}},
    "equations": {"y": "tanh(K @ y + b) * cos(2 * t) - 0.3 * y"},
}
"""A field that is another one at another time of the day."""
PENDULUM: Plain = {
    "kind": "custom",
    "weights": {"w2": {"shape": [], "value": 1.3}},
    "hamiltonian": "sum(p ** 2) / 2 - w2 * sum(cos(q)) + 0.2 * sum(q) * sin(t)",
}
COUPLED: Plain = {
    "kind": "custom",
    "weights": {"K": {"shape": ["y", "z"]}, "a": {"shape": ["z"]}},
    "equations": {"y": "tanh(K @ z) - sin(y)", "z": "K.T @ y + tanh(a * z) * z[0]"},
}
DECAY: Plain = {"kind": "weight-decay", "of": ["K"], "alpha": 0.1}

SERIES: dict[str, Plain] = {
    # the state itself is observed
    "series": {"state": 2, "vector_field": {"kind": "layer", "activation": "tanh"}},
    # two of three components, at times that the field knows of
    "series-time": {"state": 3, "vector_field": DRIVEN, "observe": "[y[0], y[1] / 2]"},
    # two blocks that move in turn, both observed
    "series-blocks": {
        "state": {"q": 1, "p": 1},
        "vector_field": PENDULUM,
        "integrator": {"kind": "verlet", "form": "kick-drift-kick"},
    },
    # what is observed is no component, and the start is learned
    "series-observed": {
        "state": {"y": 2, "z": 2},
        "lift": "linear",
        "vector_field": COUPLED,
        "observe": "[y[0] * z[1], sum(y)]",
    },
    # one solve at all times
    "series-solve": {
        "state": 3,
        "vector_field": {"kind": "mlp", "hidden": [4], "time_input": True},
        "integrator": "dopri5",
        "observe": "[y[0] + y[2], y[1]]",
    },
    # blocks in one stacked state, their cotangents solved back from time to time to a learned start
    "series-adjoint": {
        "state": {"y": 1, "z": 2},
        "lift": "linear",
        "vector_field": COUPLED,
        "integrator": "dopri5",
        "gradient": "adjoint",
    },
}
"""Models by name, by rk4 where nothing else is said."""


def series(name: str, **changes: Any) -> Spec:
    """The spec of that name, in float64 where nothing else is said; `model` changes its model."""
    given = SERIES[name]
    adaptive = given.get("integrator") == "dopri5"
    model = {"time": {"horizon": 2} if adaptive else STEPS, "integrator": "rk4", **given}
    model |= changes.pop("model", {})
    has_decay = "K" in str(model["vector_field"]) or model["vector_field"]["kind"] == "layer"
    head = {"wellposed": 1, "name": name, "seed": 2, "dtype": "float64", "task": "dynamics"}
    head["regularizers"] = [DECAY] if has_decay else []
    return Spec.model_validate({**head, **changes, "model": model})


def observed(channels: int, seed: int = 4, rows: int = 5, length: int = 7) -> tuple[Array, Array]:
    """Values (s, L, c) at times (s, L) of their own: some are missing, series 1 starts at its third
    observation, series 2 ends early."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, length, channels))
    values[random.random(values.shape) < 0.2] = np.nan
    values[:, 0] = random.normal(size=(rows, channels))
    values[1, :2, 0], values[1, 2] = np.nan, random.normal(size=channels)
    values[1, 1, -1] = 0.7  # what was observed before there is a start
    times = np.cumsum(random.uniform(0.05, 0.4, (rows, length)), axis=1) + random.normal(
        size=(rows, 1)
    )
    values[2, -2:], times[2, -2:] = np.nan, np.nan
    return values, times
