"""`compile`: the programs of a spec and its initial weights, as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import Backends, Overrides, SpecName, emitting, read_spec
from .output import say

if TYPE_CHECKING:
    from ..compiler.pipeline import Compiled


FORCE = "--force overwrites"


def compile(
    spec: SpecName,
    overrides: Overrides = None,
    backend: Backends = "all",
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where to.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that differ.")] = False,
) -> None:
    """Write the emitted programs and the initial weights."""
    from ..compiler.pipeline import compiled

    made = compiled(read_spec(spec, overrides))
    name = made.module.file_name
    texts = {f"{name}_{b}.py": text for b, text in _texts(made, backend).items()}
    files = {out / file: text.encode() for file, text in texts.items()}
    write(files | {out / f"{name}.safetensors": _weights(made)}, force, FORCE)


def _texts(compiled: Compiled, backend: str) -> dict[str, str]:
    """The text of the program by backend."""
    from ..backends.texts import text_of

    return {name: text_of(compiled, name) for name in emitting(backend)}


def _weights(compiled: Compiled) -> bytes:
    from ..compiler.reference.reference import Reference
    from ..training.checkpoint import to_bytes

    return to_bytes(Reference(compiled.module).init())


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
