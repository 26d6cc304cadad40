"""The data of a whole spec."""

from __future__ import annotations

from ..spec.model import Spec
from ..spec.readouts import Classifier
from .dataset import Dataset
from .loading import digests, load
from .sources import Place


def dataset_of(spec: Spec, features: int) -> Dataset | None:
    """The data of a spec whose network takes so many features; None where it names none.

    Raises SpecError for what is wrong with it.
    """
    if spec.data is None:
        return None
    readout = spec.model.readout
    classes = readout.classes if isinstance(readout, Classifier) else None
    return load(spec.data, spec.seed, spec.folder, _place(spec), features, classes, spec.dtype)


def digests_of(spec: Spec) -> dict[str, str]:
    """SHA-256 of the files that the data come from, by path. SpecError for one not readable."""
    return {} if spec.data is None else digests(spec.data, spec.folder, _place(spec))


def _place(spec: Spec) -> Place:
    return lambda *loc: spec.span("data", *loc)
