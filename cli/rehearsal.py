"""`train --dry-run`: everything but the training."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from .. import api
from ..backends.model import Model
from ..backends.optimizers import updater
from ..backends.stepper import Step
from ..backends.threads import Threads, on_threads, threads_for
from ..compiler.analysis.oddities import oddities
from ..compiler.pipeline import Compiled
from ..data.rng import batches
from ..spec.diagnostics import Diagnostic
from ..spec.model import Spec
from ..training import scores
from ..training.diagnosis import diagnose
from ..training.divergence import Divergence
from ..training.loop import Update, per_epoch
from ..training.schedules import Clock, learning_rate


@dataclass(frozen=True)
class Rehearsal:
    """What would be trained, the first step of it, and how long all would take."""

    problem: Compiled
    backend: str
    device: str
    threads: Threads | None
    step: Step
    seconds: float
    odd: tuple[Diagnostic, ...] = ()
    """What is legal and odd about the spec and its data."""
    divergence: Divergence | None = None
    """Why the first step is not finite."""

    def lines(self) -> list[tuple[str, str]]:
        """Names and values."""
        problem, data, train = self.problem.problem, self.problem.dataset, self.problem.spec.train
        assert train is not None and data is not None
        return [
            ("would train", f"{problem.name} on {self.backend}, {self.device}"),
            *([("threads", str(self.threads))] if self.threads else []),
            ("examples", f"{len(data.train):,} + {len(data.validation):,} for validation"),
            ("weights", f"{problem.weight_count:,} numbers in {len(problem.weights)} arrays"),
            ("optimizer", f"{train.optimizer.kind}, {train.schedule.kind} rate"),
            ("epochs", f"{train.epochs:,}, each of {_per_epoch(self.problem):,} steps"),
            ("first loss", f"{self.step.loss:.6g}"),
            ("gradient norm", f"{self.step.gradient_norm:.6g}"),
            ("time estimate", _duration(self.seconds)),
        ]


def rehearse(spec: Spec, backend: str, device: str, threads: int | None = None) -> Rehearsal:
    """Load the data, compile, take a step on the first batch and time a second; write nothing."""
    problem = api.trainable(spec)
    model = api.model_of(problem, backend, device)
    chosen = threads_for(model, api.rows_at_once(problem), threads)
    with on_threads(model, chosen):
        update, divergence, seconds = _first_step(problem, model)
    ran = model.backend, model.device, chosen
    odd = tuple(oddities(problem, problem.dataset))
    return Rehearsal(problem, *ran, update.step, seconds, odd, divergence)


def _first_step(problem: Compiled, model: Model) -> tuple[Update, Divergence | None, float]:
    """The first step, why it is not finite, and the time of the training by that of the second."""
    train, data, seed = problem.spec.train, problem.dataset, problem.spec.seed
    assert train is not None and data is not None
    rule, start = updater(train), model.init()
    stepper = model.stepper(rule, data.train.x, data.train.targets)
    stepper.load(start)
    (rows,) = islice(batches(seed, 1, len(data.train), train.batch), 1)
    lr = learning_rate(train, Clock(0, _per_epoch(problem), train.epochs))
    state = stepper.state()
    first = Update(1, 1, rows, lr, stepper.step(rows, lr))
    found = None
    if not first.step.finite:
        found = diagnose(problem, model, rule, data, first, start, state)
    each = _timed(lambda: stepper.step(rows, lr))
    measures = scores.score_of(problem, data.preprocessing), scores.Objective(problem)
    scores.evaluate(*measures, stepper, data)
    measured = _timed(lambda: scores.evaluate(*measures, stepper, data))
    return first, found, train.epochs * (_per_epoch(problem) * each + measured)


def _per_epoch(problem: Compiled) -> int:
    assert problem.spec.train is not None and problem.dataset is not None
    size = len(problem.dataset.train)
    return per_epoch(problem.spec.train, size, bool(problem.module.base_rows))


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {seconds:.2g} s"
    minutes = seconds / 60
    return f"about {minutes:.2g} min" if minutes < 90 else f"about {minutes / 60:.2g} h"
