"""From a failed check to the place of the difference: `locate`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ...backends import registry
from ...compiler.ir.program import Program
from .. import process
from ..curriculum import Curriculum, curriculum
from ..probes import Probes, draw
from ..quantities import FIELD, GRADIENT, PASSES, PROGRAM, TRAJECTORY, Key
from ..report import Report
from ..rungs import Rung, question_of
from . import causes, lines
from .case import Case, Cause
from .difference import Departure, Difference, Excerpt, Where
from .evidence import Evidence, Runner, gather
from .functions import equation_of
from .pieces import FIELD_PIECES, OBJECTIVE_PIECES, PATH_PIECES, TRAINING_PIECES
from .spec_place import spec_place
from .where import first

BACKENDS = ("torch", "jax")
LIMIT = 60.0
"""Seconds that a program has for the further questions."""

ASKED = {
    "L1": (FIELD_PIECES,),
    "L2": (FIELD_PIECES, PATH_PIECES),
    "L3": (TRAJECTORY, OBJECTIVE_PIECES),
    "L5": (TRAINING_PIECES,),
}
"""What is asked beside the quantity that failed, by the level of the failure."""


def locate(
    report: Report,
    program: Program,
    texts: Mapping[str, str],
    *,
    run: Runner = process.run,
    limit: float = LIMIT,
) -> Difference | None:
    """Where the lowest failed rung of a report comes from; None where no program differs.

    `texts` are the programs that were checked, by backend. The one that failed is run again, in a
    process of its own for at most `limit` seconds, and asked for its pieces; a program that gave no
    answer is not asked again, its reason is the finding. The finding is in words, whatever the
    program does, and `stopped` where it hung or died now or in the check.
    """
    rung = report.first_failure
    if rung is None or rung.ill_posed:
        return None
    probes, quantity = _probes(rung, program), question_of(rung.quantity)
    evidence = _evidence(rung, program, texts.get(rung.backend), probes, report.device, run, limit)
    where = first(program, probes, evidence, quantity, rung.quantity)
    given = texts.get(rung.backend, "")
    passed = frozenset(r.quantity for r in report.rungs if r.backend == rung.backend and r.passed)
    found = _cause(Case(rung, program, evidence, where, passed), quantity, given)
    stopped = bool(evidence.ending) or process.is_ending(rung.reason)
    return replace(_difference(rung, program, texts, found, where), stopped=stopped)


def _probes(rung: Rung, program: Program) -> Probes:
    """Those of the check; with the first updates where training differs."""
    probes = draw(program)
    found = curriculum(program, 1) if rung.rung == "L5" else None
    return replace(probes, training=found) if isinstance(found, Curriculum) else probes


def _evidence(
    rung: Rung,
    program: Program,
    text: str | None,
    probes: Probes,
    device: str,
    run: Runner,
    limit: float,
) -> Evidence:
    """The answers to further questions; none where the program gave no answer, or none apply."""
    unanswered = rung.quantity == PASSES or (rung.reason and rung.worst is None)
    if text is None or unanswered or rung.rung not in ("L0", *ASKED):
        return Evidence()
    own = () if rung.rung == "L5" else (question_of(rung.quantity),)
    quantities = dict.fromkeys((*own, *ASKED.get(rung.rung, ())))
    keys = tuple(Key(rung.dtype, quantity) for quantity in quantities)
    return gather(program, rung.backend, device, text, keys, probes, run, limit)


def _cause(case: Case, quantity: str, text: str) -> Cause:
    """By the line that a program fails at, where it does; else by what its answers show."""
    failing = re.search(r"\(line (\d+) of the program", case.rung.reason)
    name = lines.function_at(text, int(failing[1])) if failing else ""
    equation = equation_of(case.program, name)
    if equation:
        return Cause(equation, (name,))
    if case.rung.quantity == PROGRAM:
        return Cause("program", (name,))
    return causes.cause(case, quantity)


def _difference(
    rung: Rung, program: Program, texts: Mapping[str, str], cause: Cause, where: Where
) -> Difference:
    emitted = {name: registry.get(name).emit(program) for name in {*BACKENDS, *texts}}
    shown = emitted | dict(texts)
    own = shown.get(rung.backend, "")
    departures = lines.departures(emitted.get(rung.backend, ""), own)
    rewritten = lines.is_rewritten(emitted.get(rung.backend, ""), own)
    edits = () if rewritten else departures
    return Difference(
        rung=rung.rung,
        backend=rung.backend,
        dtype=rung.dtype,
        quantity=rung.quantity,
        equation=cause.equation,
        functions=cause.functions,
        weight=cause.weight,
        where=where,
        element=rung.element,
        reason=rung.reason,
        note="" if cause.note in rung.reason else cause.note,
        agree=_agree(rung),
        span=spec_place(program, cause.equation, cause.weight, cause.penalty),
        excerpts=_excerpts(rung, cause, shown, edits),
        departures=departures,
        rewritten=rewritten,
    )


def _agree(rung: Rung) -> bool:
    """Do both programs say the same?"""
    if rung.between is None or rung.tolerance is None:
        return False
    return rung.between <= rung.tolerance


def _excerpts(
    rung: Rung, cause: Cause, texts: Mapping[str, str], edits: tuple[Departure, ...]
) -> tuple[Excerpt, ...]:
    """The failed program first; another one shows the same function where it has it."""
    text = texts.get(rung.backend, "")
    edited = lines.departed_functions(text, edits) if cause.equation != "program" else []
    names = [*filter(None, cause.functions), *edited, _public(rung)]
    own = lines.excerpt(rung.backend, text, names, edits)
    others = [own.function, *names] if own is not None else names
    found = [lines.excerpt(n, texts[n], others) for n in texts if n != rung.backend]
    return tuple(e for e in (own, *found) if e is not None)


def _public(rung: Rung) -> str:
    """The function of the protocol whose value is wrong."""
    quantity = question_of(rung.quantity)
    names = {FIELD: "vector_field", TRAJECTORY: "trajectory", GRADIENT: "loss", "weights": "init"}
    return names.get(quantity, "forward" if quantity in ("logits", "final state") else quantity)
