"""How many threads of the processor the operations of a program are spread over.

Threads that share an operation wait for each other at its end. On a machine where another process
has a core, that takes milliseconds, whatever the operation: a small one is then hundreds of times
slower than on one thread. `benchmarks/bench_threads.py` measures where a second thread is worth it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..compiler.analysis.cost import largest_operation
from .model import Model
from .registry import BackendError

WORTH = 2 * 10**7
"""Floating-point operations of one operation on a batch from which on threads share it: about a
millisecond of one core."""
SAID = "OMP_NUM_THREADS"
"""The variable by which a user says it to all programs that read it."""


@runtime_checkable
class Threaded(Protocol):
    """A model whose framework is told how many threads share an operation, and spins where they
    wait. JAX is not: its threads sleep, and it shares large operations only."""

    threads: int


@dataclass(frozen=True)
class Threads:
    """So many, and why."""

    count: int
    why: str

    def __str__(self) -> str:
        return f"{self.count} thread{'s' * (self.count != 1)}: {self.why}"


def rule() -> str:
    """By which the number is chosen."""
    return f"1 thread where no operation on a batch takes {WORTH:,} FLOP, else {cores()}"


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_for(model: Model, batch: int, asked: int | None = None) -> Threads | None:
    """What was asked for, in the call or in the environment, or else by the work of the largest
    operation, and never by the load: the same spec trains on as many again. None where it is not
    ours to say. Raises BackendError where that was asked for."""
    if not isinstance(model, Threaded) or model.device != "cpu":
        if asked is None:
            return None
        where = f"{model.backend} on {model.device}"
        raise BackendError(f"{where} shares its work by itself: --threads is of torch on the cpu")
    if asked is not None:
        return Threads(asked, "as asked for")
    if SAID in os.environ:
        return Threads(model.threads, f"by {SAID}")
    work = largest_operation(model.module, batch)
    known = f"the largest operation on {batch:,} examples takes {work:,} FLOP"
    if work < WORTH:
        return Threads(1, f"{known}, too few to share")
    return Threads(cores(), known)


@contextmanager
def on_threads(model: Model, chosen: Threads | None) -> Iterator[None]:
    """Within it the process computes on so many."""
    if chosen is None or not isinstance(model, Threaded):
        yield
        return
    before, model.threads = model.threads, chosen.count
    try:
        yield
    finally:
        model.threads = before
