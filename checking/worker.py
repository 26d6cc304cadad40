"""The process of one backend: `python -m wellposed.checking.worker FOLDER` works off a job."""

from __future__ import annotations

import sys
from pathlib import Path

from .asking import answers
from .job import Job, write_answer


def main(folder: Path) -> None:
    """Read the job, put its checks to the program, write every answer as it comes."""
    job, digest = Job.read(folder)
    case = job.case()
    found = answers(lambda dtype: job.load(case, dtype), case, job.keys, job.probes)
    for number, (key, answer) in enumerate(found):
        write_answer(folder, number, digest, key, answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
