"""The modes of one layer at one state: h λ, λ the eigenvalues of ∂f/∂y there, and the method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...spec.integrators import Integrator
from ..ir.compiled import Compiled
from ..reference.reference import Array, Reference
from .jacobian import jacobians, of_first_order

LARGEST_STATE = 512
"""The longest state of which eigenvalues are computed: they cost the cube of its length."""
BOUND = 64.0
"""Farther than the stability region of any method reaches."""
NARROW = 0.05
"""A smaller reach counts as 0: it is the rounding of |R| = 1 + O(s⁴) near 0."""
NEGLIGIBLE = 1e-9
"""A real part, or an excess of |R| over 1, that is zero but for rounding."""


@dataclass(frozen=True)
class Modes:
    """What the method does to the modes of ∂f/∂y at a state."""

    method: str
    modulus: float
    """h ρ, the largest h |λ|."""
    worst: complex
    """h λ of the mode that a step multiplies most."""
    growth: float
    """|R(h λ)| of that mode."""
    reach: float
    """How far the region of the method goes in the direction of that λ."""

    def __str__(self) -> str:
        size, growth = f"h·|λ| = {figure(abs(self.worst))}", f"|R(h λ)| = {figure(self.growth)}"
        if self.growth <= 1 + NEGLIGIBLE:
            rho = f"h·ρ(∂f/∂y) = {figure(self.modulus)}"
            return f"{rho}, |R(h λ)| ≤ 1: {self.method} amplifies no mode there"
        if self.worst.real > NEGLIGIBLE:
            return f"{size}, Re λ > 0, {growth}: the field itself amplifies there"
        if self.reach < NARROW:
            return f"{size}, {growth}: {self.method} amplifies this oscillation"
        return f"{size} > {figure(self.reach)}, {growth}: beyond the region of {self.method}"

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "h_rho": plain(self.modulus),
            "h_lambda": [plain(self.worst.real), plain(self.worst.imag)],
            "amplification": plain(self.growth),
            "reach": self.reach,
            "text": str(self),
        }


def modes_at(
    compiled: Compiled, weights: Mapping[str, Array], x: Array, layer: int
) -> Modes | None:
    """The modes of layer 1 … N at the state with which it begins, for one example x (d,).

    None where ∂f/∂y is not finite there, or the state is longer than LARGEST_STATE.
    """
    problem = compiled.problem
    if problem.size > LARGEST_STATE:
        return None
    with np.errstate(all="ignore"):
        trajectory = Reference(compiled.module).trajectory(weights, np.asarray(x, float)[None])
        (matrix,) = jacobians(compiled, weights, trajectory, np.array([layer - 1]))[0]
        if not np.isfinite(matrix).all():
            return None
        found = np.linalg.eigvals(matrix).astype(complex)
        z = problem.h * (of_first_order(found) if problem.order == 2 else found)
        growths = problem.integrator.amplification(z)
    worst = int(np.argmax(growths))
    reach = _reach(problem.integrator, z[worst])
    name, size = problem.integrator.kind, float(np.abs(z).max())
    return Modes(name, size, complex(z[worst]), float(growths[worst]), reach)


def figure(value: float) -> str:
    """A magnitude in three digits: 3.1e38, 0.25, nan."""
    return f"{value:.3g}".replace("e+", "e")


def plain(value: float) -> float | str:
    """A number for JSON, which has none that is not finite: those are `inf`, `-inf` and `nan`."""
    return value if math.isfinite(value) else str(value)


def _reach(integrator: Integrator, z: complex) -> float:
    """The largest r with |R(s z/|z|)| ≤ 1 for 0 ≤ s ≤ r, by a scan and bisection."""
    direction = z / abs(z) if z else 1.0

    def is_outside(s: Array) -> Array:
        return integrator.amplification(s * direction) > 1 + NEGLIGIBLE

    grid = np.linspace(0, BOUND, 4097)
    outside = is_outside(grid)
    if not outside.any():
        return BOUND
    last = int(np.argmax(outside))
    low, high = float(grid[max(last - 1, 0)]), float(grid[last])
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if is_outside(np.array(middle)) else (middle, high)
    return low
