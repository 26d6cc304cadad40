"""What all models share: arguments are checked, then a function is asked for its value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..compiler.ir.module import Module, solve_of
from ..compiler.reference.chance import base, loss_arguments, over_horizon, probes
from ..compiler.reference.observations import observations
from ..compiler.reference.reference import Reference
from ..compiler.reference.undo import NotInvertible, undone
from .counting import Counts, Statistics, of_fixed_steps
from .model import (
    ArgumentError,
    Array,
    Targets,
    Weights,
    checked_draw,
    checked_rows,
    checked_seed,
    checked_series,
    checked_targets,
    checked_time,
    checked_times,
    checked_weights,
)
from .solution import solution

MOST_ROWS = 8192
"""Of a sample that is drawn at once, which bounds memory."""


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

    def forward(
        self, weights: Weights, x: Array, times: Array | None = None, /, draw: int = 0
    ) -> Array:
        if self.module.is_of_series:
            return self._predicted(weights, *checked_series(self.module, x, times))
        if self.module.undone == "reverse_step":
            return self._undone(weights, self._rows(x)).astype(self.dtype)
        return self.array("forward", weights, self._rows(x))

    def log_density(self, weights: Weights, x: Array, /, draw: int = 0) -> Array:
        x = self._rows(x)
        if self.module.undone == "reverse_step":
            return self._by_undoing(weights, x)
        return self._of_flow("log_density", weights, x, *self._probes("log_density", x, draw))

    def of_rows(self, weights: Weights, x: Array, /, draw: int = 0) -> Array:
        x = self._rows(x)
        name = self.module.of_rows
        return self._of_flow(name, weights, x, *self._probes(name, x, draw))

    def path_penalty(self, weights: Weights, x: Array, /, draw: int = 0) -> Array:
        """What regularizers along the path add to the loss, row by row: (s,)."""
        if not self.module.is_penalized:
            raise ArgumentError("this network has no regularizer along the path")
        x = self._rows(x)
        return self.array("path_penalty", weights, x, *self._probes("path_penalty", x, draw))

    def divergence(self, weights: Weights, t: float, y: Array, /, draw: int = 0) -> Array:
        y = checked_rows(y, self.module.signature.size, "y", self.dtype)
        drawn = self._probes("divergence", y, draw)
        return self._of_flow("divergence", weights, checked_time(t), y, *drawn)

    def sample(self, weights: Weights, count: int, seed: int, /) -> Array:
        if not isinstance(count, int | np.integer) or count < 1:
            raise ArgumentError(f"a sample has at least one row, not {count!r}")
        rows = base(self.module, int(count), checked_seed(seed) or 0).astype(self.dtype)
        if self.module.undone == "step":
            return self._undone(weights, rows).astype(self.dtype)
        parts = np.split(rows, range(MOST_ROWS, len(rows), MOST_ROWS))
        return np.concatenate([self._of_flow("sample", weights, part) for part in parts])

    def _predicted(self, weights: Weights, values: Array, times: Array) -> Array:
        """What is observed at the times of series, NaN before the start of each."""
        given = observations(self.module, values, times)
        found = self.array("forward", weights, *given.arguments(self.dtype))
        return given.given_back(found, times)

    def _by_undoing(self, weights: Weights, x: Array) -> Array:
        """log q of rows of a discrete flow that goes from the base to them."""
        z = self._undone(weights, x)
        reference = Reference(self.module)
        *_, change = reference.run("density_state_of_base", self._weights(weights), z)
        normalizer = z.shape[1] / 2 * np.log(2 * np.pi)
        return (change[0] - (z**2).sum(axis=1) / 2 - normalizer).astype(self.dtype)

    def _undone(self, weights: Weights, x: Array) -> Array:
        try:
            return undone(self.module, self._weights(weights), x)
        except NotInvertible as error:
            raise ArgumentError(str(error)) from None

    def _of_flow(self, function: str, weights: Weights, *arguments: Any) -> Array:
        if not self.module.is_density:
            raise ArgumentError(f"this network is no flow: {function} is of task: density")
        return self.array(function, weights, *arguments)

    def _probes(self, function: str, rows: Array, draw: int) -> list[Array]:
        return self._in_dtype(probes(self.module, function, len(rows), checked_draw(draw)))

    def _in_dtype(self, arrays: Iterable[Array]) -> list[Array]:
        return [a.astype(self.dtype) if a.dtype.kind == "f" else a for a in arrays]

    def trajectory(self, weights: Weights, x: Array, /) -> Array:
        return self.array("trajectory", weights, self._rows(x))

    def vector_field(self, weights: Weights, t: float, y: Array, /) -> Array:
        y = checked_rows(y, self.module.signature.size, "y", self.dtype)
        return self.array("vector_field", weights, checked_time(t), y)

    def solve(self, weights: Weights, x: Array, times: Array, /) -> Array:
        return solution(self, weights, self._rows(x), checked_times(times))

    def statistics(self, weights: Weights, x: Array, times: Array | None = None, /) -> Statistics:
        held = self._weights(weights)
        given = self._all_given(x, times)
        if solve_of(self.module) is None:
            steps = len(given[2]) - 1 if self.module.is_of_series else self.module.steps
            return of_fixed_steps(self.module, steps)
        return self._count(held, given).statistics(self.module.has_loss)

    def loss(self, weights: Weights, x: Array, targets: Targets = None, /, draw: int = 0) -> float:
        return float(self.array("loss", weights, *self.loss_arguments(x, targets, draw)))

    def gradient(
        self, weights: Weights, x: Array, targets: Targets = None, /, draw: int = 0
    ) -> dict[str, Array]:
        given = self._weights(weights), *self.loss_arguments(x, targets, draw)
        return self._gradient(*given) if self.module.trained else {}

    def loss_arguments(self, x: Array, targets: Targets, draw: int) -> list[Array]:
        """What the loss takes besides the weights: rows with targets, or with random vectors."""
        if self.module.is_of_series:
            values, times = checked_series(self.module, x, targets)
            return self._in_dtype(loss_arguments(self.module, values, times, checked_draw(draw)))
        x = self._rows(x)
        checked = checked_targets(self.module, targets, len(x), self.dtype)
        return self._in_dtype(loss_arguments(self.module, x, checked, checked_draw(draw)))

    def _weights(self, weights: Weights) -> dict[str, Array]:
        return checked_weights(self.module, weights, self.dtype)

    def _rows(self, x: Array) -> Array:
        return checked_rows(x, self.module.signature.features, "x", self.dtype)

    @abstractmethod
    def array(self, function: str, weights: Weights, *arguments: Any) -> Array:
        """What a function returns, just as it does; the weights are checked."""

    @abstractmethod
    def _count(self, weights: dict[str, Array], given: list[Array]) -> Counts:
        """What the solves of `forward` take, and those of a gradient of the loss that is given
        this; the first so many of it are what `forward` takes."""

    @property
    def forward_count(self) -> int:
        """How many arguments `forward` takes."""
        return len(self.module.functions["forward"].params)

    def _all_given(self, x: Array, times: Array | None) -> list[Array]:
        """What a loss takes; of series by themselves, or of paths over [0, T] from rows x."""
        if not self.module.is_of_series:
            return self._with_some_targets(self._rows(x))
        if times is None:
            return self._in_dtype(over_horizon(self.module, self._rows(x)))
        return self._in_dtype(loss_arguments(self.module, *checked_series(self.module, x, times)))

    def _with_some_targets(self, x: Array) -> list[Array]:
        """What a loss takes, with targets of some kind: how often a field is evaluated is not
        theirs."""
        if self.module.is_density:
            return [x, *self._probes("loss", x, 0)]
        rows, k = len(x), self.module.signature.outputs
        is_classifier = self.module.signature.is_classifier
        targets = np.zeros(rows, np.int64) if is_classifier else np.zeros((rows, k), self.dtype)
        return [x, targets, *self._probes("loss", x, 0)]

    @abstractmethod
    def _gradient(self, weights: dict[str, Array], *given: Array) -> dict[str, Array]:
        """∂ loss / ∂ θ, of what the loss is given."""
