"""Small specs, and the check of a program's text run in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wellposed.backends import registry
from wellposed.checking.checks import RUNGS
from wellposed.checking.inline import run_fast as in_process
from wellposed.checking.ladder import check
from wellposed.checking.report import Report
from wellposed.checking.selftest.plant import replaced
from wellposed.checking.selftest.specs import HEAD, TIME, specs
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec

__all__ = ["CLASSIFIER", "STEPS", "check_text", "edited", "in_process", "spec", "specs"]


STEPS = TIME["steps"]
CLASSIFIER = {"kind": "classifier", "classes": 3}


def spec(model: Mapping[str, Any], **top: Any) -> Spec:
    """A spec like those that bugs are planted in; `weights` of the model are those of its time."""
    given = dict(model)
    time = {**TIME, "weights": given.pop("weights", "per-step")}
    return Spec.model_validate({**HEAD, **top, "model": {"time": time, **given}})


def edited(given: Spec, backend: str, old: str, new: str) -> str:
    """The emitted text with its last `old` replaced."""
    return replaced(registry.get(backend).emit(compiled(given).module), old, new)


def check_text(
    given: Spec,
    backend: str,
    text: str,
    folder: Path,
    dtypes: tuple[str, ...] = ("float64",),
) -> Report:
    """The report on a program's text, L0–L3, run in this process."""
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8")
    return check(
        given,
        programs={backend: path},
        backends=(backend,),
        dtypes=dtypes,
        rungs=RUNGS[:4],
        run=in_process,
    )
