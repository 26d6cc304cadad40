"""What a run that was fitted to series predicts, and how good it is."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np

from .backends.model import Inspectable, Model, Weights, checked_series
from .backends.stepper import Stepper
from .compiler.pipeline import Compiled
from .compiler.reference.observations import observations
from .data.dataset import Dataset
from .data.observations import Observed
from .data.preprocessing import Preprocessing
from .training import series
from .training.scores import EXTRAPOLATION, Score

Array = np.ndarray[Any, Any]


def predictions(
    model: Model, known: Preprocessing, weights: Weights, values: Array, times: Array
) -> Array:
    """What is observed (s, L, c), in the units of the data; values and times as they have them."""
    times = np.asarray(times, np.float64) - (known.origin or 0.0)
    values = np.asarray(values, np.float64)
    given = values if known.scaling is None else known.scaling(values)
    found = model.forward(weights, *checked_series(model.module, given, times))
    return found if known.scaling is None else known.scaling.undone(found)


def of_run(
    score: Score, stepper: Stepper, dataset: Dataset, found: dict[str, float | None]
) -> dict[str, float | None]:
    """`rmse` and `extrapolation_rmse`: of the series to validate on, of one series alone of its
    training part."""
    rmse = found[f"validation_{score.name}"]
    if not len(dataset.validation):
        whole = dataset.measured
        predicted = series.outputs(stepper, whole)
        is_finite = series.is_finite(predicted, whole.x)
        rmse = score.of(predicted, whole.x) if is_finite else None
    return {score.name: rmse, EXTRAPOLATION: found.get(EXTRAPOLATION)}


# --- states as a table -------------------------------------------------------------------------


def states_as_csv(
    problem: Compiled, model: Model, known: Preprocessing, weights: Weights, observed: Observed
) -> str:
    """A line for every time of every series: id, time as in the file, the state there; empty cells
    before the first complete observation."""
    states = states_at(model, weights, observed.split.x, _times(observed))
    names, states = _named(problem, known, states)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "time", *names])
    for name, times, rows in zip(observed.ids, observed.own_times, states, strict=True):
        for time, row in zip(times, rows, strict=True):
            if np.isfinite(time):
                cells = [f"{v:.9g}" if np.isfinite(v) else "" for v in row]
                writer.writerow([name, repr(float(time)), *cells])
    return text.getvalue()


def states_at(model: Model, weights: Weights, values: Array, times: Array) -> Array:
    """The stacked states (s, L, n) at the times of observations, as the network takes them."""
    assert isinstance(model, Inspectable)
    module = model.module
    given = observations(module, *checked_series(module, values, times))
    function = module.functions["states"]
    columns = model.called(function, weights, given.arguments(model.dtype))
    shape = given.times.shape
    rows = np.moveaxis(np.concatenate(columns).reshape(-1, *shape), 0, -1)
    return given.given_back(rows, times)


def _times(observed: Observed) -> Array:
    assert observed.split.targets is not None
    return np.asarray(observed.split.targets)


def _named(problem: Compiled, known: Preprocessing, states: Array) -> tuple[list[str], Array]:
    """Names of the components; those of the channels, in their units, where the state is what is
    observed."""
    blocks = problem.problem.blocks
    if problem.spec.model.observe is None and states.shape[-1] == len(known.features):
        in_units = states if known.scaling is None else known.scaling.undone(states)
        return list(known.features), in_units
    names = [
        name if block.size.value == 1 else f"{name}{i + 1}"
        for name, block in blocks.items()
        for i in range(block.size.value)
    ]
    return names, states
