"""`check`: do the programs compute what the spec says?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .arguments import Backends, Device, Json, Overrides, SpecName, emitting, read_spec
from .output import say, say_json, table

COLUMNS = (
    *("rung", "quantity", "backend", "dtype", "worst", "tolerance"),
    *("torch–JAX", "verdict", "worst element"),
)


NUMBERS = ("worst", "tolerance", "torch–JAX")


def check(
    spec: SpecName,
    overrides: Overrides = None,
    backend: Backends = "all",
    program: Annotated[
        list[str] | None,
        typer.Option(
            "--program", metavar="BACKEND=FILE", help="A file in place of an emitted program."
        ),
    ] = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Compare the programs with the float64 reference, rung by rung."""
    from ..checking.ladder import check as climb

    given, programs = read_spec(spec, overrides), _programs(program or [])
    report = climb(given, programs=programs, backends=emitting(backend), device=device)
    if json:
        say_json(report.to_json())
    else:
        table(COLUMNS, report.rows(), right=NUMBERS, alarm="FAILED")
        say(report.message)
    raise typer.Exit(0 if report.passed else 1)


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
