"""Climbing the ladder in this process, no higher than the first level that fails."""

from __future__ import annotations

from collections.abc import Sequence

from ...spec.model import Spec
from .. import inline
from ..ladder import check
from ..questions import DOUBLE, LEVELS
from ..report import Report

UPDATES = 10
"""Updates of L5: a stepper that is wrong is so from the first ones."""
SINGLE = LEVELS[-1]
"""It is judged by the float32 answers of the levels below."""


def climb(
    spec: Spec,
    backends: Sequence[str],
    dtypes: tuple[str, ...] = DOUBLE,
    last: str = SINGLE,
) -> Report:
    """The report of the first level that fails, or of the last one."""
    levels = [level for level in LEVELS if level <= last and (level != SINGLE or dtypes != DOUBLE)]
    report = _report(spec, backends, dtypes, levels[0])
    for level in levels[1:]:
        if report.first_failure is not None:
            break
        report = _report(spec, backends, dtypes, level)
    return report


def _report(spec: Spec, backends: Sequence[str], dtypes: tuple[str, ...], level: str) -> Report:
    return check(
        spec,
        backends=backends,
        dtypes=dtypes,
        levels=LEVELS if level == SINGLE else (level,),
        steps=UPDATES,
        run=inline.run_briefly,
    )
