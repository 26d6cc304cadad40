"""What a training comes to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .divergence import Divergence
from .run import Row

INTERRUPTED = ("interrupted", "terminated")
"""The ends of a training that somebody has stopped, by Ctrl-C or SIGTERM."""
Status = Literal["finished", "stopped", "interrupted", "terminated", "diverged"]


@dataclass(frozen=True)
class Result:
    """How a training ended, after `epoch` whole epochs of `epochs`.

    `finished` all epochs, `stopped` by stop_after, `interrupted` from the keyboard, `terminated` by
    SIGTERM, or `diverged`; `weights` are the last good ones, `metrics` has one row an epoch, `best`
    is the one with the best validation score; `begun` whole epochs were done before this call.
    """

    status: Status
    folder: Path
    epoch: int
    epochs: int
    metrics: list[Row]
    weights: dict[str, np.ndarray]
    divergence: Divergence | None = None
    best: Row | None = None
    begun: int = 0

    @property
    def was_finished(self) -> bool:
        """Was there nothing left to do?"""
        return self.begun == self.epochs

    @property
    def exit_code(self) -> int:
        """1 where it diverged, 130 or 143 (a shell's numbers for Ctrl-C and SIGTERM) where it was
        interrupted or terminated, else 0."""
        return {"diverged": 1, "interrupted": 130, "terminated": 143}.get(self.status, 0)

    def to_json(self) -> dict[str, Any]:
        """Status, epochs, divergence and the metrics of the last epoch and of the best one as plain
        data: the content of result.json."""
        divergence = None if self.divergence is None else self.divergence.to_json()
        done = {"status": self.status, "epoch": self.epoch, "epochs": self.epochs}
        last = self.metrics[-1] if self.metrics else None
        return {**done, "divergence": divergence, "metrics": last, "best": self.best}
