"""Epochs: batches, steps, metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..backends.stepper import Step, Stepper
from ..data.dataset import Dataset
from ..data.streams import batches
from ..spec.training import Train
from .run import Row
from .schedules import Clock, learning_rate
from .scores import Score, evaluate


class NotFinite(Exception):
    """A step (from 1, within its epoch) on these rows whose loss or gradient is not finite."""

    def __init__(self, epoch: int, step: int, rows: np.ndarray) -> None:
        super().__init__(f"epoch {epoch}, step {step}: not finite")
        self.epoch, self.step, self.rows = epoch, step, rows


@dataclass(frozen=True)
class Loop:
    """The epochs of one training. Epoch e depends on the stepper, the seed and e alone."""

    train: Train
    seed: int
    stepper: Stepper
    dataset: Dataset
    score: Score

    @property
    def per_epoch(self) -> int:
        """Updates of one epoch."""
        size = len(self.dataset.train)
        return 1 if self.train.batch is None else math.ceil(size / self.train.batch)

    def epoch(self, number: int) -> Row:
        """Train epoch `number` (1, 2, …) and measure it; NotFinite where a step is not.

        `loss` and `gradient_norm` are means over the examples of what the steps saw, before each
        update; `lr` is that of the last update; the scores are those of the weights at the end.
        """
        start = time.perf_counter()
        taken = list(self._steps(number))
        self._require_finite_weights(number)
        sizes = [size for size, _, _ in taken]
        scores = evaluate(self.score, self.stepper, self.dataset)
        return {
            "epoch": number,
            "loss": float(np.average([step.loss for _, step, _ in taken], weights=sizes)),
            **scores,
            "gradient_norm": float(
                np.average([s.gradient_norm for _, s, _ in taken], weights=sizes)
            ),
            "lr": taken[-1][2],
            "seconds": round(time.perf_counter() - start, 6),
        }

    def _steps(self, number: int) -> Iterator[tuple[int, Step, float]]:
        """(examples, step, learning rate) of every update."""
        size, per_epoch = len(self.dataset.train), self.per_epoch
        for i, rows in enumerate(batches(self.seed, number, size, self.train.batch)):
            clock = Clock((number - 1) * per_epoch + i, per_epoch, self.train.epochs)
            lr = learning_rate(self.train, clock)
            step = self.stepper.step(rows, lr)
            if not step.finite:
                raise NotFinite(number, i + 1, rows)
            yield len(rows), step, lr

    def _require_finite_weights(self, number: int) -> None:
        """The last update of an epoch may overflow with no further step to notice it."""
        if not all_finite(self.stepper.weights()):
            raise NotFinite(number, self.per_epoch, np.arange(1))


def all_finite(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether every entry is finite."""
    return all(bool(np.isfinite(array).all()) for array in arrays.values())
