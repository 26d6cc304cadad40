"""A limit on the computing time of one trial, where the system can interrupt one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import NoReturn


class Hang(Exception):
    """A trial that computed longer than it was given."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise Hang in what computes longer; in the main thread of a system with interval timers.

    Time of the processor counts, not of the clock: a busy machine makes no hang.
    """
    if not hasattr(signal, "setitimer") or current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGPROF, _raise)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _raise(number: int, frame: object) -> NoReturn:
    raise Hang("no end within the limit")
