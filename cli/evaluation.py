"""`evaluate` and `predict`: what the weights of a run are good for."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import api
from ..backends.optimizers import updater
from ..backends.stepper import Stepper
from ..backends.threads import on_threads, threads_for
from ..compiler.semantics.evaluate import evaluate as value_of
from ..data.dataset import Dataset, Split
from ..data.loading import read_features
from ..spec.diagnostics import COMMAND_LINE, Span
from ..training import scores
from .errors import CallError

CHUNK = scores.CHUNK


@dataclass(frozen=True)
class Evaluation:
    """Scores by the names they have in the metrics; None for a split without rows."""

    run: str
    backend: str
    device: str
    epoch: int
    scores: dict[str, float | None]

    def to_json(self) -> dict[str, Any]:
        facts = {"run": self.run, "backend": self.backend, "device": self.device}
        return {**facts, "epoch": self.epoch, **self.scores}


def evaluate(
    folder: Path, backend: str | None, device: str | None, threads: int | None = None
) -> Evaluation:
    """Loss (with its regularizers) and accuracy, or mean squared error, of both splits."""
    run, problem = api.open_problem(folder)
    model = api.model_of_run(run, problem, backend, device)
    assert problem.spec.train is not None
    train = problem.dataset.train
    stepper = model.stepper(updater(problem.spec.train), train.x, train.targets)
    stepper.load(api.weights_of(run, problem.module))
    is_regression = problem.spec.task.kind == "regression"
    score = scores.MSE if is_regression else scores.ACCURACY
    with on_threads(model, threads_for(model, len(train), threads)):
        found = _losses(stepper, problem.dataset)
        found |= scores.evaluate(score, stepper, problem.dataset)
    return Evaluation(
        str(folder), model.backend, model.device, api.last_epoch(run.metrics()), found
    )


def _losses(stepper: Stepper, dataset: Dataset) -> dict[str, float | None]:
    parts = {"train": dataset.train, "validation": dataset.validation}
    return {f"{name}_loss": _loss(stepper, split) for name, split in parts.items()}


def _loss(stepper: Stepper, split: Split) -> float | None:
    if len(split) == 0:
        return None
    loss = stepper.loss(split.x, split.targets)
    return loss if math.isfinite(loss) else None


def predict(
    folder: Path,
    data: Path,
    backend: str | None,
    device: str | None,
    threads: int | None = None,
) -> str:
    """The predictions for the rows of a file, as csv with a header.

    Features are read by the names, and scaled by the numbers, of the training data. Raises
    SpecError for the file.
    """
    run, problem = api.open_problem(folder)
    text = str(data)
    where = Span(COMMAND_LINE, 1, 1, 1, len(text) + 1, text)
    dataset, node = problem.dataset, problem.spec.data
    assert node is not None
    x = read_features(data, node, dataset.feature_names, dataset.scaling, where)
    model = api.model_of_run(run, problem, backend, device)
    weights = api.weights_of(run, problem.module)
    starts = range(0, len(x), CHUNK)
    with on_threads(model, threads_for(model, min(len(x), CHUNK), threads)):
        logits = np.concatenate([model.forward(weights, x[i : i + CHUNK]) for i in starts])
    if not np.isfinite(logits).all():
        row = int(np.argmin(np.isfinite(logits).all(axis=1)))
        raise CallError(f"{data}: the network's output for row {row + 1} is not finite")
    readout = problem.compiled.problem.readout
    assert readout is not None
    values = value_of(readout.hypothesis, {readout.u: logits.T.astype(np.float64)}).T
    if problem.spec.task.kind == "regression":
        return _csv([f"value_{k + 1}" for k in range(values.shape[1])], values.tolist())
    return _classes(values, dataset.class_names)


def _classes(probabilities: np.ndarray, names: tuple[str, ...] | None) -> str:
    """The likeliest class and the probability of every one."""
    count = probabilities.shape[1]
    known = [*(names or ()), *map(str, range(len(names or ()), count))]
    chosen = probabilities.argmax(axis=1)
    rows = [[known[k], *row] for k, row in zip(chosen, probabilities.tolist(), strict=True)]
    return _csv(["class", *(f"p_{name}" for name in known)], rows)


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([f"{v:.9g}" if isinstance(v, float) else v for v in row] for row in rows)
    return text.getvalue()
