"""Checks in this process, of programs that the compiler has just written itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..backends.framework_model import compiled_fast
from ..backends.model import Model
from ..compiler.pipeline import Compiled
from ..spec.model import Spec
from .asking import answers
from .checks import DOUBLE, RUNGS
from .job import Job
from .ladder import check
from .process import Outcome, Told, untold
from .report import Report

UPDATES = 10
"""Updates of L5: a stepper that is wrong is so from the first ones."""
SINGLE = RUNGS[-1]
"""It is judged by the float32 answers of the rungs below."""


def run(job: Job, limit: float, told: Told = untold) -> Outcome:
    """All answers; a program that dies or hangs takes this process along, `limit` or not."""
    return _run(job, job.load, told)


def run_fast(job: Job, limit: float, told: Told = untold) -> Outcome:
    """As `run`, for small programs that are run once: compiled quickly, to slow code."""
    return _run(job, lambda case, dtype: compiled_fast(job.load(case, dtype)), told)


def _run(job: Job, load: Callable[[Compiled, str], Model], told: Told) -> Outcome:
    case, found = job.case(), {}
    for key, answer in answers(lambda dtype: load(case, dtype), case, job.keys, job.probes):
        found[key] = answer
        told(key, answer)
    return Outcome(found)


def climb(
    spec: Spec, backends: Sequence[str], dtypes: tuple[str, ...] = DOUBLE, last: str = SINGLE
) -> Report:
    """The report of the first rung that fails, lowest first, or of the last one."""
    given = {"backends": backends, "dtypes": dtypes, "steps": UPDATES, "run": run_fast}
    report = check(spec, **given, rungs=RUNGS[:1])
    for rung in RUNGS[1:]:
        if report.first_failure is not None or rung > last or (rung == SINGLE and dtypes == DOUBLE):
            break
        report = check(spec, **given, rungs=RUNGS if rung == SINGLE else (rung,))
    return report
