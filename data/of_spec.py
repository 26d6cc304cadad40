"""The data that a whole spec speaks of."""

from __future__ import annotations

from ..spec.diagnostics import Span
from ..spec.model import Spec
from ..spec.readouts import Classifier
from .dataset import Dataset
from .loading import load


def dataset_of(spec: Spec, features: int) -> Dataset | None:
    """The data of a spec whose network takes so many features; None where it names none.

    Raises SpecError for what is wrong with it.
    """
    if spec.data is None:
        return None
    readout = spec.model.readout
    classes = readout.classes if isinstance(readout, Classifier) else None

    def place(*loc: str | int) -> Span | None:
        return spec.span("data", *loc)

    return load(spec.data, spec.seed, spec.folder, place, features, classes)
