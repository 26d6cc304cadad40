"""Stability regions of the methods: |R(z)| for Runge–Kutta, the interval of the staggered ones."""

from __future__ import annotations

from fractions import Fraction
from math import inf, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.integrators import Integrator, RungeKutta

Array = NDArray[Any]

STAGGERED_LIMIT = 2.0
"""Verlet and leapfrog: h |ω| ≤ 2 on the imaginary axis (Hairer, Lubich & Wanner, I.1.4)."""


def polynomial(integrator: Integrator) -> tuple[float, ...] | None:
    """Coefficients of R(z), constant first; None for the staggered methods."""
    if not isinstance(integrator, RungeKutta):
        return None
    return tuple(float(c) for c in integrator.tableau.stability_polynomial())


def amplification(integrator: Integrator, z: Array) -> Array:
    """|R(z)|, how a step multiplies the mode z = h λ.

    For the staggered methods on z = iω: the larger root of ζ² − (2 + z²) ζ + 1, which has modulus 1
    for |ω| ≤ 2.
    """
    coefficients = polynomial(integrator)
    if coefficients is not None:
        return np.abs(np.polynomial.polynomial.polyval(z, np.array(coefficients)))
    half = 1 + np.asarray(z, complex) ** 2 / 2
    root = np.sqrt(half**2 - 1)
    return np.maximum(np.abs(half + root), np.abs(half - root))


def imaginary_limit(integrator: Integrator) -> float:
    """The largest r with |R(iω)| ≤ 1 for 0 ≤ ω ≤ r; 0 where every oscillation grows.

    |R(iω)|² − 1 is a polynomial in u = ω² with exact coefficients: its first one decides for small
    ω, its smallest positive root ends the interval.
    """
    if not isinstance(integrator, RungeKutta):
        return STAGGERED_LIMIT
    excess = _excess(integrator.tableau.stability_polynomial())
    lowest = next((c for c in excess if c != 0), Fraction(0))
    if lowest >= 0:
        return 0.0 if lowest > 0 else inf
    roots = np.roots([float(c) for c in reversed(excess)])
    positive = [r.real for r in roots if abs(r.imag) < 1e-9 and r.real > 1e-9]
    return sqrt(min(positive)) if positive else inf


def leading_growth(integrator: RungeKutta) -> tuple[Fraction, int]:
    """(c, p) of |R(iω)| = 1 + c ω^p + …, for small ω."""
    excess = _excess(integrator.tableau.stability_polynomial())
    power, coefficient = next((m, c) for m, c in enumerate(excess) if c != 0)
    return coefficient / 2, 2 * power


def _excess(c: tuple[Fraction, ...]) -> list[Fraction]:
    """Coefficients of |R(iω)|² − 1 in powers of ω²: Σ_{j+k even} c_j c_k i^j (−i)^k ω^{j+k}."""
    total = [Fraction(0)] * len(c)
    for j, a in enumerate(c):
        for k, b in enumerate(c):
            if (j + k) % 2 == 0:
                total[(j + k) // 2] += a * b * (-1) ** (abs(j - k) // 2)
    total[0] -= 1
    return total
