"""What a planted bug is: where it sits, how it gets there, and what should be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .plant import Planting


class Rung(NamedTuple):
    """Where a bug is to be caught: the level and the quantity of the first failure."""

    level: str
    quantity: str


WEIGHTS = Rung("L0", "weights")
FIELD = Rung("L1", "vector field")
START = Rung("L2", "initial state")
ONE = Rung("L2", "one step")
PATH = Rung("L2", "trajectory")
LOGITS = Rung("L3", "logits")
REGULARIZER = Rung("L3", "regularizer")
LOSS = Rung("L3", "loss")
AWKWARD = Rung("L3", "awkward inputs")
ORDER = Rung("L6", "order")

TORCH, JAX = ("torch",), ("jax",)
BOTH = (*TORCH, *JAX)


def gradient(weight: str) -> Rung:
    """The gradient by one weight."""
    return Rung("L3", f"gradient {weight}")


@dataclass(frozen=True)
class Bug:
    """A bug that can be planted.

    `place` says which part of the compiler it sits in; `spec` names the spec that shows it (see
    `specs`), `backends` those whose programs are asked. It is to be caught at `caught`, and to be
    located in `equation`. `step` is the first time step whose state differs, None where the states
    agree or are never compared.
    """

    name: str
    place: str
    spec: str
    plant: Planting
    caught: Rung
    equation: str
    backends: tuple[str, ...] = TORCH
    dtype: str = "float64"
    step: int | None = None
