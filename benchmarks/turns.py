"""Programs that take turns, so that a change of the machine's clock or load meets all alike."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
Clock = Callable[[], float]
TOLERANCE = 1e-4  # relative, in the 2-norm; float32 over 1024 steps gives about 1e-6


@dataclass
class Row:
    """A program under test: `run` takes one gradient, `gradient` brings it to NumPy."""

    name: str
    run: Callable[[], Any]
    gradient: Callable[[Any], Arrays]
    first: float = 0.0
    seconds: list[float] = field(default_factory=list)


def same_gradients(
    rows: list[Row], reference: Arrays, clock: Clock, tolerance: float = TOLERANCE
) -> None:
    """Compare with the float64 reference, weight by weight: ‖g − g_ref‖ ≤ tolerance ‖g_ref‖."""
    for row in rows:
        start = clock()
        gradient = row.gradient(row.run())
        row.first = clock() - start
        for name, expected in reference.items():
            error = np.linalg.norm(gradient[name] - expected) / np.linalg.norm(expected)
            if not error <= tolerance:
                raise SystemExit(f"{row.name}: gradient of {name} differs by {error:.1e}")


def take_turns(rows: list[Row], rounds: int, clock: Clock) -> None:
    """One gradient of every program per round; who begins rotates."""
    for i in range(rounds):
        for row in rows[i % len(rows) :] + rows[: i % len(rows)]:
            start = clock()
            row.run()
            row.seconds.append(clock() - start)


def spread(values: list[float]) -> str:
    """`median [lower quartile, upper quartile]`."""
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return f"{median:.2f} [{lower:.2f}, {upper:.2f}]"


def table(rows: list[Row]) -> str:
    """Milliseconds, and how often each program runs in the time that a library takes once.

    A ratio is taken within a round and so from neighbouring moments.
    """
    peers = {row.name: row.seconds for row in rows if not row.name.startswith("wellposed")}
    heads = "".join(f"{head:>28}" for head in ("ms", *(f"× {peer}" for peer in peers)))
    lines = [f"{'program':22}{heads}{'first s':>9}"]
    for row in rows:
        cells = [spread([1e3 * s for s in row.seconds])]
        for seconds in peers.values():
            ratios = [peer / own for peer, own in zip(seconds, row.seconds, strict=True)]
            cells.append(spread(ratios))
        lines.append(f"{row.name:22}{''.join(f'{c:>28}' for c in cells)}{row.first:9.2f}")
    return "\n".join(lines)


def use_one_thread() -> None:
    """Before the frameworks start: they read these when they are first imported."""
    os.environ["OMP_NUM_THREADS"] = "1"
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
