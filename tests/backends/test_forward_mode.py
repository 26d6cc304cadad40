"""Forward mode of both frameworks: the same numbers, and none of torch's compiler."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

import wellposed
from wellposed.backends.framework_model import FrameworkModel

FIELD = "1 - tanh(K @ y) / 2 + 2 / (3 + y ** 2) - (0.5 * y - 1) * sin(t) + b"
"""Every sum and product of a state and a constant, on either side."""
ASKED = """
import sys
import numpy as np
import wellposed
spec = wellposed.load("ellipses-antisymmetric", {"model.time.steps": 2, "dtype": "float64"})
model = wellposed.compile(spec, "torch")
weights = model.init()
model.jvp(weights, [np.ones((1, 2))], weights, np.ones((1, 2)))
print("torch._dynamo" in sys.modules)
"""


def model(backend: str) -> FrameworkModel:
    overrides = {
        "dtype": "float64",
        "regularizers": [],
        "model": {
            "state": 2,
            "vector_field": {
                "kind": "custom",
                "equations": {"y": FIELD},
                "weights": {
                    "K": {"shape": ["y", "y"]},
                    "b": {
                        "shape": ["y"],
                        "trainable": False,
                        "value": [0.5, -0.3],
                        "time": "shared",
                    },
                },
            },
            "time": {"horizon": 1, "steps": 3},
            "integrator": "rk4",
            "readout": {"kind": "classifier", "classes": 2, "hypothesis": "softmax"},
        },
    }
    found = wellposed.compile(wellposed.load("ellipses-antisymmetric", overrides), backend)
    assert isinstance(found, FrameworkModel)
    return found


def test_constants_beside_states_leave_the_derivative_as_it_is():
    random = np.random.default_rng(0)
    torch, jax = model("torch"), model("jax")
    weights = torch.init()
    along = {w.name: random.normal(size=w.shape) * w.trainable for w in torch.module.weights}
    x, dx = random.normal(size=(2, 5, 2))
    found, expected = (m.jvp(weights, [x], along, dx) for m in (torch, jax))
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)


def test_torch_takes_it_without_its_compiler():
    """Whose import takes as long as the rest of a rung."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASKED], capture_output=True, text=True, check=True
    )
    assert run.stdout == "False\n"
