"""The outermost eigenvalues of a matrix that is known by its products with vectors.

Arnoldi (1951), "The principle of minimized iterations in the solution of the matrix eigenvalue
problem", Quart. Appl. Math. 9, 17-29.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

TOLERANCE = 1e-3
"""‖A v − θ v‖ over the largest |θ| up to which θ is an eigenvalue: three digits are shown."""
BREAKDOWN = 1e-12
"""A next direction this small over ‖A v‖ is rounding: the space holds its own images."""


def outermost(product: Callable[[Array], Array], n: int, products: int) -> Array:
    """Eigenvalues found by so many products with an (n, n) matrix, the largest first; NaN, one of
    them, where a product is not finite. An error of the size of its residual stands for 0."""
    image, left = _image(product, n, products)
    if not np.isfinite(image).all():
        return np.array([complex(np.nan)])
    values, vectors = np.linalg.eig(image)
    residuals = left * np.abs(vectors[-1])
    found = residuals <= TOLERANCE * np.abs(values).max()
    values, residuals = values[found], residuals[found]
    order = np.argsort(-np.abs(values), kind="stable")
    real, imaginary = (
        np.where(np.abs(part) <= residuals, 0.0, part)[order]
        for part in (np.real(values), np.imag(values))
    )
    return real + 1j * imaginary


def _image(product: Callable[[Array], Array], n: int, products: int) -> tuple[Array, float]:
    """Vᵀ A V, V an orthonormal basis of v, A v, A² v, …, and the norm of what V lacks of A V."""
    basis, image = np.zeros((products, n)), np.zeros((products, products))
    direction = np.random.default_rng(0).normal(size=n)
    size = float(np.linalg.norm(direction))
    for k in range(products):
        basis[k] = direction / size
        direction = product(basis[k])
        scale = float(np.linalg.norm(direction))
        for _ in range(2):  # once leaves rounding that grows
            along = basis[: k + 1] @ direction
            direction = direction - along @ basis[: k + 1]
            image[: k + 1, k] += along
        size = float(np.linalg.norm(direction))
        if not np.isfinite(size) or size <= BREAKDOWN * scale:
            return image[: k + 1, : k + 1], 0.0
        if k + 1 < products:
            image[k + 1, k] = size
    return image, size
