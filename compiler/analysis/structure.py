"""What is known of a matrix from the way it is written: bounds on its symmetric part.

For every vector x, lower |x|² ≤ xᵀ M x ≤ upper |x|²: the real parts of the eigenvalues of M lie
between the two (the numerical range; Horn & Johnson, Topics in Matrix Analysis, 1.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from ..ir.expr import Expr, is_number
from ..ir.operators import without_sign
from ..semantics.evaluate import evaluate


@dataclass(frozen=True)
class Structure:
    """Bounds on the symmetric part, equal ones for c I + S with S skew; is the matrix symmetric?"""

    lower: float = -inf
    upper: float = inf
    symmetric: bool = False

    @property
    def known(self) -> bool:
        return self.lower > -inf or self.upper < inf

    def __add__(self, other: Structure) -> Structure:
        both = self.symmetric and other.symmetric
        return Structure(self.lower + other.lower, self.upper + other.upper, both)

    def scaled(self, factor: float) -> Structure:
        if factor == 0:
            return Structure(0, 0, True)
        ends = sorted((factor * self.lower, factor * self.upper))
        return Structure(ends[0], ends[1], self.symmetric)


UNKNOWN = Structure()
POSITIVE = Structure(0, inf, True)
SKEW = Structure(0, 0)


def structure(e: Expr) -> Structure:
    """The structure of a square matrix expression."""
    match e.op:
        case "eye" | "identity_operator":
            return Structure(1, 1, True)
        case "neg":
            return structure(e.args[0]).scaled(-1)
        case "transpose":
            return structure(e.args[0])
        case "mul" | "div":
            return _scaled(e)
        case "matmul":
            sign, product = without_sign(e)
            return POSITIVE.scaled(sign) if is_transpose(*product.args) else UNKNOWN
        case "add" | "sub":
            return _sum(e)
    return UNKNOWN


def number_of(e: Expr) -> float | None:
    """The value of a scalar made of numbers only."""
    return float(evaluate(e, {})) if not e.shape and is_number(e) else None


def _scaled(e: Expr) -> Structure:
    a, b = e.args
    factor, matrix = (number_of(b), a) if a.type.is_operator else (number_of(a), b)
    if factor is None or (e.op == "div" and factor == 0):
        return UNKNOWN
    return structure(matrix).scaled(1 / factor if e.op == "div" else factor)


def _sum(e: Expr) -> Structure:
    terms = signed_terms(e)
    total = Structure(0, 0, True)
    rest = list(terms)
    for sign, term in terms:
        partner = next((p for p in rest if p[0] == -sign and is_transpose(p[1], term)), None)
        if partner is not None and (sign, term) in rest:
            rest.remove(partner)
            rest.remove((sign, term))
            total = total + SKEW
    for sign, term in rest:
        total = total + structure(term).scaled(sign)
    return total


def signed_terms(e: Expr, sign: int = 1) -> list[tuple[int, Expr]]:
    """A sum as its terms with their signs."""
    match e.op:
        case "add":
            return signed_terms(e.args[0], sign) + signed_terms(e.args[1], sign)
        case "sub":
            return signed_terms(e.args[0], sign) + signed_terms(e.args[1], -sign)
        case "neg":
            return signed_terms(e.args[0], -sign)
    return [(sign, e)]


def is_transpose(a: Expr, b: Expr) -> bool:
    return (a.op == "transpose" and a.args[0] is b) or (b.op == "transpose" and b.args[0] is a)
