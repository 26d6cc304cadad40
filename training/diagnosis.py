"""Why a training diverged: the reference goes over the batch again from the last good weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..backends.model import Model
from ..backends.optimizers import COUNT, Updater, global_norm
from ..compiler.findings import Finding
from ..compiler.first_bad import BadNumber, Largest, first_bad
from ..compiler.ir.program import Program
from ..compiler.modes import Modes, modes_at
from ..compiler.reference import Reference
from ..compiler.stability import analyse
from ..compiler.tape import Place
from ..compiler.trace import Trace
from ..data.dataset import Dataset, Split
from .divergence import Divergence
from .loop import Update

CHUNK = 4096
"""Examples that are replayed at once: all their states are held."""

Arrays = Mapping[str, np.ndarray]
Found = BadNumber | Largest


def diagnose(
    model: Model, rule: Updater, dataset: Dataset, update: Update, weights: Arrays, state: Arrays
) -> Divergence:
    """What the reference finds in the dtype of the model; weights and state before the update."""
    program, batch = model.program, dataset.train.rows(update.rows)
    found, gradient = _replay(program, weights, batch, model.dtype)
    if isinstance(found, Largest):
        found = _in_update(model, rule, update, weights, state, gradient) or found
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
        span=program.spec.span(*found.place.loc) if found.place.loc else None,
        layers=program.steps,
        example=None if row is None else int(update.rows[row]),
        modes=_modes(program, weights, batch, found.place, row) if stands_in_step else None,
        findings=_applying(program) if stands_in_step else (),
    )


def _replay(
    program: Program, weights: Arrays, batch: Split, dtype: str
) -> tuple[Found, dict[str, np.ndarray]]:
    """The first bad number of loss and gradient, or the largest one and the gradient."""
    largest = Largest(Place("data", ()), "", 0.0)
    gradient = {name: np.zeros(np.shape(w)) for name, w in weights.items()}
    targets = Reference(program).targets(np.asarray(batch.targets)).T
    for start in range(0, len(batch), CHUNK):
        part = slice(start, start + CHUNK)
        trace = Trace(program, weights, batch.x[part], targets[part], dtype)
        found = first_bad(trace)
        if isinstance(found, BadNumber):
            row = None if found.row is None else found.row + start
            return replace(found, row=row), gradient
        largest = max(largest, found, key=lambda known: known.magnitude)
        share, parts = len(batch.x[part]) / len(batch), trace.gradient
        gradient = {name: g + share * parts[name] for name, g in gradient.items()}
    return largest, gradient


def _in_update(
    model: Model, rule: Updater, update: Update, weights: Arrays, state: Arrays, gradient: Arrays
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
        weight = model.program.weight(name.split("/")[-1])
        sizes = {"lr": update.lr, "|gradient|": _size(gradient[weight.name])}
        sizes |= {f"|{n}|": _size(s) for n, s in state.items() if n.endswith(f"/{weight.name}")}
        return BadNumber(
            Place(
                _optimizer(model), ("train", "optimizer"), entry[0] + 1 if weight.stacked else None
            ),
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


def _optimizer(model: Model) -> str:
    train = model.program.spec.train
    return "optimizer" if train is None else f"optimizer {train.optimizer.kind}"


def _size(array: np.ndarray) -> float:
    return float(np.max(np.abs(array), initial=0.0))


def _named(found: Found, dataset: Dataset) -> Found:
    """A feature or a target by its name in the data."""
    if isinstance(found, Largest) or found.place.equation != "data":
        return found
    if found.part == "x":
        return replace(found, part=dataset.feature_names[found.entry[0]], expression="the features")
    return replace(found, part=f"target {found.entry[0]}", expression="the targets")


def _modes(
    program: Program, weights: Arrays, batch: Split, place: Place, row: int | None
) -> Modes | None:
    """At the state of the example that is bad, else of the one that has gone farthest."""
    assert place.layer is not None
    if row is None:
        with np.errstate(all="ignore"):
            states = Reference(program).trajectory(weights, batch.x[:CHUNK])[place.layer - 1]
        row = int(np.argmax(np.nan_to_num(np.abs(states).max(axis=1), nan=np.inf)))
    return modes_at(program, weights, batch.x[row], place.layer)


def _applying(program: Program) -> tuple[Finding, ...]:
    """What the analysis warns of; where it warns of nothing, all that it says."""
    findings = analyse(program)
    return tuple(f for f in findings if f.level == "warning") or findings
