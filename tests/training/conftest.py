"""A model small enough to know by heart, in NumPy: what training is tested with.

It also lets the tests of this folder import `specs` from above them: importlib mode does not.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from wellposed.backends.model import Weights
from wellposed.backends.optimizers import Updater
from wellposed.backends.run_numpy import NumpyStepper
from wellposed.data.dataset import Dataset, Split
from wellposed.data.preprocessing import Preprocessing
from wellposed.spec.model import Spec

sys.path.insert(0, str(Path(__file__).parents[1]))
STEPS = 4


class Tiny:
    """y_{j+1} = (1 + g) y_j, j = 0..3; logits y_4 W + mu; softmax cross-entropy + α/2 ‖W‖²."""

    backend = "numpy"
    device = "cpu"
    dtype = "float64"
    source = "y = (1 + g) y"
    module: Any = SimpleNamespace(
        weights=(), is_density=False, is_of_series=False, chance=None, base_rows=0
    )
    alpha = 1e-3

    def init(self, seed: int | None = None) -> dict[str, np.ndarray]:
        random = np.random.default_rng(seed)
        return {"g": np.array(0.1), "W": 0.1 * random.normal(size=(2, 3)), "mu": np.zeros(3)}

    def trajectory(self, w: Weights, x: np.ndarray) -> np.ndarray:
        return np.array([(1 + w["g"]) ** j * x for j in range(STEPS + 1)])

    def solve(self, w: Weights, x: np.ndarray, times: np.ndarray) -> np.ndarray:
        return self.trajectory(w, x)[times.astype(int)]

    def statistics(
        self, w: Weights, x: np.ndarray, times: np.ndarray | None = None
    ) -> dict[str, int]:
        return {"nfe": STEPS, "nfe_backward": STEPS, "accepted": STEPS, "rejected": 0}

    def vector_field(self, w: Weights, t: float, y: np.ndarray) -> np.ndarray:
        return w["g"] * y

    def forward(
        self, w: Weights, x: np.ndarray, times: np.ndarray | None = None, draw: int = 0
    ) -> np.ndarray:
        return self.trajectory(w, x)[-1] @ w["W"] + w["mu"]

    def regularizer(self, w: Weights) -> float:
        return float(self.alpha / 2 * np.sum(w["W"] ** 2))

    def loss(self, w: Weights, x: np.ndarray, targets: Any = None, draw: int = 0) -> float:
        logits = self.forward(w, x)
        logits = logits - logits.max(axis=1, keepdims=True)
        chosen = logits[np.arange(len(x)), targets]
        data = np.mean(np.log(np.exp(logits).sum(axis=1)) - chosen)
        return float(data) + self.regularizer(w)

    def gradient(
        self, w: Weights, x: np.ndarray, targets: Any = None, draw: int = 0
    ) -> dict[str, np.ndarray]:
        y = self.trajectory(w, x)[-1]
        logits = y @ w["W"] + w["mu"]
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        d = (p / p.sum(axis=1, keepdims=True) - np.eye(3)[targets]) / len(x)
        dy = d @ w["W"].T
        growth = STEPS * (1 + w["g"]) ** (STEPS - 1)
        return {
            "g": np.sum(dy * growth * x),
            "W": y.T @ d + self.alpha * w["W"],
            "mu": d.sum(axis=0),
        }

    def stepper(self, updater: Updater, x: np.ndarray, targets: Any) -> NumpyStepper:
        return NumpyStepper(cast(Any, self), updater, x, targets)


def make_spec(**train: Any) -> Spec:
    """A spec whose `train` node has these keys."""
    settings = {"optimizer": {"kind": "adam", "lr": 0.05}, "epochs": 6, "batch": 7, **train}
    return Spec.model_validate(
        {
            "wellposed": 1,
            "name": "tiny-net",
            "seed": 3,
            "dtype": "float64",
            "model": {
                "state": 2,
                "vector_field": "layer",
                "time": {"horizon": 1, "steps": STEPS},
                "readout": {"kind": "classifier", "classes": 3},
            },
            "train": settings,
        }
    )


@pytest.fixture
def model() -> Tiny:
    return Tiny()


@pytest.fixture
def dataset() -> Dataset:
    """Three clouds of points around the corners of a triangle: 45 + 15."""
    random = np.random.default_rng(0)
    classes = np.arange(60) % 3
    corners = np.array([[0.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    x = corners[classes] + 0.3 * random.normal(size=(60, 2))
    parts = Split(x[:45], classes[:45]), Split(x[45:], classes[45:])
    return Dataset(*parts, Preprocessing(("x1", "x2"), ("0", "1", "2")))
