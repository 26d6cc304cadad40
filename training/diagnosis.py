"""Why a training diverged: the reference goes over the batch again from the last good weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..backends.model import Model
from ..backends.optimizers import COUNT, Updater, global_norm
from ..compiler.analysis.findings import Finding
from ..compiler.analysis.modes import Modes, modes_at
from ..compiler.analysis.seen import look_at
from ..compiler.analysis.stability import analyse
from ..compiler.ir.module import Module
from ..compiler.pipeline import Compiled
from ..compiler.reference.failed_solve import FailedSolve, failed_solve
from ..compiler.reference.first_bad import BadNumber, Largest, first_bad
from ..compiler.reference.reference import Reference
from ..compiler.reference.trace import Place
from ..data.dataset import Dataset, Split
from .divergence import INTEGRATOR, Divergence
from .loop import Update

CHUNK = 4096
"""Examples that are replayed at once: all their states are held."""

Arrays = Mapping[str, np.ndarray]
Found = BadNumber | Largest


def diagnose(
    compiled: Compiled,
    model: Model,
    rule: Updater,
    dataset: Dataset,
    update: Update,
    weights: Arrays,
    state: Arrays,
) -> Divergence:
    """What the reference finds in the dtype of the model; weights and state before the update."""
    problem, batch = compiled.problem, dataset.train.rows(update.rows)
    failure = None
    if problem.is_adaptive:
        times = batch.targets if compiled.module.is_of_series else None
        failure = failed_solve(compiled, weights, np.asarray(batch.x, np.float64), times)
        if failure.row is not None:
            return _of_solve(compiled, model, failure, update)
    found, gradient = _replay(compiled.module, weights, batch, model.dtype)
    if isinstance(found, Largest):
        train = problem.spec.train
        optimizer = "optimizer" if train is None else f"optimizer {train.optimizer.kind}"
        made = _in_update(model, rule, update, weights, state, gradient, optimizer)
        found = made or found
        if made is None and failure is not None:
            return _of_solve(compiled, model, failure, update)
    row = found.row if isinstance(found, BadNumber) else None
    stands_in_step = isinstance(found, BadNumber) and found.place.is_in_step
    return Divergence(
        epoch=update.epoch,
        step=update.number,
        backend=model.backend,
        dtype=model.dtype,
        loss=update.step.loss,
        gradient_norm=update.step.gradient_norm,
        found=_named(found, dataset),
        span=problem.spec.span(*found.place.loc) if found.place.loc else None,
        layers=problem.steps,
        example=None if row is None else int(update.rows[row]),
        modes=_modes(compiled, weights, batch, found.place, row) if stands_in_step else None,
        findings=_applying(compiled, dataset.train) if stands_in_step else (),
    )


def _of_solve(compiled: Compiled, model: Model, found: FailedSolve, update: Update) -> Divergence:
    """The solve that fails is why."""
    return Divergence(
        epoch=update.epoch,
        step=update.number,
        backend=model.backend,
        dtype=model.dtype,
        loss=update.step.loss,
        gradient_norm=update.step.gradient_norm,
        found=found,
        span=compiled.problem.spec.span(*INTEGRATOR),
        example=None if found.row is None else int(update.rows[found.row]),
    )


def _replay(
    module: Module, weights: Arrays, batch: Split, dtype: str
) -> tuple[Found, dict[str, np.ndarray]]:
    """The first bad number of loss and gradient, or the largest one and the gradient."""
    largest = Largest(Place("data", ()), "", 0.0)
    gradient = {name: np.zeros(np.shape(w)) for name, w in weights.items()}
    none = np.zeros((len(batch), 0))
    targets = none if batch.targets is None else np.asarray(batch.targets)
    for start in range(0, len(batch), CHUNK):
        part = slice(start, start + CHUNK)
        found, parts = first_bad(module, weights, batch.x[part], targets[part], dtype)
        if isinstance(found, BadNumber):
            row = None if found.row is None else found.row % len(batch.x[part]) + start
            return replace(found, row=row), gradient
        largest = max(largest, found, key=lambda known: known.magnitude)
        share = len(batch.x[part]) / len(batch)
        gradient = {name: g + share * parts[name] for name, g in gradient.items()}
    return largest, gradient


def _in_update(
    model: Model,
    rule: Updater,
    update: Update,
    weights: Arrays,
    state: Arrays,
    gradient: Arrays,
    optimizer: str,
) -> BadNumber | None:
    """A moment or a weight that the optimizer makes, and that is not finite."""
    here, exact = (
        _updated(rule, update.lr, weights, state, gradient, dtype)
        for dtype in (model.dtype, "float64")
    )
    for name, value in here.items():
        bad = np.argwhere(~np.isfinite(value))
        if len(bad) == 0:
            continue
        entry = tuple(int(i) for i in bad[0])
        weight = model.module.weight(name.split("/")[-1])
        sizes = {"lr": update.lr, "|gradient|": _size(gradient[weight.name])}
        sizes |= {f"|{n}|": _size(s) for n, s in state.items() if n.endswith(f"/{weight.name}")}
        return BadNumber(
            Place(optimizer, ("train", "optimizer"), entry[0] + 1 if weight.nodes else None),
            f"the update of {weight.name}",
            name,
            float(value[entry]),
            float(exact[name][entry]),
            tuple(sizes.items()),
            entry=entry,
        )
    return None


def _updated(
    rule: Updater, lr: float, weights: Arrays, state: Arrays, gradient: Arrays, dtype: str
) -> dict[str, np.ndarray]:
    """Moments, then weights, after the update in a dtype."""
    held, moments, g = (
        {name: np.asarray(a, dtype) for name, a in arrays.items() if name != COUNT}
        for arrays in (weights, state, gradient)
    )
    with np.errstate(all="ignore"):
        rates = rule.rates(int(state[COUNT]) + 1, lr)
        new, made = rule.apply(g, global_norm(g), moments, held, rates)
    return {name: np.asarray(a) for name, a in (made | new).items()}


def _size(array: np.ndarray) -> float:
    return float(np.max(np.abs(array), initial=0.0))


def _named(found: Found, dataset: Dataset) -> Found:
    """A feature or a target by its name in the data."""
    if isinstance(found, Largest) or found.place.equation != "data":
        return found
    if found.part == "x":
        name = dataset.preprocessing.features[found.entry[0]]
        return replace(found, part=name, expression="the features")
    names = dataset.preprocessing.targets
    name = f"target {found.entry[0]}" if names is None else names[found.entry[0]]
    return replace(found, part=name, expression="the targets")


def _modes(
    compiled: Compiled, weights: Arrays, batch: Split, place: Place, row: int | None
) -> Modes | None:
    """At the state of the example that is bad, else of the one that has gone farthest."""
    assert place.layer is not None
    if row is None:
        with np.errstate(all="ignore"):
            paths = Reference(compiled.module).trajectory(weights, batch.starts[:CHUNK])
            states = paths[min(place.layer, len(paths)) - 1]
        row = int(np.argmax(np.nan_to_num(np.abs(states).max(axis=1), nan=np.inf)))
    return modes_at(compiled, weights, batch.starts[row], min(place.layer, compiled.problem.steps))


def _applying(compiled: Compiled, examples: Split) -> tuple[Finding, ...]:
    """The warnings of the analysis at the data; where there are none, all its findings."""
    findings = analyse(compiled, look_at(compiled.problem, examples))
    return tuple(f for f in findings if f.level == "warning") or findings
