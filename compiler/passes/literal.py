"""One-step methods as literal loops, written from the language and from nothing of the compiler.

What `discretize` makes is held against them: k_i = f(t + c_i h, y + h Σ_j a_ij k_j) straight from
the tableau, and the recurrences of the two staggered methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...spec.integrators import Integrator, Leapfrog, RungeKutta, Tableau, Verlet

Array = NDArray[Any]
States = dict[str, Array]
Field = Callable[[str, float, float, Mapping[str, Array]], Array]
"""(block, place within the step as a part of h, t, states) → the block's right-hand side."""


def path(integrator: Integrator, f: Field, states: States, h: float, steps: int) -> list[States]:
    """The blocks at t_1 … t_steps, from t_0 = 0."""
    match integrator:
        case RungeKutta():
            return _runge_kutta(integrator.tableau, f, states, h, steps)
        case Verlet():
            return _verlet(f, states, h, steps)
        case Leapfrog():
            return _leapfrog(f, states["y"], h, steps)
    raise TypeError(f"there is no literal form of {integrator.kind}")


def _runge_kutta(tableau: Tableau, f: Field, y: States, h: float, steps: int) -> list[States]:
    found: list[States] = []
    for j in range(steps):
        k: list[States] = []
        for a, c in zip(tableau.a, map(float, tableau.c), strict=True):
            at = {n: v + h * _weighted(a, [stage[n] for stage in k]) for n, v in y.items()}
            k.append({n: f(n, c, (j + c) * h, at) for n in y})
        y = {n: v + h * _weighted(tableau.b, [stage[n] for stage in k]) for n, v in y.items()}
        found.append(y)
    return found


def _weighted(weights: tuple[Fraction, ...], terms: list[Array]) -> Array:
    return sum((float(a) * k for a, k in zip(weights, terms, strict=True)), np.zeros(()))


def _verlet(f: Field, states: States, h: float, steps: int) -> list[States]:
    """z ← z + h g_j(t_j, y), then y ← y + h f(t_j + h/2, z)."""
    y, others = states["y"], {n: z for n, z in states.items() if n != "y"}
    found: list[States] = []
    for j in range(steps):
        others = {n: z + h * f(n, 0.0, j * h, {"y": y}) for n, z in others.items()}
        y = y + h * f("y", 0.5, (j + 0.5) * h, others)
        found.append({"y": y, **others})
    return found


def _leapfrog(f: Field, y: Array, h: float, steps: int) -> list[States]:
    """y₁ = y₀ + (h²/2) f₀(y₀);  y_{j+1} = 2 y_j − y_{j−1} + h² f_j(y_j)."""
    path = [y, y + h**2 / 2 * f("y", 0.0, 0.0, {"y": y})]
    for j in range(1, steps):
        path.append(2 * path[j] - path[j - 1] + h**2 * f("y", 0.0, j * h, {"y": path[j]}))
    return [{"y": y} for y in path[1:]]


def order(tableau: Tableau) -> int:
    """The order p ≤ 4 by the conditions of all rooted trees with at most four nodes, exactly.

    For a tree τ with branches τ_1 … τ_m: Φ_i(τ) = Π_k Σ_j a_ij Φ_j(τ_k), γ(τ) = |τ| Π γ(τ_k);
    order p asks Σ_i b_i Φ_i(τ) = 1/γ(τ) of all |τ| ≤ p (HNW I, theorem II.2.13).
    """
    for p in range(1, 5):
        for tree in _trees(p):
            weights = zip(tableau.b, _elementary(tableau, tree), strict=True)
            if sum((b * phi for b, phi in weights), Fraction(0)) != Fraction(1, _density(tree)):
                return p - 1
    return 4


Tree = tuple[Any, ...]
"""A rooted tree: the tuple of its branches."""


def _trees(nodes: int) -> list[Tree]:
    """All rooted trees of that many nodes: a first branch, and what is left of the tree."""
    if nodes == 1:
        return [()]
    found = {
        tuple(sorted((branch, *rest), key=repr))
        for size in range(1, nodes)
        for branch in _trees(size)
        for rest in _trees(nodes - size)
    }
    return sorted(found, key=repr)


def _elementary(tableau: Tableau, tree: Tree) -> list[Fraction]:
    phi = [Fraction(1)] * len(tableau.b)
    for branch in tree:
        below = _elementary(tableau, branch)
        inner = [
            sum((a * x for a, x in zip(row, below, strict=False)), Fraction(0)) for row in tableau.a
        ]
        phi = [x * y for x, y in zip(phi, inner, strict=True)]
    return phi


def _size(tree: Tree) -> int:
    return 1 + sum(map(_size, tree))


def _density(tree: Tree) -> int:
    product = _size(tree)
    for branch in tree:
        product *= _density(branch)
    return product
