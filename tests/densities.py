"""Small specs of densities: every shape that a flow has."""

from __future__ import annotations

from typing import Any

from wellposed.spec.model import Spec

Plain = dict[str, Any]

SHARED, STEPS, LINEAR = (
    {"horizon": 1, "steps": 4, "weights": weights} for weights in ("shared", "per-step", "linear")
)
MLP: Plain = {"state": 2, "vector_field": {"kind": "mlp", "hidden": [5], "time_input": True}}
DEEP: Plain = {"state": 3, "vector_field": {"kind": "mlp", "hidden": [4, 4, 4]}}
BLOCKS: Plain = {
    "state": {"y": 1, "z": 2},
    "vector_field": {
        "kind": "custom",
        "weights": {"K": {"shape": ["y", "z"]}, "a": {"shape": ["z"]}},
        "equations": {"y": "tanh(K @ z) - sin(y)", "z": "K.T @ y + tanh(a * z) * z[0] + t"},
    },
}
PLANAR: Plain = {
    "state": 2,
    "vector_field": {
        "kind": "custom",
        "weights": {"u": {"shape": ["y"]}, "w": {"shape": ["y"]}, "b": {"shape": []}},
        "equations": {"y": "u * tanh(sum(w * y) + b)"},
    },
    "integrator": "euler",
    "divergence": "log-det",
}
RING = {"kind": "density", "target": "potential-1", "samples": 8}

DENSITIES: dict[str, Plain] = {
    "density": {"model": {**MLP, "time": SHARED, "divergence": "closed-form"}},
    "density-exact": {"model": {**DEEP, "time": STEPS}},
    "density-blocks": {"model": {**BLOCKS, "time": LINEAR, "integrator": "heun"}},
    "density-hutchinson": {
        "model": {
            **MLP,
            "time": STEPS,
            "integrator": "euler",
            "divergence": {"kind": "hutchinson", "probes": 3},
        },
    },
    "density-solve": {"model": {**MLP, "time": {"horizon": 1}, "integrator": "dopri5"}},
    "density-jumps": {
        "model": {
            **BLOCKS,
            "time": LINEAR,
            "integrator": "dopri5",
            "divergence": {"kind": "hutchinson", "law": "rademacher"},
        },
    },
    "density-penalized": {
        "model": {
            **DEEP,
            "time": STEPS,
            "integrator": "heun",
            "divergence": {"kind": "hutchinson", "probes": 2},
        },
        "regularizers": [
            {"kind": "kinetic-energy", "alpha": 0.1},
            {
                "kind": "jacobian-frobenius",
                "alpha": 0.2,
                "estimate": {"kind": "hutchinson", "probes": 2},
            },
        ],
    },
    "density-target": {"model": {**MLP, "time": LINEAR, "integrator": "euler"}, "task": RING},
    "density-discrete": {"model": {**PLANAR, "time": STEPS}},
    "density-planar": {"model": {**PLANAR, "time": STEPS}, "task": RING},
}
"""Specs by name, by rk4 where nothing else is said."""


def density(name: str, **changes: Any) -> Spec:
    """The spec of that name, in float64 where nothing else is said; `model` changes its model."""
    plain = {"task": "density", **DENSITIES[name], **changes}
    model = {"integrator": "rk4", **DENSITIES[name]["model"], **changes.get("model", {})}
    head = {"wellposed": 1, "name": name, "seed": 2, "dtype": "float64"}
    return Spec.model_validate({**head, **plain, "model": model})
