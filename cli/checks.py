"""`check`: do the programs compute what the spec says?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .arguments import Device, Json, Overrides, SpecOrRun, ThreadCount, emitting
from .climbing import Climb
from .output import error_console, say, say_json, section, table
from .subject import Subject, read_subject

if TYPE_CHECKING:
    from ..checking.ladder import NoProgram
    from ..checking.locate.difference import Difference
    from ..checking.locate.repro import Repro
    from ..checking.report import Report
    from ..spec.model import Spec


def check(
    spec: SpecOrRun = "",
    overrides: Overrides = None,
    backend: Annotated[
        str | None,
        typer.Option(
            *("--backend", "-b"),
            metavar="NAME",
            help="torch, jax or all: by default that of --program, or all.",
        ),
    ] = None,
    program: Annotated[
        list[str] | None,
        typer.Option(
            "--program", metavar="BACKEND=FILE", help="A file in place of an emitted program."
        ),
    ] = None,
    device: Device = "cpu",
    threads: ThreadCount = None,
    to: Annotated[
        str, typer.Option("--to", metavar="RUNG", help="The last rung to climb: L0 … L7.")
    ] = "L7",
    updates: Annotated[
        int | None,
        typer.Option("--updates", metavar="K", min=1, help="Training updates to follow in L5."),
    ] = None,
    modes: Annotated[
        bool,
        typer.Option("--modes", help="The gradient in every mode that the spec allows, too."),
    ] = False,
    repro: Annotated[
        Path,
        typer.Option("--repro", metavar="DIR", help="Where a failed check writes a short pair."),
    ] = Path("repro"),
    matrix: Annotated[
        bool, typer.Option("--matrix", help="How far apart all ways to run the spec are.")
    ] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Plant bugs in the compiler: is each one caught?")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every comparison.")] = False,
    json: Json = False,
) -> None:
    """Compare the programs with the float64 reference, rung by rung."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the reference runs beside the programs
    from ..backends.threads import SAID
    from ..checking.child import interruptible
    from .errors import CallError

    if not (spec or self_test):
        raise CallError("check needs a SPEC", "`wellposed ls` lists the examples")
    if self_test and spec:
        raise CallError("--self-test brings its own specs", "`wellposed check --self-test`")
    given = {
        "--program": program,
        "--device": device != "cpu",
        "--to": to != "L7",
        "--updates": updates,
        "--modes": modes,
        "--repro": repro != Path("repro"),
        "--verbose": verbose,
    }
    unused = [option for option, value in given.items() if value and (matrix or self_test)]
    if unused:
        mode = "--self-test" if self_test else "--matrix"
        raise CallError(f"{mode} makes no use of {unused[0]}", f"leave out {unused[0]}")
    if threads is not None:
        os.environ[SAID] = str(threads)  # of every program; 1 where nothing is said
    with interruptible():
        if self_test:
            passed = _self_test(emitting(backend or "all"), json)
        elif matrix:
            passed = _matrix(read_subject(spec, overrides).spec, emitting(backend or "all"), json)
        else:
            rungs, programs = _rungs(to), _programs(program or [])
            asked = _Asked(_backends(backend, programs), programs, device, rungs, updates, modes)
            passed = _check(read_subject(spec, overrides), asked, repro, verbose, json)
    raise typer.Exit(0 if passed else 1)


@dataclass(frozen=True)
class _Asked:
    """What a check is to compare."""

    backends: tuple[str, ...]
    programs: dict[str, Path]
    device: str
    rungs: tuple[str, ...]
    updates: int | None
    modes: bool


def _check(subject: Subject, asked: _Asked, repro: Path, verbose: bool, json: bool) -> bool:
    from ..checking.ladder import NoProgram
    from ..checking.ladder import check as climb

    trained = None if subject.weights is None else dict(subject.weights)
    shown = Climb(asked.backends, verbose)
    try:
        report = climb(
            subject.compiled,
            programs=asked.programs,
            backends=asked.backends,
            device=asked.device,
            rungs=asked.rungs,
            steps=asked.updates,
            modes=asked.modes,
            trained=trained,
            seen=(lambda rungs: None) if json else shown,
        )
    except NoProgram as error:
        if not json:
            raise
        _say_no_program(error)
        raise typer.Exit(2) from None
    if not json:
        shown(report.rungs)
        say("", report.message)
    place = None if report.passed else _locate(subject, report, repro)
    if json:
        say_json(report.to_json() | ({} if place is None else {"difference": place.to_json()}))
        return report.passed
    if place is not None:
        say("", place.text, "", place.repro.words)
    return report.passed


def _say_no_program(error: NoProgram) -> None:
    """The object of a failed check, with the errors in it."""
    from .errors import as_data

    say_json(error.report.to_json() | {"errors": as_data(error)})


@dataclass(frozen=True)
class _Place:
    """Where a failed check comes from, and the files that show it."""

    difference: Difference
    repro: Repro

    @property
    def text(self) -> str:
        from .difference import side_by_side

        return side_by_side(self.difference)

    def to_json(self) -> dict[str, Any]:
        paths = [str(path) for path in self.repro.paths]
        return self.difference.to_json() | {"repro": paths, "repro_said": self.repro.words}


def _locate(subject: Subject, report: Report, folder: Path) -> _Place | None:
    """None where no program differs, as where the spec is ill-posed."""
    from ..checking.locate.find import locate
    from ..checking.locate.repro import Repro, write_repro

    case, trained = subject.compiled, subject.weights
    own = None if trained is None else dict(trained)
    difference = locate(report, case, report.programs, trained=own)
    if difference is None:
        return None
    try:
        repro = write_repro(difference, case, report.programs, folder)
    except OSError as error:  # the finding stands, whatever becomes of the files
        words = f"No standalone pair: {folder} cannot be written: {error.strerror}"
        repro = Repro((), words)
    return _Place(difference, repro)


def _matrix(spec: Spec, backends: tuple[str, ...], json: bool) -> bool:
    from ..checking.ways import matrix

    found = matrix(spec, backends)
    if json:
        say_json(found.to_json())
        return found.passed
    names = [str(way) for way in found.ways]
    for quantity in found.distances:
        section(f"{quantity}: the largest difference over the scale of the reference")
        table(["", *names], found.rows(quantity), right=names)
    say(*(f"not to be had: {absence}" for absence in found.missing))
    say(*found.departures())
    say("No two ways part by more than rounding." * found.passed)
    return found.passed


def _self_test(backends: tuple[str, ...], json: bool) -> bool:
    from ..checking.selftest.matrix import run_matrix

    error = error_console()
    found = run_matrix(backends, progress=(lambda line: None) if json else error.print)
    if json:
        say_json(found.to_json())
    else:
        table(found.columns, found.rows(), right=("seconds",), alarm="SURVIVED")
        say(found.message)
    return found.passed


def _backends(asked: str | None, programs: dict[str, Path]) -> tuple[str, ...]:
    """Those that are asked for, or those that a program is given for, or all."""
    given = [name for program in programs for name in emitting(program)]
    return emitting(asked) if asked else tuple(given) or emitting("all")


def _rungs(last: str) -> tuple[str, ...]:
    """The rungs up to this one. Raises CallError."""
    from ..checking.checks import RUNGS
    from .errors import CallError

    if last not in RUNGS:
        raise CallError(f"--to {last}: there is no such rung", f"rungs: {', '.join(RUNGS)}")
    return RUNGS[: RUNGS.index(last) + 1]


def _programs(given: list[str]) -> dict[str, Path]:
    """Backend → file, from BACKEND=FILE. Raises CallError."""
    from .errors import CallError

    found: dict[str, Path] = {}
    for text in given:
        backend, equals, file = text.partition("=")
        if not (backend and equals and file):
            raise CallError(f"--program {text}: not of the form BACKEND=FILE", "torch=program.py")
        if backend in found:
            raise CallError(f"--program names two files for {backend}")
        found[backend] = Path(file)
    return found
