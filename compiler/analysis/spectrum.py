"""Where the eigenvalues of a field's Jacobian lie, by construction: read off the equations.

Three forms are recognised, in the catalogue and in users' own equations alike. With D = diag σ',
0 ≤ σ' ≤ d:
  σ(M y + …)            J = D M is similar to D^½ M D^½
  ± Mᵀ σ(M y + …)       J = ± Mᵀ D M is symmetric and semidefinite
  y' = f(z), z' = g(y)  J = [[0, A], [B, 0]]: eigenvalues are the roots of those of A B
and sums of symmetric terms, linear terms and elementwise functions of y.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from .ir.expr import Expr, substitute, variable, variables
from .ir.program import Program
from .structure import POSITIVE, UNKNOWN, Structure, is_transpose, number, signed_terms, structure

SLOPES: dict[str, tuple[float, float]] = {
    "tanh": (0, 1),
    "relu": (0, 1),
    "sigmoid": (0, 0.25),
    "softplus": (0, 1),
    "sin": (-1, 1),
    "cos": (-1, 1),
    "gelu": (-0.129, 1.129),
    "exp": (0, inf),
    "sinh": (1, inf),
}
"""Range of σ' over the reals."""


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


def spectrum(program: Program) -> Spectrum | None:
    """What is known of Re λ(∂f/∂y) by construction; None when nothing is.

    Of a second-order field y'' = f(y) it speaks of ∂f/∂y.
    """
    made = {o.name: o.definition for o in program.operands}
    field = {block: _expanded(e, made) for block, e in program.field.items()}
    if len(field) == 1:
        return _one_block(field["y"])
    if set(field) == {"y", "z"}:
        return _two_blocks(field["y"], field["z"])
    return None


def _expanded(e: Expr, made: dict[str, Expr]) -> Expr:
    """The rate with operands written out in raw weights, so that their structure is seen."""
    return substitute(e, made)


def _one_block(rate: Expr) -> Spectrum | None:
    y = variable("y", rate.shape, batched=True)
    layer = _layer(rate, y)
    if layer is not None:
        (low, high), matrix, sign = layer
        return _of_layer(low, high, structure(matrix).scaled(sign))
    found = _symmetric_part(rate, y)
    if not found.known:
        return None
    why = "the symmetric part of ∂f/∂y is bounded term by term"
    return Spectrum(found.lower, found.upper, why, real=found.symmetric)


def _of_layer(low: float, high: float, m: Structure) -> Spectrum | None:
    """Re λ(D M) for D = diag σ' with low ≤ σ' ≤ high."""
    if low < 0 or not m.known:
        return None
    upper = _times(high if m.upper > 0 else low, m.upper)
    lower = _times(high if m.lower < 0 else low, m.lower)
    why = "∂f/∂y = D M with D = diag σ' is similar to D^½ M D^½"
    return Spectrum(lower, upper, why, _slope_text(low, high), real=m.symmetric)


def _times(d: float, bound: float) -> float:
    return 0.0 if bound == 0 or d == 0 else d * bound


def _slope_text(low: float, high: float) -> str:
    return f"{low:g} ≤ σ' ≤ {high:g}" if high < inf else f"σ' ≥ {low:g}"


def _two_blocks(y_rate: Expr, z_rate: Expr) -> Spectrum | None:
    """[[0, A], [B, 0]] has imaginary eigenvalues when A B has real eigenvalues ≤ 0."""
    y = variable("y", y_rate.shape, batched=True)
    z = variable("z", z_rate.shape, batched=True)
    if "y" in variables(y_rate) or "z" in variables(z_rate):
        return None
    first, second = _layer(y_rate, z), _layer(z_rate, y)
    if first is not None and second is not None and _are_opposite(first, second):
        why = "∂f/∂(y, z) = D [[0, K], [−Kᵀ, 0]] with D = diag σ' is similar to a skew matrix"
        return Spectrum(0, 0, why, _slope_text(first[0][0], first[0][1]))
    a, b = _symmetric_part(y_rate, z), _symmetric_part(z_rate, y)
    opposite = (a.lower >= 0 and b.upper <= 0) or (a.upper <= 0 and b.lower >= 0)
    if a.symmetric and b.symmetric and opposite:
        why = "∂f/∂(y, z) = [[0, A], [−B, 0]] with A, B symmetric and semidefinite"
        return Spectrum(0, 0, why)
    return None


_Layer = tuple[tuple[float, float], Expr, int]


def _are_opposite(first: _Layer, second: _Layer) -> bool:
    """σ(P z + …) and −σ(Pᵀ y + …), slopes not negative: a skew operator behind both."""
    (low1, _), p, sign1 = first
    (low2, _), q, sign2 = second
    return low1 >= 0 and low2 >= 0 and sign1 == -sign2 and is_transpose(p, q)


def _layer(rate: Expr, y: Expr) -> _Layer | None:
    """(slopes, M, sign) of ± σ(± M y + …)."""
    sign, body = (-1, rate.args[0]) if rate.op == "neg" else (1, rate)
    slopes = _slopes(body)
    if slopes is None:
        return None
    inner = body if slopes == (1, 1) else body.args[0]
    linear = [(s, m) for s, m in _affine(inner, y)] if _is_affine(inner, y) else []
    if len(linear) != 1:
        return None
    inner_sign, matrix = linear[0]
    return slopes, matrix, sign * inner_sign


def _slopes(e: Expr) -> tuple[float, float] | None:
    if e.op in SLOPES:
        return SLOPES[e.op]
    if e.op == "pow" and number(e.args[1]) == 3:
        return (0, inf)
    return (1, 1) if e.op in ("matmul", "add", "sub", "neg") else None


def _is_affine(e: Expr, y: Expr) -> bool:
    name = str(y.attributes[0])
    return all(name not in variables(term) or _is_product(term, y) for _, term in signed_terms(e))


def _affine(e: Expr, y: Expr) -> list[tuple[int, Expr]]:
    """The matrices that multiply y in an affine expression, with their signs."""
    found: list[tuple[int, Expr]] = []
    for sign, term in signed_terms(e):
        if _is_product(term, y):
            left = term.args[0]
            flipped = left.op == "neg"
            found.append((-sign if flipped else sign, left.args[0] if flipped else left))
    return found


def _is_product(e: Expr, y: Expr) -> bool:
    return e.op == "matmul" and e.args[1] is y and str(y.attributes[0]) not in variables(e.args[0])


def _symmetric_part(rate: Expr, y: Expr) -> Structure:
    """Bounds on the symmetric part of ∂ rate/∂y, summed over terms that have one."""
    total = Structure(0, 0, True)
    for sign, term in signed_terms(rate):
        total = total + _term(term, y).scaled(sign)
    return total


def _term(e: Expr, y: Expr) -> Structure:
    if str(y.attributes[0]) not in variables(e):
        return Structure(0, 0, True)
    if e is y:
        return Structure(1, 1, True)
    if _is_product(e, y):
        return structure(e.args[0])
    if e.op == "matmul":
        return _gram_layer(e, y)
    if e.op in ("mul", "div"):
        return _scaled_term(e, y)
    slopes = _slopes(e)
    if slopes is not None and e.args[0] is y:
        return Structure(slopes[0], slopes[1], True)
    return UNKNOWN


def _gram_layer(e: Expr, y: Expr) -> Structure:
    """± Mᵀ σ(M y + …): Mᵀ D M."""
    left, right = e.args
    sign = -1 if left.op == "neg" else 1
    left = left.args[0] if sign < 0 else left
    layer = _layer(right, y)
    if layer is None:
        return UNKNOWN
    (low, _), matrix, inner = layer
    if low < 0 or not is_transpose(left, matrix):
        return UNKNOWN
    return POSITIVE.scaled(sign * inner)


def _scaled_term(e: Expr, y: Expr) -> Structure:
    a, b = e.args
    factor, term = (number(a), b) if e.op == "mul" and number(a) is not None else (number(b), a)
    if factor is None or factor == 0:
        return UNKNOWN
    return _term(term, y).scaled(1 / factor if e.op == "div" else factor)
