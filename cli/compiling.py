"""`compile`: the programs of a spec and its initial weights, as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import Backends, Overrides, SpecOrRun, emitting
from .output import say

if TYPE_CHECKING:
    from ..compiler.pipeline import Compiled
    from .subject import Subject


FORCE = "--force overwrites"


def compile(
    spec: SpecOrRun,
    overrides: Overrides = None,
    backend: Backends = "all",
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where to.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that differ.")] = False,
) -> None:
    """Write the emitted programs and the initial weights, of a run those it has learned."""
    from .subject import read_subject

    subject = read_subject(spec, overrides)
    made = _with_numbers(subject)
    name = made.module.file_name
    texts = {f"{name}_{b}.py": text for b, text in _texts(made, backend).items()}
    files = {out / file: text.encode() for file, text in texts.items()}
    write(files | {out / f"{name}.safetensors": _weights(made, subject)}, force, FORCE)


def _texts(compiled: Compiled, backend: str) -> dict[str, str]:
    """The text of the program by backend."""
    from ..backends.texts import text_of

    return {name: text_of(compiled, name) for name in emitting(backend)}


def _with_numbers(subject: Subject) -> Compiled:
    """Of a run: its head says what holds at its weights, beside what holds for all."""
    if subject.weights is None:
        return subject.compiled
    from ..compiler.analysis.stability import in_a_line

    line = in_a_line(subject.compiled, subject.seen())
    module = subject.compiled.module
    header = module.header.with_row_behind("Stability", line) if line else module.header
    return replace(subject.compiled, module=replace(module, header=header))


def _weights(compiled: Compiled, subject: Subject) -> bytes:
    import numpy as np

    from ..compiler.reference.reference import Reference
    from ..training.weights_file import WeightsFile

    if subject.weights is None:
        first = Reference(compiled.module).init()
        return WeightsFile(first, compiled.preprocessing, 0).to_bytes()
    dtype = compiled.module.dtype
    weights = {name: np.asarray(w, dtype) for name, w in subject.weights.items()}
    return WeightsFile(weights, subject.preprocessing, subject.epoch).to_bytes()


def write(files: Mapping[Path, bytes], force: bool, help: str) -> None:
    """Write the files, each whole or not at all; none of them where one would be overwritten.

    `help` says what else the user may do then.
    """
    from ..training.checkpoint import replace as written
    from .errors import CallError

    same = {path for path, data in files.items() if path.exists() and path.read_bytes() == data}
    changed = [path for path in files if path.exists() and path not in same]
    if changed and not force:
        listed = ", ".join(map(str, changed))
        raise CallError(f"{listed} would be overwritten by other content", help)
    for path, data in files.items():
        if path not in same:
            path.parent.mkdir(parents=True, exist_ok=True)
            written(path, data)
        say(f"{path}{' (unchanged)' if path in same else ''}")
