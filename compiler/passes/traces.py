"""The trace of a derivative and its Frobenius norm, in closed form, read off its words."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..ir.expr import Expr, build, constant, eye, walk
from ..ir.operations import OPERATIONS
from ..ir.operators import entries
from ..ir.types import Size
from .words import (
    Column,
    Diagonal,
    Factor,
    Matrix,
    Number,
    Part,
    Row,
    Word,
    Words,
    applied,
    apply_factor,
    signed,
    total_of,
    transposed,
)


def trace(words: Words, y: Expr) -> Expr | None:
    """tr ∂f/∂y for every example, in closed form; None where a word has none.

    A word is turned around until it is tr(M₁ D₁ M₂ D₂) = d₂ᵀ (M₁ ⊙ M₂ᵀ) d₁, or shorter: of one
    diagonal Σᵢ dᵢ Mᵢᵢ, of a column and a row what is between them. Of a product only the diagonal
    is computed: (A B)ᵢᵢ = Σⱼ Aᵢⱼ Bⱼᵢ.
    """
    terms: list[Expr] = []
    for word in words:
        found = _trace(word, y)
        if found is None:
            return None
        terms.append(found)
    return total_of(terms) if terms else constant(0)


def squared_norm(words: Words, y: Expr) -> Expr | None:
    """‖J‖²_F for every example, in closed form: the trace of JᵀJ; None where it has none."""
    pairs = [
        Word((*transposed(a).factors, *b.factors), a.sign * b.sign) for a in words for b in words
    ]
    return trace(tuple(pairs), y)


def _trace(word: Word, y: Expr) -> Expr | None:
    numbers = [f.value for f in word.factors if isinstance(f, Number)]
    others = [f for f in word.factors if not isinstance(f, Number)]
    found = _trace_of(others, y)
    if found is None:
        return None
    for value in numbers:
        found = value * found
    return signed(word, found)


def _trace_of(factors: Sequence[Factor], y: Expr) -> Expr | None:
    for i, factor in enumerate(factors):
        if isinstance(factor, Column):
            return _between([*factors[i + 1 :], *factors[:i]], factor, y)
    turned = _matrices_and_diagonals(factors, y.shape[0])
    if turned is None:
        return None
    matrices, diagonals = turned
    if matrices[0].op == "eye" and len(diagonals) < 2:
        return build("inner_sum", diagonals[0]) if diagonals else constant(y.shape[0])
    match diagonals:
        case []:
            return build("inner_sum", _diagonal(matrices[0]))
        case [d]:
            return build("inner_sum", d * _diagonal(matrices[0]))
        case [d1, d2]:
            inner = matrices[0] * matrices[1].T
            return build("inner_sum", d2 * (inner @ d1))
    return None


def _diagonal(array: Expr) -> Expr:
    """As a column; of a product A B, which is not formed, Σⱼ Aᵢⱼ Bⱼᵢ."""
    if array.op == "matmul":
        a, b = array.args
        return build("row_sums", a * (b.args[0] if b.op == "transpose" else b.T))
    return build("diagonal", array)


def _between(factors: list[Factor], column: Column, y: Expr) -> Expr | None:
    """tr(F c rᵀ G) = rᵀ G F c, the factors already turned to `rᵀ …` up to the column."""
    (first, *rest) = _from_row(factors)
    if not isinstance(first, Row):
        return None
    return apply_factor(first, applied([*rest, column], constant(1)))


def _from_row(factors: Sequence[Factor]) -> list[Factor]:
    at = next((i for i, f in enumerate(factors) if isinstance(f, Row)), 0)
    return [*factors[at:], *factors[:at]]


def _matrices_and_diagonals(
    factors: Sequence[Factor], size: int
) -> tuple[list[Expr], list[Expr]] | None:
    """M₁ D₁ M₂ D₂ … as arrays and vectors, turned so that it ends with a diagonal; neighbours are
    multiplied. None where a factor is neither."""
    if any(isinstance(f, Row) for f in factors):
        return None
    diagonals = [i for i, f in enumerate(factors) if isinstance(f, Diagonal)]
    if diagonals:
        last = diagonals[-1]
        factors = [*factors[last + 1 :], *factors[: last + 1]]
    matrices: list[Expr] = []
    found: list[Expr] = []
    pending: list[Factor] = []
    for factor in factors:
        if not isinstance(factor, Diagonal):
            pending.append(factor)
        elif pending or not found:
            matrices.append(_array(pending, size))
            found.append(factor.d)
            pending = []
        else:
            found[-1] = found[-1] * factor.d
    if not found:
        matrices.append(_array(pending, size))
    return matrices, found


def _array(factors: Sequence[Factor], size: int) -> Expr:
    """The product of operators as an array; a part next to a matrix takes rows or columns of it."""
    product: Expr | None = None
    rows: Part | None = None
    for factor in factors:
        if isinstance(factor, Part) and not factor.padded and rows is None:
            rows = factor  # of what comes next
        elif isinstance(factor, Part) and factor.padded and product is not None and rows is None:
            product = _rows_of(factor, product.T).T
        else:
            array = _as_array(factor)
            array, rows = array if rows is None else _rows_of(rows, array), None
            product = array if product is None else product @ array
    if rows is not None:
        product = _as_array(rows) if product is None else product @ _as_array(rows)
    return eye(Size(size)) if product is None else product


def _as_array(factor: Factor) -> Expr:
    if isinstance(factor, Matrix):
        return entries(factor.operator)
    assert isinstance(factor, Part)
    taken = _rows_of(factor, eye(Size(factor.total)))
    return taken.T if factor.padded else taken


def _rows_of(part: Part, array: Expr) -> Expr:
    return build("slice", array, attributes=(Size(part.start), Size(part.stop)))


def closed_flops(e: Expr) -> int:
    """Operations of an expression for one example; what all examples share is not counted."""
    found = 0
    for node in walk(e):
        if node.op == "matmul" and node.type.batched:
            found += 2 * prod((*node.args[0].shape, *(node.args[0].type.domain or ())))
        elif node.type.batched and node.op in OPERATIONS and not OPERATIONS[node.op].moves:
            found += prod(node.args[0].shape if node.op in ("sum", "inner_sum") else node.shape)
    return found
