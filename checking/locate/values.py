"""Which equation a wrong value of the ladder is put down to.

The rules read answers only: `evidence` holds the pieces of the program beside those of the
reference. A piece that a program of another structure lacks is passed over; what it computes on
weights that stand still then decides between an equation and the *path*, which is the choice of
weight and time in every step.
"""

from __future__ import annotations

import numpy as np

from ...compiler.ir.program import Penalty
from ..compare import Verdict
from ..quantities import FIELD, LOSS, TRAJECTORY
from .case import Case, Cause, parametrization, right_hand_side
from .pieces import (
    FIELD_PIECES,
    FINAL_STATE,
    MADE,
    MOVING,
    OBJECTIVE_PIECES,
    ONLY,
    ONLY_STEADY,
    OPERAND,
    PATH_PIECES,
    RATE,
    SEEN,
    START,
    STEADY_FIELD,
    STEADY_OPERAND,
    STEADY_PATH,
    STEP,
    TWIN_FIELD,
)


def init(case: Case) -> Cause:
    return Cause("init", ("init", "stream"), case.where.weight)


# --- the field -------------------------------------------------------------------------------


def field(case: Case) -> Cause:
    found = _rate(case) or _made(case)
    if found:
        return found
    if case.evidence.agrees(FIELD_PIECES, STEADY_FIELD):
        return Cause("path", ("vector_field",), _moving(case, FIELD_PIECES))
    return _twin(case) or some_field(case)


def _rate(case: Case) -> Cause | None:
    """A right-hand side that is wrong on the reference's own operands."""
    wrong = case.evidence.wrong(FIELD_PIECES, RATE)
    return right_hand_side(case.program, wrong[0]) if wrong else None


def _made(case: Case) -> Cause | None:
    """A parametrization that is wrong on the raw weights themselves."""
    wrong = case.evidence.wrong(FIELD_PIECES, MADE)
    operands = [o for o in case.program.operands if o.name in wrong]
    return parametrization(operands[0]) if operands else None


def _twin(case: Case) -> Cause | None:
    """Raw weights of which the same operands are made give another field."""
    found, sets = case.evidence.found, ("random", "initial")
    for at in case.evidence.wrong(FIELD_PIECES, TWIN_FIELD):
        for set_ in sets:
            twin = found[FIELD_PIECES].get(f"{set_}/{TWIN_FIELD}/{at}")
            own = found.get(FIELD, {}).get(f"{set_}/{at}")
            if twin is None or own is None or np.allclose(twin, own, rtol=1e-4, atol=1e-7):
                continue
            made = next(o for o in case.program.operands if not o.is_raw)
            return parametrization(made, "vector_field")
    return None


def some_field(case: Case) -> Cause:
    """Of a program whose parts are right, how its field puts them together; else the block of the
    component that is wrong."""
    if case.evidence.agrees(FIELD_PIECES, RATE):
        return Cause("path", ("vector_field",))
    rows = [block for block, n in case.program.blocks.items() for _ in range(n)]
    block = rows[case.where.component or 0]
    made = [o.name for o in case.program.operands if not o.is_raw]
    note = f"the field, or what it makes of the raw {' and '.join(made)}" if made else ""
    functions = (*right_hand_side(case.program, block).functions, "vector_field")
    return Cause(f"field {block}", functions, note=note)


# --- the path --------------------------------------------------------------------------------


def lift(case: Case) -> Cause:
    return Cause("lift", ("initial_state",))


def path(case: Case) -> Cause:
    evidence, program = case.evidence, case.program
    found = _rate(case) or _made(case)
    if found:
        return found
    if evidence.wrong(PATH_PIECES, STEP):
        return Cause("step", ("step",))
    if set(evidence.wrong(PATH_PIECES, START)) - set(program.blocks):
        return Cause("step", ("initial_state",))
    found = _operands(case)
    if found:
        return found
    if evidence.agrees(PATH_PIECES, STEADY_PATH) or evidence.has(PATH_PIECES, STEP):
        weight = _moving(case, PATH_PIECES)
        return Cause("path", ("layers", "trajectory", "final_state"), weight)
    return _unknown_step(case)


def _operands(case: Case) -> Cause | None:
    """The operands of all steps: wrong in themselves, or those of other steps."""
    layer = {case.program.stage_name(o, node): o for o, node in case.program.layer}
    for name in case.evidence.wrong(FIELD_PIECES, STEADY_OPERAND):
        return parametrization(layer[name], "operands")
    for name in case.evidence.wrong(FIELD_PIECES, OPERAND):
        return Cause("path", ("operands",), layer[name].raw.name)
    return None


def _unknown_step(case: Case) -> Cause:
    """Of a program without a step of its own: is its first step wrong, or a later one?"""
    steady = case.evidence.piece(PATH_PIECES, STEADY_PATH).values()
    if any(c.verdict is Verdict.DIFFERS and c.first == 1 for c in steady):
        return Cause("step", ("step", "trajectory"))
    return Cause("path", ("trajectory",))


def _moving(case: Case, quantity: str) -> str:
    """The one weight whose change in time is followed wrongly; '' for several."""
    stacked = [w.name for w in case.program.weights if w.stacked]
    wrong = [n for n in stacked if case.evidence.wrong(quantity, f"{MOVING} {n}")]
    return wrong[0] if len(wrong) == 1 else ""


# --- the objective ---------------------------------------------------------------------------


def final(case: Case) -> Cause:
    """y(T) as `forward` gives it, where the trajectory is right."""
    return Cause("path", ("final_state", "forward"))


def logits(case: Case) -> Cause:
    evidence = case.evidence
    if evidence.wrong(OBJECTIVE_PIECES, FINAL_STATE):
        return final(case)
    if not evidence.has(OBJECTIVE_PIECES, FINAL_STATE) and _sees_another_state(case):
        return final(case)
    return Cause("readout", ("forward",))


def _sees_another_state(case: Case) -> bool:
    """Is what the readout sees another state of the trajectory than the last?"""
    found, n = case.evidence.found, case.program.blocks["y"]
    for leaf in case.evidence.piece(OBJECTIVE_PIECES, SEEN):
        seen = found[OBJECTIVE_PIECES][leaf]
        path = found.get(TRAJECTORY, {}).get(leaf.partition("/")[0])
        if path is not None and any(np.allclose(seen, y[:, :n], 1e-6, 1e-9) for y in path[:-1]):
            return True
    return False


def regularizer(case: Case) -> Cause:
    """The penalty that is wrong when all weights but one are zero."""
    evidence, penalties = case.evidence, case.program.penalties
    for w in case.program.weights:
        if not evidence.wrong(OBJECTIVE_PIECES, f"{ONLY} {w.name}"):
            continue
        of = [p for p in penalties if w in p.weights] or list(penalties)
        still = bool(evidence.wrong(OBJECTIVE_PIECES, f"{ONLY_STEADY} {w.name}"))
        fitting = [p for p in of if p.regularizer.needs_path is not still]
        return _penalty((fitting or of)[0], w.name)
    return _penalty(penalties[0])


def _penalty(penalty: Penalty, weight: str = "") -> Cause:
    kind = penalty.regularizer.kind
    return Cause(f"regularizer {kind}", ("regularizer",), weight, penalty)


def loss(case: Case) -> Cause:
    """The loss of the logits; where classes are right, what it makes of likelihoods."""
    judged = case.evidence.judged(LOSS).items()
    wrong = {leaf.partition("/")[2] for leaf, c in judged if c.verdict is Verdict.DIFFERS}
    functions = ("loss", "likelihoods") if wrong != {"likelihoods"} else ("likelihoods", "loss")
    return Cause("loss", functions)
