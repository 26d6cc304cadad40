"""Helpers of the tests of `locate`: an edited program checked and located in this process."""

from __future__ import annotations

from pathlib import Path

from planting import edited, in_process

from wellposed.checking.ladder import check
from wellposed.checking.locate.difference import Difference
from wellposed.checking.locate.find import locate
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec

RUNGS = ("L0", "L1", "L2", "L3")


def located(
    given: Spec,
    backend: str,
    text: str,
    folder: Path,
    dtypes: tuple[str, ...] = ("float64",),
    rungs: tuple[str, ...] = RUNGS,
) -> Difference:
    """Where a program's text differs from its spec."""
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8")
    programs, backends = {backend: path}, (backend,)
    report = check(
        given, programs=programs, backends=backends, dtypes=dtypes, rungs=rungs, run=in_process
    )
    found = locate(report, compiled(given), {backend: text}, run=in_process)
    assert found is not None, report.message
    return found


def located_edit(
    given: Spec, backend: str, old: str, new: str, folder: Path, rungs: tuple[str, ...] = RUNGS
) -> Difference:
    """Where the emitted text with its last `old` replaced differs."""
    return located(given, backend, edited(given, backend, old, new), folder, rungs=rungs)
