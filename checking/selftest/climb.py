"""Climbing the ladder in this process, no higher than the first rung that fails."""

from __future__ import annotations

from collections.abc import Sequence

from ...spec.model import Spec
from .. import inline
from ..checks import DOUBLE, RUNGS
from ..ladder import check
from ..report import Report

UPDATES = 10
"""Updates of L5: a stepper that is wrong is so from the first ones."""
SINGLE = RUNGS[-1]
"""It is judged by the float32 answers of the rungs below."""


def climb(
    spec: Spec,
    backends: Sequence[str],
    dtypes: tuple[str, ...] = DOUBLE,
    last: str = SINGLE,
) -> Report:
    """The report of the first rung that fails, or of the last one."""
    rungs = [rung for rung in RUNGS if rung <= last and (rung != SINGLE or dtypes != DOUBLE)]
    report = _report(spec, backends, dtypes, rungs[0])
    for rung in rungs[1:]:
        if report.first_failure is not None:
            break
        report = _report(spec, backends, dtypes, rung)
    return report


def _report(spec: Spec, backends: Sequence[str], dtypes: tuple[str, ...], rung: str) -> Report:
    return check(
        spec,
        backends=backends,
        dtypes=dtypes,
        rungs=RUNGS if rung == SINGLE else (rung,),
        steps=UPDATES,
        run=inline.run_fast,
    )
