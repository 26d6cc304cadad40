"""The catalogue of data: generated point sets, a set that ships, files, points by value.

A node knows its number of features and of classes where no file has to be read for it; what a
file says of itself is found in `data`.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from .diagnostics import quote
from .generated import Data, Standardized, TargetKind
from .node import Later, Why, refuse
from .observations import (
    ChannelColumns,
    Column,
    IdColumn,
    TimeColumn,
    TimesArray,
    Until,
    ValuesArray,
    observes,
)

Standardize = Annotated[bool, Field(description="features of mean 0 and standard deviation 1")]
StandardizeParts = Annotated[
    bool | Standardized,
    Field(description="features and targets of mean 0 and standard deviation 1, or one of them"),
]
Label = Annotated[int, Field(ge=0, le=9999), Why("classes count from 0 to at most 9999")]
Rows = Annotated[tuple[Annotated[tuple[float, ...], Field(min_length=1)], ...], Field(min_length=1)]
DIGITS = 1797
"""Rows of scikit-learn's digits."""


def _share(value: int | float | str) -> int | float | str:
    """A validation part: a count, a fraction in [0, 1), or the path of a second file."""
    if isinstance(value, float) and not 0 <= value < 1:
        message = f"a fraction for validation must be in [0, 1), got {value:g}"
        raise refuse("E102", message, label="something must be left to train on")
    if isinstance(value, int) and value < 0:
        raise refuse("E102", f"validation must be ≥ 0, got {value}")
    return value


Validation = Annotated[
    int | float | str,
    AfterValidator(_share),
    Field(description="a count, a fraction in [0, 1), or the path of a second file"),
]


class Digits(Data, kind="digits"):
    """The 8 × 8 digits of scikit-learn: 1797 rows of 64 pixels in [0, 1], ten classes."""

    validation: Annotated[
        int,
        Field(ge=0, lt=DIGITS, description="digits to validate on"),
        Why(f"there are {DIGITS} digits"),
    ] = 360
    standardize: Standardize = False

    @property
    def standardized(self) -> Standardized:
        return Standardized(features=self.standardize, targets=False)

    @property
    def dimension(self) -> int:
        return 64

    @property
    def class_count(self) -> int:
        return 10


class File(Data):
    """Examples from a file; a path is relative to the folder of the spec.

    `standardize` gives every feature, and every target of a regression, mean 0 and standard
    deviation 1 (ddof = 0) over the training part; the validation part is mapped by the same
    numbers, and predictions are mapped back. `classes` lists the labels in the order of the classes
    0, 1, …; without it integer labels stand for themselves and words are sorted.

    A file of observations has series in the place of rows: `validation` counts series, and
    `standardize` is of the channels.
    """

    observed_by: ClassVar[tuple[str, str]]
    """The keys for times and values, by which a file is one of observations."""

    path: Annotated[str, Field(min_length=1, description="relative to the folder of the spec")]
    validation: Validation = 0.2
    standardize: StandardizeParts = False
    classes: Annotated[
        Annotated[tuple[Column, ...], Field(min_length=1, max_length=10_000)] | None,
        Field(description="the labels in the order of the classes 0, 1, …"),
    ] = None
    until: Until = None

    @property
    def has_observations(self) -> bool:
        """Does the file hold time series, and no rows?"""
        return getattr(self, self.observed_by[1]) is not None

    @property
    def class_count(self) -> int | None:
        return None if self.classes is None else len(self.classes)

    @property
    def standardized(self) -> Standardized:
        what = self.standardize
        if not isinstance(what, Standardized):
            what = Standardized(features=what, targets=what)
        return (
            Standardized(features=what.features, targets=False) if self.has_observations else what
        )

    @property
    def files(self) -> dict[str, str]:
        second = {"validation": self.validation} if isinstance(self.validation, str) else {}
        return {"path": self.path} | second

    @model_validator(mode="after")
    def _has_rows_or_observations(self) -> Self:
        what = self.standardize
        given = what.model_fields_set if isinstance(what, Standardized) else ()
        if observes(self, self.observed_by) and "targets" in given:
            loc = ("standardize", "targets")
            raise refuse("E109", "observations have no targets to standardize", loc=loc)
        return self

    @model_validator(mode="after")
    def _classes_make_sense(self) -> Self:
        if self.classes is not None and self.target_kind != "classes":
            raise refuse("E109", "classes are given, but no label", loc=("classes",))
        seen: set[str] = set()
        for i, name in enumerate(map(str, self.classes or ())):
            if name in seen:
                raise refuse("E109", f"class {quote(name)} is listed twice", loc=("classes", i))
            seen.add(name)
        return self


class Csv(File, kind="csv"):
    """A table as text, one example a line. Without `header` columns go by position, from 0.

    With `time` and `channels` a line is an observation of the series that `id` names; the lines of
    a series are in the order of time.
    """

    observed_by: ClassVar[tuple[str, str]] = ("time", "channels")
    examples: ClassVar[tuple[str, ...]] = (
        "{kind: csv, path: points.csv, features: [x1, x2], label: colour, classes: [red, blue], "
        "validation: 0.2, standardize: true}",
        '{kind: csv, path: table.csv, header: false, delimiter: ";", decimal: ",", '
        "encoding: latin-1, features: [0, 1], targets: [2], validation: more.csv, "
        "standardize: {features: true, targets: false}}",
        "{kind: csv, path: patients.csv, id: patient, time: hours, channels: [pulse, pressure], "
        "validation: 0.2, until: 24}",
    )

    features: Annotated[
        Annotated[tuple[Column, ...], Field(min_length=1)] | None,
        Field(description="columns; without it, all that are neither label nor targets"),
    ] = None
    label: Annotated[Column | None, Field(description="the column of the classes")] = None
    targets: Annotated[
        Annotated[tuple[Column, ...], Field(min_length=1)] | None,
        Field(description="columns of numbers to predict, in place of a label"),
    ] = None
    id: IdColumn = None
    time: TimeColumn = None
    channels: ChannelColumns = None
    delimiter: Annotated[
        str,
        Field(min_length=1, max_length=1, description="between two columns"),
        Why(r'one character stands between two columns: "\t" is a tab'),
    ] = ","
    decimal: Annotated[
        Literal[".", ","], Field(description="before the decimals of a number"), Later()
    ] = "."
    encoding: Annotated[
        Literal["utf-8", "utf-16", "latin-1"], Field(description="of the text"), Later()
    ] = "utf-8"
    header: Annotated[
        bool,
        Field(
            description="does the first line name the columns? Has to be said where that line "
            "holds numbers"
        ),
    ] = True

    @property
    def dimension(self) -> int | None:
        columns = self.channels or self.features
        return None if columns is None else len(columns)

    @property
    def target_count(self) -> int | None:
        return None if self.targets is None else len(self.targets)

    @property
    def target_kind(self) -> TargetKind:
        return _target_kind(self.label, self.targets, self.channels)

    def columns(self) -> list[tuple[tuple[str | int, ...], Column]]:
        """Every column the spec names, with its place below the node."""
        found: list[tuple[tuple[str | int, ...], Column]] = []
        for key in ("features", "label", "targets", "id", "time", "channels"):
            named = getattr(self, key)
            if isinstance(named, tuple):
                found += [((key, i), column) for i, column in enumerate(named)]
            elif named is not None:
                found.append(((key,), named))
        return found

    @model_validator(mode="after")
    def _columns_make_sense(self) -> Self:
        _refuse_both(self.label, self.targets)
        if self.delimiter in '"\r\n':
            raise refuse("E109", "delimiter cannot be a quote or a line break", loc=("delimiter",))
        if self.delimiter == self.decimal:
            message = f"delimiter and decimal are both {quote(self.decimal)}"
            raise refuse("E109", message, loc=("decimal",), help='delimiter: ";"')
        seen: set[Column] = set()
        for loc, column in self.columns():
            self._refuse_column(loc, column, seen)
            seen.add(column)
        return self

    def _refuse_column(self, loc: tuple[str | int, ...], column: Column, seen: set[Column]) -> None:
        if column in seen:
            raise refuse("E109", f"column {_shown(column)} is used twice", loc=loc)
        if isinstance(column, int) and column < 0:
            raise refuse("E102", f"columns count from 0, got {column}", loc=loc)
        if isinstance(column, str) and not self.header:
            message = f"column {_shown(column)} has no name in a file without header"
            raise refuse("E109", message, loc=loc, help="give its position, counting from 0")


class Npz(File, kind="npz"):
    """Arrays of one NumPy archive: features (s, d), and label (s,) or targets (s, k); or the times
    and values of observations."""

    observed_by: ClassVar[tuple[str, str]] = ("times", "values")
    examples: ClassVar[tuple[str, ...]] = (
        "{kind: npz, path: points.npz, features: x, label: y, classes: [0, 1], validation: 100, "
        "standardize: true}",
        "{kind: npz, path: values.npz, features: x, targets: u, validation: 0.2}",
        "{kind: npz, path: series.npz, times: times, values: values, validation: 10, until: 5}",
    )

    features: Annotated[str, Field(description="the array (s, d) of features")] = "x"
    label: Annotated[str | None, Field(description="the array (s,) of classes")] = None
    targets: Annotated[
        str | None, Field(description="the array (s, k) to predict, in place of a label")
    ] = None
    times: TimesArray = None
    values: ValuesArray = None

    @property
    def target_kind(self) -> TargetKind:
        return _target_kind(self.label, self.targets, self.values)

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        _refuse_both(self.label, self.targets)
        return self


class Points(Data, kind="points"):
    """Points by value, all of them for training; `labels` are their classes, if they have any."""

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: points, features: [[0, 1], [1, 0], [1, 1]], labels: [0, 0, 1]}",
        "{kind: points, features: [[0, 1], [1, 0]], targets: [[0.5], [-0.5]]}",
    )

    features: Annotated[Rows, Field(description="a list of numbers for every point")]
    labels: Annotated[
        Annotated[tuple[Label, ...], Field(min_length=1)] | None,
        Field(description="the class of every point"),
    ] = None
    targets: Annotated[
        Rows | None,
        Field(description="a list of numbers to predict for every point, in place of labels"),
        Later(),
    ] = None

    @property
    def dimension(self) -> int:
        return len(self.features[0])

    @property
    def target_count(self) -> int | None:
        return None if self.targets is None else len(self.targets[0])

    @property
    def class_count(self) -> int | None:
        return None if self.labels is None else max(self.labels) + 1

    @property
    def target_kind(self) -> TargetKind:
        return _target_kind(self.labels, self.targets)

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        _refuse_both(self.labels, self.targets, "labels")
        for what, rows in (("features", self.features), ("targets", self.targets or ())):
            lengths = [len(row) for row in rows]
            for i, length in enumerate(lengths):
                if length != lengths[0]:
                    message = f"points 0 and {i} differ: {lengths[0]} and {length} {what}"
                    raise refuse("E405", message, loc=(what, i))
        for what, given in (("labels", self.labels), ("targets", self.targets)):
            if given is not None and len(given) != len(self.features):
                message = f"as many {what} as points: got {len(given)} for {len(self.features)}"
                raise refuse("E405", message, loc=(what,))
        return self


def _target_kind(label: object, targets: object, observed: object = None) -> TargetKind:
    if observed is not None:
        return "observations"
    if label is not None:
        return "classes"
    return "none" if targets is None else "values"


def _refuse_both(label: object, targets: object, name: str = "label") -> None:
    if label is not None and targets is not None:
        raise refuse(
            "E109",
            f"{name} and targets exclude each other",
            loc=("targets",),
            help=f"{name} for classes, targets for regression",
        )


def _shown(column: Column) -> str:
    return quote(column) if isinstance(column, str) else str(column)
