"""The reference: a module run by the interpreter, in NumPy and float64. Rows in, rows out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir.module import Function, Module
from ..passes.adjoint import LOSS_GRADIENT, with_loss_gradient, with_pullback
from ..passes.reversed_scan import Keep
from ..semantics.interpreter import Interpreter
from .initial import initial_weights

Array = NDArray[Any]
Weights = Mapping[str, Array]


class Reference:
    """The network in NumPy; see the Model protocol for shapes. `keep` is what its gradient keeps of
    the states."""

    def __init__(self, module: Module, keep: Keep = Keep.STATES) -> None:
        self.module, self.keep = module, keep

    def init(self, seed: int | None = None) -> dict[str, Array]:
        """Initial weights in the module's dtype."""
        drawn = initial_weights(self.module.weights, self.module.seed if seed is None else seed)
        return {name: w.astype(self.module.dtype) for name, w in drawn.items()}

    def forward(self, weights: Weights, x: Array, *given: Array) -> Array:
        """Logits (s, k); without a readout y(T) (s, n). Of series x are values (L, s, c), followed
        by times and grid, and the predictions are like the values."""
        return self._run("forward", weights, x, *given)

    def trajectory(self, weights: Weights, x: Array) -> Array:
        """The stacked state (y, z) at t_0 … t_N: (N+1, s, n)."""
        return self._run("trajectory", weights, x)

    def solve(self, weights: Weights, x: Array, times: Array) -> Array:
        """The stacked state at any times, of an adaptive method with shared weights."""
        return self._run("solve", weights, x, times)

    def vector_field(self, weights: Weights, t: float, y: Array) -> Array:
        """f(t, y), rows (s, n) in and out; y'' of a second-order field."""
        return self._run("vector_field", weights, t, y)

    def log_density(self, weights: Weights, x: Array, *probes: Array) -> Array:
        """log p of rows (s,), of a flow."""
        return self._run("log_density", weights, x, *probes)

    def free_energy(self, weights: Weights, x: Array, *probes: Array) -> Array:
        """log q(y(0)) + U(y(0)) of rows of the base (s,), of a flow with a target."""
        return self._run("free_energy", weights, x, *probes)

    def path_penalty(self, weights: Weights, x: Array, *probes: Array) -> Array:
        """What regularizers along the path add to the loss, row by row (s,)."""
        return self._run("path_penalty", weights, x, *probes)

    def divergence(self, weights: Weights, t: float, y: Array, *probes: Array) -> Array:
        """tr ∂f/∂y of stacked states (s,), of a flow."""
        return self._run("divergence", weights, t, y, *probes)

    def sample(self, weights: Weights, z: Array) -> Array:
        """Rows of the base as rows of the data (s, n), of a flow."""
        return self._run("sample", weights, z)

    def regularizer(self, weights: Weights) -> Any:
        """R(θ), a number; 0 without regularizers."""
        return self._run("regularizer", weights).item() if self.module.has_penalties else 0.0

    def loss(self, weights: Weights, x: Array, *given: Array) -> Any:
        """Mean loss of the examples plus the regularizers, a number. `given` are targets, where
        there are some, and the random vectors of an estimate."""
        return self._run("loss", weights, x, *given).item()

    def gradient(self, weights: Weights, x: Array, *given: Array) -> dict[str, Array]:
        """∂ loss / ∂ θ for every raw weight that is trained, shaped like it."""
        args = [*map(_double, (x, *given)), np.asarray(1.0)]
        _, *found = self._gradient.run(LOSS_GRADIENT, args, _doubles(weights))
        return {w.name: g for w, g in zip(self.module.trained, found, strict=True)}

    @cached_property
    def _interpreter(self) -> Interpreter:
        return Interpreter(self.module)

    @cached_property
    def _gradient(self) -> Interpreter:
        return Interpreter(with_loss_gradient(self.module, self.keep))

    def run(self, function: str, weights: Weights, *args: Any) -> list[Array]:
        """All results of any function of the module."""
        return self._interpreter.run(function, [_double(a) for a in args], _doubles(weights))

    def pulled(
        self, function: Function, weights: Weights, args: Sequence[Array], bars: Sequence[Array]
    ) -> tuple[list[Array], dict[str, Array]]:
        """Reverse mode through a function: cotangents of the arguments that are real numbers, and
        of the weights that it uses."""
        given = [_double(a) for a in args]
        pairs = enumerate(zip(function.params, given, strict=True))
        wanted = tuple(
            i for i, (p, a) in pairs if a.dtype.kind == "f" and p not in function.numbers
        )
        module, name = with_pullback(self.module, function.name, wanted)
        run, held = Interpreter(module), _doubles(weights)
        found = run.run(name, [*given, *map(_double, bars)], held)
        names = (r.by for r in module.functions[name].results)
        named = list(zip(names, found, strict=True))[len(wanted) :]
        return found[: len(wanted)], dict(named)

    def _run(self, function: str, weights: Weights, *args: Any) -> Array:
        (value,) = self.run(function, weights, *args)
        return np.asarray(value)


def _doubles(weights: Weights) -> dict[str, Array]:
    return {name: _double(w) for name, w in weights.items()}


def _double(x: Any) -> Array:
    """float64, or complex128 for complex-step differentiation; classes stay integers."""
    x = np.asarray(x)
    if x.dtype.kind in "iu" and x.ndim == 1:
        return x
    return x.astype(np.result_type(x.dtype, np.float64), copy=False)
