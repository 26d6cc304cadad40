"""Running the reference as a model: the float64 interpreter behind the same protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..compiler.ir.module import Function, Module
from ..compiler.reference.reference import Reference
from .model import (
    Array,
    Model,
    Targets,
    Weights,
    checked_rows,
    checked_targets,
    checked_time,
    checked_weights,
)
from .optimizers import Rates, Updater, global_norm
from .registry import BackendError
from .stepper import Proposal, Stepper

DTYPE = "float64"


def load(module: Module, source: str, device: str, dtype: str) -> NumpyModel:
    """The reference of a module. It computes in float64 on the CPU, whatever the spec says."""
    if device != "cpu":
        raise BackendError(f"the reference runs on the CPU, not on {device}")
    return NumpyModel(module, source)


class NumpyModel:
    """The reference with its arguments checked as those of the other backends are."""

    backend, device, dtype = "numpy", "cpu", DTYPE

    def __init__(self, module: Module, source: str) -> None:
        self.module, self.source = module, source
        self.reference = Reference(module)

    def init(self, seed: int | None = None) -> dict[str, Array]:
        return self.reference.init(seed)

    def forward(self, weights: Weights, x: Array, /) -> Array:
        return self.reference.forward(self._weights(weights), self._rows(x))

    def trajectory(self, weights: Weights, x: Array, /) -> Array:
        return self.reference.trajectory(self._weights(weights), self._rows(x))

    def vector_field(self, weights: Weights, t: float, y: Array, /) -> Array:
        y = checked_rows(y, self.module.signature.size, "y", DTYPE)
        return self.reference.vector_field(self._weights(weights), checked_time(t), y)

    def regularizer(self, weights: Weights, /) -> float:
        return float(self.reference.regularizer(self._weights(weights)))

    def loss(self, weights: Weights, x: Array, targets: Targets, /) -> float:
        x = self._rows(x)
        return float(self.reference.loss(self._weights(weights), x, self._targets(targets, x)))

    def gradient(self, weights: Weights, x: Array, targets: Targets, /) -> dict[str, Array]:
        x = self._rows(x)
        return self.reference.gradient(self._weights(weights), x, self._targets(targets, x))

    def offers(self, function: Function) -> bool:
        return True

    def called(self, function: Function, weights: Weights, args: Sequence[Array]) -> list[Array]:
        return self.reference.run(function.name, weights, *args)

    def pulled(
        self, function: Function, weights: Weights, args: Sequence[Array], bars: Sequence[Array]
    ) -> tuple[list[Array], dict[str, Array]]:
        return self.reference.pulled(function, weights, args, bars)

    def stepper(self, updater: Updater, x: Array, targets: Targets, /) -> NumpyStepper:
        return NumpyStepper(self, updater, x, targets)

    def _weights(self, weights: Weights) -> dict[str, Array]:
        return checked_weights(self.module, weights, DTYPE)

    def _rows(self, x: Array) -> Array:
        return checked_rows(x, self.module.signature.features, "x", DTYPE)

    def _targets(self, targets: Targets, x: Array) -> Array:
        return checked_targets(self.module, targets, len(x), DTYPE)


class NumpyStepper(Stepper):
    """Steps of a model that takes and gives NumPy arrays."""

    def __init__(self, model: Model, updater: Updater, x: np.ndarray, targets: Targets) -> None:
        super().__init__(updater)
        self.model, self.x, self.targets = model, x, targets

    def propose(self, rows: np.ndarray, rates: Rates) -> Proposal:
        batch = self.x[rows], None if self.targets is None else self.targets[rows]
        with np.errstate(all="ignore"):  # what overflows is reported as divergence, with its place
            loss = self.model.loss(self.held, *batch)
            gradient = self.model.gradient(self.held, *batch)
            norm = global_norm(gradient)
            updated = self.updater.apply(gradient, norm, self.moments, self.held, rates)
        return Proposal(loss, norm, *updated)

    def updated(
        self, gradient: dict[str, np.ndarray], rates: Rates
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        return self.updater.apply(gradient, global_norm(gradient), self.moments, self.held, rates)

    def put(self, array: np.ndarray) -> np.ndarray:
        return np.array(array, self.model.dtype)

    def get(self, array: np.ndarray) -> np.ndarray:
        return np.asarray(array)

    def logits(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return self.model.forward(self.held, x)

    def loss(self, x: np.ndarray, targets: Targets) -> float:
        with np.errstate(all="ignore"):
            return self.model.loss(self.held, x, targets)
