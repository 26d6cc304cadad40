"""Optimizers: update rules as pure functions of arrays, one text for NumPy, torch and JAX.

A rule is split where the frameworks differ. What depends on the count t alone (the rate, the bias
corrections) are Python floats, worked out in float64 on the host whatever the weights are; what
depends on arrays is written with operators only. A Python float has no dtype of its own in any of
the three, so float32 weights stay float32, also where JAX has x64 switched on.

The formulas are those of `torch.optim`, to the place of every ε.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, ClassVar

import numpy as np

from ..spec import training as spec

Array = Any  # a NumPy or JAX array or a torch tensor
Arrays = Mapping[str, Array]
Rates = tuple[float, ...]

COUNT = "count"


class Rule(ABC):
    """The update of one weight θ from its gradient g and its moments, which start at zero."""

    moments: ClassVar[tuple[str, ...]]

    @abstractmethod
    def rates(self, count: int, lr: float) -> Rates:
        """The numbers of update `count` (1, 2, …) that are the same for every weight."""

    @abstractmethod
    def leaf(
        self, gradient: Array, moments: tuple[Array, ...], weight: Array, rates: Rates
    ) -> tuple[tuple[Array, ...], Array]:
        """(moments, weight) after the update."""


@dataclass(frozen=True)
class Sgd(Rule):
    """Gradient descent with classical or Nesterov momentum.

        g ← g + λ θ          (weight decay λ, coupled)
        u ← μ u + g
        θ ← θ − η u          or, nesterov,  θ ← θ − η (g + μ u)

    Sutskever, Martens, Dahl & Hinton (ICML 2013), in the form of torch.optim.SGD: η stands outside
    u, so a change of η acts at once.
    """

    momentum: float
    nesterov: bool
    weight_decay: float

    moments: ClassVar[tuple[str, ...]] = ("momentum",)

    def rates(self, count: int, lr: float) -> Rates:
        return (lr,)

    def leaf(
        self, gradient: Array, moments: tuple[Array, ...], weight: Array, rates: Rates
    ) -> tuple[tuple[Array, ...], Array]:
        (lr,), (u,) = rates, moments
        gradient = gradient + self.weight_decay * weight
        u = self.momentum * u + gradient
        direction = gradient + self.momentum * u if self.nesterov else u
        return (u,), weight - lr * direction


@dataclass(frozen=True)
class Adam(Rule):
    """Adam (Kingma & Ba, ICLR 2015) and, with decay, AdamW (Loshchilov & Hutter, ICLR 2019).

        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        θ ← (1 − η λ) θ − η m̂ / (√v̂ + ε),    m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)

    ε stands outside the root, as in algorithm 1 of the paper and in torch.optim; the decay λ is
    decoupled from the gradient and scaled by η, as in torch.optim.AdamW.
    """

    beta1: float
    beta2: float
    eps: float
    weight_decay: float = 0.0

    moments: ClassVar[tuple[str, ...]] = ("m", "v")

    def rates(self, count: int, lr: float) -> Rates:
        correction1, correction2 = 1 - self.beta1**count, 1 - self.beta2**count
        return lr / correction1, correction2**0.5, 1 - lr * self.weight_decay

    def leaf(
        self, gradient: Array, moments: tuple[Array, ...], weight: Array, rates: Rates
    ) -> tuple[tuple[Array, ...], Array]:
        (lr, root, keep), (m, v) = rates, moments
        m = self.beta1 * m + (1 - self.beta1) * gradient
        v = self.beta2 * v + (1 - self.beta2) * (gradient * gradient)
        return (m, v), keep * weight - lr * (m / (v**0.5 / root + self.eps))


@dataclass(frozen=True)
class Updater:
    """A rule for every weight, after clipping the gradient to the global norm `clip`."""

    rule: Rule
    clip: float | None = None

    def init(self, weights: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The state before the first update, in NumPy: `m/K`, `v/K`, … of zeros, and `count` 0."""
        zeros = {
            f"{moment}/{name}": np.zeros(np.shape(weight), np.asarray(weight).dtype)
            for name, weight in weights.items()
            for moment in self.rule.moments
        }
        return {**zeros, COUNT: 0}

    def rates(self, count: int, lr: float) -> Rates:
        """The numbers of update `count` (1, 2, …) at learning rate `lr`, to hand to `apply`."""
        return self.rule.rates(count, lr)

    def apply(
        self, gradient: Arrays, norm: Array, moments: Arrays, weights: Arrays, rates: Rates
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """(weights, moments) after the update; `norm` is the global norm of the gradient. A weight
        that the gradient leaves out stays.

        The part of `update` without the count: what a framework may trace and compile.
        """
        scale = 1.0 if self.clip is None else clip_scale(norm, self.clip)
        new_weights = dict(weights)
        new_moments: dict[str, Array] = {}
        for name in gradient:
            keys = [f"{moment}/{name}" for moment in self.rule.moments]
            old = tuple(moments[key] for key in keys)
            weight = weights[name]
            new, new_weights[name] = self.rule.leaf(scale * gradient[name], old, weight, rates)
            new_moments.update(zip(keys, new, strict=True))
        return new_weights, new_moments

    def update(
        self, gradient: Arrays, state: Arrays, weights: Arrays, lr: float
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """(weights, state) after one update at learning rate `lr`."""
        count = int(state[COUNT]) + 1
        norm = global_norm(gradient)
        new, moments = self.apply(gradient, norm, state, weights, self.rates(count, lr))
        return new, {**moments, COUNT: count}


def global_norm(gradient: Arrays) -> Array:
    """‖g‖ = (Σ over weights Σ g²)^½, summed in the order of the names in every framework."""
    return sum((gradient[name] * gradient[name]).sum() for name in sorted(gradient)) ** 0.5


def clip_scale(norm: Array, limit: float) -> Array:
    """min(1, limit / ‖g‖), which scales a gradient to norm `limit` at most; exactly 1 below it.

    Pascanu, Mikolov & Bengio (ICML 2013), algorithm 1. Written 1 / (1 + [‖g‖ > c] (‖g‖/c − 1)), so
    that it takes no branch and never divides by ‖g‖. (torch's clip_grad_norm_ has ‖g‖ + 1e-6.)
    """
    return 1 / (1 + (norm > limit) * (norm / limit - 1))


@singledispatch
def rule(optimizer: spec.Optimizer) -> Rule:
    """The rule that an optimizer of the spec names; a plugin registers that of its own class."""
    raise TypeError(f"no update rule is registered for optimizer {optimizer.kind!r}")


@rule.register
def _(optimizer: spec.Sgd) -> Rule:
    return Sgd(optimizer.momentum, optimizer.nesterov, optimizer.weight_decay)


@rule.register
def _(optimizer: spec.Adam) -> Rule:
    return Adam(optimizer.beta1, optimizer.beta2, optimizer.eps)


@rule.register
def _(optimizer: spec.AdamW) -> Rule:
    return Adam(optimizer.beta1, optimizer.beta2, optimizer.eps, optimizer.weight_decay)


def updater(train: spec.Train) -> Updater:
    """The optimizer of a `train` node with its clipping."""
    return Updater(rule(train.optimizer), train.clip)
