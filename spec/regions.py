"""Stability regions: |R(z)| of a step on y' = λ y, z = h λ, and the interval on the imaginary axis.

Hairer & Wanner, "Solving Ordinary Differential Equations II", IV.2; for staggered methods Hairer,
Lubich & Wanner, "Geometric Numerical Integration", I.1.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import inf, sqrt
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial as Poly
from numpy.typing import NDArray

Array = NDArray[Any]
Polynomial = tuple[Fraction, ...]
"""Coefficients of R(z), constant first."""

def growth_of_polynomial(R: Polynomial, z: Array) -> Array:
    """|R(z)|."""
    return np.abs(np.polynomial.polynomial.polyval(z, np.array([float(c) for c in R])))


def trace_of_shears(moves: Iterable[tuple[bool, Fraction]]) -> Polynomial:
    """tr of the product of the moves y ← y + a z p (True) and p ← p + a z y, in powers of z²."""
    one, z2 = Poly([Fraction(1)]), Poly([Fraction(0), Fraction(1)])
    # y = (A + z B) …: what y and p hold of the first y and of the first p, z drawn out
    y, p = [one, one * 0], [one * 0, one]
    for is_position, by in moves:
        if is_position:
            y = [y[0] + by * z2 * p[0], y[1] + by * p[1]]
        else:
            p = [p[0] + by * y[0], p[1] + by * z2 * y[1]]
    return tuple(map(Fraction, (y[0] + p[1]).coef))


def growth_of_trace(trace: Polynomial, z: Array) -> Array:
    """The larger root of ζ² − tr(z²) ζ + 1, in modulus."""
    z2 = np.asarray(z, complex) ** 2
    half = np.polynomial.polynomial.polyval(z2, np.array([float(c) for c in trace])) / 2
    root = np.sqrt(half**2 - 1)
    return np.maximum(np.abs(half + root), np.abs(half - root))


def imaginary_limit_of_trace(trace: Polynomial) -> float:
    """The largest r with |tr(−ω²)| ≤ 2 for 0 ≤ ω ≤ r, which keeps both roots on the circle."""
    signed = [c * (-1) ** k for k, c in enumerate(trace)]
    below = [signed[0] + 2, *signed[1:]]
    above = signed[1:]  # tr(0) = 2, and the root u = 0 is drawn out
    if next((c for c in above if c != 0), Fraction(0)) > 0:
        return 0.0
    return sqrt(min([*_positive_roots(below), *_positive_roots(above)], default=inf))


def imaginary_limit(R: Polynomial) -> float:
    """The largest r with |R(iω)| ≤ 1 for 0 ≤ ω ≤ r; 0 where every oscillation grows.

    |R(iω)|² − 1 is a polynomial in u = ω² with exact coefficients: its first one decides for small
    ω, its smallest positive root ends the interval.
    """
    excess = _excess(R)
    lowest = next((c for c in excess if c != 0), Fraction(0))
    if lowest >= 0:
        return 0.0 if lowest > 0 else inf
    return sqrt(min(_positive_roots(excess), default=inf))


def _positive_roots(coefficients: Sequence[Fraction]) -> list[float]:
    """The positive real roots of a polynomial, its constant first."""
    roots = np.roots([float(c) for c in reversed(coefficients)])
    return [float(r.real) for r in roots if abs(r.imag) < 1e-9 and r.real > 1e-9]


def leading_growth(R: Polynomial) -> tuple[Fraction, int]:
    """(c, p) of |R(iω)| = 1 + c ω^p + …, for small ω."""
    power, coefficient = next((m, c) for m, c in enumerate(_excess(R)) if c != 0)
    return coefficient / 2, 2 * power


def _excess(R: Polynomial) -> list[Fraction]:
    """Coefficients of |R(iω)|² − 1 in powers of ω²: Σ_{j+k even} c_j c_k i^j (−i)^k ω^{j+k}."""
    total = [Fraction(0)] * len(R)
    for j, a in enumerate(R):
        for k, b in enumerate(R):
            if (j + k) % 2 == 0:
                total[(j + k) // 2] += a * b * (-1) ** (abs(j - k) // 2)
    total[0] -= 1
    return total
