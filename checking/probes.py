"""Where programs are compared: weights, features, states, times and targets.

Features are rows of the training data where there are some, and states those that the network goes
through from there: what a field does elsewhere is no matter. Without data both are drawn.

All numbers are drawn by NumPy, keyed by the spec, in float64 with all their digits. A float32
program and the reference get them rounded to float32: both are run on the very same numbers,
whatever the dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiler.pipeline import Compiled
from ..compiler.reference.chance import forward_arguments
from ..compiler.reference.initial import initial_weights
from ..compiler.reference.reference import Reference
from ..data.dataset import Split
from ..data.rng import rng
from ..spec.diagnostics import SpecError
from ..spec.node import content_hash
from .updates import UpdatePlan

Array = NDArray[Any]
Weights = dict[str, Array]

RANDOM, INITIAL, TRAINED = "random", "initial", "trained"
CLASSES, PROBABILITIES, VALUES = "classes", "class probabilities", "values"
ROWS_ALONE, TIMES = "rows", "times"
"""Targets of a density: none for every row; of series their times."""
LENGTH = 6
"""Observations of a series."""
MISSING = 0.2
"""The share of values that are missing, where series are drawn."""
ROWS = 7
"""Examples: one repeats another. Of data one is the mean of two; of numbers that are drawn one is
zero, one LARGE times as large as the rest."""
LARGE = 3.0
OFF = 0.1
"""By what part of themselves states that the network goes through are moved, so that none of their
components is 0 or like another."""
SPREAD = 0.5
"""Random weights are initial ones times 1 + u, |u| < SPREAD, which keeps their signs."""
SPREADS, FAR = (SPREAD, SPREAD / 4, SPREAD / 16, SPREAD / 64), 100.0


@dataclass(frozen=True)
class Called:
    """The arguments of one call of a function, and cotangents of its results."""

    args: list[Array]
    bars: list[Array]


@dataclass(frozen=True)
class Probes:
    """Sets of weights by name; rows x (s, d), stacked states y (s, n), times, targets by kind; of
    series their values (s, L, c), while x are rows that paths start from.

    `training` is there where the spec trains and its training is asked for; `calls` are those
    of single functions by name, where those are asked; `raw` are the rows x as the
    data have them, where the spec standardizes; with `every_mode` the gradient is asked for in all
    modes that the spec allows, without in its own.
    """

    weights: dict[str, Weights]
    x: Array
    y: Array
    times: dict[str, float]
    targets: dict[str, Array]
    training: UpdatePlan | None = None
    calls: dict[str, list[Called]] = field(default_factory=dict)
    raw: Array | None = None
    every_mode: bool = False
    values: Array | None = None

    @property
    def examples(self) -> Array:
        """What a loss is of: the rows, or series."""
        return self.x if self.values is None else self.values

    def forward_given(self, case: Compiled) -> list[Array]:
        """What `forward` takes besides weights."""
        return forward_arguments(case.module, self.examples, self.targets.get(TIMES))

    @property
    def own(self) -> Weights:
        """The set of weights that is no random one: the initial ones, or those of a run."""
        return next(w for name, w in self.weights.items() if name != RANDOM)

    def perturbed(self, size: float, rng: np.random.Generator) -> Probes:
        """Every number moved by ±size of itself; times upward only, lest they leave their step."""
        moved = self._changed(lambda a: a * (1 + size * rng.choice((-1.0, 1.0), a.shape)))
        times = {name: t * (1 + size) for name, t in self.times.items()}
        return replace(moved, times=times, targets=self.targets)

    def rounded(self, dtype: str) -> Probes:
        """Numbers of the dtype, held in float64 still; times and training stay as they are."""
        if dtype == "float64":
            return self
        return self._changed(lambda a: a.astype(dtype).astype(np.float64))

    def _changed(self, change: Callable[[Array], Array]) -> Probes:
        """Other real numbers; classes stay."""

        def moved(a: Array) -> Array:
            return change(a) if a.dtype.kind == "f" else a

        def each(arrays: Mapping[str, Array]) -> dict[str, Array]:
            return {name: moved(a) for name, a in arrays.items()}

        def called(call: Called) -> Called:
            return Called([*map(moved, call.args)], [*map(moved, call.bars)])

        weights = {name: each(arrays) for name, arrays in self.weights.items()}
        calls = {name: [*map(called, kept)] for name, kept in self.calls.items()}
        given = {"targets": each(self.targets), "calls": calls}
        values = None if self.values is None else change(self.values)
        given |= {"weights": weights, "values": values}
        return replace(self, x=change(self.x), y=change(self.y), **given)


def draw(case: Compiled, trained: Weights | None = None) -> Probes:
    """The probes of a spec: the same ones every time. The weights of a run, where they are given,
    stand in the place of the initial ones."""
    module, signature = case.module, case.module.signature
    random = rng(module.seed, "check", content_hash(case.problem.spec))
    name, initial = INITIAL, initial_weights(module.weights, module.seed)
    if trained is not None:
        name, initial = TRAINED, trained
    shares = {name: random.uniform(-1, 1, w.shape) for name, w in initial.items()}
    weights = {
        RANDOM: _random_weights(initial, shares, SPREAD),
        name: {n: _double(w) for n, w in initial.items()},
    }
    x, y = _rows(signature.features, random), _rows(signature.size, random)
    data = training_examples(case)
    if data is not None:
        x = _of_data(data, random)
        path = _path(case, weights[name], x)
        weights[RANDOM] = _tame(case, initial, shares, x, float(np.abs(path).max()))
        y = _on_the_way(path, random)
    targets, values = _targets(case, random), None
    if module.is_of_series:
        values, times = _series(case, random) if data is None else _of_series(data, random)
        targets = {TIMES: times}
    raw = _raw(case, x) if data else None
    return Probes(weights, x, y, _times(case), targets, raw=raw, values=values)


def _series(case: Compiled, rng: np.random.Generator) -> tuple[Array, Array]:
    """Series at times of their own: some values are missing, one series starts late, another ends
    early."""
    shape = ROWS, LENGTH, case.module.signature.outputs
    values = rng.normal(size=shape)
    values[3] = values[0]
    values[rng.random(shape) < MISSING] = np.nan
    values[:, 0] = np.nan_to_num(values[:, 0], nan=1.0)
    values[2, 0] = np.nan
    values[2, 1] = np.nan_to_num(values[2, 1], nan=-1.0)
    times = np.sort(case.module.horizon * rng.random(shape[:2]), axis=1)
    values[4, -2:], times[4, -2:] = np.nan, np.nan
    return values, times


def _of_series(data: Split, rng: np.random.Generator) -> tuple[Array, Array]:
    """The beginnings of series of the data."""
    chosen = data.rows(np.array([*data.ends, *rng.integers(len(data), size=ROWS - 2)]))
    assert chosen.targets is not None
    return _double(chosen.x[:, :LENGTH]), _double(chosen.targets[:, :LENGTH])


def _raw(case: Compiled, x: Array) -> Array | None:
    """Rows of the data before they were standardized; None where the spec does not."""
    known = case.preprocessing
    return None if known is None or known.scaling is None else known.scaling.undone(x)


def training_examples(case: Compiled) -> Split | None:
    """The training data; None where there are none that can be read."""
    try:
        dataset = case.dataset
    except SpecError:
        return None
    return None if dataset is None or not len(dataset.train) else dataset.train


def _of_data(data: Split, rng: np.random.Generator) -> Array:
    """Rows of the data, among them the largest and the smallest."""
    chosen = [*data.ends, *map(int, rng.integers(len(data), size=ROWS - 2))]
    rows = _double(data.starts[chosen]).copy()
    rows[3] = rows[0]
    rows[5] = (rows[2] + rows[4]) / 2
    return rows


def _path(case: Compiled, weights: Weights, x: Array) -> Array:
    """The states (N+1, s, n) by the reference."""
    with np.errstate(all="ignore"):
        return Reference(case.module).trajectory(weights, x)


def _tame(case: Compiled, initial: Weights, shares: Weights, x: Array, size: float) -> Weights:
    """Random weights with which the states stay near the size that they have with the initial ones:
    of a field whose weights mean something, others may well blow up."""
    for spread in SPREADS:
        found = _random_weights(initial, shares, spread)
        if np.abs(_path(case, found, x)).max() <= FAR * max(size, 1.0):
            return found
    return _random_weights(initial, shares, SPREAD)


def _on_the_way(path: Array, rng: np.random.Generator) -> Array:
    """States that the network goes through, at times from 0 to T, moved a little."""
    steps, rows = len(path) - 1, path.shape[1]
    y = path[np.linspace(0, steps, rows).astype(int), np.arange(rows)]
    y = np.where(np.isfinite(y).all(axis=1, keepdims=True), y, path[0])
    moved = y * (1 + OFF * rng.uniform(-1, 1, y.shape))
    sizes = np.abs(y).mean(axis=1, keepdims=True)
    return _double(np.where(y == 0, OFF * sizes * np.abs(rng.normal(size=y.shape)), moved))


def _random_weights(initial: Weights, shares: Weights, spread: float) -> Weights:
    """Different at every step and entry; where the initial weight is 0, of the size 1/√columns."""
    found = {}
    for name, w in initial.items():
        u = spread * shares[name]
        size = (w.shape[-1] if w.ndim else 1) ** -0.5
        found[name] = _double(np.where(w == 0, size * u, w * (1 + u)))
    return found


def _double(a: Array) -> Array:
    """In float64 and C order: a file of arrays knows no other."""
    return np.asarray(a, np.float64, order="C")


def _rows(columns: int, rng: np.random.Generator) -> Array:
    rows = rng.normal(size=(ROWS, columns))
    rows[1] = 0
    rows[3] = rows[0]
    rows[5] *= LARGE
    return rows


def _times(case: Compiled) -> dict[str, float]:
    """Nodes t_j and times in both halves of steps, first, second, middle and last; the end T.

    One half alone would not tell the step of a time from the step that is nearest to it.
    """
    N, h = case.module.steps, case.module.h
    steps = sorted({0, min(1, N - 1), N // 2, N - 1})
    inside = [j + part for j in steps for part in (1 / 3, 3 / 4)]
    return {f"t = {j * h:.6g}": j * h for j in [*steps, *inside, N]}


def _targets(case: Compiled, rng: np.random.Generator) -> dict[str, Array]:
    """Classes and their probabilities, or values for a regression; none without a readout."""
    outputs = case.module.signature.outputs
    if not case.module.has_loss:
        return {}
    if case.module.is_density:
        return {ROWS_ALONE: np.zeros((ROWS, 0))}
    if not case.module.signature.is_classifier:
        return {VALUES: rng.normal(size=(ROWS, outputs))}
    classes = (np.arange(ROWS) + rng.integers(outputs)) % outputs
    shares = rng.uniform(0.1, 1, (ROWS, outputs))
    probabilities = shares / shares.sum(axis=1, keepdims=True)
    return {CLASSES: classes.astype(np.int64), PROBABILITIES: probabilities}
