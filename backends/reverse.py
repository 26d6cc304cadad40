"""The way of noise to data: what `sample` goes through, state by state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..compiler.ir.expr import Expr
from ..compiler.ir.module import Function
from .model import Array, Model, Weights

STEP, LAYER, REVERSE_LAYER = "reverse_step", "layer_weights", "reverse_layer_weights"


def noise_to_data(model: Model, weights: Weights, z: Array, parts: int) -> tuple[Array, Array]:
    """The states (K, s, n) of rows z of the base at times (K,) from T to 0, some `parts` of them
    evenly chosen."""
    module, z = model.module, np.asarray(z, model.dtype)
    if STEP not in module.functions:  # one solve, which is read anywhere
        times = np.linspace(module.horizon, 0, parts)
        return np.asarray(model.solve(weights, z, times), np.float64), times
    nodes = np.unique(np.linspace(0, module.steps, parts).round().astype(int))[::-1]
    return _Way(model, weights).states(z, nodes), nodes * module.h


@dataclass(frozen=True, eq=False)
class _Way:
    """Steps of −h from T to 0."""

    model: Any  # a Model whose functions can be called one by one
    weights: Weights

    def states(self, z: Array, nodes: Array) -> Array:
        """Rows at the beginnings of these steps, the last one first."""
        carry, found = self._called("initial_state", z), []
        for j in range(self.model.module.steps, -1, -1):
            if j in nodes:
                found.append(np.concatenate(carry).T)
            if j:
                carry = self._called(STEP, *carry, *self._given(j - 1))
        return np.stack(found).astype(np.float64)

    def _given(self, j: int) -> list[Array]:
        """What step j takes besides the states."""
        params = self._function(STEP).params
        time = [j * self.model.module.h] * any(p.name == "t" and not p.shape for p in params)
        last = [self.model.module.h] * any(p.name == "h" for p in params)
        return [*time, *(a[j] if e.type.path else a for e, a in self._layers), *last]

    @cached_property
    def _layers(self) -> list[tuple[Expr, Array]]:
        """What steps take of the weights, with the type of each."""
        functions = self.model.module.functions
        name = REVERSE_LAYER if REVERSE_LAYER in functions else LAYER
        if name not in functions:
            return []
        return list(zip(functions[name].values, self._called(name), strict=True))

    def _function(self, name: str) -> Function:
        return self.model.module.functions[name]

    def _called(self, name: str, *args: Any) -> list[Array]:
        given = [np.asarray(a, self.model.dtype) for a in args]
        return self.model.called(self._function(name), self.weights, given)
