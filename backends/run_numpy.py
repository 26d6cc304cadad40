"""Running the reference as a model: the float64 interpreter behind the same protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..compiler.ir.module import Function, Module
from ..compiler.reference.reference import Reference
from ..compiler.semantics.solved import counted
from .checked_model import CheckedModel
from .counting import Counts
from .model import Array, Flow, Model, Penalized, Targets, Weights, checked_seed
from .optimizers import Rates, Updater, global_norm
from .registry import BackendError
from .stepper import Proposal, Stepper

DTYPE = "float64"


def load(module: Module, source: str, device: str, dtype: str) -> NumpyModel:
    """The reference of a module. It computes in float64 on the CPU, whatever the spec says."""
    if device != "cpu":
        raise BackendError(f"the reference runs on the CPU, not on {device}")
    return NumpyModel(module, source)


class NumpyModel(CheckedModel):
    """The reference with its arguments checked as those of the other backends are."""

    backend, device, dtype = "numpy", "cpu", DTYPE

    def __init__(self, module: Module, source: str) -> None:
        self.module, self.source = module, source
        self.reference = Reference(module)

    def init(self, seed: int | None = None) -> dict[str, Array]:
        return self.reference.init(checked_seed(seed))

    def regularizer(self, weights: Weights, /) -> float:
        return float(self.reference.regularizer(self._weights(weights)))

    def array(self, function: str, weights: Weights, *arguments: Any) -> Array:
        return np.asarray(getattr(self.reference, function)(self._weights(weights), *arguments))

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

    def _count(self, weights: dict[str, Array], given: list[Array]) -> Counts:
        """Of its own solves, which are finer than any tolerance of a spec."""
        with counted() as there:
            self.reference.forward(weights, *given[: self.forward_count])
        with counted() as back:
            if self.module.has_loss:
                self.reference.gradient(weights, *given)
        backward = back.evaluations - there.evaluations
        return Counts(there.evaluations, backward, there.accepted, there.rejected)

    def _gradient(self, weights: dict[str, Array], *given: Array) -> dict[str, Array]:
        return self.reference.gradient(weights, *given)


class NumpyStepper(Stepper):
    """Steps of a model that takes and gives NumPy arrays."""

    def __init__(self, model: Model, updater: Updater, x: np.ndarray, targets: Targets) -> None:
        super().__init__(updater, model.module, x, targets)
        self.model, self.x, self.targets = model, x, targets

    def propose(self, rows: np.ndarray, rates: Rates) -> Proposal:
        drawn = self.rows_of(rows)
        x = self.x[rows] if drawn is None else drawn
        batch = x, None if self.targets is None else self.targets[rows]
        with np.errstate(all="ignore"):  # what overflows is reported as divergence, with its place
            loss = self.model.loss(self.held, *batch, draw=self.draw)
            gradient = self.model.gradient(self.held, *batch, draw=self.draw)
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

    def outputs(self, x: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
        with np.errstate(all="ignore"):
            if isinstance(self.model, Flow) and self.module.is_density:
                return self.model.of_rows(self.held, x)
            return self.model.forward(self.held, x, times)

    def penalties(self, x: np.ndarray) -> np.ndarray:
        assert isinstance(self.model, Penalized)
        with np.errstate(all="ignore"):
            return self.model.path_penalty(self.held, x)
