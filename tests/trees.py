"""The order of a tableau by the conditions of all rooted trees with at most four nodes, exactly.

For a tree τ with branches τ_1 … τ_m: Φ_i(τ) = Π_k Σ_j a_ij Φ_j(τ_k), γ(τ) = |τ| Π γ(τ_k); order p
asks Σ_i b_i Φ_i(τ) = 1/γ(τ) of all |τ| ≤ p (Hairer, Nørsett & Wanner I, theorem II.2.13).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from wellposed.spec.integrators import Tableau

Tree = tuple[Any, ...]
"""A rooted tree: the tuple of its branches."""


def order(tableau: Tableau) -> int:
    for p in range(1, 5):
        for tree in _trees(p):
            weights = zip(tableau.b, _elementary(tableau, tree), strict=True)
            if sum((b * phi for b, phi in weights), Fraction(0)) != Fraction(1, _density(tree)):
                return p - 1
    return 4


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
