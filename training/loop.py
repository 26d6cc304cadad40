"""Epochs: batches, steps, metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ..backends.stepper import Step, Stepper
from ..data.dataset import Dataset
from ..data.rng import batches, drawn
from ..spec.training import Train
from .checkpoint import nothing_taken
from .run import Row
from .schedules import Clock, learning_rate
from .scores import Objective, Score, evaluate

STEPS = 100
"""Of an epoch without data, where the spec does not say."""
KEEP_EVERY = 60.0
"""Seconds of an epoch after which its updates are kept: no kill costs more."""

Keep = Callable[[np.ndarray], None]


@dataclass(frozen=True)
class Update:
    """Update `number` (from 1) of an epoch: its rows, its learning rate, and what it saw."""

    epoch: int
    number: int
    rows: np.ndarray
    lr: float
    step: Step

    @property
    def taken(self) -> tuple[float, float, float]:
        """Examples, loss, gradient norm."""
        return len(self.rows), self.step.loss, self.step.gradient_norm


class NotFinite(Exception):
    """An update whose loss or gradient is not finite, or the weights that it makes."""

    def __init__(self, update: Update) -> None:
        super().__init__(f"epoch {update.epoch}, step {update.number}: not finite")
        self.update = update


def per_epoch(train: Train, size: int, is_drawn: bool) -> int:
    """Updates of one epoch of so many examples, or of rows that each of them draws."""
    if is_drawn:
        return train.steps or STEPS
    return 1 if train.batch is None else math.ceil(size / train.batch)


def rows_of(
    train: Train, seed: int, number: int, size: int, is_drawn: bool
) -> Iterator[np.ndarray]:
    """The rows of the updates of epoch `number`."""
    if is_drawn:
        return drawn(per_epoch(train, size, is_drawn), size)
    return batches(seed, number, size, train.batch)


@dataclass(frozen=True)
class Loop:
    """The epochs of one training. Epoch e depends on the stepper, the seed and e alone."""

    train: Train
    seed: int
    stepper: Stepper
    dataset: Dataset
    score: Score
    objective: Objective
    counted: Callable[[], Row] = dict
    """How often an adaptive solver evaluates the field, at the weights of the stepper."""

    @property
    def per_epoch(self) -> int:
        """Updates of one epoch."""
        return per_epoch(self.train, len(self.dataset.train), self.is_drawn)

    @property
    def is_drawn(self) -> bool:
        """Does every step draw rows of its own?"""
        return bool(self.stepper.module.base_rows)

    def epoch(self, number: int, taken: np.ndarray | None = None, keep: Keep | None = None) -> Row:
        """Train epoch `number` (1, 2, …) after the updates `taken` of it, and measure it.

        `keep` is given the updates taken every KEEP_EVERY seconds. `loss` and `gradient_norm` are
        means over the examples of what the steps saw, before each update; `lr` is that of the last
        update; `train_…` and `validation_…` are of the weights at the end, and so are `nfe` and
        `nfe_backward`; `seconds` are those of this call.
        NotFinite where an update is not, with the stepper as it was before that update.
        """
        start = time.perf_counter()
        seen = self._updates(number, nothing_taken() if taken is None else taken, keep)
        scores = evaluate(self.score, self.objective, self.stepper, self.dataset)
        sizes, losses, norms = seen.T
        shares = sizes / sizes.sum()  # finite losses have a finite mean, but maybe no finite sum
        return {
            "epoch": number,
            "loss": float(losses @ shares),
            **scores,
            **self.counted(),
            "gradient_norm": float(norms @ shares),
            "lr": self._rate(number, self.per_epoch - 1),
            "seconds": round(time.perf_counter() - start, 6),
        }

    def _updates(self, number: int, taken: np.ndarray, keep: Keep | None) -> np.ndarray:
        """What all updates of the epoch saw; the weights after them are finite."""
        seen, kept, update = [*taken], time.monotonic(), None
        for update in self._steps(number, len(taken)):
            seen.append(update.taken)
            if keep is not None and time.monotonic() - kept >= KEEP_EVERY:
                self._require_finite_weights(update)
                keep(np.array(seen))
                kept = time.monotonic()
        if update is not None:
            self._require_finite_weights(update)
        return np.array(seen)

    def _steps(self, number: int, done: int) -> Iterator[Update]:
        """The updates of an epoch that come after the first `done`."""
        before: Update | None = None
        of_epoch = rows_of(self.train, self.seed, number, len(self.dataset.train), self.is_drawn)
        for i, rows in islice(enumerate(of_epoch), done, None):
            lr = self._rate(number, i)
            update = Update(number, i + 1, rows, lr, self.stepper.step(rows, lr))
            if not update.step.finite:
                if before is not None:
                    self._require_finite_weights(before)
                raise NotFinite(update)
            yield update
            before = update

    def _rate(self, number: int, i: int) -> float:
        """The learning rate of update i (0, 1, …) of an epoch."""
        clock = Clock((number - 1) * self.per_epoch + i, self.per_epoch, self.train.epochs)
        return learning_rate(self.train, clock)

    def _require_finite_weights(self, update: Update) -> None:
        """An update may overflow where loss and gradient are finite: take it back."""
        if not all_finite(self.stepper.weights()):
            self.stepper.undo()
            raise NotFinite(update)


def all_finite(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether every entry is finite."""
    return all(bool(np.isfinite(array).all()) for array in arrays.values())
