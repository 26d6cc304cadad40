"""`compile`: the programs of a spec and its initial weights, as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import Backends, Overrides, SpecName, emitting, read_spec
from .output import say

if TYPE_CHECKING:
    from ..compiler.ir.program import Program


FORCE = "--force overwrites"


def compile(
    spec: SpecName,
    overrides: Overrides = None,
    backend: Backends = "all",
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where to.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that differ.")] = False,
) -> None:
    """Write the emitted programs, and beside them the initial weights."""
    from ..compiler.lower import lower

    program = lower(read_spec(spec, overrides))
    texts = {f"{program.module_name}_{b}.py": t for b, t in _texts(program, backend).items()}
    files = {out / name: text.encode() for name, text in texts.items()}
    write(files | {out / f"{program.module_name}.safetensors": _weights(program)}, force, FORCE)


def _texts(program: Program, backend: str) -> dict[str, str]:
    """The text of the program by backend."""
    from ..backends.registry import get

    return {name: get(name).emit(program) for name in emitting(backend)}


def _weights(program: Program) -> bytes:
    from ..compiler.reference import Reference
    from ..training.checkpoint import to_bytes

    return to_bytes(Reference(program).init())


def write(files: Mapping[Path, bytes], force: bool, help: str) -> None:
    """Write the files, each whole or not at all; none of them where one would be overwritten.

    `help` says what else the user may do then.
    """
    from ..training.checkpoint import replace
    from .errors import CallError

    same = {path for path, data in files.items() if path.exists() and path.read_bytes() == data}
    changed = [path for path in files if path.exists() and path not in same]
    if changed and not force:
        listed = ", ".join(map(str, changed))
        raise CallError(f"{listed} would be overwritten by other content", help)
    for path, data in files.items():
        if path not in same:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, data)
        say(f"{path}{' (unchanged)' if path in same else ''}")
