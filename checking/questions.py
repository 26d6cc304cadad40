"""The ladder as a table: what is asked of a program on which rung, and what the answer is held to.

A new question is one row here; its text for people is in `docs/checking.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ..backends.model import Model
from ..compiler.ir.program import Program
from . import awkward, drift, optimization, quantities
from .compare import Standard
from .invariants import dot, energy, operands, order, reversal, structure
from .locate import pieces
from .probes import Probes
from .quantities import (
    AWKWARD,
    BATCHES,
    DOT,
    DTYPES,
    ENERGY,
    FIELD,
    FINAL,
    GRADIENT,
    LOGITS,
    LOSS,
    OPERANDS,
    OPTIMIZER,
    ORDER,
    RATES,
    REGULARIZER,
    REVERSIBILITY,
    STRUCTURE,
    TRAINING,
    TRAJECTORY,
    WEIGHTS,
    Answers,
    Key,
)

DOUBLE = ("float64",)


class Judge(StrEnum):
    """Who says what the answer should have been."""

    BYTES = "the bytes of the reference"
    REFERENCE = "the reference, to the growth of the spec"
    STATED = "a standard of its own"
    PEER = "the other backend, to the spec's own drift"


@dataclass(frozen=True)
class Question:
    """One quantity of the ladder.

    `when` says for which programs it is asked, `stated` gives the standards of Judge.STATED and
    `basis` says where they come from;
    `lenient` leaves that the reference cannot judge are passed over; `own` questions emit further
    programs of the same spec, or look at functions that are ours to shape, so that they say nothing
    of a file of the user's. What has no level
    is asked where a check has failed (`locate`).
    """

    level: str
    quantity: str
    ask: Callable[[Model, Probes], Answers]
    when: Callable[[Program, Probes], bool] = lambda program, probes: True
    judge: Judge = Judge.REFERENCE
    dtypes: tuple[str, ...] = DTYPES
    stated: Callable[[Program, Probes], Mapping[str, Standard]] | None = None
    basis: str = ""
    lenient: bool = False
    own: bool = False


def _has_weights(program: Program, probes: Probes) -> bool:
    return bool(program.weights)


def _no_readout(program: Program, probes: Probes) -> bool:
    return program.readout is None


def _readout(program: Program, probes: Probes) -> bool:
    return program.readout is not None


def _loss(program: Program, probes: Probes) -> bool:
    return program.loss is not None


def _penalties(program: Program, probes: Probes) -> bool:
    return bool(program.penalties)


def _trains(program: Program, probes: Probes) -> bool:
    return probes.training is not None


def _has_textbook(program: Program, probes: Probes) -> bool:
    return _trains(program, probes) and optimization.has_textbook(program)


QUESTIONS = {
    question.quantity: question
    for question in (
        Question("L0", WEIGHTS, quantities.weights, _has_weights, Judge.BYTES),
        Question("L1", FIELD, quantities.vector_field),
        Question("L2", TRAJECTORY, quantities.trajectory),
        Question("L2", FINAL, quantities.forward, _no_readout),
        Question("L3", LOGITS, quantities.forward, _readout),
        Question("L3", REGULARIZER, quantities.regularizer, _penalties),
        Question("L3", LOSS, quantities.loss, _loss),
        Question("L3", GRADIENT, quantities.gradient, _loss),
        Question("L3", AWKWARD, awkward.ask, dtypes=DOUBLE, lenient=True),
        Question(
            "L4",
            OPTIMIZER,
            optimization.weights,
            _has_textbook,
            Judge.STATED,
            DOUBLE,
            optimization.expected_weights,
            "1e-13 of the formulas of the papers, computed in another form",
        ),
        Question(
            "L4",
            RATES,
            optimization.rates,
            _has_textbook,
            Judge.STATED,
            DOUBLE,
            optimization.expected_rates,
            "1e-13 of the formulas of the papers, computed in another form",
        ),
        Question(
            "L4",
            BATCHES,
            optimization.batches,
            _trains,
            Judge.STATED,
            DOUBLE,
            optimization.expected_batches,
            "equality: every example once an epoch, in the sizes of the spec, in a new order",
        ),
        Question("L5", TRAINING, drift.ask, _trains, Judge.PEER, DOUBLE),
        Question("L6", OPERANDS, operands.ask, operands.applies, dtypes=DOUBLE, own=True),
        Question(
            "L6",
            STRUCTURE,
            structure.ask,
            structure.applies,
            Judge.STATED,
            DOUBLE,
            structure.expected,
            "what the parametrization promises: exactly, or n ε where products are rounded",
            own=True,
        ),
        Question(
            "L6",
            ORDER,
            order.ask,
            order.applies,
            Judge.STATED,
            DOUBLE,
            order.expected,
            "±0.1 of the declared order, against SciPy's DOP853",
            lenient=True,
            own=True,
        ),
        Question(
            "L6",
            ENERGY,
            energy.ask,
            energy.applies,
            Judge.STATED,
            DOUBLE,
            energy.expected,
            "the energy's error is of order 2 ± 0.1 in h",
            lenient=True,
            own=True,
        ),
        Question(
            "L6",
            REVERSIBILITY,
            reversal.ask,
            reversal.applies,
            Judge.STATED,
            DOUBLE,
            reversal.expected,
            "rounding of the way there and back, measured on the reference",
            lenient=True,
        ),
        Question(
            "L6",
            DOT,
            dot.ask,
            dot.applies,
            Judge.STATED,
            DOUBLE,
            dot.expected,
            "1e-12 × growth, relative to the sizes of the terms of both products",
            lenient=True,
        ),
        *(Question("", quantity, ask) for quantity, ask in pieces.PIECES.items()),
    )
}
AS_TRAINED = frozenset({TRAJECTORY, GRADIENT, TRAINING})
"""Answered by code that is compiled as it is for training: all functions of a program are part of
it. To compile the others in full as well takes most of the time of a check."""
LEVELS = ("L0", "L1", "L2", "L3", "L4", "L5", "L6", "L7")


def plan(
    program: Program,
    probes: Probes,
    dtypes: tuple[str, ...] = DTYPES,
    levels: Collection[str] = LEVELS,
    given: bool = False,
) -> tuple[Key, ...]:
    """What is asked, lowest rung first; weights are drawn in the spec's dtype only.

    A `given` program is the user's own file.
    """
    asked = [
        q
        for q in QUESTIONS.values()
        if q.level in levels and q.when(program, probes) and not (given and q.own)
    ]
    weights = [Key(program.spec.dtype, q.quantity) for q in asked if q.judge is Judge.BYTES]
    early, late = (
        [
            Key(dtype, q.quantity)
            for dtype in dtypes
            for q in asked
            if dtype in q.dtypes and q.judge is not Judge.BYTES and (q.level <= "L3") is is_early
        ]
        for is_early in (True, False)
    )
    return (*weights, *early, *late)
