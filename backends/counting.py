"""How often a program evaluates its field: counts that are the same in every backend.

`nfe` are calls of the field on the batch, forwards; `nfe_backward` the vector–Jacobian products of
the field on the way back, each of which evaluates it too: those of the accepted steps under
backprop, all of the augmented system under the adjoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ..compiler.analysis.cost import cost
from ..compiler.ir.module import Module

Statistics = dict[str, int]


@dataclass
class Counts:
    """Of one solve, or of all solves of a network."""

    nfe: int = 0
    nfe_backward: int = 0
    accepted: int = 0
    rejected: int = 0

    def clear(self) -> None:
        self.nfe = self.nfe_backward = self.accepted = self.rejected = 0

    def statistics(self, has_loss: bool) -> Statistics:
        found = {"nfe": self.nfe, "accepted": self.accepted, "rejected": self.rejected}
        return found | ({"nfe_backward": self.nfe_backward} if has_loss else {})


def of_fixed_steps(module: Module, steps: int) -> Statistics:
    """Of so many steps, known before anything is run: every evaluation is pulled back once."""
    nfe = cost(replace(module, steps=steps)).field_evaluations
    return Counts(nfe, nfe, steps).statistics(module.has_loss)


@contextmanager
def replaced(native: Any, name: str, value: Any) -> Iterator[None]:
    """Within it a program finds something else under a name."""
    before = getattr(native, name)
    setattr(native, name, value)
    try:
        yield
    finally:
        setattr(native, name, before)
