"""Small specs of adaptive networks: every shape that a solve has."""

from __future__ import annotations

from typing import Any

from wellposed.spec.model import Spec

Plain = dict[str, Any]

CLASSIFIER = {"kind": "classifier", "classes": 2}
TANH = {"kind": "layer", "activation": "tanh"}
BLOCKS: Plain = {
    "state": {"y": 2, "z": 3},
    "vector_field": {
        "kind": "custom",
        "weights": {"K": {"shape": ["y", "z"]}},
        "equations": {"y": "tanh(K @ z)", "z": "-K.T @ y + sin(t)"},
    },
}
MLP: Plain = {"state": 3, "vector_field": {"kind": "mlp", "hidden": [4], "time_input": True}}

FLOWS: dict[str, Plain] = {
    # one solve of [0, T]
    "flow": {"state": 3, "vector_field": TANH},
    # a stacked state, and a field that depends on time
    "flow-blocks": BLOCKS | {"time": {"horizon": 2, "steps": 4, "weights": "shared"}},
    # a solve for each weight
    "flow-steps": {"state": 3, "vector_field": TANH, "time": {"horizon": 2, "steps": 3}},
    # weights between two nodes, of which a parametrization makes others
    "flow-linear": {
        **MLP,
        "time": {"horizon": 2, "steps": 2, "weights": "linear"},
    },
    "flow-gram": {
        "state": 3,
        "vector_field": TANH,
        "parametrization": "negative-gram",
        "time": {"horizon": 2, "steps": 2, "weights": "linear"},
    },
    # matrices that a network of time makes, as in continuous normalizing flows
    "flow-adjoint": {
        "state": 3,
        "vector_field": {"kind": "planar-mixture", "width": 2, "hidden": [4]},
        "gradient": "adjoint",
    },
    "flow-penalized": {**MLP, "time": {"horizon": 1}},
    "flow-tsit5": {
        "state": 3,
        "vector_field": TANH,
        "integrator": {"kind": "tsit5", "first_step": 0.1, "min_step": 1e-6},
    },
}
"""Models by name, with dopri5 where nothing else is said."""


PENALTIES: dict[str, list[Plain]] = {
    "flow-penalized": [
        {"kind": "kinetic-energy", "alpha": 0.1},
        {"kind": "jacobian-frobenius", "alpha": 0.2, "estimate": "hutchinson"},
    ]
}
"""Their regularizers, of those that have some."""


def flow(name: str, **changes: Any) -> Spec:
    """The spec of that name, in float64 where nothing else is said; `model` changes its model."""
    time = {"horizon": 2}
    model = {"time": time, "integrator": "dopri5", "readout": CLASSIFIER, **FLOWS[name]}
    model |= changes.pop("model", {})
    head = {"wellposed": 1, "name": name, "seed": 2, "dtype": "float64"}
    head |= {"regularizers": PENALTIES.get(name, [])}
    return Spec.model_validate({**head, **changes, "model": model})
