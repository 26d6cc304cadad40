"""The steps of a discrete flow undone, one by one, by Newton's method in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir.module import Module
from .reference import Reference

Array = NDArray[Any]
TOLERANCE = 1e-10
"""Of the largest component of a row, relative to its own size where that is above 1."""
MOST, HALVINGS, EPSILON = 100, 30, 1e-30
"""Newton steps, and halvings of one of them; the imaginary step of a derivative, whose square is
nothing beside 1."""


class NotInvertible(Exception):
    """A row at which a step cannot be undone."""


def undone(module: Module, weights: Mapping[str, Array], x: Array) -> Array:
    """Where rows x (s, n) come from by all steps. Raises NotInvertible with step and row."""
    return undone_path(module, weights, x)[-1]


def undone_path(module: Module, weights: Mapping[str, Array], x: Array) -> Array:
    """The rows x, and what they are behind every step that is undone: (N + 1, s, n)."""
    reference, name = Reference(module), module.undone
    layers = _layers(reference, name, weights)
    order = range(module.steps) if name == "reverse_step" else reversed(range(module.steps))
    path = [np.asarray(x, np.float64).T]
    for j in order:
        step = _step(reference, name, j, [a[j] if is_along else a for a, is_along in layers])
        path.append(_undone(step, path[-1], j))
    return np.stack(path).swapaxes(1, 2)


def _layers(
    reference: Reference, name: str, weights: Mapping[str, Array]
) -> list[tuple[Array, bool]]:
    """What steps take of the weights, and whether there is one for every step."""
    functions = reference.module.functions
    own = "reverse_layer_weights"
    own = own if name == "reverse_step" and own in functions else "layer_weights"
    if own not in functions:
        return []
    found = reference.run(own, weights)
    return [(a, bool(e.type.path)) for e, a in zip(functions[own].values, found, strict=True)]


def _step(reference: Reference, name: str, j: int, layer: list[Array]) -> Callable[[Array], Array]:
    """Step j as a map of columns (n, s)."""
    params = reference.module.functions[name].params
    time = [np.asarray(j * reference.module.h)] * any(p.name == "t" and not p.shape for p in params)

    def step(y: Array) -> Array:
        with np.errstate(all="ignore"):
            return reference.run(name, {}, y, *time, *layer)[0]

    return step


def _undone(step: Callable[[Array], Array], goal: Array, j: int) -> Array:
    """Damped Newton: a step is halved until the residual is smaller."""
    y, size = goal.copy(), np.maximum(np.abs(goal).max(axis=0), 1)
    left = step(y) - goal
    for _ in range(MOST):
        if (_largest(left) <= TOLERANCE * size).all():
            return y
        y, left = _newton(step, goal, y, left)
    row = int(np.argmax(_largest(left) / size))
    at = ", ".join(f"{v:.4g}" for v in goal[:, row])
    raise NotInvertible(f"step {j + 1} cannot be undone at row {row}, ({at})")


def _newton(
    step: Callable[[Array], Array], goal: Array, y: Array, left: Array
) -> tuple[Array, Array]:
    down = _solved(_jacobian(step, y), left)
    share = np.ones(y.shape[1])
    for _ in range(HALVINGS):
        trial = y - share * down
        found = step(trial) - goal
        is_worse = ~(np.linalg.norm(found, axis=0) < np.linalg.norm(left, axis=0))
        is_worse &= _largest(left) > 0
        if not is_worse.any():
            break
        share = np.where(is_worse, share / 2, share)
    return np.where(is_worse, y, trial), np.where(is_worse, left, found)


def _jacobian(step: Callable[[Array], Array], y: Array) -> Array:
    """The derivative of every column, (s, n, n), by a complex step."""
    n = len(y)
    columns = [np.imag(step(y + 1j * EPSILON * np.eye(n)[:, [i]])) / EPSILON for i in range(n)]
    return np.stack(columns, axis=-1).swapaxes(0, 1)


def _solved(matrices: Array, right: Array) -> Array:
    """Of singular ones what least squares say."""
    with np.errstate(all="ignore"):
        return np.einsum("sij,js->is", np.linalg.pinv(matrices), right)


def _largest(columns: Array) -> Array:
    return np.abs(columns).max(axis=0)
