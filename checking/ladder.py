"""The equivalence ladder: do the programs of a spec compute what the spec says?

Every backend runs its program in a process of its own, on the same probes; the float64 reference
gives the expectations. L0 weights, L1 the field, L2 states, L3 objective and gradients.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .._version import __version__, installed
from ..backends import registry
from ..compiler.ir.program import Program
from ..compiler.lower import lower
from ..spec.model import Spec
from ..spec.node import content_hash
from . import process
from .compare import Leaves
from .expectation import Expectation, expectation
from .job import Job, base_folder
from .probes import draw
from .process import Outcome
from .quantities import DTYPES, PROGRAM, Answer, Key, plan
from .report import Report
from .rungs import Rung, judge

USER_LIMIT = 60.0
"""Seconds that a program of the user's has for everything."""
OWN_LIMIT = 900.0
"""Seconds that an emitted program has: a million steps of a torch loop take minutes."""

Runner = Callable[[Job, float], Outcome]


def check(
    spec: Spec,
    *,
    programs: Mapping[str, Path] | None = None,
    backends: Sequence[str] = ("torch", "jax"),
    device: str = "cpu",
    dtypes: tuple[str, ...] = DTYPES,
    limit: float = USER_LIMIT,
    run: Runner = process.run,
) -> Report:
    """Compare the programs of a spec with the reference, rung by rung.

    `programs` are files that stand in for emitted text, by backend; each has `limit` seconds.
    Whatever such a program does is in the report. Raises SpecError for a spec that does not
    compile, BackendError for a backend that is not there or that `programs` names in vain.
    """
    given = dict(programs or {})
    _check_names(given, backends)
    program = lower(spec)
    probes, keys = draw(program), tuple(plan(program, dtypes))
    texts = {name: _text(name, program, given) for name in backends}
    sent = {name: text for name, text in texts.items() if isinstance(text, str)}
    with ThreadPoolExecutor(max(len(sent), 1)) as pool:
        jobs = {
            name: Job(name, device, text, spec, base_folder(spec), probes, keys)
            for name, text in sent.items()
        }
        limits = {name: limit if name in given else OWN_LIMIT for name in jobs}
        futures = {name: pool.submit(run, job, limits[name]) for name, job in jobs.items()}
        expected = expectation(program, keys, probes)
        outcomes = {name: future.result() for name, future in futures.items()}
    unread = {name: text for name, text in texts.items() if isinstance(text, Outcome)}
    rungs = _rungs(program, keys, unread | outcomes, expected)
    return _report(spec, program, device, backends, rungs)


def _check_names(given: Mapping[str, Path], backends: Sequence[str]) -> None:
    for name in (*backends, *given):
        registry.get(name)
    unused = [name for name in given if name not in backends]
    if unused:
        raise registry.BackendError(f"a program is given for {unused[0]}, which is not checked")


def _text(backend: str, program: Program, given: Mapping[str, Path]) -> str | Outcome:
    """The program's text, or why a file of the user's cannot be read."""
    if backend not in given:
        return registry.get(backend).emit(program)
    try:
        if not stat.S_ISREG(given[backend].stat().st_mode):
            raise OSError(None, "it is not a regular file")  # a device would be read without end
        return given[backend].read_bytes().decode()
    except OSError as error:
        reason = f"{given[backend]} cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        reason = f"{given[backend]} is no text in UTF-8"
    return Outcome({Key(program.spec.dtype, PROGRAM): Answer(reason=reason)})


def _rungs(
    program: Program, keys: tuple[Key, ...], outcomes: Mapping[str, Outcome], expected: Expectation
) -> tuple[Rung, ...]:
    """The rungs of all backends, lowest level first, then by dtype, quantity and backend."""
    reached = {backend: _reached(keys, outcome) for backend, outcome in outcomes.items()}
    asked = [Key(program.spec.dtype, PROGRAM), *(Key(dtype, PROGRAM) for dtype in DTYPES), *keys]
    found = [
        rung
        for key in dict.fromkeys(asked)
        for backend, answers in reached.items()
        if key in answers
        for rung in judge(
            program, backend, key, answers[key], expected, _peer(backend, key, reached)
        )
    ]
    return tuple(sorted(found, key=lambda rung: rung.rung))


def _reached(keys: tuple[Key, ...], outcome: Outcome) -> dict[Key, Answer]:
    """The answers up to the first that is missing, which is a failure with the reason."""
    reached: dict[Key, Answer] = {k: a for k, a in outcome.answers.items() if k.quantity == PROGRAM}
    for key in keys:
        if key in outcome.answers:
            reached[key] = outcome.answers[key]
        elif not any(k.quantity == PROGRAM for k in reached):
            reason = outcome.ending or "the process ended before it had answered"
            return reached | {key: Answer(reason=reason)}
    return reached


def _peer(backend: str, key: Key, reached: Mapping[str, Mapping[Key, Answer]]) -> Leaves:
    """The other backend's leaves, where it gave any."""
    others = (answers for name, answers in reached.items() if name != backend)
    return next((answers[key].leaves for answers in others if key in answers), {})


def _report(
    spec: Spec,
    program: Program,
    device: str,
    backends: Sequence[str],
    rungs: tuple[Rung, ...],
) -> Report:
    notes = []
    if program.loss is None:
        notes.append("The spec has no readout: there are no logits, no loss and no gradients.")
    packages = ("numpy", *(registry.get(name).framework for name in backends))
    versions = {"wellposed": __version__} | {name: installed(name) for name in packages if name}
    return Report(
        spec=spec.name,
        spec_hash=content_hash(spec),
        steps=program.steps,
        h=program.h,
        device=device,
        versions=versions,
        rungs=rungs,
        notes=tuple(notes),
    )
