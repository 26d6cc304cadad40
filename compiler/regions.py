"""Stability regions of the methods: |R(z)| for Runge–Kutta, the interval of the staggered ones."""

from __future__ import annotations

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
    """The largest r with |R(iω)| ≤ 1 for 0 ≤ ω ≤ r; 0 where every oscillation grows."""
    coefficients = polynomial(integrator)
    if coefficients is None:
        return STAGGERED_LIMIT
    omega = np.linspace(0, 4, 40001)[1:]
    grows = amplification(integrator, 1j * omega) > 1 + 1e-12
    return float(omega[np.argmax(grows)] - 1e-4) if grows.any() else float("inf")
