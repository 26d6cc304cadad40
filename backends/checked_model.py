"""What all models share: arguments are checked, then a function is asked for its value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ..compiler.ir.module import Module, solve_of
from .counting import Counts, Statistics, of_fixed_steps
from .model import (
    Array,
    Targets,
    Weights,
    checked_rows,
    checked_targets,
    checked_time,
    checked_times,
    checked_weights,
)
from .solution import solution


class CheckedModel(ABC):
    """The functions of the Model protocol, of a module in a dtype. Raises ArgumentError for weights
    and data that do not fit."""

    backend: str
    source: str
    module: Module
    dtype: str
    device: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.module.name}, {self.dtype}, {self.device})"

    def forward(self, weights: Weights, x: Array, /) -> Array:
        return self.array("forward", weights, self._rows(x))

    def trajectory(self, weights: Weights, x: Array, /) -> Array:
        return self.array("trajectory", weights, self._rows(x))

    def vector_field(self, weights: Weights, t: float, y: Array, /) -> Array:
        y = checked_rows(y, self.module.signature.size, "y", self.dtype)
        return self.array("vector_field", weights, checked_time(t), y)

    def solve(self, weights: Weights, x: Array, times: Array, /) -> Array:
        return solution(self, weights, self._rows(x), checked_times(times))

    def statistics(self, weights: Weights, x: Array, /) -> Statistics:
        given = self._weights(weights), self._rows(x)
        if solve_of(self.module) is None:
            return of_fixed_steps(self.module)
        return self._count(*given).statistics(self.module.has_loss)

    def loss(self, weights: Weights, x: Array, targets: Targets, /) -> float:
        x = self._rows(x)
        return float(self.array("loss", weights, x, self._targets(targets, x)))

    def gradient(self, weights: Weights, x: Array, targets: Targets, /) -> dict[str, Array]:
        x = self._rows(x)
        given = self._weights(weights), x, self._targets(targets, x)
        return self._gradient(*given) if self.module.trained else {}

    def _weights(self, weights: Weights) -> dict[str, Array]:
        return checked_weights(self.module, weights, self.dtype)

    def _rows(self, x: Array) -> Array:
        return checked_rows(x, self.module.signature.features, "x", self.dtype)

    def _targets(self, targets: Targets, x: Array) -> Array:
        return checked_targets(self.module, targets, len(x), self.dtype)

    @abstractmethod
    def array(self, function: str, weights: Weights, *arguments: Any) -> Array:
        """What a function returns, just as it does; the weights are checked."""

    @abstractmethod
    def _count(self, weights: dict[str, Array], x: Array) -> Counts:
        """What the solves of `forward` take, and those of a gradient."""

    def some_targets(self, rows: int) -> Array:
        """Targets of some kind: how often a field is evaluated is not theirs."""
        k, is_classifier = self.module.signature.outputs, self.module.signature.is_classifier
        return np.zeros(rows, np.int64) if is_classifier else np.zeros((rows, k), self.dtype)

    @abstractmethod
    def _gradient(self, weights: dict[str, Array], x: Array, targets: Array) -> dict[str, Array]:
        """∂ loss / ∂ θ."""
