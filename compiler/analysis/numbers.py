"""The eigenvalues of ∂f/∂y where the network goes, and what a step of the method makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.sources import counted
from ...spec.adaptive import Adaptive
from ..ir.compiled import Compiled
from ..ir.problem import Problem
from ..reference.walk import states_before
from .budget import Budget
from .jacobian import Array, Linearized, States, eigenvalues_of, evenly, jacobians, of_first_order
from .outermost import outermost
from .seen import Seen

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
    steps: int = 0
    """How many steps the growth is over."""
    is_whole: bool = True
    """Are these all eigenvalues of each Jacobian that was looked at?"""

    @property
    def range(self) -> str:
        return f"Re λ in [{self.lower:.3g}, {self.upper:.3g}]"


def numbers_of(compiled: Compiled, given: Seen) -> Numbers:
    """Eigenvalues along the trajectories of the rows that are looked at."""
    problem, plan = compiled.problem, given.budget
    assert plan is not None  # of what costs too much nothing is asked
    steps = evenly(plan.reach, plan.steps)
    with np.errstate(all="ignore"):
        states = states_before(compiled, given.weights, given.x, steps.tolist())
        found = _eigenvalues(compiled, given, plan, states, steps)
        path = np.stack([states[j] for j in steps.tolist()])
        sizes, largest = np.abs(path).max(axis=2), max(1.0, float(np.abs(given.x).max()))
        has_left = ~(sizes <= RANGE * largest)
        is_known = np.isfinite(found).all(axis=2) & ~has_left
        lost = _first_lost(given, path, steps * problem.h, is_known, has_left)
        if has_left.any():  # on the way out the slopes are those of states that are lost already
            is_known &= sizes <= largest
        known: NDArray[np.complex128] = np.where(is_known[..., None], found, 0)
        count = int(is_known.sum()) * found.shape[2]
        if not count:
            known = np.zeros((*is_known.shape, 1), complex)
        by = _growths(problem, known)
        growth = float(np.exp(plan.reach * np.log(np.maximum(by.max(axis=(1, 2)), 1)).mean()))
    return Numbers(
        lower=float(np.real(known).min()),
        upper=float(np.real(known).max()),
        modulus=float(np.abs(known).max()),
        frequency=float(np.abs(np.imag(known)).max()),
        growth=growth,
        outside=int((by > 1 + NEGLIGIBLE).sum()),
        count=count,
        stiff=_stiff(known, by, steps * problem.h),
        where=", ".join(_where(given, plan, problem, found.shape[2])),
        lost=lost,
        steps=plan.reach,
        is_whole=not plan.products,
    )


def _growths(problem: Problem, known: NDArray[np.complex128]) -> Array:
    """|R(h λ)|; a solver that chooses its steps takes none that would amplify."""
    if isinstance(problem.integrator, Adaptive):
        return np.ones(known.shape)
    return problem.integrator.amplification(problem.h * known)


def _eigenvalues(
    compiled: Compiled, given: Seen, plan: Budget, states: States, steps: Array
) -> NDArray[np.complex128]:
    """λ of the first-order field (J, s, k): all n of them, or the outermost that were found."""
    shape = len(steps), len(given.x)
    if plan.is_same:  # one matrix stands for all
        steps, states = steps[:1], {0: states[0][:1]}
    if plan.products:
        found = _outermost(compiled, given, plan.products, states, steps)
    else:
        found = eigenvalues_of(jacobians(compiled, given.weights, states, steps))
    if compiled.problem.order == 2:
        found = of_first_order(found)
    return np.broadcast_to(found, (*shape, found.shape[2]))


def _outermost(
    compiled: Compiled, given: Seen, products: int, states: States, steps: Array
) -> NDArray[np.complex128]:
    """As many at each of the steps, of one row; NaN where the Jacobian is not finite."""
    each, n = [], compiled.problem.size
    for j in steps.tolist():
        at = Linearized.at(compiled, given.weights, states, np.array([j]))
        each.append(
            outermost(lambda v, at=at: at.times(v[None, None, :, None])[0, 0, :, 0], n, products)
        )
    count = min((len(v) for v in each if np.isfinite(v).all()), default=1)
    found = np.full((len(each), 1, count), complex(np.nan))
    for row, values in zip(found, each, strict=True):
        row[0, : len(values)] = values[:count]
    return found


def _where(given: Seen, plan: Budget, problem: Problem, count: int) -> Iterator[str]:
    yield given.where
    yield plan.of_steps(problem.steps)
    if plan.products and count:
        yield f"{counted(count, 'outer eigenvalue')} of {problem.size}"
    elif plan.products:
        yield f"no eigenvalue found by {plan.products} products with ∂f/∂y"


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
