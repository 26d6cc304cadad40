"""From a failed check to the place of the difference: `locate`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ...backends.texts import text_of
from ...compiler.front.facts import facts_known
from ...compiler.pipeline import Compiled
from .. import process
from .. import quantities as q
from ..job import Job
from ..probes import Probes, Weights, draw
from ..process import Runner
from ..quantities import Key
from ..report import Report
from ..rungs import Rung, asked_as
from ..updates import UpdatePlan, update_plan
from . import causes, lines
from .calls import recorded
from .causes import Case, Cause
from .difference import Departure, Difference, Excerpt
from .evidence import Evidence, gather
from .where import first

BACKENDS = ("torch", "jax")
LIMIT = 60.0
"""Seconds that a program has for the further questions."""
ASKED = {
    "L1": (q.FUNCTIONS, q.PUBLIC),
    "L2": (q.FUNCTIONS, q.PUBLIC),
    "L3": (q.TRAJECTORY, q.FUNCTIONS, q.PUBLIC),
    "L5": (q.PUBLIC,),
    "L6": (q.FUNCTIONS,),
}
"""What is asked besides the quantity that failed, by its rung."""
HELPERS = {"rng": "init", "init": "init", "step_of": "path", "class_probabilities": "loss"}
"""Equations of the functions of a program that its module does not have."""


def locate(
    report: Report,
    case: Compiled,
    texts: Mapping[str, str],
    *,
    run: Runner = process.run,
    limit: float = LIMIT,
    trained: Weights | None = None,
) -> Difference | None:
    """Where the lowest failed rung of a report comes from; None where no program differs.

    `texts` are the programs that were checked, by backend. The one that failed is run again, in a
    process of its own for at most `limit` seconds, and its functions are asked one by one; a
    program that gave no answer is not asked again, its reason is the finding. The finding is in
    words, whatever the program does, and `stopped` where it hung or died now or in the check.
    """
    rung = report.first_failure
    if rung is None or rung.ill_posed:
        return None
    quantity = asked_as(rung.quantity)
    emitted = {name: text_of(case, name) for name in {*BACKENDS, *texts}}
    own = texts.get(rung.backend, "")
    rewritten = bool(own) and lines.is_rewritten(emitted.get(rung.backend, ""), own)
    probes = _probes(rung, case, trained)
    keys = _keys(rung, rewritten) if own else ()
    evidence = Evidence()
    if keys:
        asked = case.spec, facts_known(case), probes, keys
        job = Job(rung.backend, report.device, own, *asked)
        evidence = gather(case, job, run, limit)
    passed = frozenset(r.quantity for r in report.rungs if r.backend == rung.backend and r.passed)
    where = first(case, probes, evidence, quantity, rung.quantity)
    found = _cause(Case(rung, case, probes, evidence, where, passed), quantity, own)
    departures = lines.departures(emitted.get(rung.backend, ""), own) if own else ()
    return Difference(
        rung=rung.rung,
        backend=rung.backend,
        dtype=rung.dtype,
        quantity=rung.quantity,
        equation=found.equation,
        functions=found.functions,
        weight=found.weight,
        where=where,
        element=rung.element,
        reason=rung.reason,
        note="" if found.note in rung.reason else found.note,
        agree=rung.between is not None and rung.between <= (rung.tolerance or 0.0),
        span=case.problem.spec.span(*found.loc),
        excerpts=_excerpts(rung, found, emitted | dict(texts), () if rewritten else departures),
        departures=departures,
        rewritten=rewritten,
        stopped=bool(evidence.ending) or process.is_ending(rung.reason),
    )


def _probes(rung: Rung, case: Compiled, trained: Weights | None) -> Probes:
    """Those of the check, with the calls of all functions; the first update where training
    differs."""
    probes = draw(case, trained)
    found = update_plan(case, 1) if rung.rung == "L5" else None
    plan = found if isinstance(found, UpdatePlan) else None
    return replace(recorded(case, probes), training=plan)


def _keys(rung: Rung, rewritten: bool) -> tuple[Key, ...]:
    """What the program is asked; nothing where it gave no answer, or where nothing applies.

    Functions of a program of another structure may be called alike and be others.
    """
    unanswered = rung.quantity == q.PASSES or (rung.reason and rung.worst is None)
    if unanswered or rung.rung not in ("L0", *ASKED):
        return ()
    own = () if rung.rung in ("L5", "L6") else (asked_as(rung.quantity),)
    is_gradient = asked_as(rung.quantity) in (q.GRADIENT, q.DOT, q.AWKWARD)
    more = (q.PULLBACKS,) if is_gradient else ()
    asked = dict.fromkeys((*own, *ASKED.get(rung.rung, ()), *more))
    ours = (q.FUNCTIONS, q.PULLBACKS) if rewritten else ()
    return tuple(Key(rung.dtype, quantity) for quantity in asked if quantity not in ours)


def _cause(case: Case, quantity: str, text: str) -> Cause:
    """By the line that a program fails at, where it does; else by what its answers show."""
    failing = re.search(r"\(line (\d+) of the program", case.rung.reason)
    name = lines.function_at(text, int(failing[1])) if failing else ""
    module = case.compiled.module
    if name in module.functions:
        return causes.of_function(module.functions[name])
    if name in HELPERS:
        return Cause(HELPERS[name], (name,))
    if case.rung.quantity == q.PROGRAM:
        return Cause("program", (name,) if name else ())
    return causes.cause(case, quantity)


def _excerpts(
    rung: Rung, cause: Cause, texts: Mapping[str, str], edits: tuple[Departure, ...]
) -> tuple[Excerpt, ...]:
    """The failed program first; another one shows the same function where it has it."""
    text = texts.get(rung.backend, "")
    edited = lines.departed_functions(text, edits) if cause.equation != "program" else []
    names = [*cause.functions, *edited, _public(rung)]
    own = lines.excerpt(rung.backend, text, names, edits)
    others = [own.function.rstrip("_"), *names] if own is not None else names
    found = [lines.excerpt(n, texts[n], others) for n in texts if n != rung.backend]
    return tuple(e for e in (own, *found) if e is not None)


def _public(rung: Rung) -> str:
    """The function of the protocol whose value is wrong."""
    names = {
        q.FIELD: "vector_field",
        q.GRADIENT: "loss",
        q.WEIGHTS: "init",
        q.LAYER: "layer_weights",
    }
    quantity = asked_as(rung.quantity)
    return names.get(quantity, "forward" if quantity in ("logits", "final state") else quantity)
