"""Divergence: which number was the first that is not finite, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..backends.optimizers import global_norm
from .protocol import Targets, Trainable


@dataclass(frozen=True)
class Divergence:
    """The step whose loss or gradient is not finite, and what the stability findings had said."""

    epoch: int
    step: int
    """Within the epoch, from 1."""
    quantity: str
    findings: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"diverged at epoch {self.epoch}, step {self.step}: {self.quantity}"
        said = [f"  the analysis had said: {finding}" for finding in self.findings]
        return "\n".join([head, *said])

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def first_bad_quantity(
    model: Trainable, weights: Mapping[str, np.ndarray], x: np.ndarray, targets: Targets
) -> str:
    """What stopped being finite first, evaluating the batch at the last good weights.

    In the order of the computation: weights, trajectory, logits, data loss, regularizer, gradient
    leaves. The data loss is the loss without the regularizer, so where the regularizer is not
    finite it is the one to be named.
    """
    with np.errstate(all="ignore"):
        found = next(_bad_quantities(model, weights, x, targets), None)
    return found or "evaluated again at the weights before it, every quantity of the step is finite"


def _bad_quantities(
    model: Trainable, weights: Mapping[str, np.ndarray], x: np.ndarray, targets: Targets
) -> Iterator[str]:
    for name, weight in weights.items():
        yield from _in_array(f"after the last update the weight {name}", weight)
    yield from _in_trajectory(model.trajectory(weights, x))
    yield from _in_array("a logit", model.forward(weights, x))
    regularizer = model.regularizer(weights)
    if np.isfinite(regularizer) and not np.isfinite(loss := model.loss(weights, x, targets)):
        yield f"the data loss is {loss}, at finite logits"
    if not np.isfinite(regularizer):
        yield f"the regularizer is {regularizer}"
    gradient = model.gradient(weights, x, targets)
    for name, leaf in gradient.items():
        yield from _in_array(f"the gradient of {name}", leaf)
    if not np.isfinite(global_norm(gradient)):
        yield "the gradient's norm is beyond the range of the dtype, each entry within it"


def _in_trajectory(trajectory: np.ndarray) -> Iterator[str]:
    """The first time step j whose state is not finite; the trajectory is (N+1, s, n)."""
    finite = np.isfinite(trajectory).reshape(len(trajectory), -1).all(axis=1)
    if not finite.all():
        j = int(np.argmin(finite))
        where = f"time step {j} of {len(trajectory) - 1}"
        row = np.argmin(np.isfinite(trajectory[j]).reshape(trajectory.shape[1], -1).all(axis=1))
        yield f"the state at {where} is not finite (example {row} of the batch)"


def _in_array(what: str, array: np.ndarray) -> Iterator[str]:
    array = np.asarray(array)
    bad = ~np.isfinite(array)
    if bad.any():
        first = [int(i) for i in np.argwhere(bad)[0]]
        yield f"{what} is {array[tuple(first)]}" + (f" at index {first}" if first else "")
