"""How good predictions of series are, over what was observed: NaN stands for what was not.

Predictions are (s, L, c) like the values, from the first complete observation of each series on.
"""

from __future__ import annotations

import math

import numpy as np

from ..backends.stepper import Stepper
from ..data.dataset import Split

ROWS = 256
"""Series of one forward pass."""


def is_compared(values: np.ndarray) -> np.ndarray:
    """Where there is an observation (s, L, c) at or after the first complete one."""
    is_known = np.isfinite(values)
    has_begun = np.maximum.accumulate(is_known.all(axis=2), axis=1)
    return is_known & has_begun[..., None]


def squares(predicted: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(predicted − observed)² of all that is compared."""
    at = is_compared(values)
    return (np.asarray(predicted, np.float64)[at] - values[at]) ** 2


def half_mean_square(predicted: np.ndarray, values: np.ndarray) -> float:
    """½ the mean over what was observed: what a fit minimizes."""
    return float(np.mean(squares(predicted, values))) / 2


def root_mean_square(
    predicted: np.ndarray, values: np.ndarray, deviation: np.ndarray | float = 1.0
) -> float:
    """√ of the mean over what was observed, in units of which the channels have this deviation."""
    return math.sqrt(float(np.mean(squares(predicted * deviation, values * deviation))))


def error_of_later(
    predicted: np.ndarray, values: np.ndarray, deviation: np.ndarray | float
) -> float | None:
    """The root mean square over all that was observed; None where a prediction is not finite."""
    difference = ((predicted - values) * deviation)[np.isfinite(values)]
    found = math.sqrt(float(np.mean(difference**2))) if difference.size else math.nan
    return found if math.isfinite(found) else None


def is_finite(predicted: np.ndarray, values: np.ndarray) -> bool:
    """Is there a prediction of all that is compared, and anything to compare?"""
    at = is_compared(values)
    return bool(at.any()) and bool(np.isfinite(predicted[at]).all())


def outputs(stepper: Stepper, examples: Split) -> np.ndarray:
    """Predictions for series, at the weights that the stepper holds."""
    assert examples.targets is not None
    starts = range(0, len(examples), ROWS)
    parts = [examples.rows(np.arange(i, min(i + ROWS, len(examples)))) for i in starts]
    found = [stepper.outputs(part.x, part.targets) for part in parts]
    return np.concatenate(found) if found else np.zeros(examples.x.shape)


def continued(examples: Split, later: Split) -> Split:
    """The same series with the times of what comes later, of which nothing is said."""
    assert examples.targets is not None and later.targets is not None
    nothing = np.full(later.x.shape, np.nan)
    times = np.concatenate([examples.targets, later.targets], axis=1)
    return Split(np.concatenate([examples.x, nothing], axis=1), times.astype(np.float64))


def extrapolated(stepper: Stepper, examples: Split, later: Split) -> np.ndarray:
    """Predictions (s, L', c) of what comes later, from what was observed before."""
    return outputs(stepper, continued(examples, later))[:, examples.x.shape[1] :]
