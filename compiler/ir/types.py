"""What a value is: the shape of one element, the axes around it, and how its array is laid out.

An element is a scalar, a vector or a matrix *of one example and one time step*. Around it lie
axes: the examples of a batch, the steps or nodes of a path. The layout says in which order an
array holds them: a batch of vectors is a matrix of columns (n, s) or of rows (s, n).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

Shape = tuple[int, ...]


class ShapeError(ValueError):
    """Operands that do not fit the operation."""


@dataclass(frozen=True)
class Axis:
    """A named axis. Of N steps, `extra` = 1 are the N + 1 nodes, −1 the gaps between steps."""

    name: str
    extra: int = 0

    def longer(self, by: int = 1) -> Axis:
        """The axis with as many more entries."""
        return Axis(self.name, self.extra + by)

    def __str__(self) -> str:
        return f"{self.name}{self.extra:+d}" if self.extra else self.name


BATCH = Axis("s")
STEP = Axis("N")
NODE = STEP.longer()
OBSERVATION = Axis("L")
"""The times that somebody asks for, or that observations come with."""
GRID = Axis("G")
"""The times since the first observation at which states are computed."""
PROBE = Axis("probes")
"""The vectors that a derivative is multiplied by."""
ENDS = Axis("ends")
"""Where a solve starts and where it stops."""
Sizes = Mapping[str, int]
"""The length of every axis by its name."""


def length(axis: Axis, sizes: Sizes) -> int:
    """How many entries an axis has."""
    return sizes[axis.name] + axis.extra


@dataclass(frozen=True)
class Size:
    """A number of components, by the name that a program calls it, if it has one; or the sum of
    such numbers, its `terms`."""

    value: int
    name: str = ""
    terms: tuple[Size, ...] = ()

    def __add__(self, other: Size) -> Size:
        terms = (*(self.terms or (self,)), *(other.terms or (other,)))
        return Size(self.value + other.value, terms=terms)

    def __str__(self) -> str:
        return " + ".join(map(str, self.terms)) or self.name or str(self.value)


class Layout(StrEnum):
    """In which order an array holds its axes. Time always comes first."""

    STORED = "as weights are stored: (N, n)"
    COLUMNS = "vectors as columns, the batch last: (N, n, s), or (N, n, 1) without a batch"
    ROWS = "a row for each example: (N, s, n)"


@dataclass(frozen=True)
class Type:
    """Shape of one element, the axes around it (the outermost first), the layout of its array.

    With a `domain` the value is a linear operator that maps the domain to the shape. The layout of
    what lies in memory in one way only is STORED.
    """

    shape: Shape = ()
    axes: tuple[Axis, ...] = ()
    layout: Layout = Layout.STORED
    domain: Shape | None = None

    def __post_init__(self) -> None:
        if not self.lies_differently:
            object.__setattr__(self, "layout", Layout.STORED)

    @property
    def lies_differently(self) -> bool:
        """Does its array depend on the layout: has it a batch, is it a vector, or a path of
        numbers?"""
        if self.is_operator or self.batched:
            return self.batched
        return self.rank == 1 or (self.rank == 0 and bool(self.path))

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def height(self) -> int:
        """How many components it has below or above others: a number has one."""
        return self.shape[0] if self.shape else 1

    @property
    def batched(self) -> bool:
        """Is there one element for every example?"""
        return BATCH in self.axes

    @property
    def path(self) -> tuple[Axis, ...]:
        """The axes of time: all but the batch."""
        return tuple(axis for axis in self.axes if axis != BATCH)

    @property
    def is_operator(self) -> bool:
        return self.domain is not None

    def with_shape(self, shape: Shape) -> Type:
        return replace(self, shape=shape)

    def with_axes(self, axes: tuple[Axis, ...]) -> Type:
        return replace(self, axes=axes)

    def element(self) -> Type:
        """The type of one entry along the first axis of time."""
        _, *rest = self.path
        return self.with_axes((*rest, *[BATCH] * self.batched))

    def along(self, axis: Axis) -> Type:
        """The type of such values stacked along an axis of time."""
        return self.with_axes((axis, *self.axes))

    def __str__(self) -> str:
        size = "×".join(map(str, self.shape))
        if self.domain is not None:
            return f"a matrix ({size}×{'×'.join(map(str, self.domain))})"
        names = {0: "a scalar", 1: "a vector", 2: "a matrix"}
        return f"{names[self.rank]} ({size})" if self.shape else names[0]


SCALAR = Type()
"""A number."""


def stored(shape: Shape = (), *axes: Axis) -> Type:
    """A weight as it travels, its time axis first."""
    return Type(shape, axes)


def columns(shape: Shape = (), *, batch: bool = True) -> Type:
    """One column for every example, or one that all share."""
    return Type(shape, (BATCH,) * batch, Layout.COLUMNS)


def rows(shape: Shape = ()) -> Type:
    """One row for every example."""
    return Type(shape, (BATCH,), Layout.ROWS)


def operator(codomain: Shape, domain: Shape) -> Type:
    """A linear map from the domain to the codomain."""
    return Type(codomain, (), Layout.STORED, domain)


def array_shape(type: Type, sizes: Sizes) -> Shape:
    """The shape of the array of a value; a dense operator is its matrix."""
    path = tuple(length(axis, sizes) for axis in type.path)
    shape = (*type.shape, *(type.domain or ()))
    batch = (sizes[BATCH.name],) if type.batched else ()
    if type.layout is Layout.ROWS:
        return (*path, *batch, *shape)
    if type.layout is Layout.COLUMNS:
        return (*path, *(shape or (1,)), *(batch or (1,)))
    return (*path, *shape)


def joined(*types: Type) -> tuple[tuple[Axis, ...], Layout]:
    """Axes and layout of what is made of such values entry by entry. Raises ShapeError."""
    paths = {t.path for t in types if t.path}
    if len(paths) > 1:
        raise ShapeError(f"values along {' and '.join(sorted(map(_words, paths)))}")
    layouts = {t.layout for t in types if t.lies_differently}
    if len(layouts) > 1:
        raise ShapeError(f"arrays in different layouts: {'; '.join(sorted(layouts))}")
    batched = any(t.batched for t in types)
    return (*next(iter(paths), ()), *[BATCH] * batched), next(iter(layouts), Layout.STORED)


def _words(path: tuple[Axis, ...]) -> str:
    return " × ".join(map(str, path))
