"""Derivatives as sums of words: ± products of matrices, diagonals, rows, columns and numbers.

∂f/∂y of σ(K y + b) is the word `diag σ'(K y + b) · K`, of an mlp `W₂ · diag σ' · W₁`. A word is a
linear operator; its products with a vector are read off it, with what they cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf, prod

from ..ir.expr import Expr, build
from ..ir.operators import without_sign
from ..ir.text import mathematics, subscript
from ..ir.types import Size
from .simplify import simplify

Range = tuple[float, float]


@dataclass(frozen=True)
class Matrix:
    """A linear operator that depends on no state."""

    operator: Expr

    def __str__(self) -> str:
        text = mathematics(self.operator)
        return f"({text})" if self.operator.op in ("add", "sub", "neg") else text


@dataclass(frozen=True)
class Diagonal:
    """diag(d), d one number for each component. `slopes` is the range of its numbers, if known;
    `of` names the function whose slopes at `at` they are."""

    d: Expr
    slopes: Range = (-inf, inf)
    of: str = ""
    at: Expr | None = None

    def __str__(self) -> str:
        if self.of and self.at is not None:
            return f"diag {self.of}'({mathematics(self.at)})"
        return f"diag({mathematics(self.d)})"


@dataclass(frozen=True)
class Number:
    """A factor that is one number, for every example or for all."""

    value: Expr

    def __str__(self) -> str:
        text = mathematics(self.value)
        return f"({text})" if " " in text or text.startswith("−") else text


@dataclass(frozen=True)
class Row:
    """v ↦ rᵀ v, r None for a row of ones."""

    r: Expr | None
    size: int

    def __str__(self) -> str:
        return "1ᵀ" if self.r is None else f"({mathematics(self.r)})ᵀ"


@dataclass(frozen=True)
class Column:
    """s ↦ c s for numbers s, c None for a column of ones."""

    c: Expr | None
    size: int

    def __str__(self) -> str:
        return "1" if self.c is None else f"({mathematics(self.c)})"


@dataclass(frozen=True)
class Part:
    """Components start … stop of a longer vector; `padded` puts a vector there among zeros."""

    start: int
    stop: int
    total: int
    padded: bool = False

    def __str__(self) -> str:
        if self.stop == self.start + 1:  # a column of the identity, or its transpose
            unit = "e" + subscript(self.start)
            return unit if self.padded else f"{unit}ᵀ"
        cut = f"[{self.start}:{self.stop}]"
        return f"I{cut}ᵀ" if self.padded else f"I{cut}"


Factor = Matrix | Diagonal | Number | Row | Column | Part


@dataclass(frozen=True)
class Word:
    """± a product of factors, the one that is applied first last."""

    factors: tuple[Factor, ...] = ()
    sign: int = 1

    def after(self, factor: Factor) -> Word:
        """factor · word."""
        if isinstance(factor, Matrix):
            sign, operator = without_sign(factor.operator)
            return Word((Matrix(operator), *self.factors), sign * self.sign)
        return Word((factor, *self.factors), self.sign)

    def __neg__(self) -> Word:
        return replace(self, sign=-self.sign)

    def __str__(self) -> str:
        # the row or column of a single one between a number and a component is left out
        written = (str(f) for f in self.factors if f not in (Row(None, 1), Column(None, 1)))
        body = " · ".join(written) or "I"
        return f"−{body}" if self.sign < 0 else body


Words = tuple[Word, ...]


def in_words(words: Words) -> str:
    """`diag tanh'(K y + b) · K − 0.1 I`."""
    if not words:
        return "0"
    first, *rest = map(str, words)
    return " ".join([first, *(f"− {w[1:]}" if w.startswith("−") else f"+ {w}" for w in rest)])


def jvp(words: Words, v: Expr) -> Expr | None:
    """J v; None where it is zero."""
    return total_of(signed(w, applied(w.factors, v)) for w in words)


def vjp(words: Words, g: Expr) -> Expr | None:
    """Jᵀ g; None where it is zero."""
    return jvp(tuple(map(transposed, words)), g)


def transposed(word: Word) -> Word:
    """The factors in reverse order, each transposed."""
    return Word(tuple(map(_transpose, reversed(word.factors))), word.sign)


def _transpose(factor: Factor) -> Factor:
    match factor:
        case Matrix():
            operator = factor.operator
            return Matrix(operator.args[0] if operator.op == "transpose" else operator.T)
        case Row():
            return Column(factor.r, factor.size)
        case Column():
            return Row(factor.c, factor.size)
        case Part():
            return replace(factor, padded=not factor.padded)
    return factor


def applied(factors: Sequence[Factor], v: Expr) -> Expr:
    for factor in reversed(factors):
        v = apply_factor(factor, v)
    return v


def apply_factor(factor: Factor, v: Expr) -> Expr:
    match factor:
        case Matrix():
            return factor.operator @ v
        case Diagonal():
            return factor.d * v
        case Number():
            return factor.value * v
        case Row():
            return build("inner_sum", v if factor.r is None else factor.r * v)
        case Column():
            spread = build("broadcast", v, attributes=(Size(factor.size),))
            return spread if factor.c is None else factor.c * v
        case Part():
            start, stop, total = map(Size, (factor.start, factor.stop, factor.total))
            if factor.padded:
                return build("pad", v, attributes=(start, total))
            return build("slice", v, attributes=(start, stop))


def signed(word: Word, e: Expr) -> Expr:
    return -e if word.sign < 0 else e


def total_of(terms: Iterable[Expr]) -> Expr | None:
    total: Expr | None = None
    for term in terms:
        total = term if total is None else total + term
    return None if total is None else simplify(total)


def product_flops(words: Words) -> int:
    """Operations of J v, or of Jᵀ g, for one example: two for each entry of a matrix."""
    return sum(_factor_flops(f) for word in words for f in word.factors)


def _factor_flops(factor: Factor) -> int:
    match factor:
        case Matrix():
            return 2 * prod((*factor.operator.shape, *(factor.operator.type.domain or ())))
        case Diagonal():
            return factor.d.shape[0] if factor.d.shape else 1
        case Row() | Column():
            return factor.size
    return 1
