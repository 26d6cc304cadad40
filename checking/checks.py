"""The ladder as a table: what is asked of a program on which rung, and what the answer is held to.

A new check is one row here; its text for people is in `docs/checking.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from ..backends.model import Model
from ..compiler.pipeline import Compiled
from . import awkward, drift, optimization, quantities
from .compare import Standard
from .invariants import dot, energy, layer, order, reversal, structure
from .locate import functions, public
from .probes import Probes
from .quantities import (
    AWKWARD,
    BATCHES,
    DOT,
    DTYPES,
    ENERGY,
    FIELD,
    FINAL,
    FUNCTIONS,
    GRADIENT,
    LAYER,
    LOGITS,
    LOSS,
    OPTIMIZER,
    ORDER,
    PUBLIC,
    PULLBACKS,
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
RUNGS = ("L0", "L1", "L2", "L3", "L4", "L5", "L6", "L7")
Ask = Callable[[Model, Compiled, Probes], Answers]
Applies = Callable[[Compiled, Probes], bool]
Stated = Callable[[Compiled, Probes], Mapping[str, Standard]]
"""The standards of a check that has some of its own."""


class Expect(Enum):
    """What an answer is held to, where the check states no standards of its own."""

    BYTES = "the bytes of the reference"
    GROWTH = "the reference, to the growth of the spec"
    PEER = "the other backend, to the spec's own drift"


@dataclass(frozen=True)
class Check:
    """One quantity of the ladder, as one row: where it stands, of which specs it is asked, how,
    what is expected, and where that comes from (`basis`, of stated standards).

    Of a `lenient` check, leaves that the reference cannot judge are passed over. An `own` one emits
    further programs of the same spec, or looks at functions that are ours to shape, so that it says
    nothing of a file of the user's. What has no rung is asked where a check has failed (`locate`).
    """

    rung: str
    name: str
    applies: Applies
    ask: Ask
    expect: Expect | Stated = Expect.GROWTH
    basis: str = ""
    dtypes: tuple[str, ...] = DTYPES
    lenient: bool = False
    own: bool = False


def _always(case: Compiled, probes: Probes) -> bool:
    return True


def _has_weights(case: Compiled, probes: Probes) -> bool:
    return bool(case.module.weights)


def _no_readout(case: Compiled, probes: Probes) -> bool:
    return case.problem.readout is None


def _readout(case: Compiled, probes: Probes) -> bool:
    return case.problem.readout is not None


def _loss(case: Compiled, probes: Probes) -> bool:
    return case.module.has_loss


def _penalties(case: Compiled, probes: Probes) -> bool:
    return case.module.has_penalties


def _trains(case: Compiled, probes: Probes) -> bool:
    return probes.training is not None


def _has_textbook(case: Compiled, probes: Probes) -> bool:
    return _trains(case, probes) and optimization.has_textbook(case)


_PAPERS = "1e-13 of the formulas of the papers, computed in another form"
_EPOCHS = "equality: every example once an epoch, in the sizes of the spec, in a new order"
_PROMISED = "what the parametrization promises: exactly, or n ε where products are rounded"
_OBSERVED = "±0.1 of the declared order, against SciPy's DOP853"
_CONSERVED = "the energy's error is of order 2 ± 0.1 in h"
_WAY_BACK = "rounding of the way there and back, measured on the reference"
_ADJOINT = "1e-12 × growth, relative to the sizes of the terms of both products"

CHECKS = {
    check.name: check
    for check in (
        Check("L0", WEIGHTS, _has_weights, quantities.weights, Expect.BYTES),
        Check("L1", FIELD, _always, quantities.vector_field),
        Check("L2", TRAJECTORY, _always, quantities.trajectory),
        Check("L2", FINAL, _no_readout, quantities.forward),
        Check("L3", LOGITS, _readout, quantities.forward),
        Check("L3", REGULARIZER, _penalties, quantities.regularizer),
        Check("L3", LOSS, _loss, quantities.loss),
        Check("L3", GRADIENT, _loss, quantities.gradient),
        Check("L3", AWKWARD, _always, awkward.ask, dtypes=DOUBLE, lenient=True),
        Check(
            "L4",
            OPTIMIZER,
            _has_textbook,
            optimization.weights,
            optimization.expected_weights,
            _PAPERS,
            DOUBLE,
        ),
        Check(
            "L4",
            RATES,
            _has_textbook,
            optimization.rates,
            optimization.expected_rates,
            _PAPERS,
            DOUBLE,
        ),
        Check(
            "L4",
            BATCHES,
            _trains,
            optimization.batches,
            optimization.expected_batches,
            _EPOCHS,
            DOUBLE,
        ),
        Check("L5", TRAINING, _trains, drift.ask, Expect.PEER, dtypes=DOUBLE),
        Check("L6", LAYER, layer.applies, layer.ask, dtypes=DOUBLE, own=True),
        Check(
            "L6",
            STRUCTURE,
            structure.applies,
            structure.ask,
            structure.expected,
            _PROMISED,
            DOUBLE,
            own=True,
        ),
        Check(
            "L6",
            ORDER,
            order.applies,
            order.ask,
            order.expected,
            _OBSERVED,
            DOUBLE,
            lenient=True,
            own=True,
        ),
        Check(
            "L6",
            ENERGY,
            energy.applies,
            energy.ask,
            energy.expected,
            _CONSERVED,
            DOUBLE,
            lenient=True,
            own=True,
        ),
        Check(
            "L6",
            REVERSIBILITY,
            reversal.applies,
            reversal.ask,
            reversal.expected,
            _WAY_BACK,
            DOUBLE,
            lenient=True,
        ),
        Check(
            "L6",
            DOT,
            _always,
            dot.ask,
            dot.expected,
            _ADJOINT,
            DOUBLE,
            lenient=True,
        ),
        Check("", FUNCTIONS, _always, functions.ask, lenient=True),
        Check("", PULLBACKS, _loss, functions.ask_pullbacks, lenient=True),
        Check("", PUBLIC, _always, public.ask, lenient=True),
    )
}
AS_TRAINED = frozenset({TRAJECTORY, GRADIENT, TRAINING})
"""Answered by code that is compiled as it is for training: all functions of a program are part of
it. To compile the others in full as well takes most of the time of a check."""


def plan(
    case: Compiled,
    probes: Probes,
    dtypes: tuple[str, ...] = DTYPES,
    rungs: Collection[str] = RUNGS,
    given: bool = False,
) -> tuple[Key, ...]:
    """What is asked, lowest rung first; weights are drawn in the spec's dtype only.

    A `given` program is the user's own file.
    """
    asked = [
        check
        for check in CHECKS.values()
        if check.rung in rungs and check.applies(case, probes) and not (given and check.own)
    ]
    weights = [Key(case.module.dtype, c.name) for c in asked if c.expect is Expect.BYTES]
    early, late = (
        [
            Key(dtype, c.name)
            for dtype in dtypes
            for c in asked
            if dtype in c.dtypes and c.expect is not Expect.BYTES and (c.rung <= "L3") is is_early
        ]
        for is_early in (True, False)
    )
    return (*weights, *early, *late)
