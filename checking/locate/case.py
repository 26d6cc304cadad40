"""A failed rung with all that is known of it, and the equation that it is put down to."""

from __future__ import annotations

from dataclasses import dataclass

from ...backends.emit_field import parametrization_name, rate_name
from ...compiler.ir.program import Operand, Penalty, Program
from ..rungs import Rung
from .difference import Where
from .evidence import Evidence


@dataclass(frozen=True)
class Case:
    """A failed rung with all that is known of it."""

    rung: Rung
    program: Program
    evidence: Evidence
    where: Where
    passed: frozenset[str] = frozenset()
    """The quantities in which the same program agrees."""


@dataclass(frozen=True)
class Cause:
    """An equation, the functions of an emitted program that compute it (the nearest first), the
    raw weight and the regularizer that it is about."""

    equation: str
    functions: tuple[str, ...] = ()
    weight: str = ""
    penalty: Penalty | None = None
    note: str = ""


def right_hand_side(program: Program, block: str) -> Cause:
    """The equation of a block."""
    return Cause(f"field {block}", (rate_name(program, block),))


def parametrization(operand: Operand, *functions: str) -> Cause:
    """What makes an operand of its raw weight: in these functions, or in one of its own."""
    own = () if operand.is_raw else (parametrization_name(operand),)
    return Cause(f"parametrization {operand.name}", (*functions, *own), operand.raw.name)
