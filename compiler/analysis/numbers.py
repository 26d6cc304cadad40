"""The eigenvalues of ∂f/∂y where the network goes, and what a step of the method makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..ir.compiled import Compiled
from ..reference.reference import Reference
from .jacobian import Array, eigenvalues_along
from .seen import Seen

STEPS, FEW_STEPS, VERY_LARGE = 64, 8, 128
"""Steps that are looked at, fewer for a state above VERY_LARGE."""
RANGE = 1e12
"""States this many times as large as the features have left the range of numbers, or soon will."""
NEGLIGIBLE = 1e-9
"""A real part that is zero but for rounding."""


@dataclass(frozen=True)
class Lost:
    """Where slopes cease to be finite: the step, the state there, the features it comes from."""

    t: float
    state: Array
    x: Array
    is_singular: bool
    """Is it the field, at a state that has not left the range of numbers?"""


@dataclass(frozen=True)
class Stiff:
    """A decaying mode λ, |Im λ| ≤ |Re λ|, that a step from t on multiplies by more than 1."""

    mode: complex
    t: float


@dataclass(frozen=True)
class Numbers:
    """Of all λ that are finite: extremes of Re λ, the largest |λ| and |Im λ|, what a step does."""

    lower: float
    upper: float
    modulus: float
    frequency: float
    growth: float
    """Product over all steps of max |R(h λ)|."""
    outside: int
    count: int
    """How many λ there are, and how many of them a step multiplies by more than 1."""
    stiff: Stiff | None
    """The worst at the first time there is one."""
    where: str
    lost: Lost | None = None

    @property
    def range(self) -> str:
        return f"Re λ in [{self.lower:.3g}, {self.upper:.3g}]"


def numbers_of(compiled: Compiled, given: Seen) -> Numbers:
    """Eigenvalues along the trajectories of the rows that are looked at."""
    problem = compiled.problem
    with np.errstate(all="ignore"):
        path = Reference(compiled.module).trajectory(given.weights, given.x)
        most = STEPS if problem.size <= VERY_LARGE else FEW_STEPS
        steps, found = eigenvalues_along(compiled, given.weights, path, most)
        sizes, largest = np.abs(path[steps]).max(axis=2), max(1.0, float(np.abs(given.x).max()))
        has_left = ~(sizes <= RANGE * largest)
        is_known = np.isfinite(found).all(axis=2) & ~has_left
        lost = _first_lost(given, path[steps], steps * problem.h, is_known, has_left)
        if has_left.any():  # on the way out the slopes are those of states that are lost already
            is_known &= sizes <= largest
        known: NDArray[np.complex128] = np.where(is_known[..., None], found, 0)
        by = problem.integrator.amplification(problem.h * known)
        growth = float(np.exp(problem.steps * np.log(np.maximum(by.max(axis=(1, 2)), 1)).mean()))
    return Numbers(
        lower=float(np.real(known).min()),
        upper=float(np.real(known).max()),
        modulus=float(np.abs(known).max()),
        frequency=float(np.abs(np.imag(known)).max()),
        growth=growth,
        outside=int((by > 1 + NEGLIGIBLE).sum()),
        count=int(is_known.sum()) * problem.size,
        stiff=_stiff(known, by, steps * problem.h),
        where=f"{given.where}, {len(steps)} steps",
        lost=lost,
    )


def _stiff(found: NDArray[np.complex128], by: Array, times: Array) -> Stiff | None:
    real = np.real(found)
    decays = (real < 0) & (np.abs(np.imag(found)) <= -real) & (by > 1 + NEGLIGIBLE)
    if not decays.any():
        return None
    j = int(decays.any(axis=(1, 2)).argmax())
    worst = int(np.where(decays[j], by[j], 0).argmax())
    return Stiff(complex(found[j].flat[worst]), float(times[j]))


def _first_lost(
    given: Seen, states: Array, times: Array, is_known: Array, has_left: Array
) -> Lost | None:
    if is_known.all():
        return None
    j, row = map(int, np.argwhere(~is_known)[0])
    return Lost(float(times[j]), states[j, row], given.x[row], not has_left[j, row])
