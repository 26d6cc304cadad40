"""The ladder as a table: what is asked of a program on which rung, and what the answer is held to.

A new check is one row here; its text for people is in `docs/checking.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from types import ModuleType

from ..backends.model import Model
from ..compiler.pipeline import Compiled
from . import awkward, drift, features, modes, optimization
from . import quantities as q
from .compare import Standard
from .invariants import dot, energy, order, reversal, structure
from .locate import functions, public
from .probes import Probes
from .quantities import DTYPES, Answers, Key

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


WHERE: dict[str, Applies] = {
    "always": lambda case, probes: True,
    "weights": lambda case, probes: bool(case.module.weights),
    "layer": lambda case, probes: structure.LAYER in case.module.functions,
    "readout": lambda case, probes: case.problem.readout is not None,
    "no readout": lambda case, probes: (
        case.problem.readout is None and not case.module.is_of_series
    ),
    "series": lambda case, probes: case.module.is_of_series,
    "sample": lambda case, probes: "sample" in case.module.functions,
    "log-density": lambda case, probes: "log_density" in case.module.functions,
    "density": lambda case, probes: case.module.is_density,
    "loss": lambda case, probes: case.module.has_loss,
    "gradient": lambda case, probes: case.module.has_loss and bool(case.module.trained),
    "penalties": lambda case, probes: case.module.has_penalties,
    "path penalties": lambda case, probes: case.module.is_penalized,
    "batches": lambda case, probes: probes.training is not None and not case.module.base_rows,
    "training": lambda case, probes: probes.training is not None,
    "fixed steps": lambda case, probes: not case.problem.is_adaptive,
}
_PAPERS = "1e-13 of the formulas of the papers, computed in another form"
_EPOCHS = "equality: every example once an epoch, in the sizes of the spec, in a new order"
_PROMISED = "what the parametrization promises: exactly, or n ε where products are rounded"
_OBSERVED = "±0.1 of the declared order, against SciPy's DOP853"
_CONSERVED = "the energy's error is of order 2 ± 0.1 in h"
_WAY_BACK = "rounding of the way there and back, measured on the reference"
_ROUNDING = "1e-12 × the growth of rounding in the gradient, with steps undone where they are"
_ADJOINT = "1e-12 × growth, relative to the sizes of the terms of both products"


def _textbook(name: str, ask: Ask, expected: Stated) -> Check:
    """Of the training as the spec states it, read a second time."""
    return Check("L4", name, optimization.applies, ask, expected, _PAPERS, DOUBLE)


def _invariant(name: str, part: ModuleType, basis: str, **more: bool) -> Check:
    """A module of `invariants`, which states its own standards."""
    how = {"dtypes": DOUBLE, "lenient": True, **more}
    return Check("L6", name, part.applies, part.ask, part.expected, basis, **how)


CHECKS = {
    check.name: check
    for check in (
        Check("L0", q.WEIGHTS, WHERE["weights"], q.weights, Expect.BYTES),
        Check(
            *("L0", q.FEATURES, features.applies, features.ask, features.expected),
            *("8 ε of the numbers of the training data", DOUBLE),
        ),
        Check("L1", q.FIELD, WHERE["always"], q.vector_field),
        Check("L1", q.DIVERGENCE, WHERE["density"], q.divergence),
        Check("L2", q.TRAJECTORY, WHERE["always"], q.trajectory),
        Check("L2", q.FINAL, WHERE["no readout"], q.forward),
        Check("L2", q.SAMPLE, WHERE["sample"], q.sample),
        Check("L3", q.LOG_DENSITY, WHERE["log-density"], q.log_density),
        Check("L3", q.LOGITS, WHERE["readout"], q.forward),
        Check("L3", q.PREDICTIONS, WHERE["series"], q.forward),
        Check("L3", q.REGULARIZER, WHERE["penalties"], q.regularizer),
        Check("L3", q.PATH_PENALTY, WHERE["path penalties"], q.path_penalty),
        Check("L3", q.LOSS, WHERE["loss"], q.loss),
        Check("L3", q.GRADIENT, WHERE["gradient"], q.gradient),
        Check(
            *("L3", q.MODE, modes.applies, modes.ask, modes.expected, _ROUNDING, DOUBLE),
            lenient=True,
            own=True,
        ),
        Check("L3", q.AWKWARD, WHERE["always"], awkward.ask, dtypes=DOUBLE, lenient=True),
        _textbook(q.OPTIMIZER, optimization.weights, optimization.expected_weights),
        _textbook(q.RATES, optimization.rates, optimization.expected_rates),
        Check(
            *("L4", q.BATCHES, WHERE["batches"], optimization.batches),
            *(optimization.expected_batches, _EPOCHS, DOUBLE),
        ),
        Check("L5", q.TRAINING, WHERE["training"], drift.ask, Expect.PEER, dtypes=DOUBLE),
        Check("L6", q.LAYER, WHERE["layer"], structure.ask_layer, dtypes=DOUBLE, own=True),
        _invariant(q.STRUCTURE, structure, _PROMISED, lenient=False, own=True),
        _invariant(q.ORDER, order, _OBSERVED, own=True),
        _invariant(q.ENERGY, energy, _CONSERVED, own=True),
        _invariant(q.REVERSIBILITY, reversal, _WAY_BACK),
        Check(
            "L6", q.DOT, WHERE["fixed steps"], dot.ask, dot.expected, _ADJOINT, DOUBLE, lenient=True
        ),
        Check("", q.FUNCTIONS, WHERE["always"], functions.ask, lenient=True),
        Check("", q.PULLBACKS, WHERE["gradient"], functions.ask_pullbacks, lenient=True),
        Check("", q.PUBLIC, WHERE["always"], public.ask, lenient=True),
    )
}


def is_as_trained(case: Compiled, key: Key) -> bool:
    """Is it answered by code that is compiled as for users: training, and in the spec's own dtype
    states and gradients, which all functions of a program are part of? To compile all of them in
    full, in both dtypes, takes most of the time of a check."""
    is_whole = key.quantity in (q.TRAJECTORY, q.GRADIENT)
    return key.quantity == q.TRAINING or (is_whole and key.dtype == case.module.dtype)


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
