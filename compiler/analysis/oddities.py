"""What is odd in a spec or its data, legal and easily cured: a line for each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...data.dataset import Dataset
from ...data.preprocessing import Floats
from ...spec.adaptive import Adaptive
from ...spec.data import File
from ...spec.diagnostics import Diagnostic, quote
from ...spec.model import Spec
from ...spec.vector_fields import Custom
from ..ir.compiled import Compiled
from ..ir.expr import variables
from ..ir.types import BATCH, array_shape
from ..reference.initial import generator
from ..semantics.evaluate import evaluate

ROWS = 3
FAR = 100.0
"""The root mean square of a column from which its scale is said to be far from 1, or of all columns
one over it: tanh and its kin are flat by then, and one learning rate does not suit all weights."""
SHOWN = 4


def oddities(compiled: Compiled, dataset: Dataset | None = None) -> list[Diagnostic]:
    """Of the network and, where they are given, of its data."""
    found = [*_unused(compiled), *_at_rest(compiled), *_nothing_to_learn(compiled.spec)]
    found += _too_fine(compiled.spec)
    if dataset is not None and len(dataset.train):
        found += [*_scales(compiled.spec, dataset), *_empty_classes(compiled.spec, dataset)]
    return found


def majority(spec: Spec, dataset: Dataset, accuracy: float | None) -> list[Diagnostic]:
    """Whether an accuracy on the training part is that of naming one class always."""
    classes, counts = _counts(dataset)
    if accuracy is None or not len(counts) or accuracy != counts.max() / counts.sum():
        return []
    name = quote(classes[int(counts.argmax())])
    message = f"the training accuracy is that of naming {name}, the most frequent class, every time"
    return [_warning("W305", message, spec, "train")]


def _warning(code: str, message: str, spec: Spec, *loc: str | int, help: str = "") -> Diagnostic:
    return Diagnostic(code, message, spec.span(*loc), help=help, severity="warning")


def _unused(compiled: Compiled) -> Iterator[Diagnostic]:
    used = set(variables(*compiled.problem.rhs.values()))
    for weight in compiled.problem.layer:
        is_of_network = weight.loc[2:3] == ("networks",)  # whose last bias a gradient may lose
        if weight.is_custom and not is_of_network and weight.variable not in used:
            message = f"no equation uses the weight {weight.name}"
            yield _warning("W301", message, compiled.spec, *weight.loc)


def _too_fine(spec: Spec) -> Iterator[Diagnostic]:
    """A tolerance that rounding does not reach: steps are rejected for nothing."""
    integrator, least = spec.model.integrator, 10 * float(np.finfo(spec.dtype).eps)
    if isinstance(integrator, Adaptive) and integrator.rtol < least:
        message = (
            f"rtol {integrator.rtol:g} is finer than {spec.dtype} resolves: 10 ε = {least:.1e}"
        )
        help = "a larger rtol, or dtype: float64"
        yield _warning("W307", message, spec, "model", "integrator", help=help)


def _at_rest(compiled: Compiled) -> Iterator[Diagnostic]:
    """Blocks of the user's whose right-hand side is 0 at random states, weights and times."""
    problem, random = compiled.problem, generator(compiled.spec.seed, "oddities")
    if not isinstance(compiled.spec.model.vector_field, Custom):
        return
    for name, value in problem.rhs.items():
        shapes = {v: array_shape(v.type, {BATCH.name: ROWS}) for v in variables(value)}
        with np.errstate(all="ignore"):
            found = evaluate(value, {v: random.normal(size=s) for v, s in shapes.items()})
        if not np.any(found):
            message = f"the block {name} never moves: {name}' = 0"
            yield _warning("W302", message, compiled.spec, *problem.rhs_locs[name])


def _nothing_to_learn(spec: Spec) -> Iterator[Diagnostic]:
    """A training of data that a network may be shown, but can learn nothing from."""
    data, readout = spec.data, spec.model.readout
    if spec.train is None or data is None or readout is None or data.target_kind != "none":
        return
    help = "label: COLUMN" if readout.task == "classification" else "targets: [COLUMN]"
    message = "the data have no labels and no targets: there is nothing to learn"
    yield _warning("W306", message, spec, "data", help=help)


def _scales(spec: Spec, dataset: Dataset) -> Iterator[Diagnostic]:
    known, data = dataset.preprocessing, spec.data
    help = "standardize: true" if isinstance(data, File) else "divide them by their size"
    is_of_series = dataset.kind == "observations"
    what, x = ("channel" if is_of_series else "feature"), dataset.train.x
    x = np.nan_to_num(x).reshape(-1, x.shape[-1])  # what is missing has no size
    parts = [(what, known.features, x)] * (known.scaling is None)
    if dataset.kind == "values" and known.target_scaling is None:
        targets = np.asarray(dataset.train.targets, np.float64)
        parts.append(("target", known.targets or (), targets))
    for what, names, values in parts:
        sizes = _sizes(values)
        is_tiny = sizes.max() < 1 / FAR  # a tiny column beside others is no matter
        far = np.flatnonzero((sizes > FAR) | (is_tiny & (sizes > 0)))
        if len(far):
            listed = ", ".join(f"{quote(names[i])} ({sizes[i]:.1e})" for i in far[:SHOWN])
            more = ", …" * (len(far) > SHOWN)
            message = f"{what}s far from scale 1, by root mean square: {listed}{more}"
            yield _warning("W303", message, spec, "data", help=help)


def _sizes(values: Floats) -> Floats:
    """The root mean square of every column."""
    unit = np.maximum(np.abs(values).max(axis=0), np.finfo(float).tiny)
    return unit * np.sqrt(np.mean((values / unit) ** 2, axis=0))


def _empty_classes(spec: Spec, dataset: Dataset) -> Iterator[Diagnostic]:
    classes, counts = _counts(dataset)
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    if empty:
        listed = ", ".join(map(quote, empty[:SHOWN])) + ", …" * (len(empty) > SHOWN)
        plural = "class has" if len(empty) == 1 else "classes have"
        message = f"{len(empty)} {plural} no example to train on: {listed}"
        yield _warning("W304", message, spec, "data")


def _counts(dataset: Dataset) -> tuple[tuple[str, ...], np.ndarray]:
    """The classes, and how many training examples each has."""
    classes, split = dataset.preprocessing.classes or (), dataset.train
    if not classes or split.targets is None or split.targets.ndim != 1:
        return (), np.zeros(0)
    return classes, np.bincount(split.targets.astype(np.int64), minlength=len(classes))
