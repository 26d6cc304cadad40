"""Initial weights: one stream of random numbers per weight, drawn by NumPy.

The emitted programs draw the same numbers by the same calls (`backends/emit_init.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..spec.initializers import Constant, Identity, Initializer, Normal, Random, Uniform, Values
from .ir.expr import Shape
from .ir.program import Program, RawWeight

Floats = NDArray[np.float64]


def initial_weights(program: Program, seed: int | None = None) -> dict[str, Floats]:
    """Weights by name, float64; `seed` defaults to the spec's."""
    seed = program.spec.seed if seed is None else seed
    return {w.name: _initial(w, stream(seed, w.name)) for w in program.weights}


def stream(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: no weight's numbers depend on another's."""
    return np.random.default_rng([seed, *name.encode()])


def standard_deviation(initializer: Normal, shape: Shape) -> float:
    """The stated one, or 1/√(columns)."""
    if initializer.std is not None:
        return initializer.std
    return float(shape[-1] ** -0.5) if shape else 1.0


def drawn_shape(weight: RawWeight) -> Shape:
    """What one draw fills: a step's weight, or the whole stack where it is not repeated."""
    initializer = weight.initializer
    repeats = not isinstance(initializer, Random) or initializer.repeat
    return weight.step_shape if repeats else weight.shape


def _initial(weight: RawWeight, rng: np.random.Generator) -> Floats:
    value = _value(weight.initializer, drawn_shape(weight), rng)
    return np.array(np.broadcast_to(value, weight.shape), dtype=np.float64)


def _value(initializer: Initializer, shape: Shape, rng: np.random.Generator) -> Floats:
    match initializer:
        case Constant():
            return np.full(shape, float(initializer.value))
        case Identity():
            return initializer.scale * np.eye(shape[0], shape[1])
        case Normal():
            return rng.normal(initializer.mean, standard_deviation(initializer, shape), shape)
        case Uniform():
            return rng.uniform(initializer.low, initializer.high, shape)
        case Values():
            return np.asarray(initializer.values, dtype=np.float64)
        case _:
            return np.zeros(shape)
