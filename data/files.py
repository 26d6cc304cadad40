"""Data of a file: a table, its labels as classes, two parts, standardized."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..spec.data import Csv, Npz
from ..spec.diagnostics import Span, SpecError, quote
from .csv_file import conventions, read_csv, read_named
from .dataset import Dataset, Split, Targets
from .labels import encode
from .npz_file import read_features_array, read_npz
from .preprocessing import Floats, Preprocessing
from .rng import rng
from .sources import Place, Source, Table, Teller, counted
from .splits import holdout
from .standardize import applied, beyond, standardized
from .text_file import Conventions

FileNode = Csv | Npz


def of_file(
    node: FileNode, seed: int, base: Path, place: Place, classes: int | None, dtype: str
) -> Dataset:
    """The examples of a file; the model has so many classes at most, and numbers of a dtype."""
    source = source_of(node.path, base, place("path"))
    table = _read(source, node, place)
    targets, names = _targets(source, table, node, classes, place("label"))
    examples = Split(table.x, targets)
    tables = {source: table}
    if isinstance(node.validation, str):
        other = source_of(node.validation, base, place("validation"))
        tables[other] = _second_table(other, node, table.names, names)
        parts = examples, _examples(other, tables[other], node, names)
    else:
        rows, where = len(examples), place("validation")
        count = validation_count(source, node.validation, rows, where)
        parts = holdout(examples, count, rng(seed, "data", node.kind))
    known = Preprocessing(table.names, names, table.targets)
    dataset = standardized(Dataset(*parts, known), node.standardized)
    for each, read in tables.items():
        check_range(each, read, dataset.preprocessing, dtype)
    return dataset


def source_of(name: str, base: Path, span: Span | None) -> Source:
    """A file by its path from a folder."""
    return Source(base / name, Path(name).name or name, span)


def read_features(path: Path, node: object, known: Preprocessing, where: Span | None) -> Floats:
    """Features alone (s, d), as the network takes them, from a csv or npz file to predict for.

    `known` is what the network knows of its data: a csv file with a header is read by the names of
    the features, other columns of it (a label, say) are left aside. Raises SpecError at `where`.
    """
    source = Source(path, path.name or str(path), where)
    if path.suffix.lower() == ".npz":
        x = read_features_array(source, node.features if isinstance(node, Npz) else "x")
    else:
        is_csv = isinstance(node, Csv)
        how = conventions(node) if is_csv else Conventions()
        x = read_named(source, how, known.features, node.header if is_csv else None).x
    check_count(source, x.shape[1], len(known.features), "the network was trained on")
    return x if known.scaling is None else known.scaling(x)


def read_examples(
    path: Path, node: FileNode, known: Preprocessing, dtype: str, where: Span | None
) -> Split:
    """Examples with targets, as the network takes them, from a file like that of the spec.

    Raises SpecError at `where`.
    """
    source = Source(path, path.name or str(path), where)
    table = _second_table(source, node, known.features, known.classes)
    split = _examples(source, table, node, known.classes)
    check_range(source, table, known, dtype)
    return applied(known, split)


def check_range(source: Source, table: Table, known: Preprocessing, dtype: str) -> None:
    """Refuse numbers that are none in the dtype of the network, with their place."""
    made = applied(known, Split(table.x, table.values))
    parts = ((table.names, table.x, made.x), (table.targets, table.values, made.targets))
    for names, raw, numbers in parts:
        if names is None or raw is None or numbers is None:
            continue
        if len(found := beyond(numbers, dtype)):
            row, column = map(int, found[0])
            place = f"{table.row(row)}, column {quote(names[column])}"
            raise beyond_range(source, place, float(raw[row, column]), len(found), dtype)


def beyond_range(source: Teller, place: str, value: float, count: int, dtype: str) -> SpecError:
    """That a number at a place, one of so many, is none in a dtype."""
    also = f", nor are {counted(count - 1, 'more cell')}" if count > 1 else ""
    largest = f"{np.finfo(dtype).max:.1e}"
    message = f"{place}: {value:g} is no number of {dtype}, which goes to {largest}{also}"
    help = "dtype: float64" if dtype == "float32" else "write the column in other units"
    return source.error("E407", message, help=help)


def _read(source: Source, node: FileNode, place: Place) -> Table:
    return read_csv(source, node, place) if isinstance(node, Csv) else read_npz(source, node, place)


def _second_table(
    source: Source, node: FileNode, names: tuple[str, ...], classes: tuple[str, ...] | None
) -> Table:
    """A further file, with the columns of the first."""
    known = node.model_copy(update={"classes": classes})
    if isinstance(node, Csv) and node.header:
        known = known.model_copy(update={"features": names})
    table = _read(source, known, lambda *keys: source.span)
    check_count(source, len(table.names), len(names), "the first file")
    return table


def _examples(
    source: Source, table: Table, node: FileNode, classes: tuple[str, ...] | None
) -> Split:
    """Its rows, with the classes of the first file."""
    known = node.model_copy(update={"classes": classes})
    targets, _ = _targets(source, table, known, None, source.span)
    return Split(table.x, targets)


def _targets(
    source: Source, table: Table, node: FileNode, classes: int | None, span: Span | None
) -> tuple[Targets, tuple[str, ...] | None]:
    if table.labels is None:
        return table.values, None
    return encode(source, table, table.labels, node.classes, classes, span)


def check_count(source: Source, found: int, wanted: int, whose: str, noun: str = "feature") -> None:
    """Refuse a file with other columns than those that are known."""
    if found != wanted:
        raise source.error("E409", f"has {counted(found, noun)}, {whose} {wanted}")


def validation_count(
    source: Source,
    share: int | float,
    size: int,
    span: Span | None,
    noun: tuple[str, str] = ("row", "rows"),
) -> int:
    """How many of so many validate: something is left to train on."""
    count = share if isinstance(share, int) else round(share * size)
    if count >= size:
        message = f"has {counted(size, *noun)}, of which validation takes {count:,}"
        help = f"at least one {noun[0]} is needed to train on"
        raise source.error("E410", message, span=span, help=help)
    return count
