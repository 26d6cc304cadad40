"""Where an integrator is stable in the plane of z = hλ: |R(z)| ≤ 1, or an imaginary interval."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .style import INK, REGION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# An eigenvalue on the boundary must not count as outside for the rounding of |R(z)|, nor one on the
# axis for that of λ: the eigenvalues of a defective block are known to the square root of the
# machine epsilon only.
ROUNDING = 1e-12
AXIS_ROUNDING = 1e-6

Complex = NDArray[np.complex128]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Region:
    """The stability region {z : |R(z)| ≤ 1} of a one-step method with stability function R."""

    modulus: Callable[[Complex], NDArray[np.float64]]

    name = "$|R(h\\lambda)| \\leq 1$"

    @classmethod
    def of(cls, stability: Callable[[Complex], NDArray] | Sequence[float]) -> "Region":
        """From z ↦ |R(z)|, or from the coefficients c₀, c₁, … of the polynomial R(z) = Σ c_k zᵏ."""
        if callable(stability):
            return cls(stability)
        coefficients = np.asarray(stability, dtype=np.float64)
        return cls(lambda z: np.abs(np.polynomial.polynomial.polyval(z, coefficients)))

    def values(self, z: Complex) -> NDArray[np.float64]:
        with np.errstate(all="ignore"):
            return np.asarray(self.modulus(z), dtype=np.float64)

    def outside(self, z: Complex) -> NDArray[np.bool_]:
        return ~(self.values(z) <= 1 + ROUNDING)

    def summary(self, z: Complex) -> str:
        return f"largest $|R(h\\lambda)|$ = {np.max(self.values(z), initial=0.0):.6g}"

    @cached_property
    def box(self) -> Box:
        """The region's bounding box; of an unbounded region, a window about the origin."""
        for half in (4.0, 16.0, 64.0, 256.0):
            axis = np.linspace(-half, half, 401)
            inside = self.values(axis[None, :] + 1j * axis[:, None]) <= 1
            if not _on_border(inside):
                columns, rows = axis[inside.any(axis=0)], axis[inside.any(axis=1)]
                return float(columns[0]), float(columns[-1]), float(rows[0]), float(rows[-1])
        return -4.0, 4.0, -4.0, 4.0

    def draw(self, axes: "Axes", view: Box) -> None:
        """Shade the region within the view, its boundary a line."""
        x, y = np.linspace(*view[:2], 401), np.linspace(*view[2:], 401)
        surface = np.minimum(self.values(x[None, :] + 1j * y[:, None]), 2.0)
        axes.contourf(x, y, surface, levels=[-1.0, 1.0], colors=[REGION], zorder=0)
        if surface.min() < 1 < surface.max():
            axes.contour(x, y, surface, levels=[1.0], colors=INK, linewidths=0.9, zorder=1)


@dataclass(frozen=True)
class Interval:
    """Stability of leapfrog and Verlet on oscillations: hλ = ±ihω with hω ≤ `half` (2 for both)."""

    half: float

    @property
    def name(self) -> str:
        return f"$h\\lambda = \\pm i h\\omega$, $h\\omega \\leq {self.half:g}$"

    def outside(self, z: Complex) -> NDArray[np.bool_]:
        return (np.abs(z.real) > AXIS_ROUNDING) | (np.abs(z.imag) > self.half * (1 + ROUNDING))

    def summary(self, z: Complex) -> str:
        return f"largest $|\\mathrm{{Im}}\\,h\\lambda|$ = {np.max(np.abs(z.imag), initial=0.0):.4g}"

    @property
    def box(self) -> Box:
        return -self.half / 2, self.half / 2, -self.half, self.half

    def draw(self, axes: "Axes", view: Box) -> None:
        """The stable segment of the imaginary axis, its ends marked."""
        ends = [-self.half, self.half]
        axes.plot([0, 0], ends, color="#b9c9d6", linewidth=7, solid_capstyle="butt", zorder=0)
        axes.plot([0, 0], ends, linestyle="", marker="_", markersize=14, color=INK, zorder=1)


def _on_border(inside: NDArray[np.bool_]) -> bool:
    return bool(inside[[0, -1]].any() or inside[:, [0, -1]].any())
