"""`evaluate` and `predict`: what the weights of a run are good for."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import api
from ..backends.optimizers import updater
from ..compiler.pipeline import Compiled
from ..compiler.semantics.evaluate import evaluate as value_of
from ..data.loading import read_features
from ..data.preprocessing import Preprocessing
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
    folder: Path, backend: str | None, device: str | None, which: str = "last"
) -> Evaluation:
    """Loss (with its regularizers) and accuracy, or mean squared error, of both splits."""
    run, problem = api.open_learning(folder)
    model = api.model_of_run(run, problem, backend, device)
    dataset = problem.dataset
    assert problem.spec.train is not None and dataset is not None
    stepper = model.stepper(updater(problem.spec.train), dataset.train.x, dataset.train.targets)
    stepper.load(api.weights_of(run, problem.module, which))
    measured = scores.score_of(problem.spec), scores.Objective(problem)
    found = scores.evaluate(*measured, stepper, dataset)
    epoch = run.weights(which).epoch
    at = api.last_epoch(run.metrics()) if epoch is None else epoch
    return Evaluation(str(folder), model.backend, model.device, at, found)


def predict(
    folder: Path, data: Path, backend: str | None, device: str | None, which: str = "last"
) -> str:
    """The predictions for the rows of a file, as csv with a header.

    Features are read by the names, and scaled by the numbers, of the training data. Raises
    SpecError for the file.
    """
    run, problem = api.open_problem(folder)
    text = str(data)
    where = Span(COMMAND_LINE, 1, 1, 1, len(text) + 1, text)
    weights = api.weights_of(run, problem.module, which)
    known = run.preprocessing or _known(problem)
    x = read_features(data, problem.spec.data, known, where)
    model = api.model_of_run(run, problem, backend, device)
    starts = range(0, len(x), CHUNK)
    logits = np.concatenate([model.forward(weights, x[i : i + CHUNK]) for i in starts])
    if not np.isfinite(logits).all():
        row = int(np.argmin(np.isfinite(logits).all(axis=1)))
        raise CallError(f"{data}: the network's output for row {row + 1} is not finite")
    readout = problem.problem.readout
    assert readout is not None
    values = value_of(readout.hypothesis, {readout.u: logits.T.astype(np.float64)}).T
    if problem.spec.task.kind == "regression":
        count = values.shape[1]
        names = known.targets or [f"value_{k + 1}" for k in range(count)]
        return _csv(names, values.tolist())
    return _classes(values, known.classes)


def _known(problem: Compiled) -> Preprocessing:
    """Of a run that an older version began, from its data."""
    assert problem.dataset is not None
    return problem.dataset.preprocessing


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
