"""From a failed rung to the equation that is to blame: one rule for every quantity of the ladder.

Wrong values are put down to equations in `values`; here are gradients, the compiler's own passes,
invariants and training.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ...backends.emit_field import parametrization_name, rate_name
from ...compiler.ir.expr import walk
from ...compiler.ir.program import Program
from ...compiler.verify import violations
from ..quantities import (
    AWKWARD,
    BATCHES,
    DOT,
    ENERGY,
    FIELD,
    FINAL,
    GRADIENT,
    LOGITS,
    LOSS,
    OPERANDS,
    OPTIMIZER,
    ORDER,
    PASSES,
    RATES,
    REGULARIZER,
    REVERSIBILITY,
    STRUCTURE,
    TRAINING,
    TRAJECTORY,
    WEIGHTS,
)
from ..rungs import INITIAL_STATE, ONE_STEP, Rung
from . import values
from .case import Case, Cause, parametrization, right_hand_side
from .pieces import FIRST_LOSS, TRAINING_PIECES


def cause(case: Case, quantity: str) -> Cause:
    """The equation to blame for a failed rung of this quantity."""
    rule = RULES.get(case.rung.quantity) or RULES.get(quantity)
    return rule(case) if rule else Cause(quantity)


# --- gradients -------------------------------------------------------------------------------


def _gradient(case: Case) -> Cause:
    """The reference's own rules if they are wrong, else what the framework differentiates."""
    found = _of_passes(case)
    if found is not None:
        return found
    weight = _differentiated_by(case.rung) or _named(case) or case.program.weights[0].name
    return Cause(f"gradient {weight}", ("loss", "final_state", "forward"), weight)


def _differentiated_by(rung: Rung) -> str:
    """The weight of `gradient K`; of leaves that should not be there, the last one's."""
    if not rung.quantity.startswith(GRADIENT):
        return ""
    return rung.quantity.removeprefix(GRADIENT).strip() or rung.reason.rpartition("/")[2]


def _named(case: Case) -> str:
    """The weight that the words of the worst element name; '' for none."""
    words = set(re.findall(r"\w+", case.rung.element))
    return next((w.name for w in case.program.weights if w.name in words), "")


# --- the compiler ----------------------------------------------------------------------------


PASS_FUNCTIONS = {"discretize": ("step",), "inline": ("step",), "stack": ("operands",)}


def _passes(case: Case) -> Cause:
    return _of_passes(case) or Cause("pass", note=case.rung.reason)


def _of_passes(case: Case) -> Cause | None:
    """The innermost rule or pass of the compiler that breaks its promise on this spec."""
    found = violations(case.program.spec)
    if not found:
        return None
    first = found[0]
    is_rule = first.pass_ == "derive" and first.law
    equation = f"derivative {first.law}" if is_rule else f"pass {first.pass_}"
    functions = PASS_FUNCTIONS.get(first.pass_) or tuple(_users(case.program, first.law))
    return Cause(equation, functions, note=str(first))


def _users(program: Program, operation: str) -> Iterator[str]:
    """The functions of an emitted program whose expressions contain an operation."""
    sides = {rate_name(program, block): side for block, side in program.field.items()}
    others = {"initial_state": program.lift, "forward": program.readout, "loss": program.loss}
    penalties = [("regularizer", p.value) for p in program.penalties]
    made = [(parametrization_name(o), o.definition) for o in program.operands if not o.is_raw]
    for name, expression in [*sides.items(), *made, *others.items(), *penalties]:
        if expression is not None and any(e.op == operation for e in walk(expression)):
            yield name


# --- invariants, training --------------------------------------------------------------------


def _structure(case: Case) -> Cause:
    """The operand that the worst element is of."""
    operands = [o for o in case.program.operands if not o.is_raw] or list(case.program.operands)
    named = [o for o in operands if f" {o.name}" in case.rung.element]
    return parametrization((named or operands)[0], "operands")


def _integrator(case: Case) -> Cause:
    return Cause("step", ("step", "initial_state"))


def _energy(case: Case) -> Cause:
    """An integrator of the right order follows a field that keeps no energy."""
    if ORDER in case.passed:
        return right_hand_side(case.program, list(case.program.blocks)[-1])
    return _integrator(case)


def _awkward(case: Case) -> Cause:
    """By the function that was given the awkward input."""
    for name, rule in AWKWARD_RULES.items():
        if name in case.rung.element or name in case.rung.reason:
            return rule(case)
    return Cause("readout", ("forward",))


def _optimizer(case: Case) -> Cause:
    train = case.program.spec.train
    return Cause(f"optimizer {train.optimizer.kind}" if train else "optimizer")


def _schedule(case: Case) -> Cause:
    train = case.program.spec.train
    return Cause(f"schedule {train.schedule.kind}" if train else "schedule")


def _order(case: Case) -> Cause:
    return Cause("data order")


def _training(case: Case) -> Cause:
    """An update from other examples shows in its loss before any weight has moved."""
    if case.evidence.wrong(TRAINING_PIECES, FIRST_LOSS):
        return _order(case)
    return _optimizer(case)


KEPT = "right in a new network, wrong in one that had other weights and is then set to evaluate"

AWKWARD_RULES: dict[str, Callable[[Case], Cause]] = {
    "other weights before": lambda case: Cause("path", ("forward",), note=KEPT),
    "vector field": values.some_field,
    "trajectory": lambda case: Cause("path", ("trajectory",)),
    "gradient": _gradient,
    "loss": lambda case: Cause("loss", ("loss", "likelihoods")),
}

RULES: dict[str, Callable[[Case], Cause]] = {
    WEIGHTS: values.init,
    FIELD: values.field,
    INITIAL_STATE: values.lift,
    ONE_STEP: values.path,
    TRAJECTORY: values.path,
    FINAL: values.final,
    LOGITS: values.logits,
    REGULARIZER: values.regularizer,
    LOSS: values.loss,
    GRADIENT: _gradient,
    AWKWARD: _awkward,
    PASSES: _passes,
    OPTIMIZER: _optimizer,
    RATES: _schedule,
    BATCHES: _order,
    TRAINING: _training,
    OPERANDS: _structure,
    STRUCTURE: _structure,
    ORDER: _integrator,
    ENERGY: _energy,
    REVERSIBILITY: _integrator,
    DOT: _gradient,
}
