"""Type rules of the operations on series of observations; the rows are in the table of all."""

from __future__ import annotations

from typing import Any

from .types import BATCH, OBSERVATION, Layout, ShapeError, Type

Attributes = tuple[Any, ...]


def taken(_: Attributes, path: Type, places: Type) -> Type:
    """Of a stack of columns some entries, for every example others."""
    return Type(path.shape, places.axes, Layout.COLUMNS)


def scattered(_: Attributes, g: Type, places: Type, like: Type) -> Type:
    return Type(like.shape, (*like.path, BATCH), Layout.COLUMNS)


def merged(_: Attributes, x: Type) -> Type:
    """The observations of all examples as so many examples."""
    if x.axes != (OBSERVATION, BATCH) or x.layout is not Layout.ROWS:
        raise ShapeError(f"{x} is not one row for each observation")
    return x.with_axes((BATCH,))
