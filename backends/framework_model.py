"""What the models of both frameworks share: arguments are checked, arrays travel, values return."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ..compiler.ir.program import Program
from .load import load_module
from .model import Array, Targets, Weights, checked_rows, checked_targets, checked_weights


class FrameworkModel(ABC):
    """A loaded program; `native` is its module. A backend supplies `_call` and `_gradient`."""

    backend: str

    def __init__(self, program: Program, source: str, device: str, dtype: str) -> None:
        self.program, self.source, self.device, self.dtype = program, source, device, dtype
        self.native = load_module(source, f"{program.module_name}_{self.backend}")

    def init(self, seed: int | None = None) -> dict[str, Array]:
        return self.native.init() if seed is None else self.native.init(seed)

    def forward(self, weights: Weights, x: Array, /) -> Array:
        return self.array("forward", weights, self._rows(x))

    def trajectory(self, weights: Weights, x: Array, /) -> Array:
        return self.array("trajectory", weights, self._rows(x))

    def vector_field(self, weights: Weights, t: float, y: Array, /) -> Array:
        y = checked_rows(y, self.program.size, "y", self.dtype)
        return self.array("vector_field", weights, float(t), y)

    def regularizer(self, weights: Weights, /) -> float:
        if not self.program.penalties:
            return 0.0
        return float(self.array("regularizer", weights))

    def loss(self, weights: Weights, x: Array, targets: Targets, /) -> float:
        x = self._rows(x)
        return float(self.array("loss", weights, x, self._targets(targets, x)))

    def gradient(self, weights: Weights, x: Array, targets: Targets, /) -> dict[str, Array]:
        x = self._rows(x)
        return self._gradient(self._weights(weights), x, self._targets(targets, x))

    def array(self, function: str, weights: Weights, *arguments: Any) -> Array:
        """What a function of the program returns, just as it does."""
        return np.asarray(self._call(function, self._weights(weights), *arguments))

    def _weights(self, weights: Weights) -> dict[str, Array]:
        return checked_weights(self.program, weights, self.dtype)

    def _rows(self, x: Array) -> Array:
        return checked_rows(x, self.program.features, "x", self.dtype)

    def _targets(self, targets: Targets, x: Array) -> Array:
        return checked_targets(self.program, targets, len(x), self.dtype)

    @abstractmethod
    def _call(self, function: str, weights: dict[str, Array], *arguments: Any) -> Array:
        """A function of the program on NumPy arguments."""

    @abstractmethod
    def _gradient(self, weights: dict[str, Array], x: Array, targets: Array) -> dict[str, Array]:
        """The framework's gradient of the program's loss."""
