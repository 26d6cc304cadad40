"""Tolerances, and the reason of each: the roundoff of the dtype times what the spec does to it.

*Growth* is measured on the reference itself, never on a backend. It is run again, in float64, with
every weight, feature and time moved by ±ε of itself (ε that of the dtype), and with every operation
off by ±ε of its value; the change over ε is how much the spec magnifies rounding, at least 1. For
trajectories it is measured at every time step, as the running maximum over the steps before. An
error is relative to the scale of what it is an error of: the largest entry of the array (of the
time step, for a trajectory).

A spec whose tolerance exceeds LIMIT magnifies rounding so much that no program could be told from
another: that part of it is called ill-posed and is not judged.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from .compare import Array, Leaves, Standard
from .quantities import AWKWARD, GRADIENT, PULLBACKS, TRAJECTORY, Key
from .solver import ALLOWED

EPSILON = {name: float(np.finfo(name).eps) for name in ("float64", "float32")}

VALUES = 64.0
"""Multiples of ε × growth for values. Two correct programs differ by the order of their sums and
the last digit of tanh, a few ε for each step; over 16 to 1024 layers 2 to 10 ε were measured."""

GRADIENTS = {"float64": 1e-12 / EPSILON["float64"], "float32": 256.0}
"""Multiples of ε × growth for gradients: 1e-12 in float64. Reverse differentiation sums over
examples and steps in another order in every framework; float32 cannot afford the same multiple
(5e-4), and a quarter of 1000 ε leaves room for a factor of ten over what was measured."""

FLOOR = 1e-3
"""An array that is zero or mere rounding noise (the gradient of a weight that hardly matters) is
held to this part of the largest of its kind, since it has no scale of its own."""

LIMIT = {"float64": 1e-3, "float32": 1e-1}
"""Where a tolerance says nothing any more. The verdict on the spec is float64's; float32 is judged
as far as it carries."""

RANGE = {"float64": 1e100, "float32": 1e12}
"""Beyond it the cube of a number overflows: states that large are as lost as infinite ones, and so
is all that is computed from them."""

MOVES = {
    "float64": (EPSILON["float64"], 1024 * EPSILON["float64"]),
    "float32": (EPSILON["float32"], EPSILON["float32"]),
}
"""By how much of itself every number is moved to measure growth; the largest counts. One ε shows
what rounding on the way does, but the first sum may swallow it; a thousand of them it does not."""

NOISE = {"float64": 64 * EPSILON["float64"], "float32": EPSILON["float32"]}
ROUNDINGS = 3
"""By how much every operation is off, at random, and how often: one run may cancel by luck, and in
float64 a move of one ε is itself rounded."""

Moved = tuple[float, Leaves]
"""The size of a move, and what the reference gave under it."""


def standards(
    key: Key,
    expected: Leaves,
    moved: Sequence[Moved],
    lost: Collection[str] = (),
    solver: tuple[float, float] = (0.0, 0.0),
) -> dict[str, Standard]:
    """What a quantity should be and how exactly, from moved runs of the reference.

    `lost` are the sets of weights for which nothing can be expected, `solver` the tolerances of an
    adaptive solver that has a part in it. A tolerance of ∞ says that a part cannot be judged.
    """
    sizes = (np.abs(np.where(np.isfinite(a), a, 0.0)).max() for a in expected.values())
    largest = float(max(sizes, default=0.0))
    found: dict[str, Standard] = {}
    for name, value in expected.items():
        change = _change(key, value, [(size, leaves[name]) for size, leaves in moved])
        standard = _standard(key, value, change, FLOOR * largest, solver)
        nothing = replace(standard, tolerance=np.full_like(standard.tolerance, np.inf))
        found[name] = nothing if set_of(name) in lost else standard
    return found


def lost_sets(expected: Leaves, dtype: str) -> frozenset[str]:
    """The sets of weights with which a quantity leaves the range of the dtype."""
    return frozenset(
        set_of(n) for n, a in expected.items() if not (np.abs(a) <= RANGE[dtype]).all()
    )


def set_of(leaf: str) -> str:
    """The set of weights that a leaf was computed with."""
    return leaf.partition("/")[0]


def _change(key: Key, value: Array, moved: Sequence[tuple[float, Array]]) -> Array:
    """Largest change over the size of the move; ∞ where it is not to be had."""
    with np.errstate(all="ignore"):
        change = np.max([np.abs(other - value) / size for size, other in moved], axis=0)
    hopeless = np.isnan(change) | ~(np.abs(value) <= RANGE[key.dtype])
    return _over_entries(key, np.where(hopeless, np.inf, change))


def _standard(
    key: Key, value: Array, change: Array, floor: float, solver: tuple[float, float]
) -> Standard:
    """Held to its own scale where that can be done, to the floor elsewhere."""
    own = _over_entries(key, np.abs(np.where(np.isfinite(value), value, 0.0)))
    floored = np.maximum(own, floor)
    floored = np.where(floored > 0, floored, 1.0)
    strict = _tolerance(key, change, own, solver)
    scale = np.where(np.isfinite(strict), own, floored)
    wide = _tolerance(key, change, floored, solver)
    return Standard(value, scale, np.where(np.isfinite(strict), strict, wide))


def _tolerance(key: Key, change: Array, scale: Array, solver: tuple[float, float]) -> Array:
    """Unit × growth; ∞ beyond the limit, and where there is no scale."""
    with np.errstate(all="ignore"):
        growth = np.maximum(np.where(scale > 0, change / scale, np.inf), 1.0)
    if key.quantity == TRAJECTORY:
        growth = np.maximum.accumulate(growth, axis=0)
    has_gradients = key.quantity in (GRADIENT, PULLBACKS, AWKWARD)
    multiple = GRADIENTS[key.dtype] if has_gradients else VALUES
    rtol, atol = solver
    with np.errstate(all="ignore"):
        unit = multiple * EPSILON[key.dtype] + ALLOWED * (rtol + atol / scale)
        tolerance = unit * growth
    return np.where(tolerance <= LIMIT[key.dtype], tolerance, np.inf)


def _over_entries(key: Key, array: Array) -> Array:
    """The maximum of an array, or of each time step of a trajectory."""
    if key.quantity == TRAJECTORY:
        return array.max(axis=tuple(range(1, array.ndim)), keepdims=True)
    return np.asarray(array.max())
