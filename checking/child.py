"""Processes that end with this one, however it ends, and folders that go with all that is in them.

Run as a script, this file is what such a process starts as: it leaves a watcher in its group, then
becomes the command. The watcher waits on a pipe whose other end only the starting process holds;
the kernel closes that end even where the process is killed, and the watcher kills the group.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from types import FrameType
from typing import IO
from uuid import uuid4

Child = subprocess.Popen[bytes]

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_running: set[Child] = set()


@contextmanager
def started(
    command: Sequence[str],
    folder: Path,
    env: Mapping[str, str],
    *,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
) -> Iterator[Child]:
    """The command in a process group of its own, which is killed at the end of the block."""
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(reading), *command],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            pass_fds=(reading,),
        )
        _running.add(process)
        try:
            yield process
        finally:
            _kill(process)
            process.wait()
            _running.discard(process)
    finally:
        os.close(reading)
        os.close(writing)


def _kill(process: Child) -> None:
    """End the process and all that it started and left in its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP kill the running children at once and then end the block, so that
    its folders are removed; this process then dies of the signal, if it was not an interrupt.

    For the main thread. A signal that is ignored (`nohup`) stays so.
    """
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for process in list(_running):  # else threads that wait for them would hold up the end
            _kill(process)
        raise KeyboardInterrupt

    heeded = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received and received[0] != signal.SIGINT:
            signal.raise_signal(received[0])


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A new folder, removed at the end of the block as far as that can be done."""
    folder = Path(mkdtemp(prefix=prefix))
    try:
        yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Without recursion or long paths, as a program may nest folders at will: what a folder holds
    is moved to the top before it is removed itself."""
    folders = [folder]
    for each in folders:  # it grows on the way
        with suppress(OSError):
            folders += _emptied(each, folder)
    for each in reversed(folders):
        with suppress(OSError):
            each.rmdir()


def _emptied(folder: Path, top: Path) -> list[Path]:
    """Remove the files of a folder; its folders, moved to the top under new names."""
    if folder.is_symlink():
        folder.unlink()
        return []
    folder.chmod(0o700)
    moved = []
    for entry in list(os.scandir(folder)):
        with suppress(OSError):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry)
                continue
            os.chmod(entry, 0o700)  # a folder that cannot be written to cannot be moved
            moved.append(Path(entry).rename(top / uuid4().hex))
    return moved


def _become(lifeline: int, command: list[str]) -> None:
    """Leave a watcher, which is no child of the command's (that may wait for all of its own)."""
    if os.fork() == 0:
        if os.fork() == 0:
            _watch(lifeline)
        os._exit(0)
    os.wait()
    os.close(lifeline)
    os.execv(command[0], command)


def _watch(lifeline: int) -> None:
    """Wait for the end of the process that started this one; then kill the group, this one too."""
    os.closerange(0, lifeline)
    os.read(lifeline, 1)
    os.kill(0, signal.SIGKILL)


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
