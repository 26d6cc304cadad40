"""How good predictions are: the loss, accuracy for classes, mean squared error for numbers, minus
the mean log-density for densities."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..backends.stepper import Stepper
from ..compiler.pipeline import Compiled
from ..compiler.reference.evidence import log_evidence
from ..compiler.reference.reference import Reference
from ..compiler.semantics.evaluate import evaluate as value_of
from ..data.dataset import Dataset, Split
from ..data.preprocessing import Preprocessing
from ..spec.model import Density
from . import series

CHUNK = 8192  # examples of one forward pass: bounds memory, and is one shape to compile for


@dataclass(frozen=True)
class Score:
    """A measure of logits against targets; metrics have its `train_NAME`, `validation_NAME`."""

    name: str
    of: Callable[[np.ndarray, np.ndarray], float]
    sign: int
    """1 where more is better, else −1."""
    needs_targets: bool = True
    of_rows: bool = False
    """Are outputs compared with the rows themselves, as those of series are?"""


def accuracy(logits: np.ndarray, targets: np.ndarray) -> float:
    """The share of rows whose largest logit is at the class (s,), or at the likeliest (s, k)."""
    classes = targets if targets.ndim == 1 else targets.argmax(axis=1)
    return float(np.mean(logits.argmax(axis=1) == classes))


def mean_squared_error(logits: np.ndarray, targets: np.ndarray) -> float:
    """Mean over rows and outputs of (logits − targets)²."""
    return float(np.mean((logits - targets.reshape(logits.shape)) ** 2))


def negative_log_likelihood(log_p: np.ndarray, targets: np.ndarray | None = None) -> float:
    """−(1/s) Σ log p of the rows, in nats."""
    return -float(np.mean(log_p))


def mean_free_energy(free_energy: np.ndarray, targets: np.ndarray) -> float:
    """(1/s) Σ log q + U of the rows."""
    return float(np.mean(free_energy))


ACCURACY = Score("accuracy", accuracy, 1)
MSE = Score("mse", mean_squared_error, -1)
RMSE = Score("rmse", series.root_mean_square, -1, of_rows=True)
EXTRAPOLATION = "extrapolation_rmse"
NLL = Score("nll", negative_log_likelihood, -1, needs_targets=False)


def score_of(compiled: Compiled, known: Preprocessing) -> Score:
    """The measure of a spec's task, in the units of the data: of x = μ + σ z the density is that of
    z over Π σ. Of a target it is KL(q ‖ p) where ∫ e⁻ᵁ is known, else that but for log ∫ e⁻ᵁ."""
    spec = compiled.spec
    if compiled.problem.is_matched:
        log_Z = log_evidence(compiled.problem)
        if log_Z is None:
            return Score("free_energy", mean_free_energy, -1, needs_targets=False)
        return Score("kl", lambda F, C: mean_free_energy(F, C) + log_Z, -1, needs_targets=False)
    if isinstance(spec.task, Density):
        if known.scaling is None:
            return NLL
        more = float(np.log(known.scaling.deviation).sum())
        return replace(NLL, of=lambda log_p, C: negative_log_likelihood(log_p, C) + more)
    if spec.task.is_of_series:
        deviation = 1.0 if known.scaling is None else known.scaling.deviation
        return replace(RMSE, of=lambda u, values: series.root_mean_square(u, values, deviation))
    if spec.task.kind != "regression":
        return ACCURACY
    if known.target_scaling is None:
        return MSE
    deviation = known.target_scaling.deviation
    return replace(MSE, of=lambda u, C: mean_squared_error(u * deviation, C * deviation))


@dataclass(frozen=True)
class Objective:
    """The loss of a spec from logits (log-densities) that are at hand, in float64 by its own
    formula."""

    compiled: Compiled

    @property
    def is_penalized(self) -> bool:
        """Does it take more than logits: what regularizers along the path add to each row?"""
        return self.compiled.problem.is_penalized

    def __call__(
        self,
        logits: np.ndarray,
        targets: np.ndarray,
        weights: Mapping[str, np.ndarray],
        along: np.ndarray | None = None,
    ) -> float:
        """The mean over the rows, and the regularizers: `along` is what those along the path add,
        row by row."""
        readout = self.compiled.problem.readout
        penalty = Reference(self.compiled.module).regularizer(weights)
        penalty += 0.0 if along is None else float(np.mean(along, dtype=np.float64))
        if self.compiled.problem.is_matched:
            return mean_free_energy(np.asarray(logits, np.float64), targets) + penalty
        if self.compiled.module.is_of_series:
            return series.half_mean_square(logits, targets) + penalty
        if self.compiled.module.is_density:
            return negative_log_likelihood(np.asarray(logits, np.float64), targets) + penalty
        assert readout is not None  # nothing else is trained without one
        C = np.eye(readout.outputs)[targets] if targets.ndim == 1 else targets
        columns = (np.asarray(rows, np.float64).T for rows in (logits, C))
        values = dict(zip((readout.u, readout.C), columns, strict=True))
        return float(np.mean(value_of(readout.loss, values))) + penalty


def evaluate(
    score: Score, objective: Objective, stepper: Stepper, dataset: Dataset
) -> dict[str, float | None]:
    """`train_loss`, `validation_loss` and both scores at the weights held, of series with a later
    part `extrapolation_rmse` too.

    None for a split without rows, and for a number that is not finite.
    """
    splits = {"train": dataset.train, "validation": dataset.validation}
    with np.errstate(over="ignore"):  # data beyond the range of the dtype have no score
        parts = _outputs(stepper, [*splits.values()], score)
        along = _along(stepper, [*splits.values()]) if objective.is_penalized else [None, None]
        beyond = _beyond(stepper, dataset)
    weights = stepper.weights()
    measured = {
        name: measure(score, objective, part, split, weights, of_path)
        for (name, split), part, of_path in zip(splits.items(), parts, along, strict=True)
    }
    what = ("loss", score.name)
    return {f"{name}_{w}": found[w] for w in what for name, found in measured.items()} | beyond


def _outputs(stepper: Stepper, splits: list[Split], score: Score) -> list[np.ndarray]:
    """Of every split."""
    if score.of_rows:
        return [series.outputs(stepper, split) for split in splits]
    return _in_parts(stepper.outputs, splits)


def _along(stepper: Stepper, splits: list[Split]) -> list[np.ndarray]:
    """What regularizers along the path add to each row of every split."""
    return _in_parts(stepper.penalties, splits)


def _in_parts(of_rows: Callable[[np.ndarray], np.ndarray], splits: list[Split]) -> list[np.ndarray]:
    found = in_chunks(of_rows, np.concatenate([split.x for split in splits]))
    return np.split(found, np.cumsum([len(split) for split in splits])[:-1])


def _beyond(stepper: Stepper, dataset: Dataset) -> dict[str, float | None]:
    """The score of what comes after the times of the training, where there is such a part."""
    if dataset.later is None:
        return {}
    found = series.extrapolated(stepper, dataset.measured, dataset.later)
    return {EXTRAPOLATION: series.error_of_later(found, dataset.later.x, deviation_of(dataset))}


def deviation_of(dataset: Dataset) -> np.ndarray | float:
    """Of the channels, where they are standardized."""
    scaling = dataset.preprocessing.scaling
    return 1.0 if scaling is None else scaling.deviation


def measure(
    score: Score,
    objective: Objective,
    logits: np.ndarray,
    examples: Split,
    weights: Mapping[str, np.ndarray],
    along: np.ndarray | None = None,
) -> dict[str, float | None]:
    """Loss and score of logits, with what regularizers along the path add to each row; None
    without rows, and for a number that is not finite."""
    targets, found = examples.targets, dict.fromkeys(("loss", score.name))
    if targets is None and not score.needs_targets:
        targets = np.zeros((len(examples), 0))
    targets = examples.x if score.of_rows else targets
    if len(examples) == 0 or targets is None or not _is_finite(score, logits, targets):
        return found
    with np.errstate(all="ignore"):  # finite logits may have squares that are not
        values = objective(logits, targets, weights, along), score.of(logits, targets)
    return {n: v if math.isfinite(v) else None for n, v in zip(found, values, strict=True)}


def _is_finite(score: Score, outputs: np.ndarray, truth: np.ndarray) -> bool:
    return series.is_finite(outputs, truth) if score.of_rows else bool(np.isfinite(outputs).all())


def in_chunks(forward: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """All rows in one pass where they fit: a pass costs its time steps more than its rows."""
    return np.concatenate([forward(x[i : i + CHUNK]) for i in range(0, len(x), CHUNK)])
