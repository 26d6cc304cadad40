"""`solve` of every model: the states at any times, read from what its program computes.

An adaptive program with shared weights has a `solve` of its own. Of the others the program's steps
are taken: between two of them a fixed-step method has the cubic Hermite polynomial of states and
slopes (Hairer, Nørsett & Wanner, "Solving Ordinary Differential Equations I", II.6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.ir.expr import Expr, constant, rewrite, variables
from ..compiler.ir.module import Module, Role, solve_of
from ..compiler.passes.rewriting import with_expressions
from .model import ArgumentError, Array, Weights
from .registry import get

if TYPE_CHECKING:
    from .checked_model import CheckedModel

MOST_STEPS = 1_000_000
"""Steps of a fixed-step method from the first time to the last."""
CLOSE = 1e-9
"""A time this part of a step before a node is the node."""
STEP = "H"


def solution(model: CheckedModel, weights: Weights, x: Array, times: Array) -> Array:
    """The stacked states (L, s, n). Raises ArgumentError."""
    module = model.module
    if module.is_staggered:
        raise ArgumentError(
            "the method has position and momentum at different times: take kick-drift-kick or a "
            "Runge–Kutta method to solve for both at one time"
        )
    in_time = any(w.nodes for w in module.weights)
    if in_time:
        _check_within(module, times)
    if len(times) == 1:
        return model.array("trajectory", weights, x)[:1]
    if "solve" in module.functions:
        return model.array("solve", weights, x, times.astype(model.dtype))
    way = _InTime if in_time else _Shared
    return way(model, weights, x, times).states()


def _check_within(module: Module, times: Array) -> None:
    T = module.horizon
    if times[0] != 0:
        raise ArgumentError(f"with weights in time a solve starts at 0, not at {times[0]:g}")
    for i, t in enumerate(times):
        if not 0 <= t <= T * (1 + CLOSE):
            raise ArgumentError(f"with weights in time times lie in [0, {T:g}], times[{i}] = {t:g}")


@dataclass(frozen=True, eq=False)
class _Way:
    """The way of a solve: the states at its nodes, and between them."""

    model: Any  # a CheckedModel whose functions can be called one by one
    weights: Weights
    x: Array
    times: Array

    @property
    def module(self) -> Module:
        return self.model.module

    @property
    def h(self) -> float:
        return self.module.h

    def states(self) -> Array:
        """At all times."""
        return np.stack([self.within(j, at) if at else self.nodes[j] for j, at in self.places])

    @property
    def nodes(self) -> Mapping[int, Array] | Array:
        """The rows of states at the beginnings of steps that are asked for."""
        raise NotImplementedError

    def within(self, j: int, at: float) -> Array:
        """Those a part `at` of a step behind its beginning."""
        raise NotImplementedError

    @cached_property
    def places(self) -> list[tuple[int, float]]:
        """The step of every time, and which part of it lies before the time."""
        found = (self.times - self.times[0]) / self.h
        nodes = np.rint(found)
        found = np.where(np.abs(found - nodes) < CLOSE, nodes, found)
        return [(int(at), float(at - int(at))) for at in found]

    def called(self, name: str, *args: Any) -> list[Array]:
        given = [np.asarray(a, self.model.dtype) for a in args]
        return self.model.called(self.module.functions[name], self.weights, given)

    @cached_property
    def layers(self) -> list[tuple[Expr, Array]]:
        """What steps take of the weights, with the type of each."""
        function = self.module.functions.get("layer_weights")
        if function is None:
            return []
        return list(zip(function.values, self.called(function.name), strict=True))

    def layer(self, j: int) -> list[Array]:
        """The weights of a step."""
        return [a[j] if e.type.path else a for e, a in self.layers]

    @property
    def takes_time(self) -> bool:
        """Is the step of this program given its time?"""
        return any(p.name == "t" and not p.shape for p in self.module.functions["step"].params)

    def between(self, left: Array, right: Array, slopes: tuple[Array, Array], at: float) -> Array:
        """The cubic Hermite polynomial, a part `at` of the step behind its beginning."""
        f, g = (self.h * slope for slope in slopes)
        rise = right - left
        bend = (1 - 2 * at) * rise + (at - 1) * f + at * g
        return (1 - at) * left + at * right + at * (at - 1) * bend


class _Shared(_Way):
    """Steps of ±h from the first time on, as many as the last time asks for."""

    @cached_property
    def h(self) -> float:
        return self.module.h if self.times[-1] > self.times[0] else -self.module.h

    def states(self) -> Array:
        last = self.places[-1][0] + 1
        if last > MOST_STEPS:
            raise ArgumentError(f"{last:,} steps of h = {self.h:.3g}: at most {MOST_STEPS:,}")
        return super().states()

    @cached_property
    def nodes(self) -> dict[int, Array]:
        wanted = {i for j, at in self.places for i in ((j, j + 1) if at else (j,))}
        steps = self if self.h > 0 else replace(self, model=_backwards(self.model))
        carry, found = self.called("initial_state", self.x), {}
        for i in range(max(wanted) + 1):
            if i in wanted:
                found[i] = np.concatenate(carry).T
            if i < max(wanted):
                time = [self.times[0] + i * self.h] * self.takes_time
                carry = steps.called("step", *carry, *time, *self.layer(0))
        return found

    def within(self, j: int, at: float) -> Array:
        left, right = self.nodes[j], self.nodes[j + 1]
        return self.between(left, right, (self._slope(j, left), self._slope(j + 1, right)), at)

    def _slope(self, i: int, y: Array) -> Array:
        return self.model.vector_field(self.weights, self.times[0] + i * self.h, y)


def _backwards(model: CheckedModel) -> CheckedModel:
    """The same program with steps of −h."""
    backend = get(model.backend)
    if not backend.is_reference and model.source != backend.emit(model.module):
        raise ArgumentError("a program that is not as it was compiled is solved forwards only")
    module = _with_steps_back(model.module)
    source = "" if backend.is_reference else backend.emit(module)
    return backend.load(module, source, model.device, model.dtype)  # pyright: ignore[reportReturnType]


def _with_steps_back(module: Module) -> Module:
    def rule(node: Expr) -> Expr:
        is_step = node.op == "constant" and node.attributes[1] == STEP
        return constant(-module.h, STEP) if is_step else node

    turned = with_expressions(module, lambda e: rewrite(e, rule))
    return replace(turned, h=-module.h, horizon=-module.horizon)


class _InTime(_Way):
    """The trajectory, and from its nodes on the weights of their steps."""

    @cached_property
    def nodes(self) -> Array:
        return self.model.array("trajectory", self.weights, self.x)

    def within(self, j: int, at: float) -> Array:
        if solve_of(self.module) is not None:
            return self._by_solver(j, at)
        left, right = self.nodes[j], self.nodes[j + 1]
        slopes = (
            self.model.vector_field(self.weights, j * self.h, left),
            self._slope_at_end(j, right),
        )
        return self.between(left, right, slopes, at)

    def _by_solver(self, j: int, at: float) -> Array:
        """A shorter solve from the node on."""
        time = [j * self.h] * self.takes_time
        (state,) = self.called("step", self.nodes[j].T, *time, *self.layer(j), at * self.h)
        return state.T

    def _slope_at_end(self, j: int, y: Array) -> Array:
        """At the end of a step, by the weights of that step."""
        t, blocks = (j + 1) * self.h, self.module.signature.blocks
        bounds = np.cumsum([0, *blocks.values()])
        values = {"t": np.asarray(t, self.model.dtype)} | self._layer_at_end(j)
        parts = zip(blocks, pairwise(bounds), strict=True)
        values |= {name: y[:, start:stop].T for name, (start, stop) in parts}
        return np.concatenate([self._slope_of(name, values, y) for name in blocks], axis=1)

    def _slope_of(self, block: str, values: Mapping[str, Array], y: Array) -> Array:
        fields = self.module.of_role(Role.FIELD)
        function = next(f for f in fields if f.subject == block)
        (slope,) = self.called(function.name, *(values[p.name] for p in function.params))
        return np.broadcast_to(slope, (self.module.signature.blocks[block], len(y))).T

    def _layer_at_end(self, j: int) -> dict[str, Array]:
        """Weights that are linear in time at t_{j+1}, those of the step as they are within it."""
        function = self.module.functions["weights_at"]
        within, end = (self.called(function.name, (j + part) * self.h) for part in (0.5, 1))
        return {
            r.name: b if any(v.name == "theta" for v in variables(r.value)) else a
            for r, a, b in zip(function.results, within, end, strict=True)
        }
