"""What training asks of a model: a part of the Model protocol of the backends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from ..backends.optimizers import Updater
from ..backends.stepper import Stepper

Weights = Mapping[str, np.ndarray]
Targets = np.ndarray | None


class Trainable(Protocol):
    """A loaded program: NumPy in, NumPy out; x is (s, d), targets (s,) or (s, k)."""

    @property
    def backend(self) -> str:
        """`torch`, `jax` or `numpy`."""
        ...

    @property
    def device(self) -> str:
        """Where it runs, as in `cpu` or `cuda`."""
        ...

    @property
    def source(self) -> str:
        """The text of the program."""
        ...

    def init(self, seed: int) -> dict[str, np.ndarray]: ...

    def forward(self, weights: Weights, x: np.ndarray, /) -> np.ndarray: ...

    def trajectory(self, weights: Weights, x: np.ndarray, /) -> np.ndarray: ...

    def regularizer(self, weights: Weights, /) -> float: ...

    def loss(self, weights: Weights, x: np.ndarray, targets: Targets, /) -> float: ...

    def gradient(
        self, weights: Weights, x: np.ndarray, targets: Targets, /
    ) -> dict[str, np.ndarray]: ...

    def stepper(self, updater: Updater, x: np.ndarray, targets: Targets, /) -> Stepper: ...
