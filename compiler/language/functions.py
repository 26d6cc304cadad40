"""Functions of a text's own: networks that a spec declares, and calls by their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ..ir.expr import Expr


@dataclass(frozen=True)
class Definition:
    """What a function computes of x, its arguments below each other: a text about x and weights."""

    text: str
    scope: Mapping[str, Expr]


class Function(Protocol):
    """A network whose number of inputs is that of its first call."""

    @property
    def definition(self) -> Definition | None:
        """What it computes; None before its first call."""
        ...

    def of(self, inputs: int) -> Definition:
        """Its definition. Raises ShapeError where it was called with another number of inputs."""
        ...


Functions = Mapping[str, Function]
NONE: Functions = {}
