"""Initial weights: one random generator per weight, drawn by NumPy.

The emitted programs make the same calls (`backends/initial.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...spec.initializers import Argument, Random
from ..ir.problem import RawWeight

Floats = NDArray[np.float64]


def initial_weights(weights: Iterable[RawWeight], seed: int) -> dict[str, Floats]:
    """Weights by name, float64, to be read only: what all steps begin with is held once."""
    return {w.name: _initial(w, generator(seed, w.name)) for w in weights}


def generator(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: no weight's numbers depend on another's."""
    return np.random.default_rng([seed, *name.encode()])


def deviation(weight: RawWeight) -> float:
    """1/√(fan-in); 1 for a number."""
    return 1.0 if weight.fan_in is None else float(weight.fan_in.value**-0.5)


def is_drawn_at_once(weight: RawWeight) -> bool:
    """Does one call make the whole weight, rather than that of a step, which is repeated?"""
    initializer = weight.initializer
    if not weight.nodes or initializer.is_plain:
        return True
    if isinstance(initializer, Random):
        return not initializer.repeat
    call = initializer.draw()
    return call.function == "array" and np.shape(call.arguments[0]) == weight.shape


def _initial(weight: RawWeight, rng: np.random.Generator) -> Floats:
    call = weight.initializer.draw()
    shape = weight.shape if is_drawn_at_once(weight) else weight.step_shape
    arguments = [_value(a, weight, shape) for a in call.arguments]
    owner = rng if isinstance(weight.initializer, Random) else np
    value = call.scale * getattr(owner, call.function)(*arguments)
    return np.broadcast_to(np.asarray(value, np.float64), weight.shape)


def _value(argument: Any, weight: RawWeight, shape: tuple[int, ...]) -> Any:
    if not isinstance(argument, Argument):
        return argument
    known = {"shape": shape, "deviation": deviation(weight)}
    if len(weight.step_shape) == 2:
        known |= dict(zip(("rows", "columns"), weight.step_shape, strict=True))
    return known[argument.name]
