"""Learning rates: the schedules of the spec as plain Python floats, the same in every backend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import singledispatch

from ..spec import training as spec


@dataclass(frozen=True)
class Clock:
    """A place in the training: update `step` (0, 1, …) of `epochs` times `per_epoch` updates."""

    step: int
    per_epoch: int
    epochs: int

    @property
    def epoch(self) -> int:
        """The epochs that are complete."""
        return self.step // self.per_epoch


@singledispatch
def rate(schedule: spec.Schedule, peak: float, clock: Clock) -> float:
    """The learning rate η of the next update; `peak` is the optimizer's lr.

    A plugin registers that of its own schedule.
    """
    raise TypeError(f"no learning rate is registered for schedule {schedule.kind!r}")


@rate.register
def constant(schedule: spec.ConstantRate, peak: float, clock: Clock) -> float:
    return peak


@rate.register
def cosine(schedule: spec.CosineRate, peak: float, clock: Clock) -> float:
    """η = final + (peak − final) (1 + cos π (k − W) / (K − W)) / 2 at update k of K.

    Loshchilov & Hutter (ICLR 2017), equation 5. The W updates before it warm up:
    η = peak (k + 1) / W (Goyal et al. 2017, arXiv:1706.02677); the first has a rate above 0.
    """
    warmup = schedule.warmup * clock.per_epoch
    if clock.step < warmup:
        return peak * min(1.0, (clock.step + 1) / warmup)
    part = (clock.step - warmup) / (clock.epochs * clock.per_epoch - warmup)
    return schedule.final + (peak - schedule.final) * (1 + math.cos(math.pi * part)) / 2


@rate.register
def stepwise(schedule: spec.StepRate, peak: float, clock: Clock) -> float:
    """η = peak factor^⌊e / every⌋ with e complete epochs."""
    return peak * schedule.factor ** (clock.epoch // schedule.every)


def learning_rate(train: spec.Train, clock: Clock) -> float:
    """The learning rate of the update at `clock`."""
    return rate(train.schedule, train.optimizer.lr, clock)
