"""From the data node of a spec to arrays, and what is known without reading a whole file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..spec.data import Csv, Data, Digits, Ellipses, File, Npz, Peaks, Points, SwissRoll
from ..spec.diagnostics import Diagnostic, Span, SpecError
from . import generators
from .csv_file import csv_names, read_csv, read_named
from .dataset import Dataset, Floats, Split, Targets
from .labels import encode
from .npz_file import npz_dimension, npz_targets, read_features_array, read_npz
from .preprocessing import Preprocessing, Scaling
from .rng import rng
from .sources import Place, Source, Table, counted
from .splits import holdout

PLANE = ("x1", "x2")
PIXELS = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))


def load(
    node: Data,
    seed: int,
    base: Path,
    place: Place,
    expected_features: int | None = None,
    expected_classes: int | None = None,
) -> Dataset:
    """The examples of a data node, the same for the same seed; paths are relative to `base`.

    `place(*keys)` is the position of a key below the node. The model takes
    exactly `expected_features`, and at most `expected_classes` classes. Raises SpecError for
    whatever is wrong with the data.
    """
    dataset = _load(node, seed, base, place, expected_classes or 0)
    if expected_features is not None and dataset.features != expected_features:
        raise _mismatch("features", dataset.features, expected_features, place)
    if expected_classes is not None and (dataset.classes or 0) > expected_classes:
        raise _mismatch("classes", dataset.classes, expected_classes, place)
    return dataset


def features(node: Data, base: Path, place: Place) -> int | None:
    """The number d of features; of a file, from its first line or from the header of an array.

    Raises SpecError if that cannot be read. None for a kind of data that cannot know.
    """
    if node.dimension is not None:
        return node.dimension
    if isinstance(node, Csv):
        return len(csv_names(_source(node.path, base, place("path")), node, place))
    if isinstance(node, Npz):
        source = _source(node.path, base, place("path"))
        return npz_dimension(source, node.features, place("features"))
    return None


def targets(node: Data, base: Path, place: Place) -> int | None:
    """The number k of values to predict, likewise; None where there are none."""
    if isinstance(node, Npz) and node.targets is not None:
        source = _source(node.path, base, place("path"))
        return npz_targets(source, node.targets, place("targets"))
    return node.target_count


def digests(node: Data, base: Path, place: Place) -> dict[str, str]:
    """SHA-256 of every file that a data node names, by its path. SpecError for one not readable."""
    return {path: _source(path, base, place(key)).digest() for key, path in node.files.items()}


def read_features(
    path: Path, node: Data | None, known: Preprocessing, where: Span | None
) -> Floats:
    """Features alone (s, d), as the network takes them, from a csv or npz file to predict for.

    `known` is what the network knows of its data: a csv file with a header is read by the names of
    the features, other columns of it (a label, say) are left aside. Raises SpecError at `where`.
    """
    source = Source(path, path.name or str(path), where)
    if path.suffix.lower() == ".npz":
        x = read_features_array(source, node.features if isinstance(node, Npz) else "x")
    else:
        delimiter, header = (node.delimiter, node.header) if isinstance(node, Csv) else (",", None)
        x = read_named(source, delimiter, known.features, header).x
    if x.shape[1] != len(known.features):
        trained = len(known.features)
        message = f"has {counted(x.shape[1], 'feature')}, the network was trained on {trained}"
        raise source.error("E409", message)
    return x if known.scaling is None else known.scaling(x)


def _load(node: Data, seed: int, base: Path, place: Place, least: int) -> Dataset:
    match node:
        case Ellipses():
            parts = generators.ellipses(node.train, node.validation, node.noise, seed)
        case SwissRoll():
            parts = generators.swiss_roll(node.train, node.validation, node.noise, seed)
        case Peaks():
            _check_peaks(node, place)
            parts = generators.peaks(node.train, node.validation, node.classes, seed)
        case Digits():
            return _digits(node, seed)
        case Points():
            return _points(node, least)
        case Csv() | Npz():
            return _file(node, seed, base, place, least)
        case _:
            raise TypeError(f"no loader for data of kind {node.kind!r}")
    return Dataset(*parts, Preprocessing(PLANE, _numerals(node.class_count or 0)))


def _mismatch(what: str, have: int | None, expected: int, place: Place) -> SpecError:
    message = f"{what} of the data: {have}, of the model: {expected}"
    return SpecError(Diagnostic("E409", message, place("path")))


def _numerals(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _check_peaks(node: Peaks, place: Place) -> None:
    most = generators.peaks_capacity(node.classes)
    per_class = -(-node.train // node.classes) - (-node.validation // node.classes)
    if per_class > most:
        message = f"peaks has {most} grid points for each of {node.classes} classes"
        label = f"{per_class} a class are asked for, train and validation together"
        raise SpecError(Diagnostic("E412", message, place("train"), label=label))


def _digits(node: Digits, seed: int) -> Dataset:
    from sklearn.datasets import load_digits  # slow to import, and no other data need it

    pixels, labels = load_digits(return_X_y=True)
    examples = Split(np.asarray(pixels) / 16, np.asarray(labels, dtype=np.int64))
    parts = holdout(examples, node.validation, rng(seed, "data", "digits"))
    dataset = Dataset(*parts, Preprocessing(PIXELS, _numerals(10)))
    return _standardized(dataset) if node.standardize else dataset


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


def _file(node: Csv | Npz, seed: int, base: Path, place: Place, least: int) -> Dataset:
    source = _source(node.path, base, place("path"))
    table = _read(source, node, place)
    targets, names = _targets(source, table, node, least, place("label"))
    examples = Split(table.x, targets)
    if isinstance(node.validation, str):
        other = _source(node.validation, base, place("validation"))
        parts = examples, _second_file(other, node, table, names)
    else:
        count = _validation_count(source, node.validation, len(examples), place("validation"))
        parts = holdout(examples, count, rng(seed, "data", node.kind))
    dataset = Dataset(*parts, Preprocessing(table.names, names, table.targets))
    return _standardized(dataset) if node.standardize else dataset


def _source(name: str, base: Path, span: Span | None) -> Source:
    return Source(base / name, Path(name).name or name, span)


def _read(source: Source, node: Csv | Npz, place: Place) -> Table:
    return read_csv(source, node, place) if isinstance(node, Csv) else read_npz(source, node, place)


def _targets(
    source: Source, table: Table, node: File, least: int, span: Span | None
) -> tuple[Targets, tuple[str, ...] | None]:
    if table.labels is None:
        return table.values, None
    return encode(source, table, table.labels, node.classes, least, span)


def _second_file(
    source: Source, node: Csv | Npz, first: Table, names: tuple[str, ...] | None
) -> Split:
    """The validation part from a file of its own, with the columns and the classes of the first."""
    known = node.model_copy(update={"classes": names})
    if isinstance(node, Csv) and node.header:
        known = known.model_copy(update={"features": first.names})
    table = _read(source, known, lambda *keys: source.span)
    if len(table.names) != len(first.names):
        message = f"has {counted(len(table.names), 'feature')}, the first file {len(first.names)}"
        raise source.error("E409", message)
    targets, _ = _targets(source, table, known, 0, source.span)
    return Split(table.x, targets)


def _validation_count(source: Source, share: int | float, rows: int, span: Span | None) -> int:
    count = share if isinstance(share, int) else round(share * rows)
    if count >= rows:
        message = f"has {counted(rows, 'row')}, of which validation takes {count:,}"
        raise source.error(
            "E410", message, span=span, help="at least one row is needed to train on"
        )
    return count


def _standardized(dataset: Dataset) -> Dataset:
    scaling = Scaling.of(dataset.train.x)
    train, validation = (
        Split(scaling(part.x), part.targets) for part in (dataset.train, dataset.validation)
    )
    return Dataset(train, validation, replace(dataset.preprocessing, scaling=scaling))
