"""What the weights of a run are good for: evaluations and predictions."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import api, forecasts
from .backends.model import Flow, Model, Penalized
from .backends.optimizers import updater
from .backends.threads import on_threads, threads_for
from .compiler.pipeline import Compiled
from .compiler.semantics.evaluate import evaluate as value_of
from .data.dataset import Split
from .data.files import read_examples, read_features
from .data.observations import Observed, read_observations
from .data.preprocessing import Preprocessing
from .spec.data import Csv, Npz
from .spec.diagnostics import COMMAND_LINE, Diagnostic, Span, SpecError, quote
from .training import scores
from .training.checkpoint import RunError
from .training.run import Run


@dataclass(frozen=True)
class Using:
    """With what a run is used: another backend, device or number of threads than by default, its
    `last` weights or the `best`."""

    backend: str | None = None
    device: str | None = None
    weights: str = "last"
    threads: int | None = None


@dataclass(frozen=True)
class Evaluation:
    """Scores by the names they have in the metrics, of a file by `loss` and that of its score; None
    for a split without rows."""

    run: str
    backend: str
    device: str
    epoch: int
    scores: dict[str, float | None]
    file: str = ""
    examples: int = 0
    """Of the file."""

    def to_json(self) -> dict[str, Any]:
        facts = {"run": self.run, "backend": self.backend, "device": self.device}
        of_file = {"file": self.file, "examples": self.examples} if self.file else {}
        return {**facts, "epoch": self.epoch, **of_file, **self.scores}


def evaluate(folder: Path, using: Using) -> Evaluation:
    """Loss (with its regularizers) and accuracy, or mean squared error, of both splits."""
    run, problem = api.open_learning(folder)
    model = api.model_of_run(run, problem, using.backend, using.device)
    dataset = problem.dataset
    assert problem.spec.train is not None and dataset is not None
    stepper = model.stepper(updater(problem.spec.train), dataset.train.x, dataset.train.targets)
    stepper.load(api.weights_of(run, problem.module, using.weights))
    score = scores.score_of(problem, dataset.preprocessing)
    with on_threads(model, threads_for(model, len(dataset.train), using.threads)):
        found = scores.evaluate(score, scores.Objective(problem), stepper, dataset)
        if score.of_rows:
            found |= forecasts.of_run(score, stepper, dataset, found)
    epoch = api.epoch_of(run, using.weights)
    if not score.needs_targets:  # a density has one figure: of what it was not trained on, if any
        held_out = found[f"validation_{score.name}"]
        found[score.name] = found[f"train_{score.name}"] if held_out is None else held_out
    return Evaluation(str(folder), model.backend, model.device, epoch, found)


def evaluate_file(folder: Path, data: Path, using: Using) -> Evaluation:
    """The same of a file like that of the spec: with its columns, labels or targets.

    Raises SpecError for the file, RunError where the spec names no column to compare with.
    """
    run, problem = api.open_problem(folder)
    node, known = problem.spec.data, known_of(run, problem)
    is_density = problem.module.is_density
    if problem.module.is_of_series:
        return _evaluate_series(run, problem, data, using)
    if not is_density and not isinstance(node, Csv | Npz):
        kind = "the spec" if node is None else node.kind
        raise RunError(f"{data}: {kind} names no column of labels that a file could have")
    examples = (
        Split(read_features(data, node, known, _where(data)), None)
        if is_density or not isinstance(node, Csv | Npz)
        else read_examples(data, node, known, problem.spec.dtype, _where(data))
    )
    weights = api.weights_of(run, problem.module, using.weights)
    model = api.model_of_run(run, problem, using.backend, using.device)
    logits = _outputs(model, weights, examples.x, using)
    if problem.problem.is_matched:  # its kl is of rows of the base
        nll = scores.negative_log_likelihood(logits)
        found: dict[str, float | None] = {scores.NLL.name: nll if math.isfinite(nll) else None}
    else:
        score = scores.score_of(problem, known)
        along = _along_path(model, weights, examples.x, using)
        objective = scores.Objective(problem)
        found = scores.measure(score, objective, logits, examples, weights, along)
    ran = str(folder), model.backend, model.device, api.epoch_of(run, using.weights)
    return Evaluation(*ran, found, str(data), len(examples))


def _evaluate_series(run: Run, problem: Compiled, data: Path, using: Using) -> Evaluation:
    """Loss and root mean squared error of the series in a file like that of the spec."""
    known = known_of(run, problem)
    observed = _observed(problem, known, data)
    values, times = observed.split.x, np.asarray(observed.split.targets)
    weights = api.weights_of(run, problem.module, using.weights)
    model = api.model_of_run(run, problem, using.backend, using.device)
    with on_threads(model, threads_for(model, min(len(values), scores.CHUNK), using.threads)):
        predicted = model.forward(weights, values, times)
    score = scores.score_of(problem, known)
    objective = scores.Objective(problem)
    found = scores.measure(score, objective, predicted, observed.split, weights)
    ran = str(run.folder), model.backend, model.device, api.epoch_of(run, using.weights)
    return Evaluation(*ran, found, str(data), len(values))


def _observed(problem: Compiled, known: Preprocessing, data: Path) -> Observed:
    """The series of a file, each with an observation to start from. SpecError for the file."""
    spec, where = problem.spec, _where(data)
    observed = read_observations(data, spec.data, known, spec.dtype, where)
    is_whole = np.any(np.all(np.isfinite(observed.split.x), axis=2), axis=1)
    if not np.all(is_whole):
        name = quote(observed.ids[int(is_whole.argmin())])
        message = f"series {name} has no observation of all channels to start from"
        raise SpecError(Diagnostic("E415", message, where))
    return observed


def predict(folder: Path, data: Path, using: Using) -> str:
    """The predictions for the rows of a file, as csv with a header; of series the states at all
    times of the file.

    Features are read by the names, and scaled by the numbers, of the training data. Raises
    SpecError for the file.
    """
    run, problem = api.open_problem(folder)
    known = known_of(run, problem)
    if problem.module.is_of_series:
        model = api.model_of_run(run, problem, using.backend, using.device)
        weights = api.weights_of(run, problem.module, using.weights)
        observed = _observed(problem, known, data)
        return forecasts.states_as_csv(problem, model, known, weights, observed)
    x = read_features(data, problem.spec.data, known, _where(data))
    values = predictions(run, problem, x, using)
    if problem.module.is_density:
        return _csv(["log_density"], values[:, None].tolist())
    if problem.spec.task.kind == "regression":
        return _csv(known.targets or (), values.tolist())
    return _classes(values, known.classes)


def predictions(run: Run, problem: Compiled, x: np.ndarray, using: Using) -> np.ndarray:
    """What a run makes of features (s, d) as its network takes them: probabilities of the classes
    (s, classes), values (s, k) in the units of the data, or log-densities (s,) of the data as they
    are given. RunError for what is not finite."""
    weights, known = api.weights_of(run, problem.module, using.weights), known_of(run, problem)
    model = api.model_of_run(run, problem, using.backend, using.device)
    logits = _outputs(model, weights, x, using)
    if not np.isfinite(logits).all():
        row = int(np.argmin(np.isfinite(logits.reshape(len(logits), -1)).all(axis=1)))
        raise RunError(f"the network's output for row {row + 1} is not finite")
    if problem.module.is_density:
        return logits if known.scaling is None else logits - np.log(known.scaling.deviation).sum()
    readout = problem.problem.readout
    assert readout is not None
    values = value_of(readout.hypothesis, {readout.u: logits.T.astype(np.float64)}).T
    return values if known.target_scaling is None else known.target_scaling.undone(values)


def sample(folder: Path, count: int, seed: int, using: Using) -> np.ndarray:
    """Rows (count, d) of a run's density, in the units of the data; the same in every backend, for
    the same seed. RunError for a run of another task, and for what is not finite."""
    run, problem = api.open_problem(folder)
    return drawn(run, problem, count, seed, using)


def drawn(run: Run, problem: Compiled, count: int, seed: int, using: Using) -> np.ndarray:
    """The rows of `sample`, of a run that is open."""
    if not problem.module.is_density:
        raise RunError(f"{run.folder}: only a run of task: density has samples")
    weights = api.weights_of(run, problem.module, using.weights)
    model = api.model_of_run(run, problem, using.backend, using.device)
    assert isinstance(model, Flow)
    with on_threads(model, threads_for(model, min(count, scores.CHUNK), using.threads)):
        rows = model.sample(weights, count, seed)
    if not np.isfinite(rows).all():
        raise RunError(f"{run.folder}: a sample of this density is not finite")
    known = known_of(run, problem)
    return rows if known.scaling is None else known.scaling.undone(rows)


def _outputs(
    model: Model, weights: Mapping[str, np.ndarray], x: np.ndarray, using: Using
) -> np.ndarray:
    chosen = threads_for(model, min(len(x), scores.CHUNK), using.threads)
    with on_threads(model, chosen):
        if isinstance(model, Flow) and model.module.is_density:
            return scores.in_chunks(lambda rows: model.log_density(weights, rows), x)
        return scores.in_chunks(lambda rows: model.forward(weights, rows), x)


def _along_path(
    model: Model, weights: Mapping[str, np.ndarray], x: np.ndarray, using: Using
) -> np.ndarray | None:
    """What regularizers along the path add to the loss of every row, if there are some."""
    if not (isinstance(model, Penalized) and model.module.is_penalized):
        return None
    with on_threads(model, threads_for(model, min(len(x), scores.CHUNK), using.threads)):
        return scores.in_chunks(lambda rows: model.path_penalty(weights, rows), x)


def _where(data: Path) -> Span:
    """The place of the file on the command line."""
    text = str(data)
    return Span(COMMAND_LINE, 1, 1, 1, len(text) + 1, text)


def known_of(run: Run, problem: Compiled) -> Preprocessing:
    """What the network knows of its data; of a run that an older version began, from these."""
    if run.preprocessing is not None:
        return run.preprocessing
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
