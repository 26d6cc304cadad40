"""What torchdiffeq does with a field: counted, and as NaN where it gives up, as diffrax has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .counting import Counts

NAMES = ("odeint", "odeint_adjoint")
GIVES_UP = ("underflow in dt", "non-finite values in state", "max_num_steps exceeded")
"""How the messages begin with which it ends a solve, by an assertion."""


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


def gave_up(error: AssertionError) -> bool:
    """Is it one of the ends of a solve?"""
    return str(error).startswith(GIVES_UP)


def or_nan(solver: Callable[..., Any]) -> Callable[..., Any]:
    """torchdiffeq's function, with NaN in the place of a solution that it does not find."""

    def solved(field: Any, y: Tensor, times: Tensor, **options: Any) -> Any:
        try:
            return solver(field, y, times, **options)
        except AssertionError as error:
            if not gave_up(error):
                raise
            return torch.stack([y * torch.nan] * len(times))

    return solved
