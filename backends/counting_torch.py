"""Counting what torchdiffeq asks of a field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .counting import Counts

NAMES = ("odeint", "odeint_adjoint")


class CountedField:
    """A field as torchdiffeq takes it, which counts; its callbacks are looked up by name."""

    def __init__(self, field: Callable[..., Tensor], counts: Counts) -> None:
        self.field, self.counts = field, counts

    def __call__(self, t: Tensor, y: Tensor) -> Tensor:
        self.counts.nfe += 1
        value = self.field(t, y)
        if not value.requires_grad:
            return value
        return _PullbackCount.apply(value, self.counts)  # pyright: ignore[reportReturnType]

    def callback_accept_step(self, t0: Tensor, y0: Tensor, dt: Tensor) -> None:
        self.counts.accepted += 1

    def callback_reject_step(self, t0: Tensor, y0: Tensor, dt: Tensor) -> None:
        self.counts.rejected += 1


class _PullbackCount(torch.autograd.Function):
    """The identity, which counts when it is pulled back."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, counts: Counts) -> Tensor:
        ctx.counts = counts
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *bars: Tensor) -> tuple[Tensor, None]:
        ctx.counts.nfe_backward += 1
        return bars[0], None


def counting(solver: Callable[..., Any], counts: Counts) -> Callable[..., Any]:
    """torchdiffeq's function, on fields that count."""

    def counted(field: Callable[..., Tensor], *given: Any, **options: Any) -> Any:
        return solver(CountedField(field, counts), *given, **options)

    return counted
