"""Jacobians of the field along trajectories, from its words; and their eigenvalues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir.compiled import Compiled
from ..ir.expr import Expr, variables
from ..ir.problem import Problem
from ..passes.linearize import NotLinearized
from ..passes.words import Column, Diagonal, Factor, Matrix, Number, Part, Row, Words
from ..reference.reference import Reference
from ..reference.walk import states_before
from ..semantics.evaluate import Evaluator
from .spectrum import jacobian_words

Array = NDArray[Any]
Values = Mapping[Expr, Array]
States = Mapping[int, Array] | Array
"""States (s, n) by the number of a step."""


def eigenvalues(
    compiled: Compiled, weights: Mapping[str, Array], x: Array, most: int = 64
) -> tuple[Array, Array]:
    """Times (J,) of at most `most` steps, and λ of the first-order field there (J, s, n), complex.

    The Jacobian of step j is that of f(t_j, ·) at y(t_j). A second-order field y'' = f has the
    eigenvalues ±√μ, μ those of ∂f/∂y.
    """
    steps = evenly(compiled.problem.steps, most)
    states = states_before(compiled, weights, x, steps.tolist())
    found = eigenvalues_of(jacobians(compiled, weights, states, steps))
    times = steps * compiled.problem.h
    return times, of_first_order(found) if compiled.problem.order == 2 else found


def evenly(steps: int, most: int) -> Array:
    """At most so many of the first steps, the first and the last of them among these."""
    return np.linspace(0, steps - 1, min(most, steps)).astype(int)


def has_one_jacobian(problem: Problem) -> bool:
    """Is ∂f/∂y the same at all states and times?"""
    try:
        words = jacobian_words(problem)
    except NotLinearized:
        return False
    moving = {w.variable for w in problem.layer if w.mode != "shared"}
    moving |= {problem.t, *problem.states.values()}
    return moving.isdisjoint(variables(*Factors(*words.values()).roots))


def jacobians(
    compiled: Compiled, weights: Mapping[str, Array], states: States, steps: Array
) -> Array:
    """∂f/∂y (J, s, n, n) at the states[j] (s, n) of the given steps."""
    at, n = Linearized.at(compiled, weights, states, steps), compiled.problem.size
    return at.times(np.broadcast_to(np.eye(n), (1, at.batch[1], n, n)))


@dataclass(frozen=True)
class Linearized:
    """∂f/∂y at some steps and examples, as words and the numbers in them."""

    sizes: Mapping[str, int]
    words: Mapping[tuple[str, str], Words]
    values: Values
    batch: tuple[int, int]

    @classmethod
    def at(
        cls, compiled: Compiled, weights: Mapping[str, Array], states: States, steps: Array
    ) -> Linearized:
        """At the states[j] (s, n) of the given steps."""
        problem, words = compiled.problem, jacobian_words(compiled.problem)
        reference, factors = Reference(compiled.module), Factors(*words.values())
        values = factors(
            [_values(problem, reference, weights, states[j].T, j) for j in map(int, steps)]
        )
        return cls(problem.sizes, words, values, (len(steps), len(states[int(steps[0])])))

    def times(self, columns: Array) -> Array:
        """∂f/∂y · columns (J, s, n, k)."""
        parts = np.split(columns, np.cumsum(list(self.sizes.values()))[:-1], axis=2)
        by = dict(zip(self.sizes, parts, strict=True))
        return np.concatenate([self._row(of, by) for of in self.sizes], axis=2)

    def _row(self, of: str, by: Mapping[str, Array]) -> Array:
        found = (
            applied(self.words[of, name], self.values, self.batch, part, self.sizes[of])
            for name, part in by.items()
        )
        return reduce(add, found)


def _values(
    problem: Problem,
    reference: Reference,
    weights: Mapping[str, Array],
    state: Array,
    j: int,
) -> dict[Expr, Array]:
    """Values of everything that right-hand sides name, at the start of step j."""
    t = np.asarray(j * problem.h)
    own = np.broadcast_to(t, (1, state.shape[1])) if problem.has_starts else t
    values = {problem.t: own} | layer_at(problem, reference, weights, t)
    at = 0
    for name, n in problem.sizes.items():
        values[problem.blocks[name].variable] = state[at : at + n]
        at += n
    return values


def layer_at(
    problem: Problem, reference: Reference, weights: Mapping[str, Array], t: Array
) -> dict[Expr, Array]:
    """Values of the weights of a layer at a time, of those that right-hand sides name."""
    name, args = ("layer_weights", ()) if problem.is_shared else ("weights_at", (t,))
    if name not in reference.module.functions:  # which no right-hand side may need
        return {}
    function, found = reference.module.functions[name], reference.run(name, weights, *args)
    given = dict(zip((result.name for result in function.results), found, strict=True))
    return {w.variable: given[w.name] for w in problem.layer if w.name in given}


class Factors:
    """The numbers in the factors of words, of which parts that they share are computed once."""

    def __init__(self, *sums: Words) -> None:
        factors = (factor for words in sums for word in words for factor in word.factors)
        self.roots = list(dict.fromkeys(e for factor in factors for e in _in(factor)))
        self.evaluator = Evaluator(*self.roots)

    def __call__(self, steps: Sequence[Values]) -> Values:
        """Values of the factors' expressions, one for each step, given those of the variables."""
        found = zip(*map(self.evaluator, steps), strict=True)
        return {e: np.stack(of_steps) for e, of_steps in zip(self.roots, found, strict=True)}


def _in(factor: Factor) -> tuple[Expr, ...]:
    """The expression of a factor, if it has one."""
    match factor:
        case Matrix():
            return (factor.operator,)
        case Diagonal():
            return (factor.d,)
        case Number():
            return (factor.value,)
        case Row():
            return () if factor.r is None else (factor.r,)
        case Column():
            return () if factor.c is None else (factor.c,)
        case Part():
            return ()


def applied(
    words: Words, values: Values, batch: tuple[int, int], columns: Array, rows: int
) -> Array:
    """A sum of words times columns (J, s, n, k), one for each step and example: (J, s, rows, k).

    `values` are those of its `Factors`, `batch` is (J, s).
    """
    total = np.zeros((*batch, rows, columns.shape[3]))
    for word in words:
        product = columns
        for factor in reversed(word.factors):
            product = _applied(factor, values, product)
        total = total + word.sign * product
    return total


def _applied(factor: Factor, values: Values, product: Array) -> Array:
    """factor · product, for matrices (J, s, m, n)."""
    match factor:
        case Matrix():
            return values[factor.operator][:, None] @ product
        case Diagonal():
            return _per_example(values[factor.d]) * product
        case Number():
            return _per_example(values[factor.value]) * product
        case Row():
            r = 1.0 if factor.r is None else _per_example(values[factor.r])
            return (r * product).sum(axis=2, keepdims=True)
        case Column():
            ones = np.ones((factor.size, 1))
            return (ones if factor.c is None else _per_example(values[factor.c]) * ones) * product
        case Part():
            return _part(factor, product)


def _per_example(columns: Array) -> Array:
    """Columns (J, n, s) as (J, s, n, 1); one that all examples share as (J, 1, n, 1). Numbers, one
    for each step or example, are columns of one entry."""
    if columns.ndim < 3:
        columns = columns.reshape(len(columns), 1, -1)
    return np.swapaxes(columns, 1, 2)[..., None]


def _part(part: Part, product: Array) -> Array:
    if not part.padded:
        return product[:, :, part.start : part.stop]
    padded = np.zeros((*product.shape[:2], part.total, product.shape[3]))
    padded[:, :, part.start : part.stop] = product
    return padded


def eigenvalues_of(matrices: Array) -> Array:
    """Eigenvalues (…, n) of matrices (…, n, n); NaN for a matrix that is not finite."""
    finite: Array = np.all(np.isfinite(matrices), axis=(-1, -2), keepdims=True)
    found = np.linalg.eigvals(np.where(finite, matrices, 0.0)).astype(complex)
    return np.where(finite[..., 0], found, np.nan)


def of_first_order(mu: Array) -> Array:
    """±√μ: the eigenvalues of y'' = f(y) as a first-order system."""
    root = np.sqrt(mu)
    return np.concatenate([root, -root], axis=-1)
