"""A second reading of optimizers and schedules, from the papers: the judge of rung L4.

What trains is `backends/optimizers.py` and `training/schedules.py`, one text for every backend; a
mistake in it would be every backend's. So the same mathematics stands here in another form, in
NumPy float64: normalised averages instead of bias corrections, unrolled recurrences, half angles.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from ..spec import training as spec

Floats = NDArray[np.float64]


def clipped(gradient: Floats, limit: float | None) -> Floats:
    """g min(1, c / ‖g‖): Pascanu, Mikolov & Bengio (ICML 2013), algorithm 1."""
    norm = float(np.linalg.norm(gradient))
    return gradient if limit is None or norm <= limit else gradient * (limit / norm)


@singledispatch
def path(
    optimizer: spec.Optimizer, start: Floats, gradients: Iterable[Floats], rates: Iterable[float]
) -> Iterator[Floats]:
    """The weights (one flat vector) after each update; TypeError where no formula stands here."""
    raise TypeError(f"no second reading of optimizer {optimizer.kind!r}")


@path.register
def _(
    optimizer: spec.Sgd, start: Floats, gradients: Iterable[Floats], rates: Iterable[float]
) -> Iterator[Floats]:
    """θ ← θ − η u with u_t = μ u_{t−1} + g_t + λ θ_t; by Nesterov θ ← θ − η (g_t + λ θ_t + μ u_t).

    Sutskever et al. (ICML 2013), in the form of torch.optim.SGD.
    """
    theta, u = start, np.zeros_like(start)
    for gradient, rate in zip(gradients, rates, strict=True):
        force = optimizer.weight_decay * theta + gradient
        u = force + optimizer.momentum * u
        ahead = optimizer.momentum * u + force
        theta = theta - (ahead if optimizer.nesterov else u) * rate
        yield theta


@path.register
def _(
    optimizer: spec.Adam, start: Floats, gradients: Iterable[Floats], rates: Iterable[float]
) -> Iterator[Floats]:
    """θ ← θ − η (mean g / (√(mean g²) + ε) + λ θ), the means weighted by β^age and normalised.

    Σ_i β^{t−i} g_i / Σ_i β^{t−i} is the bias-corrected moment of Kingma & Ba (ICLR 2015), without
    its division by 1 − βᵗ; λ as in Loshchilov & Hutter (ICLR 2019), scaled by η.
    """
    decay = optimizer.weight_decay if isinstance(optimizer, spec.AdamW) else 0.0
    theta = start
    sums, squares = np.zeros_like(start), np.zeros_like(start)
    age1 = age2 = 0.0
    for gradient, rate in zip(gradients, rates, strict=True):
        sums, age1 = optimizer.beta1 * sums + gradient, optimizer.beta1 * age1 + 1
        squares, age2 = optimizer.beta2 * squares + gradient**2, optimizer.beta2 * age2 + 1
        direction = (sums / age1) / (np.sqrt(squares / age2) + optimizer.eps)
        theta = theta - rate * (direction + decay * theta)
        yield theta


@singledispatch
def rate(schedule: spec.Schedule, peak: float, epoch: float, per_epoch: int, epochs: int) -> float:
    """The learning rate `epoch` epochs after the start (a fraction with denominator per_epoch)."""
    raise TypeError(f"no second reading of schedule {schedule.kind!r}")


@rate.register
def _(schedule: spec.ConstantRate, peak: float, epoch: float, per_epoch: int, epochs: int) -> float:
    return peak


@rate.register
def _(schedule: spec.CosineRate, peak: float, epoch: float, per_epoch: int, epochs: int) -> float:
    """Half a cosine as cos² of half the angle; before it, a ramp that reaches the peak at W."""
    if epoch < schedule.warmup:
        return peak * min(1.0, (epoch + 1 / per_epoch) / schedule.warmup)
    angle = math.pi / 2 * (epoch - schedule.warmup) / (epochs - schedule.warmup)
    return schedule.final + (peak - schedule.final) * math.cos(angle) ** 2


@rate.register
def _(schedule: spec.StepRate, peak: float, epoch: float, per_epoch: int, epochs: int) -> float:
    """One factor for each boundary `every`, 2 `every`, … that has been passed."""
    passed = sum(epoch >= boundary for boundary in range(schedule.every, epochs, schedule.every))
    return peak * math.prod([schedule.factor] * passed)
