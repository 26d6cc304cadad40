"""Steppers: the run-time half of training, which holds weights and optimizer state on the device.

What every backend shares stands here (the count, the rates, when a step counts); a backend supplies
how a gradient is taken and how arrays travel.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compiler.ir.module import Module
from ..compiler.reference.chance import base, probes
from ..compiler.reference.observations import observations
from .optimizers import COUNT, Array, Rates, Updater

NumpyArrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Step:
    """What an update saw before it changed the weights: loss, and ‖gradient‖ before clipping."""

    loss: float
    gradient_norm: float

    @property
    def finite(self) -> bool:
        """Whether both numbers are finite."""
        return math.isfinite(self.loss) and math.isfinite(self.gradient_norm)


@dataclass(frozen=True)
class Proposal:
    """An update that is computed, still on the device, and not yet accepted."""

    loss: Array
    gradient_norm: Array
    weights: dict[str, Array]
    moments: dict[str, Array]


def trained(module: Module, weights: NumpyArrays) -> dict[str, np.ndarray]:
    """The weights that an optimizer changes."""
    fixed = {w.name for w in module.weights if not w.trainable}
    return {name: weight for name, weight in weights.items() if name not in fixed}


class Stepper(ABC):
    """Takes optimizer steps on one set of examples.

    A subclass has `propose`, `updated`, `put`, `get`, `outputs` and `loss`; it must not change
    `self.held` or `self.moments` in place, so that a step that is not finite leaves no trace.
    """

    def __init__(
        self, updater: Updater, module: Module, x: np.ndarray, targets: np.ndarray | None
    ) -> None:
        self.updater, self.module = updater, module
        self.series = None
        if module.is_of_series:
            assert targets is not None  # their times
            self.series = observations(module, x, targets)
        self.count = 0
        self.held: dict[str, Array] = {}
        self.moments: dict[str, Array] = {}
        self._before = self.count, self.held, self.moments

    @abstractmethod
    def propose(self, rows: np.ndarray, rates: Rates) -> Proposal:
        """The update from the examples with these indices: loss, `global_norm`, `Updater.apply`."""

    @abstractmethod
    def updated(
        self, gradient: dict[str, Array], rates: Rates
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """(weights, moments) after the update from a gradient on the device."""

    @abstractmethod
    def put(self, array: np.ndarray) -> Array:
        """The array on the device, in the program's dtype."""

    @abstractmethod
    def get(self, array: Array) -> np.ndarray:
        """The array as NumPy's, a copy or never changed again."""

    @abstractmethod
    def outputs(self, x: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
        """The network's logits (s, k) at the weights held, what a density has of rows (s,), or the
        predictions (s, L, c) at the times of series."""

    def observed(self, rows: np.ndarray) -> list[np.ndarray]:
        """Values, times and grid of some of the series, in float64."""
        assert self.series is not None
        return self.series.rows(self.module, rows).arguments("float64")

    def predicted(
        self, values: np.ndarray, times: np.ndarray, forward: Callable[..., np.ndarray]
    ) -> np.ndarray:
        """The predictions of a program's `forward` for series that are given as to a model."""
        given = observations(self.module, values, times)
        found = forward(*map(self.put, given.arguments("float64")))
        return given.given_back(found, times)

    @abstractmethod
    def penalties(self, x: np.ndarray) -> np.ndarray:
        """What regularizers along the path add to the loss (s,), where there are some."""

    @property
    def draw(self) -> int:
        """What the next update leaves to chance: that of its number."""
        return self.count + 1

    def rows_of(self, rows: np.ndarray) -> np.ndarray | None:
        """Rows of the base, drawn for this update; None where the loss is of rows of the data."""
        if not self.module.base_rows:
            return None
        return base(self.module, len(rows), self.module.seed, str(self.draw))

    def probes(self, function: str, rows: int, draw: int) -> list[np.ndarray]:
        """The random vectors that a function takes for so many rows, in float64."""
        return probes(self.module, function, rows, draw)

    def load(self, weights: NumpyArrays, state: Mapping[str, Any] | None = None) -> None:
        """Take these weights and this optimizer state; without one, its initial state."""
        if state is None:
            state = self.updater.init(trained(self.module, weights))
        self.count = int(state[COUNT])
        self.held = {name: self.put(weight) for name, weight in weights.items()}
        self.moments = {name: self.put(m) for name, m in state.items() if name != COUNT}

    def step(self, rows: np.ndarray, lr: float) -> Step:
        """One update; where the loss or the gradient is not finite, weights and state stay."""
        proposal = self.propose(rows, self.updater.rates(self.count + 1, lr))
        step = Step(float(proposal.loss), float(proposal.gradient_norm))
        if step.finite:
            self._before = self.count, self.held, self.moments
            self.count += 1
            self.held, self.moments = proposal.weights, proposal.moments
        return step

    def undo(self) -> None:
        """Take back the last update that was accepted: what it made may not be finite."""
        self.count, self.held, self.moments = self._before

    def update(self, gradient: NumpyArrays, lr: float) -> None:
        """One update from a gradient that comes from elsewhere: the optimizer on its own."""
        on_device = {name: self.put(g) for name, g in gradient.items()}
        self.held, self.moments = self.updated(on_device, self.updater.rates(self.count + 1, lr))
        self.count += 1

    def weights(self) -> dict[str, np.ndarray]:
        """The weights held, as NumPy arrays."""
        return {name: self.get(weight) for name, weight in self.held.items()}

    def state(self) -> dict[str, np.ndarray]:
        """The optimizer state as NumPy arrays: `m/K`, …, and `count`."""
        moments = {name: self.get(moment) for name, moment in self.moments.items()}
        return {**moments, COUNT: np.array(self.count, np.int64)}
