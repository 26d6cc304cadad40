"""Samples of the densities in the plane of FFJORD (Grathwohl et al., arXiv:1810.01367), after
`inf_train_gen` of the code beside that paper, with its scales and shifts.

Two moons and two circles are those of scikit-learn there, which lays the angles out evenly; here
they are drawn, so that points are independent and no point of the training part is in the other.
Arms take turns: where a total does not divide, the first ones have a point more. Of one seed the
points without noise are the same whatever the noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .dataset import Floats, Integers, Split
from .generators import polar
from .rng import rng

Draw = Callable[[int, float, np.random.Generator], Floats]


def samples(kind: str, train: int, validation: int, noise: float, seed: int) -> tuple[Split, Split]:
    """(train, validation) of a density by its kind, independent of each other."""

    def part(size: int, name: str) -> Split:
        return Split(DENSITIES[kind](size, noise, rng(seed, "data", kind, name)), None)

    return part(train, "train"), part(validation, "validation")


def two_moons(size: int, noise: float, random: np.random.Generator) -> Floats:
    """2 p + (−1, −0.2), p = (cos θ, sin θ) or (1 − cos θ, ½ − sin θ), plus noise · N(0, I).

    θ ~ U(0, π); a deviation of `noise` is one of 2 noise in the points, (size, 2).
    """
    upper = polar(np.ones(size), np.pi * random.random(size))
    curve = np.where(_arms(size, 2)[:, None] == 0, upper, [1.0, 0.5] - upper)
    return 2 * (curve + noise * random.standard_normal(curve.shape)) + [-1.0, -0.2]


def two_circles(size: int, noise: float, random: np.random.Generator) -> Floats:
    """3 (r (cos θ, sin θ) + noise · N(0, I)), r = 1 or ½, θ ~ U(0, 2π): (size, 2)."""
    radius = np.where(_arms(size, 2) == 0, 1.0, 0.5)
    curve = polar(radius, 2 * np.pi * random.random(size))
    return 3 * (curve + noise * random.standard_normal(curve.shape))


def checkerboard(size: int, noise: float, random: np.random.Generator) -> Floats:
    """2 (x₁, x₂), x₁ ~ U(−2, 2), x₂ = U(0, 1) − 2 B(½) + (⌊x₁⌋ mod 2): (size, 2).

    FFJORD adds nothing to it; here noise · N(0, I) is added to the points as they are given.
    """
    x1 = 4 * random.random(size) - 2
    x2 = random.random(size) - 2 * random.integers(0, 2, size) + np.floor(x1) % 2
    points = 2 * np.column_stack([x1, x2])
    return points + noise * random.standard_normal(points.shape)


def eight_gaussians(size: int, noise: float, random: np.random.Generator) -> Floats:
    """(c + noise · N(0, I)) / 1.414, c one of 4 (cos kπ/4, sin kπ/4), k = 0..7: (size, 2).

    Which one is drawn. `noise` is the deviation of each before the division.
    """
    angle = np.linspace(0, 2 * np.pi, 8, endpoint=False)[random.integers(0, 8, size)]
    centres = polar(np.full(size, 4.0), angle)
    return (centres + noise * random.standard_normal(centres.shape)) / 1.414


def pinwheel(size: int, noise: float, random: np.random.Generator) -> Floats:
    """2 (ρ cos α + τ sin α, τ cos α − ρ sin α), α = 2πk/5 + ¼ e^ρ, k = 0..4: (size, 2).

    ρ ~ N(1, 0.3²) lies along an arm and makes its shape; τ ~ N(0, noise²) lies across it, and is
    what noise is here: without it the arms are curves.
    """
    along = 1 + 0.3 * random.standard_normal(size)
    across = noise * random.standard_normal(size)
    turns = np.linspace(0, 2 * np.pi, 5, endpoint=False)[_arms(size, 5)]
    angle = turns + 0.25 * np.exp(along)
    return 2 * (polar(along, -angle) + polar(across, np.pi / 2 - angle))


def two_spirals(size: int, noise: float, random: np.random.Generator) -> Floats:
    """± (n (−cos n, sin n) + ½ U) / 3 + noise · N(0, I), n = 3π √U(0, 1): (size, 2).

    U, uniform on the unit square, makes the arms as broad as they are; `noise` is added to the
    points as they are given. FFJORD takes the same n and U for both arms; here each
    point has its own.
    """
    n = 3 * np.pi * np.sqrt(random.random(size))
    arm = (polar(n, np.pi - n) + 0.5 * random.random((size, 2))) / 3
    points = np.where(_arms(size, 2)[:, None] == 0, arm, -arm)
    return points + noise * random.standard_normal(points.shape)


def _arms(size: int, count: int) -> Integers:
    """The arm that each point is on, (size,): they take turns."""
    return np.arange(size) % count


DENSITIES: dict[str, Draw] = {
    "two-moons": two_moons,
    "two-circles": two_circles,
    "checkerboard": checkerboard,
    "eight-gaussians": eight_gaussians,
    "pinwheel": pinwheel,
    "two-spirals": two_spirals,
}
"""By the kinds of `spec.generated.PlanarDensity`: points (size, 2) of a size, a noise, a stream."""
