"""How good predictions are: accuracy for classes, mean squared error for numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..backends.stepper import Stepper
from ..data.dataset import Dataset, Split

CHUNK = 8192  # examples of one forward pass: bounds memory, and is one shape to compile for


@dataclass(frozen=True)
class Score:
    """A measure of logits against targets; metrics have its `train_NAME`, `validation_NAME`."""

    name: str
    of: Callable[[np.ndarray, np.ndarray], float]
    sign: int
    """1 where more is better, else −1."""


def accuracy(logits: np.ndarray, targets: np.ndarray) -> float:
    """The share of rows whose largest logit is at the class (s,), or at the likeliest (s, k)."""
    classes = targets if targets.ndim == 1 else targets.argmax(axis=1)
    return float(np.mean(logits.argmax(axis=1) == classes))


def mean_squared_error(logits: np.ndarray, targets: np.ndarray) -> float:
    """Mean over rows and outputs of (logits − targets)²."""
    with np.errstate(over="ignore"):
        return float(np.mean((logits - targets.reshape(logits.shape)) ** 2))


ACCURACY = Score("accuracy", accuracy, 1)
MSE = Score("mse", mean_squared_error, -1)


def evaluate(score: Score, stepper: Stepper, dataset: Dataset) -> dict[str, float | None]:
    """`train_…` and `validation_…` at the weights held.

    None for a split without rows, and for a score that is no finite number.
    """
    splits = {"train": dataset.train, "validation": dataset.validation}
    logits = _logits(stepper, np.concatenate([split.x for split in splits.values()]))
    parts = np.split(logits, [len(dataset.train)])
    return {
        f"{name}_{score.name}": _score(score, part, split)
        for (name, split), part in zip(splits.items(), parts, strict=True)
    }


def _logits(stepper: Stepper, x: np.ndarray) -> np.ndarray:
    """All rows in one pass where they fit: a pass costs its time steps more than its rows."""
    return np.concatenate([stepper.logits(x[i : i + CHUNK]) for i in range(0, len(x), CHUNK)])


def _score(score: Score, logits: np.ndarray, split: Split) -> float | None:
    if len(split) == 0 or split.targets is None or not np.isfinite(logits).all():
        return None
    found = score.of(logits, split.targets)
    return found if math.isfinite(found) else None  # finite logits may have squares that are not
