"""The equivalence ladder: do the programs of a spec compute what the spec says?

Every backend runs its program in a process of its own, on the same probes; the float64 reference
gives the standards. L0 weights, L1 the field, L2 states, L3 objective and gradients, L4 the
optimizer, L5 training, L6 invariants, L7 float32.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from .._version import __version__, installed
from ..backends import registry
from ..backends.given import read_program
from ..backends.texts import text_of
from ..compiler.front.facts import facts_known
from ..compiler.pipeline import Compiled, compiled
from ..compiler.promises.claims import SAME
from ..compiler.violations import violations
from ..spec.diagnostics import SpecError
from ..spec.model import Spec
from ..spec.node import content_hash
from . import drift, process, solver
from .checks import CHECKS, RUNGS, Expect, plan
from .expectation import REFERENCE, Expectation, expectation
from .job import Job
from .probes import Probes, Weights, draw, training_examples
from .process import Outcome, Telling, untold
from .quantities import DTYPES, PASSES, PROGRAM, TRAINING, Answer, Key
from .report import Report
from .rungs import WITNESS, Rung, judge, judge_all, judge_single
from .stream import Seen, Stream
from .updates import update_plan

USER_LIMIT = 60.0
"""Seconds that a program of the user's has for everything."""
OWN_LIMIT = 900.0
"""Seconds that an emitted program has: a million steps of a torch loop take minutes."""

BACKENDS = ("torch", "jax")


def check(
    given: Spec | Compiled,
    *,
    programs: Mapping[str, Path] | None = None,
    backends: Sequence[str] = (),
    device: str = "cpu",
    dtypes: tuple[str, ...] = DTYPES,
    rungs: Collection[str] = RUNGS,
    steps: int | None = None,
    modes: bool = False,
    limit: float = USER_LIMIT,
    run: Telling = process.run,
    trained: Weights | None = None,
    seen: Seen = lambda rungs: None,
) -> Report:
    """Compare the programs of a spec with the reference, rung by rung.

    A spec that is compiled may have examples in the place of its data. `programs` are files that
    stand in for emitted text, by backend; each has `limit` seconds; `backends` are by default those
    that programs are given for, or all; `steps` are the updates of L5, by default as many as some
    seconds allow; with `modes` every gradient mode that the spec allows is compared with backprop,
    without its own; `trained` are weights that stand in the place of the initial ones; `seen`
    is told the rungs as they become known. Whatever such a program does is in the report.
    Raises SpecError for a spec that does not compile, NoProgram for a file that cannot be read
    or is no Python, BackendError for a backend that is not there or that `programs` names in
    vain.
    """
    files = dict(programs or {})
    backends = backends or [*files] or BACKENDS
    for name in (*backends, *files):
        registry.get(name)
        if name not in backends:
            raise registry.BackendError(f"a program is given for {name}, which is not checked")
    case = compiled(given) if isinstance(given, Spec) else given
    texts = _texts(case, device, backends, files)
    probes, notes = _probes(case, rungs, steps, trained)
    probes = replace(probes, every_mode=modes)
    is_single = "L7" in rungs and not case.problem.is_adaptive
    if len(backends) == 1 and is_single:
        notes.append("L7 compares two backends: one alone does not climb it.")
    if case.problem.is_adaptive:
        notes.append(solver.IN_WORDS.format(rtol=solver.RTOL))
    planned = {name: plan(case, probes, dtypes, rungs, given=name in files) for name in backends}
    jobs = {
        name: Job(name, device, text, case.spec, facts_known(case), probes, planned[name])
        for name, text in texts.items()
    }
    limits = {name: limit if name in files else OWN_LIMIT for name in jobs}
    stream = Stream(case, planned, seen)
    with ThreadPoolExecutor(max(len(jobs), 1)) as pool:
        futures = {
            name: pool.submit(run, job, limits[name], partial(stream.add, name))
            for name, job in jobs.items()
        }
        passes = _passes(case, backends) if "L0" in rungs else []
        stream.tell(passes)
        expected = expectation(case, _keys(planned), probes)
        stream.expect(expected)
        outcomes = {name: future.result() for name, future in futures.items()}
    if len(jobs) == 1:  # then the reference trains too
        outcomes |= _witness(jobs, run)
    found = _rungs(case, planned, outcomes, expected, is_single)
    if any(rung.quantity == TRAINING and not rung.passed for rung in found):
        outcomes |= _witness(jobs, run)
        found = _rungs(case, planned, outcomes, expected, is_single)
    found = (*passes, *found)
    words = [_training_in_words(case, outcomes, found)] if probes.training is not None else []
    return _report(case, device, backends, texts, files, found, [*notes, *words])


def _keys(planned: Mapping[str, tuple[Key, ...]]) -> list[Key]:
    """All that is asked of some program, each once."""
    return list(dict.fromkeys(key for keys in planned.values() for key in keys))


def _passes(case: Compiled, backends: Sequence[str]) -> list[Rung]:
    """Every pass leaves the value of what it rewrites as it is: the same for all programs."""
    found = violations(case.spec, facts_known(case))
    said = "" if not found else str(found[0])
    error = 0.0 if not found else found[0].error
    rung = Rung("L0", "", "float64", PASSES, not found, error, SAME, reason=said)
    return [replace(rung, backend=backend) for backend in backends]


def _probes(
    case: Compiled, rungs: Collection[str], steps: int | None, trained: Weights | None
) -> tuple[Probes, list[str]]:
    """The probes, and what will not be asked for want of something in the spec."""
    probes, notes = draw(case, trained), []
    if not case.module.has_loss:
        notes.append("The spec has no readout: there are no logits, no loss and no gradients.")
    if not {"L4", "L5"} & set(rungs):
        return probes, notes
    found = update_plan(case, steps)
    if isinstance(found, str):
        return probes, [*notes, f"Training was not compared: {found}."]
    if found is None:
        return probes, [*notes, "The spec trains nothing: no optimizer and no training to compare."]
    return replace(probes, training=found), notes


def _witness(jobs: Mapping[str, Job], run: Telling) -> dict[str, Outcome]:
    """The reference trains too: for one backend alone, and where two part and one is to blame."""
    job = next(iter(jobs.values()))
    keys = tuple(key for key in job.keys if CHECKS[key.quantity].expect is Expect.PEER)
    asked = replace(job, backend=REFERENCE, device="cpu", source="", keys=keys)
    return {WITNESS: run(asked, OWN_LIMIT, untold)} if keys else {}


def _training_in_words(
    case: Compiled, outcomes: Mapping[str, Outcome], rungs: Sequence[Rung]
) -> str:
    key = Key("float64", TRAINING)
    answers = {n: o.answers[key].leaves for n, o in outcomes.items() if key in o.answers}
    trained = {name: leaves for name, leaves in answers.items() if leaves}
    compared = all(rung.worst is not None for rung in rungs if rung.quantity == TRAINING)
    if len(trained) < 2 or not compared:
        return ""
    move = f"{solver.RTOL:g} of a weight" if case.problem.is_adaptive else "one ulp"
    return drift.in_words(trained, move)


class NoProgram(SpecError):
    """A file of the user's is no program; `report` has the rung that it fails."""

    def __init__(self, error: SpecError, report: Report) -> None:
        super().__init__(error.diagnostics)
        self.report = report


def _texts(
    case: Compiled, device: str, backends: Sequence[str], given: Mapping[str, Path]
) -> dict[str, str]:
    """The texts of the programs. Raises NoProgram."""
    texts: dict[str, str] = {}
    for name in sorted(backends, key=lambda name: name not in given):  # a file first: it may fail
        try:
            texts[name] = read_program(given[name]) if name in given else text_of(case, name)
        except SpecError as error:
            if name not in given:
                raise
            key = Key(case.module.dtype, PROGRAM)
            answer = Answer(reason=error.diagnostics[0].message)
            failed = judge(case, name, key, answer, Expectation({}, {}), {})
            report = _report(case, device, backends, texts, given, tuple(failed), [])
            raise NoProgram(error, report) from None
    return {name: texts[name] for name in backends}


def _rungs(
    case: Compiled,
    planned: Mapping[str, tuple[Key, ...]],
    outcomes: Mapping[str, Outcome],
    expected: Expectation,
    single: bool,
) -> tuple[Rung, ...]:
    """The rungs of all backends, lowest first, then by dtype, quantity and backend."""
    reached = {
        name: _reached(planned.get(name, ()), outcome) if name != WITNESS else outcome.answers
        for name, outcome in outcomes.items()
    }
    own = [Key(dtype, PROGRAM) for dtype in (case.module.dtype, *DTYPES)]
    found = [
        rung
        for key in dict.fromkeys([*own, *_keys(planned)])
        for rung in judge_all(case, key, reached, expected)
    ]
    if single:
        found += judge_single({n: a for n, a in reached.items() if n != WITNESS}, expected)
    return tuple(sorted(found, key=lambda rung: rung.rung))


def _reached(keys: tuple[Key, ...], outcome: Outcome) -> dict[Key, Answer]:
    """The answers up to the first that is missing, which is a failure with the reason."""
    reached: dict[Key, Answer] = {k: a for k, a in outcome.answers.items() if k.quantity == PROGRAM}
    for key in keys:
        if key in outcome.answers:
            if outcome.answers[key].offered:
                reached[key] = outcome.answers[key]
        elif not any(k.quantity == PROGRAM for k in reached):
            reason = outcome.ending or "the process ended before it had answered"
            return reached | {key: Answer(reason=reason)}
    return reached


def _report(
    case: Compiled,
    device: str,
    backends: Sequence[str],
    texts: Mapping[str, str],
    given: Collection[str],
    rungs: tuple[Rung, ...],
    notes: Sequence[str],
) -> Report:
    spec = case.problem.spec
    packages = ("numpy", *(registry.get(name).framework for name in backends))
    versions = {"wellposed": __version__} | {name: installed(name) for name in packages if name}
    return Report(
        spec=spec.name,
        spec_hash=content_hash(spec),
        dtype=spec.dtype,
        steps=case.module.steps,
        h=case.module.h,
        device=device,
        versions=versions,
        rungs=rungs,
        programs=dict(texts),
        given=tuple(given),
        notes=tuple(filter(None, notes)),
        features="random rows" if training_examples(case) is None else "rows of the training data",
    )
