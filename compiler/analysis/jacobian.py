"""Jacobians of the field along trajectories, from its words; and their eigenvalues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir.compiled import Compiled
from ..ir.expr import Expr
from ..ir.problem import Problem
from ..passes.words import Column, Diagonal, Factor, Matrix, Number, Part, Row, Words
from ..reference.reference import Reference
from ..semantics.evaluate import Evaluator
from .spectrum import jacobian_words

Array = NDArray[Any]
Values = Mapping[Expr, Array]


def eigenvalues(
    compiled: Compiled, weights: Mapping[str, Array], x: Array, most: int = 64
) -> tuple[Array, Array]:
    """Times (J,) of at most `most` steps, and λ of the first-order field there (J, s, n), complex.

    The Jacobian of step j is that of f(t_j, ·) at y(t_j). A second-order field y'' = f has the
    eigenvalues ±√μ, μ those of ∂f/∂y.
    """
    trajectory = Reference(compiled.module).trajectory(weights, x)
    steps, found = eigenvalues_along(compiled, weights, trajectory, most)
    return steps * compiled.problem.h, found


def eigenvalues_along(
    compiled: Compiled, weights: Mapping[str, Array], trajectory: Array, most: int = 64
) -> tuple[Array, Array]:
    """Likewise of states trajectory[j] (s, n) that are known: the steps (J,) and λ there."""
    problem = compiled.problem
    count = min(most, problem.steps)
    steps = np.linspace(0, problem.steps - 1, count).astype(int)
    found = eigenvalues_of(jacobians(compiled, weights, trajectory, steps))
    return steps, of_first_order(found) if problem.order == 2 else found


def jacobians(
    compiled: Compiled, weights: Mapping[str, Array], trajectory: Array, steps: Array
) -> Array:
    """∂f/∂y (J, s, n, n) at the states trajectory[j] (s, n) of the given steps."""
    problem, words = compiled.problem, jacobian_words(compiled.problem)
    reference, factors = Reference(compiled.module), Factors(*words.values())
    values = factors(
        [_values(problem, reference, weights, trajectory[j].T, j) for j in map(int, steps)]
    )
    batch = (len(steps), trajectory.shape[1])
    blocks = [
        [matrices(words[of, by], values, batch, (n, m)) for by, m in _sizes(problem)]
        for of, n in _sizes(problem)
    ]
    return np.block(blocks)


def _sizes(problem: Problem) -> list[tuple[str, int]]:
    return list(problem.sizes.items())


def _values(
    problem: Problem,
    reference: Reference,
    weights: Mapping[str, Array],
    state: Array,
    j: int,
) -> dict[Expr, Array]:
    """Values of everything that right-hand sides name, at the start of step j."""
    t = np.asarray(j * problem.h)
    values = {problem.t: t} | layer_at(problem, reference, weights, t)
    at = 0
    for name, n in _sizes(problem):
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


def matrices(words: Words, values: Values, batch: tuple[int, int], shape: tuple[int, int]) -> Array:
    """A sum of words as matrices (J, s, rows, columns), one for each step and example.

    `values` are those of its `Factors`, `batch` is (J, s), `shape` (rows, columns).
    """
    total = np.zeros((*batch, *shape))
    for word in words:
        product = np.broadcast_to(np.eye(shape[1]), (1, batch[1], shape[1], shape[1]))
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
