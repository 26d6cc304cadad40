"""`train`: a spec, a model and data in; a run folder and a Result out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.model import Model
from ..backends.optimizers import Updater, updater
from ..backends.stepper import Stepper, trained
from ..backends.threads import Threaded
from ..compiler.ir.module import Module
from ..compiler.pipeline import Compiled
from ..data.dataset import Dataset
from ..spec.model import Density, Spec
from ..spec.training import Train
from .checkpoint import Checkpoint, RunError, Tensors, nothing_taken
from .diagnosis import diagnose
from .divergence import Divergence
from .environment import environment
from .lock import locked
from .loop import Loop, NotFinite, all_finite
from .origin import Origin, origin_of_spec
from .progress import Progress
from .results import Result, Status
from .run import RESULT, Row, Run, create_run, open_run
from .scores import Objective, Score, score_of
from .signals import Endings, Terminated
from .table import best_epoch


def train(
    compiled: Compiled,
    model: Model,
    dataset: Dataset,
    out: str | Path,
    *,
    progress: Progress,
    origin: Origin | None = None,
    stop_after: int | None = None,
    resume: bool = False,
    extend: bool = False,
    opening: str = "",
) -> Result:
    """Train the model of a compiled spec on the data and keep everything in the folder `out`.

    `origin` is the spec as it was given (default: the spec itself as YAML); `stop_after` ends this
    call after so many epochs, as an interruption would; `resume` goes on with the run in `out`, in
    any backend, and `extend` gives it the epochs of the spec; `opening` is what progress says
    first. A keyboard interrupt leaves the last checkpoint. RunError where the folder, the spec or
    the data do not allow it, or another process trains there.
    """
    spec = compiled.problem.spec
    rule = _checked_rule(spec, dataset, stop_after)
    weights = model.init(spec.seed)
    if resume:
        run = _reopen(spec, dataset, Path(out), extend)
    else:
        given = origin or origin_of_spec(spec)
        run = _begin(spec, dataset, model, Path(out), weights, rule, given)
    endings = Endings()
    with locked(run.folder), endings.taken():
        score = score_of(compiled, dataset.preprocessing)
        start, rows = _go_on(run, model.module, weights, rule, score)
        run = run.extended(spec, start) if extend else run
        if opening:
            progress.opening(opening)
        session = _Session(compiled, model, dataset, rule, run, start, rows, endings)
        return session.go(progress, stop_after)


def _checked_rule(spec: Spec, dataset: Dataset, stop_after: int | None) -> Updater:
    if spec.train is None:
        raise RunError("the spec has no `train`: there is nothing to train")
    if dataset.train.targets is None and not isinstance(spec.task, Density):
        raise RunError("the data have no labels and no targets: there is nothing to learn from")
    if stop_after is not None and stop_after < 1:
        raise RunError(f"a training stops after at least one epoch, not after {stop_after}")
    return updater(spec.train)


def _begin(
    spec: Spec,
    dataset: Dataset,
    model: Model,
    out: Path,
    weights: Tensors,
    rule: Updater,
    origin: Origin,
) -> Run:
    state = {
        name: np.asarray(part) for name, part in rule.init(trained(model.module, weights)).items()
    }
    start = Checkpoint(0, weights, state, origin.digest)
    facts: dict[str, Any] = {"name": spec.name, "backend": model.backend, "device": model.device}
    if isinstance(model, Threaded):
        facts["threads"] = model.threads
    return create_run(out, spec, dataset, origin, start, facts)


def _reopen(spec: Spec, dataset: Dataset, out: Path, extend: bool) -> Run:
    run = open_run(out)
    if not extend:
        run.check(spec)
    run.check_data(spec)
    return replace(run, preprocessing=dataset.preprocessing)


def _go_on(
    run: Run, module: Module, weights: Tensors, rule: Updater, score: Score
) -> tuple[Checkpoint, list[Row]]:
    """Where the run stands, with what a kill left over taken away."""
    checkpoint = run.checkpoint()
    state = rule.init(trained(module, weights))
    for have, want in ((checkpoint.weights, weights), (checkpoint.state, state)):
        if _shapes(have) != _shapes(want):
            raise RunError(f"the checkpoint in {run.folder} is not of this network")
    rows = run.rewind(checkpoint)
    best, is_whole = best_epoch(rows, score), not len(checkpoint.taken)
    if best is not None and best["epoch"] == checkpoint.epoch and is_whole:
        run.export(checkpoint.weights, checkpoint.epoch, "best")  # a kill may have come before
    return checkpoint, rows


def _shapes(arrays: Tensors) -> dict[str, tuple[int, ...]]:
    return {name: np.shape(array) for name, array in arrays.items()}


@dataclass
class _Session:
    """One call of `train`: `last` is the last checkpoint, `rows` the metrics up to it."""

    compiled: Compiled
    model: Model
    dataset: Dataset
    rule: Updater
    run: Run
    last: Checkpoint
    rows: list[Row]
    endings: Endings
    divergence: Divergence | None = None
    best: Row | None = field(init=False)

    def __post_init__(self) -> None:
        self.best = best_epoch(self.rows, self.score)

    @property
    def spec(self) -> Spec:
        return self.compiled.problem.spec

    @cached_property
    def score(self) -> Score:
        return score_of(self.compiled, self.dataset.preprocessing)

    @property
    def settings(self) -> Train:
        assert self.spec.train is not None  # `train` has refused a spec without
        return self.spec.train

    def go(self, progress: Progress, stop_after: int | None) -> Result:
        """Train the epochs that are left, `stop_after` at most, and record how it ended."""
        epochs, done = self.settings.epochs, self.last.epoch
        until = epochs if stop_after is None else min(epochs, done + stop_after)
        with progress.of(done, epochs):
            status = self._epochs(range(done + 1, until + 1), progress)
        result = Result(
            status,
            self.run.folder,
            self.last.epoch,
            epochs,
            self.rows,
            self.last.weights,
            self.divergence,
            self.best,
            begun=done,
        )
        self.run.record(RESULT, result.to_json())
        return result

    def _epochs(self, numbers: range, progress: Progress) -> Status:
        try:
            if numbers:
                self._enter()
                loop = self._loop()
            for number in numbers:
                row = loop.epoch(number, self.last.taken, partial(self._keep_within, loop.stepper))
                self._keep(row, loop.stepper)
                progress.epoch(row)
        except NotFinite as stop:
            self._diverge(stop, loop.stepper)
            return "diverged"
        except Terminated:
            return "terminated"
        except KeyboardInterrupt:
            return "interrupted"
        return "finished" if self.last.epoch == self.settings.epochs else "stopped"

    def _enter(self) -> None:
        name, backend = self.spec.name.replace("-", "_"), self.model.backend
        suffix = "txt" if backend == "numpy" else "py"
        self.run.enter(environment(self.model), (f"{name}_{backend}.{suffix}", self.model.source))

    def _loop(self) -> Loop:
        examples = self.dataset.train
        stepper = self.model.stepper(self.rule, examples.x, examples.targets)
        stepper.load(self.last.weights, self.last.state)
        measured = self.score, Objective(self.compiled)
        counted = partial(self._counted, stepper) if self.compiled.problem.is_adaptive else dict
        return Loop(self.settings, self.spec.seed, stepper, self.dataset, *measured, counted)

    def _counted(self, stepper: Stepper) -> Row:
        """Evaluations of the field for the first examples, as many as a batch has."""
        first = self.dataset.train.first(self.settings.batch)
        times = first.targets if self.model.module.is_of_series else None
        found = self.model.statistics(stepper.weights(), first.x, times)
        return {name: found[name] for name in ("nfe", "nfe_backward")}

    def _keep(self, row: Row, stepper: Stepper) -> None:
        """The end of an epoch, kept as a whole before a signal is heeded."""
        with self.endings.whole():
            self._add(row, stepper)

    def _add(self, row: Row, stepper: Stepper) -> None:
        new = self._held(stepper, row["epoch"], nothing_taken())
        self.run.append(row, new)
        self.last = new
        self.rows.append(row)
        self.best = best_epoch([*filter(None, [self.best]), row], self.score)
        if self.best is row:
            self.run.export(new.weights, new.epoch, "best")

    def _keep_within(self, stepper: Stepper, taken: np.ndarray) -> None:
        """A place within an epoch."""
        self.last = self._held(stepper, self.last.epoch, taken)
        self.run.keep(self.last)

    def _held(self, stepper: Stepper, epoch: int, taken: np.ndarray) -> Checkpoint:
        weights, state = stepper.weights(), stepper.state()
        return replace(self.last, epoch=epoch, weights=weights, state=state, taken=taken)

    def _diverge(self, stop: NotFinite, stepper: Stepper) -> None:
        """Say what was not finite, and keep the weights before that update."""
        weights, state = stepper.weights(), stepper.state()
        found = diagnose(
            self.compiled, self.model, self.rule, self.dataset, stop.update, weights, state
        )
        self.divergence = found
        if all_finite(weights):
            self.last = replace(self.last, weights=weights)
            self.run.export(weights, self.last.epoch)
