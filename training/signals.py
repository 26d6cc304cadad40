"""SIGTERM, which a scheduler or a container sends before it kills, taken as Ctrl-C is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """The process was asked to end."""


RAISED = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}
UNCHANGED = (signal.default_int_handler, signal.SIG_DFL)
"""Handlers that may be replaced: others are the caller's, who ignores a signal or has plans."""


class Endings:
    """What SIGINT and SIGTERM raise while this is `taken`; in a block that is `whole`, at its end.

    Outside the main thread, where Python takes no signals, everything stays as it is.
    """

    def __init__(self) -> None:
        self._is_put_off, self._pending = False, 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        in_main = threading.current_thread() is threading.main_thread()
        ours = [n for n in RAISED if in_main and signal.getsignal(n) in UNCHANGED]
        before = {number: signal.signal(number, self._handle) for number in ours}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Put an ending off until the block has been left."""
        self._is_put_off = True
        try:
            yield
        finally:
            self._is_put_off = False
        if self._pending:
            raise RAISED[signal.Signals(self._pending)]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._is_put_off:
            self._pending = number
        else:
            raise RAISED[signal.Signals(number)]
