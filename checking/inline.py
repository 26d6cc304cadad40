"""A job worked off in this process, for programs that the compiler has just written itself."""

from __future__ import annotations

from collections.abc import Callable

from ..backends.model import Model
from ..compiler.ir.program import Program
from ..compiler.lower import lower
from .asking import answers
from .inputs import asked_once
from .job import Job
from .process import Outcome


def run(job: Job, limit: float) -> Outcome:
    """All answers; a program that dies or hangs takes this process along, `limit` or not."""
    return _run(job, job.load)


def run_briefly(job: Job, limit: float) -> Outcome:
    """As `run`, for small programs that come in numbers: compiled quickly, to slow code."""
    return _run(job, lambda program, dtype: asked_once(job.load(program, dtype)))


def _run(job: Job, load: Callable[[Program, str], Model]) -> Outcome:
    program = lower(job.spec)
    return Outcome(dict(answers(lambda dtype: load(program, dtype), list(job.keys), job.probes)))
