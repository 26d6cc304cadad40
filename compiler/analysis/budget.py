"""How much of a network the analysis looks at, by what that costs.

All eigenvalues of a matrix take some n³ operations, a few outermost ones some hundred products with
it. Within the budget all that are asked for are computed; beyond it fewer times and rows are taken,
then outermost eigenvalues only. What was taken is said wherever a number stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ...data.sources import counted
from ..ir.problem import Problem, RawWeight
from ..reference.initial import is_drawn_at_once
from .jacobian import has_one_jacobian

SAMPLES, FEW_SAMPLES, LARGE = 8, 2, 16
"""Rows that are looked at, fewer for a state above LARGE: eigenvalues cost its cube."""
STEPS, FEW_STEPS, VERY_LARGE = 64, 8, 128
"""Steps that are looked at, fewer for a state above VERY_LARGE."""
LOOKS = 16
"""Times at which a flow is looked at, where the spec names fewer."""
FEWEST = 4
"""Steps at least of which all eigenvalues are computed, or else only outermost ones."""
WHOLE = 10**9
"""n³ over all matrices that are decomposed: two seconds on one core."""
PARTIAL = 2 * 10**9
"""Entries that are multiplied over all products with Jacobians: one second on one core."""
PRODUCTS, FEWEST_PRODUCTS = 200, 40
"""Products that outermost eigenvalues are read off, and without which none would be found."""
WALK, LONGEST_WALK = 10**9, 2**15
"""Entries of weights that the steps up to the last one go through, and steps that are taken."""
PASSES = 10
"""How often the weights of one step are gone through to make a layer of them and apply it."""
MOST_WEIGHTS = 2**27
"""Numbers that are drawn: one GiB."""


@dataclass(frozen=True)
class Budget:
    """Rows and steps, of the first `reach` steps; `products` with each Jacobian for the outermost
    eigenvalues, 0 where all are computed."""

    rows: int
    steps: int
    reach: int
    products: int = 0
    is_same: bool = False
    """Is there one Jacobian for all states and times?"""
    is_cut: bool = False
    """Is it less than what is asked for?"""

    def of_steps(self, steps: int) -> str:
        """`8 steps`; of how many, where the budget has cut them down."""
        if self.is_cut and self.is_same:
            return "alike at all states and times"
        if self.is_cut and self.reach == 1 < steps:
            return f"the first of {steps:,} steps"
        if self.reach < steps:
            return f"{self.steps} of the first {self.reach:,} of {steps:,} steps"
        if self.is_cut and self.steps < steps:
            return f"{self.steps} of {steps:,} steps"
        return counted(self.steps, "step")


def looks(problem: Problem) -> int:
    """Steps that can be looked at: of one solve as many as one likes."""
    return max(problem.steps, LOOKS) if problem.is_one_solve else problem.steps


def budget(problem: Problem) -> Budget | None:
    """What is looked at; None where even that would cost too much."""
    n = problem.size
    if sum(map(_drawn, problem.weights)) > MOST_WEIGHTS:
        return None
    rows = SAMPLES if n <= LARGE else FEW_SAMPLES
    reach = _reach(problem)
    steps = min(STEPS if n <= VERY_LARGE else FEW_STEPS, reach)
    is_same = has_one_jacobian(problem)
    fit = WHOLE // n**3
    if fit >= (1 if is_same else rows * steps):
        return Budget(rows, steps, reach, is_same=is_same)
    if fit >= min(FEWEST, steps):
        few = min(steps, fit)
        return Budget(max(1, fit // few), few, reach, is_cut=True)
    return _outermost(problem, min(FEWEST, steps), reach, is_same)


def _outermost(problem: Problem, steps: int, reach: int, is_same: bool) -> Budget | None:
    """As many products as the budget allows at one step, and as many steps of these."""
    n = problem.size
    entries = max(_entries(problem), n)
    products = min(n, PRODUCTS, PARTIAL // (entries + n * PRODUCTS))
    if products < min(n, FEWEST_PRODUCTS):
        return None
    fit = PARTIAL // (products * (entries + n * products))
    few = 1 if is_same else max(1, min(steps, fit))
    return Budget(1, few, reach if few > 1 or is_same else 1, products, is_same, is_cut=True)


def _reach(problem: Problem) -> int:
    """Steps that can be taken to look at the states behind them."""
    passes = 1 if problem.is_shared else PASSES
    each = max(1, passes * _entries(problem))
    return max(1, min(looks(problem), LONGEST_WALK, WALK // each))


def _entries(problem: Problem) -> int:
    """Numbers in the weights of one step."""
    return sum(prod(w.raw.step_shape) for w in problem.layer)


def _drawn(weight: RawWeight) -> int:
    """Numbers that stand in memory: one draw that is repeated stands there once."""
    return weight.count if is_drawn_at_once(weight) else prod(weight.step_shape)
