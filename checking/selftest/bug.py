"""What a planted bug is: where it sits, how it gets there, and what should be said of it."""

from __future__ import annotations

from dataclasses import dataclass

from .plant import Planting

TORCH, JAX = ("torch",), ("jax",)
BOTH = (*TORCH, *JAX)


@dataclass(frozen=True)
class Bug:
    """A bug that can be planted.

    `place` says which part of the compiler it sits in; `spec` names the spec that shows it (see
    `specs`), `backends` those whose programs are asked. It is to be caught at `caught`, a rung and
    maybe a quantity (`L3 loss`), and to be located in `equation`.
    """

    name: str
    place: str
    spec: str
    plant: Planting
    caught: str
    equation: str
    backends: tuple[str, ...] = TORCH
    dtype: str = "float64"

    @property
    def rung(self) -> str:
        """`L3` of `L3 loss`."""
        return self.caught.split()[0]
