"""The data of a whole spec."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..spec.diagnostics import Diagnostic, SpecError
from ..spec.model import Density, Spec
from ..spec.readouts import Classifier
from .dataset import Dataset, Split
from .loading import digests, load
from .preprocessing import Preprocessing
from .rng import rng
from .sources import Place
from .windows import pieces


def dataset_of(spec: Spec, features: int) -> Dataset | None:
    """The data of a spec whose network takes so many features; None where it names none.

    Raises SpecError for what is wrong with it.
    """
    if spec.data is None:
        return _of_base(spec, features)
    readout = spec.model.readout
    classes = readout.classes if isinstance(readout, Classifier) else None
    found = load(spec.data, spec.seed, spec.folder, _place(spec), features, classes, spec.dtype)
    return _in_pieces(spec, found) if spec.task.is_of_series else found


def _in_pieces(spec: Spec, found: Dataset) -> Dataset:
    """Series in the pieces that are fitted. SpecError for one that no path could start from."""
    window = None if spec.train is None else spec.train.window
    for part, series in (("training", found.train), ("validation", found.validation)):
        is_whole = np.any(np.all(np.isfinite(series.x), axis=2), axis=1)
        if not np.all(is_whole):
            row = int(is_whole.argmin()) + 1
            message = f"series {row} of the {part} part has no observation of all channels"
            label = "a path starts from its first complete observation"
            raise SpecError(Diagnostic("E415", message, spec.span("data"), label=label))
    return replace(found, train=pieces(found.train, window), whole=found.train)


def _of_base(spec: Spec, features: int) -> Dataset | None:
    """Rows of the base in the place of data, for a density with a target: those that it is measured
    on, of which none is trained on."""
    if not isinstance(spec.task, Density) or spec.task.target is None:
        return None
    shape = spec.task.samples, features
    train, validation = (
        Split(rng(spec.seed, "base", name).normal(size=shape), None)
        for name in ("train", "validation")
    )
    return Dataset(train, validation, Preprocessing(tuple(f"z{i + 1}" for i in range(features))))


def digests_of(spec: Spec) -> dict[str, str]:
    """SHA-256 of the files that the data come from, by path. SpecError for one not readable."""
    return {} if spec.data is None else digests(spec.data, spec.folder, _place(spec))


def _place(spec: Spec) -> Place:
    return lambda *loc: spec.span("data", *loc)
