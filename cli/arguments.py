"""Arguments and options that verbs share, and the reading of a SPEC."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from ..spec.model import Spec

SpecName = Annotated[
    str, typer.Argument(metavar="SPEC", help="A file, or the name of a shipped example.")
]
SpecOrRun = Annotated[
    str,
    typer.Argument(
        metavar="SPEC|RUN", help="A file, the name of a shipped example, or the folder of a run."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY.SUB=VALUE", help="Keys to override.", show_default=False),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
Backend = Annotated[
    str, typer.Option("--backend", "-b", metavar="NAME", help="torch, jax or numpy (float64).")
]
Backends = Annotated[
    str, typer.Option("--backend", "-b", metavar="NAME", help="torch, jax or all.")
]
Device = Annotated[str, typer.Option("--device", "-d", metavar="NAME", help="cpu, cuda, cuda:1 …")]
BackendOfRun = Annotated[
    str | None,
    typer.Option("--backend", "-b", metavar="NAME", help="Another backend than the run's own."),
]
DeviceOfRun = Annotated[
    str | None,
    typer.Option("--device", "-d", metavar="NAME", help="Another device than the run's own."),
]
Which = Annotated[
    Literal["last", "best"],
    typer.Option("--weights", help="Those of the last epoch, or of the best by validation."),
]
ThreadCount = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, metavar="N", help="Of torch on the CPU; by default by the work."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the folder of the run alone.")]
NoPlots = Annotated[bool, typer.Option("--no-plots", help="Draw nothing at the end.")]


def read_spec(name: str, overrides: list[str] | None) -> Spec:
    """The valid spec of a file or a shipped example, under the overrides. Raises SpecError."""
    from ..compiler.front.load import examples, find, load
    from ..spec.diagnostics import Diagnostic, Span, SpecError, did_you_mean

    if not os.path.exists(find(name)):
        message = f"{name} cannot be read: there is no such file, and no example of that name"
        near = did_you_mean(Path(name).name, [path.stem for path in examples()])
        span = Span(name, 1, 1, 1, 1, "")
        help = near or "`wellposed ls` lists the examples"
        raise SpecError(Diagnostic("E001", message, span, help=help))
    return load(name, overrides or ())


def emitting(backend: str) -> tuple[str, ...]:
    """The backend of this name, or `all` that emit programs. Raises BackendError, CallError."""
    from ..backends.registry import get, names

    if backend == "all":
        return tuple(name for name in names() if not get(name).is_reference)
    if get(backend).is_reference:
        from .errors import CallError

        raise CallError(f"{backend} is the reference itself: there is no program of it")
    return (backend,)
