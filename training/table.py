"""The table at the end of a training, as data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from .results import Result
from .run import Row
from .scores import ACCURACY, EXTRAPOLATION, MSE, RMSE, Score

Line = tuple[str, str]


def final_table(result: Result) -> list[Line]:
    """(what, value) of every line: how it ended, the last numbers, the best epoch, the time."""
    lines: list[Line] = [
        ("status", result.status),
        ("epochs", f"{result.epoch} of {result.epochs}"),
    ]
    if result.metrics:
        lines += _numbers(result.metrics)
    entries = sum(weight.size for weight in result.weights.values())
    return [*lines, ("weights", f"{entries} numbers in {len(result.weights)} arrays")]


def best_epoch(rows: list[Row], score: Score) -> Row | None:
    """The row with the best validation score, of equal ones that with the smallest validation loss,
    of equal ones the first; None where there is none."""
    key = f"validation_{score.name}"
    scored = [row for row in rows if row.get(key) is not None]
    return max(scored, key=lambda row: (score.sign * row[key], -_loss(row)), default=None)


def _loss(row: Row) -> float:
    """Older versions did not measure it."""
    loss = row.get("validation_loss")
    return math.inf if loss is None else loss


def _numbers(rows: list[Row]) -> Iterator[Line]:
    last = rows[-1]
    yield "loss", f"{last['loss']:.6g}"
    yield "gradient norm", f"{last['gradient_norm']:.3g}"
    for score in (ACCURACY, MSE, RMSE):
        for part in ("train", "validation"):
            if (value := last.get(f"{part}_{score.name}")) is not None:
                yield f"{part} {score.name}", _shown(score, value)
        if (best := best_epoch(rows, score)) is not None:
            value = _shown(score, best[f"validation_{score.name}"])
            yield f"best validation {score.name}", f"{value} at epoch {best['epoch']}"
    if (beyond := last.get(EXTRAPOLATION)) is not None:
        yield "extrapolation rmse", f"{beyond:.6g}"
    if "nfe" in last:
        counts = f"{last['nfe']} forward, {last['nfe_backward']} backward"
        yield "evaluations of the field", counts
    yield "time", f"{sum(row['seconds'] for row in rows):.1f} s"


def _shown(score: Score, value: Any) -> str:
    return f"{100 * value:.2f} %" if score is ACCURACY else f"{value:.6g}"
