"""One process at a time trains a run: an advisory lock, which the system releases on death."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .checkpoint import RunError

LOCK = ".lock"
"""Its content is the number of the process that holds it, or held it last."""
BEYOND = 1 << 30
"""The byte that Windows locks, where nobody wants to read."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run in a folder. RunError where another process does, or it cannot be locked."""
    try:
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror or error}") from None
    try:
        _take(file, folder)
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        yield
    finally:
        os.close(file)


def _take(file: int, folder: Path) -> None:
    try:
        _lock(file)
    except (BlockingIOError, PermissionError):
        holder = os.read(file, 32).decode("ascii", "replace")
        process = f"process {holder}" if holder else "another process"
        raise RunError(f"{folder} is being trained by {process}: wait for it or stop it") from None
    except OSError as error:
        raise RunError(f"{folder} cannot be locked: {error.strerror or error}") from None


def _lock(file: int) -> None:
    """Lock the open file until it is closed; at once or not at all."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file, BEYOND, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(file, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
