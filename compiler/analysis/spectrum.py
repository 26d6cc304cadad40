"""Where the eigenvalues of a field's Jacobian lie, by construction: read off its words.

With D = diag σ', 0 ≤ σ' ≤ d:
  D M                   is similar to D^½ M D^½
  ± Mᵀ D M              is symmetric and semidefinite
  y' = f(z), z' = g(y)  J = [[0, A], [B, 0]]: eigenvalues are the roots of those of A B
and sums of symmetric terms, linear terms and elementwise functions of y.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import chain, count
from math import inf

from ..ir.expr import Expr, substitute
from ..ir.problem import Problem
from ..ir.text import mathematics, number, shortened
from ..passes.linearize import NotLinearized, linearize
from ..passes.words import Diagonal, Factor, Matrix, Number, Range, Word, Words, in_words
from .structure import (
    POSITIVE,
    UNKNOWN,
    Structure,
    is_transpose,
    number_of,
    structure,
)

READABLE = 16
"""Products that are written out, of one sum."""


@dataclass(frozen=True)
class Spectrum:
    """Bounds on Re λ of the Jacobian, at all weights and states; `why` is the argument."""

    lower: float
    upper: float
    why: str
    assumption: str = ""
    real: bool = False

    @property
    def is_imaginary(self) -> bool:
        return self.lower == self.upper == 0 and not self.real


@dataclass(frozen=True)
class _Layer:
    """D M: slopes between two bounds, and an operator with a sign."""

    slopes: Range
    operator: Expr
    sign: int
    has_diagonal: bool


def jacobian_words(problem: Problem) -> dict[tuple[str, str], Words]:
    """∂ y'/∂ z for every pair of blocks, in weights of a layer. Raises NotLinearized."""
    return _words_of(problem.rhs, problem)


def _words_of(rhs: Mapping[str, Expr], problem: Problem) -> dict[tuple[str, str], Words]:
    return {
        (of, by): linearize(side, block.variable)
        for of, side in rhs.items()
        for by, block in problem.blocks.items()
    }


def in_text(problem: Problem) -> list[str]:
    """`∂y'/∂y = diag tanh'(K y + b) · K`, for every pair of blocks that is not zero.

    A sum that nobody would read is told of by its length. A vector of which matrices are read has
    the name that it has in the equations.
    """
    try:
        found = _words_of({of: shortened(e)[0] for of, e in problem.rhs.items()}, problem)
    except NotLinearized:
        return []
    mark = "'" * problem.order
    return [f"∂{of}{mark}/∂{by} = {_text(words)}" for (of, by), words in found.items() if words]


def _text(words: Words) -> str:
    return in_words(words) if len(words) <= READABLE else f"a sum of {len(words)} products"


def spectrum(problem: Problem) -> Spectrum | None:
    """What is known of Re λ(∂f/∂y) by construction; None when nothing is.

    For a second-order field y'' = f(y) it is about ∂f/∂y.
    """
    try:
        words = jacobian_words(problem)
    except NotLinearized:
        return None
    # in raw weights, so that what a parametrization makes of them is seen
    made = {w.value: w.definition for w in problem.layer if w.definition.type.is_operator}
    proof = _Proof(made, problem.names)
    if len(problem.blocks) == 1:
        y = problem.first.name
        return proof.one_block(words[y, y])
    if len(problem.blocks) == 2:
        y, z = problem.blocks
        if not (words[y, y] or words[z, z]):
            return proof.two_blocks(words[y, z], words[z, y])
    return None


def structural_claims(problem: Problem) -> list[str]:
    """One line for the head of an emitted program: what holds for all weights, and why."""
    known = spectrum(problem)
    if known is None:
        return ["nothing is known of the spectrum by construction"]
    slopes = f" ({known.assumption})" if known.assumption else ""
    return [f"{range_of(problem, known)} for all weights and states{slopes}: {known.why}"]


def range_of(problem: Problem, known: Spectrum) -> str:
    """`Re λ(∂f/∂y) ∈ [-0.05, 0]`."""
    names = ", ".join(problem.blocks)
    state = names if len(problem.blocks) == 1 else f"({names})"
    jacobian = f"λ(∂f/∂{state})"
    what = jacobian if problem.order == 2 or known.real else f"Re {jacobian}"
    if known.lower == known.upper:
        return f"{what} = {number(known.upper)}"
    if known.lower == -inf:
        return f"{what} ≤ {number(known.upper)}"
    if known.upper == inf:
        return f"{what} ≥ {number(known.lower)}"
    return f"{what} ∈ [{number(known.lower)}, {number(known.upper)}]"


@dataclass(frozen=True)
class _Proof:
    """What follows from the words of a derivative, in letters that name no weight and no block."""

    made: Mapping[Expr, Expr]
    names: Collection[str]

    def letters(self, *wanted: str) -> list[str]:
        """Each letter that is wanted, or another one: what a proof names means nothing else."""
        found: list[str] = []
        for letter in wanted:
            names = chain([letter], "PQRSTUVABCDEFGHJLMN", (f"P{i}" for i in count(1)))
            found.append(next(n for n in names if n not in (*self.names, *found)))
        return found

    def one_block(self, words: Words) -> Spectrum | None:
        layer = self._layer(words)
        if layer is not None:
            return self._of_layer(layer)
        found = Structure(0, 0, True)
        for word in words:
            found = found + self._of_word(word)
        if not found.known:
            return None
        why = "the symmetric part of ∂f/∂y is bounded term by term"
        return Spectrum(found.lower, found.upper, why, real=found.symmetric)

    def two_blocks(self, first: Words, second: Words) -> Spectrum | None:
        """[[0, A], [B, 0]] has imaginary eigenvalues when A B has real eigenvalues ≤ 0."""
        a, b = self._layer(first), self._layer(second)
        if a is not None and b is not None and self._are_opposite(a, b):
            return self._skew(a)
        upper, lower = (self._total(words) for words in (first, second))
        opposite = (upper.lower >= 0 and lower.upper <= 0) or (
            upper.upper <= 0 and lower.lower >= 0
        )
        if upper.symmetric and lower.symmetric and opposite:
            p, q = self.letters("P", "Q")
            blocks = f"∂f/∂(y, z) = [[0, {p}], [−{q}, 0]] or its negative"
            return Spectrum(0, 0, f"{blocks}, with {p}, {q} symmetric and semidefinite")
        return None

    # --- one word ------------------------------------------------------------------------------

    def _layer(self, words: Words) -> _Layer | None:
        """± D M, D the same in all words, whose matrices then add up; M alone too."""
        if not words or any(len(w.factors) not in (1, 2) for w in words):
            return None
        heads = {w.factors[0] for w in words if len(w.factors) == 2}
        if len({len(w.factors) for w in words}) > 1 or len(heads) > 1:
            return None
        if not all(isinstance(w.factors[-1], Matrix) for w in words):
            return None
        head = next(iter(heads), None)
        if head is not None and not isinstance(head, Diagonal):
            return None
        sign, operator = words[0].sign, self._operator(words[0])
        for word in words[1:]:
            other = self._operator(word)
            operator = operator + other if word.sign == sign else operator - other
        slopes = (1.0, 1.0) if head is None else head.slopes
        return _Layer(slopes, operator, sign, head is not None)

    def _operator(self, word: Word) -> Expr:
        matrix = word.factors[-1]
        assert isinstance(matrix, Matrix)
        return substitute(matrix.operator, self.made)

    def _of_layer(self, layer: _Layer) -> Spectrum | None:
        """Re λ(D M) for D = diag σ' with low ≤ σ' ≤ high."""
        (low, high), m = layer.slopes, structure(layer.operator).scaled(layer.sign)
        if low < 0 or not m.known:
            return None
        upper = _times(high if m.upper > 0 else low, m.upper)
        lower = _times(high if m.lower < 0 else low, m.lower)
        if not layer.has_diagonal:
            text = mathematics(layer.operator if layer.sign > 0 else -layer.operator)
            why = f"these are bounds on the symmetric part of ∂f/∂y = {text}"
            return Spectrum(lower, upper, why, real=m.symmetric)
        d, m_ = self.letters("D", "M")
        why = f"∂f/∂y = {d} {m_} with {d} = diag σ' is similar to {d}^½ {m_} {d}^½"
        return Spectrum(lower, upper, why, _slope_text(low, high), real=m.symmetric)

    def _are_opposite(self, first: _Layer, second: _Layer) -> bool:
        """σ(P z + …) and −σ(Pᵀ y + …), slopes not negative: a skew operator behind both."""
        return (
            first.slopes[0] >= 0
            and second.slopes[0] >= 0
            and first.sign == -second.sign
            and is_transpose(first.operator, second.operator)
        )

    def _skew(self, first: _Layer) -> Spectrum:
        d, p = self.letters("D", "P")
        own = mathematics(first.operator)
        p = own if len(own) == 1 else p
        block = f"[[0, {p}], [−{p}ᵀ, 0]]"
        if not first.has_diagonal:
            return Spectrum(0, 0, f"∂f/∂(y, z) = {block} is skew")
        sign = "" if first.sign > 0 else "−"
        why = f"∂f/∂(y, z) = {sign}{d} {block} with {d} = diag σ' is similar to a skew matrix"
        return Spectrum(0, 0, why, _slope_text(*first.slopes))

    def _total(self, words: Words) -> Structure:
        """Bounds on the symmetric part, summed over the words."""
        total = Structure(0, 0, True)
        for word in words:
            total = total + self._of_word(word)
        return total

    def _of_word(self, word: Word) -> Structure:
        """Bounds on the symmetric part of one word."""
        scale = float(word.sign)
        factors = []
        for factor in word.factors:
            value = number_of(factor.value) if isinstance(factor, Number) else None
            if value is None:
                factors.append(factor)
            else:
                scale *= value
        return self._of_factors(factors).scaled(scale) if scale else UNKNOWN

    def _of_factors(self, factors: list[Factor]) -> Structure:
        match factors:
            case []:
                return Structure(1, 1, True)
            case [Matrix(operator)]:
                return structure(substitute(operator, self.made))
            case [Matrix(left), Matrix(right)]:
                return structure(substitute(left @ right, self.made))
            case [Diagonal(slopes=(low, high))]:
                return Structure(low, high, True)
            case [Matrix(left), Diagonal(slopes=(low, _)), Matrix(right)] if low >= 0:
                left, right = (substitute(e, self.made) for e in (left, right))
                return POSITIVE if is_transpose(left, right) else UNKNOWN
        return UNKNOWN


def _times(d: float, bound: float) -> float:
    return 0.0 if bound == 0 or d == 0 else d * bound


def _slope_text(low: float, high: float) -> str:
    return f"{low:g} ≤ σ' ≤ {high:g}" if high < inf else f"σ' ≥ {low:g}"
