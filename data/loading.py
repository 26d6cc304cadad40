"""From the data node of a spec to arrays, and what is known without reading a whole file."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import numpy as np

from ..spec.data import Csv, Data, Digits, Npz, Points
from ..spec.diagnostics import Diagnostic, SpecError
from ..spec.generated import Ellipses, Flip, NestedSpheres, Peaks, PlanarDensity, SwissRoll
from ..spec.observations import TimeSeries
from . import generators
from .csv_file import csv_names
from .dataset import Dataset, Split, Targets
from .files import of_file, source_of
from .npz_file import npz_channels, npz_dimension, npz_targets
from .observations import of_observations
from .preprocessing import Preprocessing
from .rng import rng
from .samples import samples
from .sources import Place
from .splits import holdout
from .standardize import beyond, standardized
from .trajectories import of_rule

PLANE = ("x1", "x2")
PIXELS = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))

DIGITS = "sklearn/datasets/data/digits.csv.gz"
"""Rows of 64 pixels from 0 to 16 and the digit, as scikit-learn brings them."""


def load(
    node: Data,
    seed: int,
    base: Path,
    place: Place,
    expected_features: int | None = None,
    expected_classes: int | None = None,
    dtype: str = "float64",
) -> Dataset:
    """The examples of a data node, the same for the same seed; paths are relative to `base`.

    `place(*keys)` is the position of a key below the node. The model takes exactly
    `expected_features`, at most `expected_classes` classes, and numbers of a dtype. Raises
    SpecError for whatever is wrong with the data.
    """
    if isinstance(node, TimeSeries):
        dataset = of_rule(node, seed, place, dtype)
    elif isinstance(node, Csv | Npz) and node.has_observations:
        dataset = of_observations(node, seed, base, place, dtype)
    elif isinstance(node, Csv | Npz):
        dataset = of_file(node, seed, base, place, expected_classes, dtype)
    else:
        dataset = _load(node, seed, place, expected_classes or 0)
        _check_range(dataset, place, dtype)
    if expected_features is not None and dataset.features != expected_features:
        what = "channels" if dataset.kind == "observations" else "features"
        raise _mismatch(what, dataset.features, expected_features, place)
    if expected_classes is not None and (dataset.classes or 0) > expected_classes:
        raise _mismatch("classes", dataset.classes, expected_classes, place)
    return dataset


def features(node: Data, base: Path, place: Place) -> int | None:
    """The number d of features or channels; of a file, from its first line or the header of an
    array.

    Raises SpecError if that cannot be read. None for a kind of data that cannot know.
    """
    if node.dimension is not None:
        return node.dimension
    if isinstance(node, Csv):
        return len(csv_names(source_of(node.path, base, place("path")), node, place))
    if isinstance(node, Npz):
        source = source_of(node.path, base, place("path"))
        if node.values is not None:
            return npz_channels(source, node.values, place("values"))
        return npz_dimension(source, node.features, place("features"))
    return None


def targets(node: Data, base: Path, place: Place) -> int | None:
    """The number k of values to predict, likewise; None where there are none."""
    if isinstance(node, Npz) and node.targets is not None:
        source = source_of(node.path, base, place("path"))
        return npz_targets(source, node.targets, place("targets"))
    return node.target_count


def span(node: Data, seed: int, base: Path, place: Place) -> tuple[float, float] | None:
    """The earliest training time in the units of the data, and how far the last one lies from it;
    None of data that are no observations. SpecError for whatever is wrong with them."""
    if node.target_kind != "observations":
        return None
    known = load(node, seed, base, place).preprocessing
    assert known.origin is not None and known.horizon is not None  # as there are observations
    return known.origin, known.horizon


def digests(node: Data, base: Path, place: Place) -> dict[str, str]:
    """SHA-256 of every file that a data node names, by its path. SpecError for one not readable."""
    return {path: source_of(path, base, place(key)).digest() for key, path in node.files.items()}


def _load(node: Data, seed: int, place: Place, least: int) -> Dataset:
    match node:
        case Ellipses():
            parts = generators.ellipses(node.train, node.validation, node.noise, seed)
        case SwissRoll():
            parts = generators.swiss_roll(node.train, node.validation, node.noise, seed)
        case Peaks():
            _check_peaks(node, place)
            parts = generators.peaks(node.train, node.validation, node.classes, seed)
        case NestedSpheres():
            return _nested_spheres(node, seed)
        case Flip():
            parts = generators.flip(node.train, node.validation, seed)
            return Dataset(*parts, Preprocessing(("x",), targets=("target",)))
        case PlanarDensity():
            parts = samples(node.kind, node.train, node.validation, node.noise, seed)
            return Dataset(*parts, Preprocessing(PLANE))
        case Digits():
            return _digits(node, seed)
        case Points():
            return _points(node, least)
        case _:
            raise TypeError(f"no loader for data of kind {node.kind!r}")
    return Dataset(*parts, Preprocessing(PLANE, _numerals(node.class_count or 0)))


def _mismatch(what: str, have: int | None, expected: int, place: Place) -> SpecError:
    message = f"{what} of the data: {have}, of the model: {expected}"
    return SpecError(Diagnostic("E409", message, place("path")))


def _check_range(dataset: Dataset, place: Place, dtype: str) -> None:
    """Refuse points that are no numbers of a dtype."""
    for key, values in (("features", dataset.train.x), ("targets", dataset.train.targets)):
        if values is None or values.ndim < 2:
            continue
        if len(found := beyond(values, dtype)):
            row, column = map(int, found[0])
            message = f"{values[row, column]:g} is no number of {dtype}"
            span = place(key, row, column)
            raise SpecError(Diagnostic("E407", message, span, help="dtype: float64"))


def _numerals(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _check_peaks(node: Peaks, place: Place) -> None:
    most = generators.peaks_capacity(node.classes)
    per_class = -(-node.train // node.classes) - (-node.validation // node.classes)
    if per_class > most:
        message = f"peaks has {most} grid points for each of {node.classes} classes"
        label = f"{per_class} a class are asked for, train and validation together"
        raise SpecError(Diagnostic("E412", message, place("train"), label=label))


def _nested_spheres(node: NestedSpheres, seed: int) -> Dataset:
    sizes = node.train, node.validation, node.dimensions
    parts = generators.nested_spheres(*sizes, node.radii, seed)
    names = _numbered("x", node.dimensions)
    return Dataset(*parts, Preprocessing(names, ("inner", "outer")))


def _digits(node: Digits, seed: int) -> Dataset:
    file = distribution("scikit-learn").locate_file(DIGITS)  # to import it takes 0.7 s
    numbers = np.loadtxt(str(file), delimiter=",")
    examples = Split(numbers[:, :-1] / 16, numbers[:, -1].astype(np.int64))
    parts = holdout(examples, node.validation, rng(seed, "data", "digits"))
    dataset = Dataset(*parts, Preprocessing(PIXELS, _numerals(10)))
    return standardized(dataset, node.standardized)


def _points(node: Points, least: int) -> Dataset:
    x = np.array(node.features, dtype=np.float64)
    names = _numbered("x", x.shape[1])
    if node.labels is not None:
        targets: Targets = np.array(node.labels, dtype=np.int64)
        known = Preprocessing(names, _numerals(max(least, int(targets.max()) + 1)))
    elif node.targets is not None:
        targets = np.array(node.targets, dtype=np.float64)
        known = Preprocessing(names, targets=_numbered("target", targets.shape[1]))
    else:
        targets, known = None, Preprocessing(names)
    examples = Split(x, targets)
    return Dataset(examples, examples.rows(np.arange(0)), known)


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}{i + 1}" for i in range(count))
