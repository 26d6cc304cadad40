"""Which row an adaptive solver fails at, when, and with what step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...spec.adaptive import Adaptive
from ..ir.compiled import Compiled
from ..semantics.meaning import Array
from ..semantics.solved import SolveFailed, as_written
from .chance import forward_arguments
from .reference import Reference

STIFF = (
    "weight decay or smaller weights, a smoother activation, a larger rtol and atol, or steps of "
    "a fixed-step method: the field is stiff or blows up"
)
LONG = "a larger max_steps, a larger rtol and atol, or a shorter horizon"


@dataclass(frozen=True)
class FailedSolve:
    """`row` is that of the batch; without one no row fails by itself in float64."""

    why: str
    cure: str
    t: float = 0.0
    h: float = 0.0
    steps: int = 0
    until: float = 0.0
    row: int | None = None

    def __str__(self) -> str:
        if self.row is None:
            return f"{self.why}; what helps: {self.cure}"
        where = f"at t = {self.t:.4g} of {self.until:.4g}, step size {self.h:.2g}"
        return f"{self.why} {where}, after {self.steps:,} steps; what helps: {self.cure}"


def failed_solve(
    compiled: Compiled, weights: Mapping[str, Array], x: Array, times: Array | None = None
) -> FailedSolve:
    """The first row whose solve fails, by a method of the same order and tolerances in float64; of
    series x are values, with their times."""
    integrator, module = compiled.problem.integrator, compiled.module
    reference = Reference(module)
    assert isinstance(integrator, Adaptive)
    for row in range(len(x)):
        part = slice(row, row + 1)
        given = forward_arguments(module, x[part], None if times is None else times[part])
        try:
            with as_written():
                reference.forward(weights, *given)
        except SolveFailed as error:
            cure = LONG if error.is_long else STIFF
            return FailedSolve(error.why, cure, error.t, error.h, error.steps, error.until, row)
    if compiled.problem.is_adjoint:
        why = "no row fails on the way to T: the adjoint fails on its way back"
        return FailedSolve(why, "a larger rtol and atol, or gradient: backprop")
    why = "no row fails by itself in float64: the dtype does not carry these tolerances"
    return FailedSolve(why, "a larger rtol and atol, or dtype: float64")
