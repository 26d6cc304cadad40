"""Stability regions: |R(z)| of a step on y' = λ y, z = h λ, and the interval on the imaginary axis.

Hairer & Wanner, "Solving Ordinary Differential Equations II", IV.2; for staggered methods Hairer,
Lubich & Wanner, "Geometric Numerical Integration", I.1.4. NumPy is imported where it is used: to
read a spec needs none of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import zip_longest
from math import inf, sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

Polynomial = tuple[Fraction, ...]
"""Exact coefficients, constant first."""


def growth_of_polynomial(R: Polynomial, z: Array) -> Array:
    """|R(z)|."""
    return abs(_value(R, z))


def growth_of_trace(trace: Polynomial, z: Array) -> Array:
    """The larger root of ζ² − tr(z²) ζ + 1, in modulus."""
    import numpy as np

    half = _value(trace, np.asarray(z, complex) ** 2) / 2
    root = np.sqrt(half**2 - 1)
    return np.maximum(abs(half + root), abs(half - root))


def _value(polynomial: Polynomial, z: Array) -> Any:
    """By Horner's rule."""
    value: Any = 0.0
    for c in reversed(polynomial):
        value = value * z + float(c)
    return value


def trace_of_shears(moves: Iterable[tuple[bool, Fraction]]) -> Polynomial:
    """tr of the product of the moves y ← y + a z p (True) and p ← p + a z y, in powers of z²."""
    # y = Y₀ y(0) + z Y₁ p(0), p = z P₀ y(0) + P₁ p(0), each a polynomial in z²
    y, p = ([Fraction(1)], [Fraction(0)]), ([Fraction(0)], [Fraction(1)])
    for is_position, by in moves:
        if is_position:
            y = _plus(y[0], [Fraction(0), *p[0]], by), _plus(y[1], p[1], by)
        else:
            p = _plus(p[0], y[0], by), _plus(p[1], [Fraction(0), *y[1]], by)
    return tuple(_plus(y[0], p[1], Fraction(1)))


def _plus(a: list[Fraction], b: list[Fraction], by: Fraction) -> list[Fraction]:
    """a + by · b."""
    return [x + by * y for x, y in zip_longest(a, b, fillvalue=Fraction(0))]


def imaginary_limit(R: Polynomial) -> float:
    """The largest r with |R(iω)| ≤ 1 for 0 ≤ ω ≤ r; 0 where every oscillation grows.

    |R(iω)|² − 1 is a polynomial in u = ω² with exact coefficients: its first one decides for small
    ω, its smallest positive root ends the interval.
    """
    return _end_of_negative(_excess(R))


def limit_along(R: Polynomial, direction: complex) -> float:
    """The largest r with |R(s u)| ≤ 1 for 0 ≤ s ≤ r in a direction u with Re u < 0.

    |R(s u)|² − 1 is a real polynomial in s without a constant: its smallest positive root ends it.
    """
    import numpy as np

    along = np.array([float(c) * direction**k for k, c in enumerate(R)])
    excess = np.real(np.convolve(along, np.conj(along)))[1:]
    roots = np.roots(excess[::-1])
    ends = [r.real for r in roots if abs(r.imag) <= 1e-9 * abs(r) and r.real > 1e-12]
    return float(min(ends, default=inf))


def imaginary_limit_of_trace(trace: Polynomial) -> float:
    """The largest r with |tr(−ω²)| ≤ 2 for 0 ≤ ω ≤ r, which keeps both roots on the circle.

    tr(−u) = 2 − c u + …: it leaves the interval where it is 2 again or falls to −2.
    """
    signed = [c * (-1) ** k for k, c in enumerate(trace)]
    below = [signed[0] + 2, *signed[1:]]
    return min(_end_of_negative(signed[1:]), sqrt(min(_positive_roots(below), default=inf)))


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


def _end_of_negative(coefficients: Sequence[Fraction]) -> float:
    """√u where a polynomial in u that is negative for small u > 0 is so no more; 0 if it is not."""
    lowest = next((c for c in coefficients if c != 0), Fraction(0))
    if lowest >= 0:
        return 0.0 if lowest > 0 else inf
    return sqrt(min(_positive_roots(coefficients), default=inf))


def _positive_roots(coefficients: Sequence[Fraction]) -> list[float]:
    """The positive real roots of a polynomial, its constant first."""
    import numpy as np

    roots = np.roots([float(c) for c in reversed(coefficients)])
    return [float(r.real) for r in roots if abs(r.imag) < 1e-9 and r.real > 1e-9]
