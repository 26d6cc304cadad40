"""What is known of a difference between a program and its spec."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ...spec.diagnostics import Span
from ..report import plain

Line = tuple[int, str]
"""A line of a text with its number, from 1."""


@dataclass(frozen=True)
class Where:
    """The first place at which a quantity is wrong, and what stands there.

    `step` is the state that differs first (of t_step; the first step makes state 1), of a field
    the step j that t lies in, of a weight or its gradient the index along the time axis. `row` and
    `component` are those of the batch, `entry` is what remains of the index of a weight.
    """

    set: str = ""
    weight: str = ""
    step: int | None = None
    time: float | None = None
    row: int | None = None
    component: int | None = None
    entry: tuple[int, ...] = ()
    found: float | None = None
    expected: float | None = None


@dataclass(frozen=True)
class Excerpt:
    """The function of a program that computes an equation; `departs` are numbers of lines that
    the emitted text of the same spec does not have."""

    backend: str
    function: str
    lines: tuple[Line, ...]
    departs: tuple[int, ...] = ()


@dataclass(frozen=True)
class Departure:
    """Lines of the emitted text, and those that a file of the user's has in their place."""

    emitted: tuple[Line, ...]
    given: tuple[Line, ...]


@dataclass(frozen=True)
class Difference:
    """The lowest rung that a program fails, and the equation that is to blame.

    `equation` is one of `cli.difference.EQUATIONS` with its subject, as in `field y`.
    `functions` are the functions of an emitted program that compute it; `element` is the worst one
    in words, `reason` why there was none to compare. `note` is a second suspect. `agree` says that
    both programs were compared and say the same, so that what they share, or the reference, is
    wrong. `departures` are there for a file that is not the emitted text; `rewritten` says that it
    is another program, `stopped` that it hung or died when it was asked: nothing of it is to be run
    again.
    """

    rung: str
    backend: str
    dtype: str
    quantity: str
    equation: str
    functions: tuple[str, ...] = ()
    weight: str = ""
    where: Where = field(default_factory=Where)
    element: str = ""
    reason: str = ""
    note: str = ""
    agree: bool = False
    span: Span | None = None
    excerpts: tuple[Excerpt, ...] = ()
    departures: tuple[Departure, ...] = ()
    rewritten: bool = False
    stopped: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values that are valid JSON: what is not a finite number is null."""
        return plain(asdict(self))
