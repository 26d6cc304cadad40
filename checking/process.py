"""Running a job in a process of its own, which may crash, hang, exit or print what it likes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from .child import Child, scratch, started
from .job import Job, StaleAnswer, read_answers
from .quantities import Answer, Key

Runner = Callable[[Job, float], "Outcome"]
"""Runs a job for so many seconds at most."""
Told = Callable[[Key, Answer], None]
Telling = Callable[[Job, float, Told], "Outcome"]
"""A runner that tells every answer as it comes."""
NO_ANSWER, OF_PROCESS = "no answer within", "the process"
"""How the words begin that say why no answer came."""
_LOOK = 0.2  # seconds between two looks for answers
_TAIL = 4096  # bytes of the last output of a process that are kept


@dataclass(frozen=True)
class Outcome:
    """The answers that came; `ending` says why no more did, '' where all went well."""

    answers: dict[Key, Answer]
    ending: str = ""


def untold(key: Key, answer: Answer) -> None:
    """Nobody waits for it."""


def run(job: Job, limit: float, told: Told = untold) -> Outcome:
    """Run the job for at most `limit` seconds."""
    with scratch("wellposed-check-") as folder:
        digest = job.write(folder)
        ending = _run(folder, job.device, limit, _Listener(folder, digest, told).look)
        try:
            return Outcome(read_answers(folder, digest), ending)
        except StaleAnswer as error:
            return Outcome({}, ending or f"{OF_PROCESS} left what is no answer: {error}")


def is_ending(reason: str) -> bool:
    """Does a reason say that a process gave no answer: it hung, died or left early?"""
    return reason.startswith((NO_ANSWER, OF_PROCESS))


class _Listener:
    """Tells the answers in a folder that are new. What is no answer is said at the end."""

    def __init__(self, folder: Path, digest: str, told: Told) -> None:
        self.folder, self.digest, self.told, self.known = folder, digest, told, 0

    def look(self) -> None:
        with suppress(StaleAnswer):
            for key, answer in read_answers(self.folder, self.digest, self.known).items():
                self.known += 1
                self.told(key, answer)


def _run(folder: Path, device: str, limit: float, look: Callable[[], None]) -> str:
    """Start, wait and look for answers, kill the whole group; how it ended."""
    command = [sys.executable, "-P", "-m", f"{__package__}.worker", str(folder)]
    with started(command, folder, _environment(device), stderr=subprocess.PIPE) as process:
        tail = _Tail(process)
        code = _wait(process, limit, look)
        if code is None:
            return f"{NO_ANSWER} {limit:g} s: the process was stopped"
    return _ending(code, tail.last_line())


def _wait(process: Child, limit: float, look: Callable[[], None]) -> int | None:
    """The exit code; None where there is none within `limit` seconds."""
    end = time.monotonic() + limit
    while (left := end - time.monotonic()) > 0:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(min(_LOOK, left))
        look()
    return None


def _ending(code: int, last_line: str) -> str:
    if code == 0:
        return ""
    said = f": {last_line}" if last_line else ""
    if code < 0:
        return f"{OF_PROCESS} died of {_signal(-code)}{said}"
    return f"{OF_PROCESS} ended with exit code {code}{said}"


def _signal(number: int) -> str:
    """`SIGSEGV`; most real-time signals have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class _Tail:
    """The end of what a process prints, read as it comes: it neither blocks nor piles up."""

    def __init__(self, process: Child) -> None:
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
