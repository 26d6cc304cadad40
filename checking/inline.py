"""A job worked off in this process, for programs that the compiler has just written itself."""

from __future__ import annotations

from collections.abc import Callable

from ..backends.model import Model
from ..compiler.pipeline import Compiled
from .asking import answers
from .inputs import compiled_fast
from .job import Job
from .process import Outcome


def run(job: Job, limit: float) -> Outcome:
    """All answers; a program that dies or hangs takes this process along, `limit` or not."""
    return _run(job, job.load)


def run_fast(job: Job, limit: float) -> Outcome:
    """As `run`, for small programs that are run once: compiled quickly, to slow code."""
    return _run(job, lambda case, dtype: compiled_fast(job.load(case, dtype)))


def _run(job: Job, load: Callable[[Compiled, str], Model]) -> Outcome:
    case = job.case()
    return Outcome(dict(answers(lambda dtype: load(case, dtype), case, job.keys, job.probes)))
