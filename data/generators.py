"""The point sets of Haber & Ruthotto (arXiv:1705.03341), after those of the authors' Meganet.m, and
of Dupont, Doucet & Teh (arXiv:1904.01681), after the data loaders beside that paper.

The authors count points per class; here `train` and `validation` are totals, as on the slides.
Classes are balanced: where a total does not divide, the first classes have one point more. Each
function gives (train, validation).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .dataset import Floats, Integers, Split
from .rng import rng
from .splits import every_other

ELLIPSE_ASPECT = 0.4
ROLL_TURNS = 2
ROLL_OFFSET = 0.2
PEAKS_GRID = 256
PEAKS_DOMAIN = (-3.0, 3.0)


def polar(radius: Floats, angle: Floats) -> Floats:
    """Points (r cos θ, r sin θ) as rows (s, 2)."""
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def ellipses(train: int, validation: int, noise: float, seed: int) -> tuple[Split, Split]:
    """Two concentric ellipses that touch: (r cos θ, 0.4 r sin θ) with θ ~ U(0, 2π).

    r ~ U(0, 1) for class 0 and U(1, 2) for class 1. `noise` is the standard deviation of a normal
    perturbation of every coordinate. Source: setupCircle.m.
    """
    return _ellipses(train, noise, seed, "train"), _ellipses(validation, noise, seed, "validation")


def _ellipses(size: int, noise: float, seed: int, part: str) -> Split:
    random = rng(seed, "data", "ellipses", part)
    labels = np.arange(size) % 2
    radius = random.random(size) + labels
    angle = 2 * np.pi * random.random(size)
    points = polar(radius, angle) * [1.0, ELLIPSE_ASPECT]
    return Split(points + noise * random.standard_normal(points.shape), labels)


def swiss_roll(train: int, validation: int, noise: float, seed: int) -> tuple[Split, Split]:
    """Two spirals (r cos θ, r sin θ), θ equispaced on [0, 4π].

    r is equispaced too, on [0, 1] for class 0 and on [0.2, 1.2] for class 1. Class 0 and then
    class 1 are strung on one line, of which every other point is for validation (evenly spaced
    ones where the two sizes differ). The curves are deterministic, `noise` is as in `ellipses`.
    Source: setupSwissRoll.m.
    """
    size = train + validation
    inner, outer = _spiral((size + 1) // 2, 0.0), _spiral(size // 2, ROLL_OFFSET)
    points = np.concatenate([inner, outer])
    labels = np.repeat([0, 1], [len(inner), len(outer)])
    points += noise * rng(seed, "data", "swiss-roll").standard_normal(points.shape)
    return every_other(Split(points, labels), validation)


def _spiral(size: int, offset: float) -> Floats:
    fraction = np.linspace(0, 1, size)
    return polar(fraction + offset, 2 * np.pi * ROLL_TURNS * fraction)


def peaks_surface(x: Floats, y: Floats) -> Floats:
    """MATLAB's peaks: 3(1−x)² e^(−x²−(y+1)²) − 10(x/5 − x³ − y⁵) e^(−x²−y²) − ⅓ e^(−(x+1)²−y²)."""
    hill = 3 * (1 - x) ** 2 * np.exp(-(x**2) - (y + 1) ** 2)
    saddle = 10 * (x / 5 - x**3 - y**5) * np.exp(-(x**2) - y**2)
    return hill - saddle - np.exp(-((x + 1) ** 2) - y**2) / 3


def peaks_grid(classes: int) -> tuple[Floats, Integers]:
    """The nodes (g², 2) of the grid on [−3, 3]² and their classes (g²,).

    The classes are equal intervals of the range of `peaks_surface`. Class i holds the values in
    (min + i w, min + (i+1) w], w = (max − min)/classes; the minimum is in class 0.
    """
    axis = np.linspace(*PEAKS_DOMAIN, PEAKS_GRID)
    x, y = (part.ravel() for part in np.meshgrid(axis, axis))
    heights = peaks_surface(x, y)
    intervals = (heights - heights.min()) / np.ptp(heights) * classes
    labels = np.clip(np.ceil(intervals).astype(np.int64) - 1, 0, classes - 1)
    return np.column_stack([x, y]), labels


def peaks_capacity(classes: int) -> int:
    """How many points `peaks` can draw of each class: the grid nodes of the smallest one."""
    _, labels = peaks_grid(classes)
    return int(np.bincount(labels, minlength=classes).min())


def peaks(train: int, validation: int, classes: int, seed: int) -> tuple[Split, Split]:
    """Level sets of `peaks_surface`: grid nodes drawn without replacement, none in both splits.

    Source: setupPeaks.m, which draws with replacement. Raises ValueError beyond `peaks_capacity`.
    """
    nodes, node_labels = peaks_grid(classes)
    random = rng(seed, "data", "peaks")
    train_labels, validation_labels = np.arange(train) % classes, np.arange(validation) % classes
    labels = np.concatenate([train_labels, validation_labels])
    points = np.empty((len(labels), 2))
    for k in range(classes):
        wanted = labels == k
        chosen = random.choice(np.flatnonzero(node_labels == k), wanted.sum(), replace=False)
        points[wanted] = nodes[chosen]
    return Split(points[:train], train_labels), Split(points[train:], validation_labels)


def nested_spheres(
    train: int, validation: int, dimensions: int, radii: Sequence[float], seed: int
) -> tuple[Split, Split]:
    """A ball (class 0) within a shell (class 1): ‖x‖ ≤ r₁ and r₂ ≤ ‖x‖ ≤ r₃ in R^d.

    The direction is uniform; the radius is a + (b − a) U^(1/d), U ~ U(0, 1), between a = 0 and
    b = r₁, or r₂ and r₃. Source: ConcentricSphere, which takes 1000 inner and 2000 outer points.
    """
    balls = ((0.0, radii[0]), (radii[1], radii[2]))
    return (
        _spheres(train, dimensions, np.array(balls), seed, "train"),
        _spheres(validation, dimensions, np.array(balls), seed, "validation"),
    )


def _spheres(size: int, dimensions: int, bounds: Floats, seed: int, part: str) -> Split:
    random = rng(seed, "data", "nested-spheres", part)
    labels = np.arange(size) % 2
    direction = random.standard_normal((size, dimensions))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    low, high = bounds[labels].T
    radius = low + (high - low) * random.random(size) ** (1 / dimensions)
    return Split(radius[:, None] * direction, labels)


def flip(train: int, validation: int, seed: int) -> tuple[Split, Split]:
    """x = ±1, each with probability ½, and the target −x. Source: Data1D with target_flip."""
    return _flip(train, seed, "train"), _flip(validation, seed, "validation")


def _flip(size: int, seed: int, part: str) -> Split:
    x = np.where(rng(seed, "data", "flip", part).random((size, 1)) < 0.5, -1.0, 1.0)
    return Split(x, -x)
