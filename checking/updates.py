"""The updates that L5 follows: the first ones of the spec's own training, on its own data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ..compiler.analysis.cost import cost
from ..compiler.pipeline import Compiled
from ..spec.diagnostics import SpecError
from ..training.loop import per_epoch, rows_of
from ..training.schedules import Clock, learning_rate
from .compare import Array

MOST, LEAST = 150, 10
WORK = 5_000
"""Updates times evaluations of the field in one pass: some two seconds of a torch loop."""
STEPS = 32
"""Steps of an adaptive solve to a tight tolerance, as an estimate of what it costs."""
NUMBERS = 2_000_000
"""The numbers that travel to each process; of larger data the first rows are taken."""


@dataclass(frozen=True)
class UpdatePlan:
    """Rows x with targets; the rows of all updates in a row, and how many and which learning rate
    each one has.

    `size` is the number of examples of an epoch, `epochs` of `per_epoch` updates the whole.
    """

    x: Array
    targets: Array
    rows: Array
    sizes: Array
    rates: Array
    per_epoch: int
    epochs: int

    @property
    def size(self) -> int:
        return len(self.x)

    @property
    def updates(self) -> list[tuple[Array, float]]:
        """The rows and the learning rate of every update."""
        rows = np.split(self.rows, np.cumsum(self.sizes)[:-1])
        return list(zip(rows, self.rates.tolist(), strict=True))


def update_plan(case: Compiled, steps: int | None = None) -> UpdatePlan | str | None:
    """The first `steps` updates, by default as many as WORK allows.

    None where the spec trains nothing; where its data cannot be read, the reason in words.
    """
    spec = case.problem.spec
    if spec.train is None or not case.module.has_loss:
        return None
    try:
        dataset = case.dataset
    except SpecError as error:
        return error.diagnostics[0].message
    if dataset is None:
        return None
    if dataset.train.targets is None and not case.module.is_density:
        return None
    size = min(len(dataset.train), max(1, NUMBERS // dataset.train.x[0].size))
    rows = dataset.train.rows(np.arange(size))
    is_drawn = bool(case.module.base_rows)
    each = per_epoch(spec.train, size, is_drawn)
    epochs, total = spec.train.epochs, each * spec.train.epochs
    evaluations = cost(case.module).field_evaluations
    evaluations *= STEPS if case.problem.is_adaptive else 1
    affordable = min(MOST, max(LEAST, WORK // evaluations))
    count = min(total, affordable if steps is None else steps)
    seen = range(1, math.ceil(count / each) + 1)
    every = (b for e in seen for b in rows_of(spec.train, spec.seed, e, size, is_drawn))
    made = [*islice(every, count)]
    clocks = [Clock(step, each, epochs) for step in range(count)]
    rates = np.array([learning_rate(spec.train, clock) for clock in clocks])
    sizes = np.array([len(b) for b in made])
    targets = np.zeros((size, 0)) if rows.targets is None else rows.targets
    given = rows.x, targets, np.concatenate(made), sizes, rates
    return UpdatePlan(*given, each, epochs)
