"""The updates that L5 follows: the first ones of the spec's own training, on its own data."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..compiler.analysis.cost import cost
from ..compiler.pipeline import Compiled
from ..data.of_spec import dataset_of
from ..data.rng import batches
from ..spec.diagnostics import SpecError
from ..spec.training import Train
from ..training.schedules import Clock, learning_rate
from .compare import Array

MOST, LEAST = 300, 10
WORK = 10_000
"""Updates times evaluations of the field in one pass: some five seconds of a torch loop."""
NUMBERS = 2_000_000
"""The numbers that travel to each process; of larger data the first rows are taken."""


@dataclass(frozen=True)
class UpdatePlan:
    """Rows x with targets, and the rows and the learning rate of every update.

    `size` is the number of examples of an epoch, `epochs` of `per_epoch` updates the whole.
    """

    x: Array
    targets: Array
    updates: tuple[tuple[Array, float], ...]
    per_epoch: int
    epochs: int

    @property
    def size(self) -> int:
        return len(self.x)

    def arrays(self) -> dict[str, Array]:
        """All of it as a flat dict, as it travels."""
        rows = [rows for rows, _ in self.updates]
        return {
            "x": self.x,
            "targets": self.targets,
            "rows": np.concatenate(rows),
            "sizes": np.array([len(r) for r in rows]),
            "rates": np.array([rate for _, rate in self.updates]),
            "length": np.array([self.per_epoch, self.epochs]),
        }

    @classmethod
    def of_arrays(cls, arrays: dict[str, Array]) -> UpdatePlan:
        """The inverse of `arrays`."""
        rows = np.split(arrays["rows"], np.cumsum(arrays["sizes"])[:-1])
        updates = tuple(zip(rows, arrays["rates"].tolist(), strict=True))
        per_epoch, epochs = arrays["length"].tolist()
        return cls(arrays["x"], arrays["targets"], updates, per_epoch, epochs)


def update_plan(case: Compiled, steps: int | None = None) -> UpdatePlan | str | None:
    """The first `steps` updates, by default as many as WORK allows.

    None where the spec trains nothing; where its data cannot be read, the reason in words.
    """
    spec, features = case.problem.spec, case.module.signature.features
    if spec.train is None or spec.data is None or not case.module.has_loss:
        return None
    try:
        dataset = dataset_of(spec, features)
    except SpecError as error:
        return error.diagnostics[0].message
    assert dataset is not None
    if dataset.train.targets is None:
        return None
    size = min(len(dataset.train), max(1, NUMBERS // features))
    rows = dataset.train.rows(np.arange(size))
    assert rows.targets is not None
    per_epoch = 1 if spec.train.batch is None else math.ceil(size / spec.train.batch)
    total = per_epoch * spec.train.epochs
    count = min(total, _affordable(case) if steps is None else steps)
    updates = _updates(spec.train, spec.seed, size, per_epoch, count)
    return UpdatePlan(rows.x, rows.targets, updates, per_epoch, spec.train.epochs)


def _affordable(case: Compiled) -> int:
    return min(MOST, max(LEAST, WORK // cost(case.module).field_evaluations))


def _updates(
    train: Train, seed: int, size: int, per_epoch: int, count: int
) -> tuple[tuple[Array, float], ...]:
    """(rows, learning rate) as the training loop has them."""
    epochs = range(1, math.ceil(count / per_epoch) + 1)
    rows = [batch for epoch in epochs for batch in batches(seed, epoch, size, train.batch)]
    clocks = [Clock(step, per_epoch, train.epochs) for step in range(count)]
    return tuple((r, learning_rate(train, c)) for r, c in zip(rows, clocks, strict=False))
