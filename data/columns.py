"""Which columns of a table are features, targets and label, and the table that these make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..spec.data import Column, Csv
from ..spec.diagnostics import Diagnostic, Span, SpecError, quote
from .header import Header
from .preprocessing import Floats
from .sources import Labels, Place, Source, Table, few


@dataclass(frozen=True)
class Columns:
    """Positions of the columns that make the features, the targets and the label."""

    names: tuple[str, ...]
    features: list[int]
    targets: list[int] = field(default_factory=list)
    label: int | None = None

    def table(
        self, x: Floats, values: Floats | None, labels: Labels | None, row: Callable[[int], str]
    ) -> Table:
        """The table of what was read; `row(i)` says where row i stands."""
        names, targets = (
            tuple(self.names[i] for i in part) for part in (self.features, self.targets)
        )
        return Table(x, names, row, labels, values, targets or None)


@dataclass
class Coder:
    """Numbers labels in the order in which they come."""

    codes: list[int] = field(default_factory=list)
    texts: dict[str, int] = field(default_factory=dict)
    first: list[int] = field(default_factory=list)

    def add(self, cells: Sequence[str]) -> None:
        for row, cell in enumerate(cells, len(self.codes)):
            text = cell.strip()
            code = self.texts.get(text)
            if code is None:
                code = self.texts[text] = len(self.texts)
                self.first.append(row)
            self.codes.append(code)

    def labels(self) -> Labels:
        return Labels(tuple(self.texts), np.array(self.codes, np.int64), tuple(self.first))


def coded(cells: Sequence[str]) -> Labels:
    """A column of labels."""
    coder = Coder()
    coder.add(cells)
    return coder.labels()


def columns_of(source: Source, node: Csv, header: Header, place: Place) -> Columns:
    """The positions of the columns the node names; all that are missing are refused at once."""
    names = header.names
    _check_known(source, node, names, place)
    targets = [_position(column, names) for column in node.targets or ()]
    label = None if node.label is None else _position(node.label, names)
    predicted = {*targets, label}
    features = [_position(column, names) for column in node.features or ()]
    if not features:
        features = [i for i in range(len(names)) if i not in predicted]
        _check_named(source, header, features)
    if not features:
        raise source.error("E406", "has no feature column besides those to be predicted")
    _check_used_once(source, names, [*features, *targets, *([] if label is None else [label])])
    return Columns(names, features, targets, label)


@dataclass(frozen=True)
class SeriesColumns:
    """Positions of the columns of observations; without an `id` all lines are of one series."""

    names: tuple[str, ...]
    id: int | None
    time: int
    channels: list[int]


def series_columns(source: Source, node: Csv, header: Header, place: Place) -> SeriesColumns:
    """The positions of the columns of observations; all that are missing are refused at once."""
    names = header.names
    _check_known(source, node, names, place)
    assert node.time is not None and node.channels is not None  # the node is of observations
    id = None if node.id is None else _position(node.id, names)
    time, channels = _position(node.time, names), [_position(c, names) for c in node.channels]
    _check_used_once(source, names, [time, *channels, *([] if id is None else [id])])
    return SeriesColumns(names, id, time, channels)


def _check_known(source: Source, node: Csv, names: tuple[str, ...], place: Place) -> None:
    found = [_missing(source, column, names, place(*loc)) for loc, column in node.columns()]
    if missing := [diagnostic for diagnostic in found if diagnostic is not None]:
        raise SpecError(missing)


def _check_named(source: Source, header: Header, features: list[int]) -> None:
    """A column without a name is an index or left over: it is taken where it is listed only."""
    unnamed = [i for i in header.unnamed if i in features]
    if not header.is_named or not unnamed:
        return
    listed = few(list(map(str, unnamed)), 8)
    which = f"column {listed} has" if len(unnamed) == 1 else f"columns {listed} have"
    rest = ", ".join(header.names[i] for i in features if i not in unnamed)
    help = f"features: [{rest}] takes the others; positions from 0 name any column"
    raise source.error("E413", f"{which} no name, and `features` does not list it", help=help)


def _check_used_once(source: Source, names: tuple[str, ...], used: list[int]) -> None:
    """A column may be used once, though it can be called by its name and by its position."""
    for i in set(used):
        if used.count(i) > 1:
            raise source.error("E109", f"column {i}, {quote(names[i])}, is used twice")


def _position(column: Column, names: tuple[str, ...]) -> int:
    return column if isinstance(column, int) else names.index(column)


def _missing(
    source: Source, column: Column, names: tuple[str, ...], span: Span | None
) -> Diagnostic | None:
    if isinstance(column, str):
        return None if column in names else source.missing("column", column, names, span)
    if column < len(names):
        return None
    message = f"has no column {column}: it has {len(names)}, counted from 0"
    return source.diagnostic("E406", message, span=span)
