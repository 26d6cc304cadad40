"""How good predictions are: the loss, accuracy for classes, mean squared error for numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..backends.stepper import Stepper
from ..compiler.pipeline import Compiled
from ..compiler.reference.reference import Reference
from ..compiler.semantics.evaluate import evaluate as value_of
from ..data.dataset import Dataset, Split
from ..spec.model import Spec

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
    return float(np.mean((logits - targets.reshape(logits.shape)) ** 2))


ACCURACY = Score("accuracy", accuracy, 1)
MSE = Score("mse", mean_squared_error, -1)


def score_of(spec: Spec) -> Score:
    """The measure of a spec's task."""
    return MSE if spec.task.kind == "regression" else ACCURACY


@dataclass(frozen=True)
class Objective:
    """The loss of a spec from logits that are at hand, in float64 by its own formula."""

    compiled: Compiled

    def __call__(
        self, logits: np.ndarray, targets: np.ndarray, weights: Mapping[str, np.ndarray]
    ) -> float:
        """The mean over the rows, and the regularizers."""
        readout = self.compiled.problem.readout
        assert readout is not None  # nothing is trained without a loss
        C = np.eye(readout.outputs)[targets] if targets.ndim == 1 else targets
        columns = (np.asarray(rows, np.float64).T for rows in (logits, C))
        values = dict(zip((readout.u, readout.C), columns, strict=True))
        penalty = Reference(self.compiled.module).regularizer(weights)
        return float(np.mean(value_of(readout.loss, values))) + penalty


def evaluate(
    score: Score, objective: Objective, stepper: Stepper, dataset: Dataset
) -> dict[str, float | None]:
    """`train_loss`, `validation_loss` and both scores at the weights held.

    None for a split without rows, and for a number that is not finite.
    """
    splits = {"train": dataset.train, "validation": dataset.validation}
    logits = _logits(stepper, np.concatenate([split.x for split in splits.values()]))
    parts = np.split(logits, [len(dataset.train)])
    weights = stepper.weights()

    def loss(logits: np.ndarray, targets: np.ndarray) -> float:
        return objective(logits, targets, weights)

    return {
        f"{name}_{what}": _measured(of, part, split)
        for what, of in (("loss", loss), (score.name, score.of))
        for (name, split), part in zip(splits.items(), parts, strict=True)
    }


def _logits(stepper: Stepper, x: np.ndarray) -> np.ndarray:
    """All rows in one pass where they fit: a pass costs its time steps more than its rows."""
    with np.errstate(over="ignore"):  # data beyond the range of the dtype have no score
        return np.concatenate([stepper.logits(x[i : i + CHUNK]) for i in range(0, len(x), CHUNK)])


def _measured(
    of: Callable[[np.ndarray, np.ndarray], float], logits: np.ndarray, split: Split
) -> float | None:
    if len(split) == 0 or split.targets is None or not np.isfinite(logits).all():
        return None
    with np.errstate(all="ignore"):  # finite logits may have squares that are not
        found = of(logits, split.targets)
    return found if math.isfinite(found) else None
