"""A job worked off in this process, for programs that the compiler has just written itself."""

from __future__ import annotations

from ..compiler.lower import lower
from .asking import answers
from .job import Job
from .process import Outcome


def run(job: Job, limit: float) -> Outcome:
    """All answers; a program that dies or hangs takes this process along, `limit` or not."""
    program = lower(job.spec)
    found = answers(lambda dtype: job.load(program, dtype), list(job.keys), job.probes)
    return Outcome(dict(found))
