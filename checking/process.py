"""Running a job in a process of its own, which may crash, hang, exit or print what it likes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from .job import Job, StaleAnswer, read_answers
from .quantities import Answer, Key

_TAIL = 4096  # bytes of the last output of a process that are kept


@dataclass(frozen=True)
class Outcome:
    """The answers that came; `ending` says why no more did, '' where all went well."""

    answers: dict[Key, Answer]
    ending: str = ""


def run(job: Job, limit: float) -> Outcome:
    """Run the job for at most `limit` seconds."""
    with TemporaryDirectory(prefix="wellposed-check-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        job.write(folder)
        ending = _run(folder, job.device, limit)
        try:
            return Outcome(read_answers(folder, job.digest), ending)
        except StaleAnswer as error:
            return Outcome({}, str(error))


def _run(folder: Path, device: str, limit: float) -> str:
    """Start, wait, kill the whole group; how it ended."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", f"{__package__}.worker", str(folder)],
        cwd=folder,
        env=_environment(device),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    tail = _Tail(process)
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        return f"no answer within {limit:g} s: the process was stopped"
    finally:
        _kill(process)
    return _ending(code, tail.last_line())


def _ending(code: int, last_line: str) -> str:
    if code == 0:
        return ""
    said = f": {last_line}" if last_line else ""
    if code < 0:
        return f"the process died of {_signal(-code)}{said}"
    return f"the process ended with exit code {code}{said}"


def _signal(number: int) -> str:
    """`SIGSEGV`; most real-time signals have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started and left in its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Tail:
    """The end of what a process prints, read as it comes: it neither blocks nor piles up."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        self.stream = process.stderr
        self.kept = b""
        self.thread = Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        with self.stream as stream:
            while chunk := os.read(stream.fileno(), _TAIL):
                self.kept = (self.kept + chunk)[-_TAIL:]

    def last_line(self) -> str:
        self.thread.join(1.0)
        lines = self.kept.decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")[:300]


def _environment(device: str) -> dict[str, str]:
    """This process's, with its import path; one thread each, as two processes share the machine."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    defaults = {"OMP_NUM_THREADS": "1", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if device == "cpu":
        defaults["JAX_PLATFORMS"] = "cpu"
    return defaults | dict(os.environ) | {"PYTHONPATH": path}
