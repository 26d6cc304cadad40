"""The reference: the program run by the meaning of its operations, in NumPy and float64.

Gradients are those of the IR's own derivative rules: the step is differentiated once as an
expression and run backwards over the stored states (discretise, then optimise).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .adjoint import ReferenceGradient
from .evaluate import Evaluator, evaluate
from .initial import initial_weights
from .ir.expr import Expr
from .ir.program import Operand, Program
from .passes import inline
from .passes.stack import stacked_definition

Array = NDArray[Any]
Weights = Mapping[str, Array]


class Reference:
    """The network in NumPy. Rows in, rows out; see the Model protocol for shapes."""

    backend = "numpy"
    source = ""

    def __init__(self, program: Program) -> None:
        self.program = program

    def init(self, seed: int | None = None) -> dict[str, Array]:
        drawn = initial_weights(self.program, seed)
        return {name: w.astype(self.program.spec.dtype) for name, w in drawn.items()}

    def forward(self, weights: Weights, x: Array) -> Array:
        """Logits (s, k); without a readout y(T) (s, n)."""
        final = self.run(weights, x)[-1]["y"]
        return self.logits(weights, final).T

    def trajectory(self, weights: Weights, x: Array) -> Array:
        """The stacked state (y, z) at t_0 … t_N: (N+1, s, n)."""
        states = self.run(weights, x)
        return np.stack([self._stacked(s).T for s in states])

    def vector_field(self, weights: Weights, t: float, y: Array) -> Array:
        """f(t, y), rows (s, n) in and out; y'' of a second-order field."""
        program = self.program
        values = self.operands_at(weights, t) | self._split(y) | {"t": np.asarray(t, np.float64)}
        rates = Evaluator(*(program.field[b] for b in program.blocks))(values)
        return np.concatenate(rates).T

    def regularizer(self, weights: Weights) -> float:
        values = {w.name: np.asarray(weights[w.name]) for w in self.program.weights}
        return _number(sum(evaluate(p.value, values) for p in self.program.penalties))

    def loss(self, weights: Weights, x: Array, targets: Array) -> float:
        """Mean loss of the examples plus the regularizers."""
        logits = self.forward(weights, x).T
        C = self.targets(targets, logits.dtype)
        return _number(self._loss_of(logits, C).mean() + self.regularizer(weights))

    def targets(self, targets: Array, dtype: Any = np.float64) -> Array:
        """Targets as columns: integer classes become one-hot columns."""
        targets = np.asarray(targets)
        if targets.ndim == 1:
            return np.eye(self.program.outputs, dtype=dtype)[:, targets]
        return targets.T.astype(dtype)

    def gradient(self, weights: Weights, x: Array, targets: Array) -> dict[str, Array]:
        """∂ loss / ∂ θ for every raw weight, shaped like it."""
        return self._gradient(weights, x, targets)

    @cached_property
    def _gradient(self) -> ReferenceGradient:
        return ReferenceGradient(self)

    @cached_property
    def definitions(self) -> dict[tuple[Operand, str], Expr]:
        """Operand and node → the operand of all steps in terms of the raw stack."""
        p = self.program
        return {(o, node): stacked_definition(p, o, node) for o, node in p.layer}

    @cached_property
    def _step(self) -> Evaluator:
        return Evaluator(*inline.step(self.program).values())

    @cached_property
    def _start(self) -> Evaluator:
        return Evaluator(*inline.start(self.program).values())

    @cached_property
    def _loss_of_logits(self) -> Evaluator:
        assert self.program.loss is not None
        return Evaluator(self.program.loss)

    def run(self, weights: Weights, x: Array) -> list[dict[str, Array]]:
        """All states at t_0 … t_N, as columns."""
        p = self.program
        stacks = self.operand_stacks(weights)
        state = self._initial_state(weights, x, stacks)
        states = [state]
        for j in range(p.steps):
            values = state | self.layer(stacks, j) | {"t": self.time(j)}
            state = dict(zip(p.states, self._step(values), strict=True))
            states.append(state)
        return states

    def _initial_state(
        self, weights: Weights, x: Array, stacks: dict[str, Array]
    ) -> dict[str, Array]:
        p = self.program
        y = evaluate(p.lift, {"x": columns(x), **self.whole(weights)})
        zeros = {n: np.zeros((d, y.shape[1]), y.dtype) for n, d in p.blocks.items() if n != "y"}
        state = {"y": y, **zeros}
        if p.step.start:
            values = state | self.layer(stacks, 0) | {"t": self.time(0)}
            names = [u.name for u in p.step.start]
            state |= dict(zip(names, self._start(values), strict=True))
        return {name: state[name] for name in p.states}

    def operand_stacks(self, weights: Weights) -> dict[str, Array]:
        """Stage name → the operand of all steps (one when shared), vectors as columns."""
        stacks: dict[str, Array] = {}
        for (operand, node), definition in self.definitions.items():
            raw = operand.raw.name
            value = evaluate(definition, {raw: _float(weights[raw])})
            vector = len(definition.shape) == 1
            stacks[self.program.stage_name(operand, node)] = value[..., None] if vector else value
        return stacks

    def operands_at(self, weights: Weights, t: float) -> dict[str, Array]:
        """The operands at any time t: weight j for t_j ≤ t < t_{j+1}, interpolated for linear."""
        p = self.program
        values: dict[str, Array] = {}
        for o in p.operands:
            raw = self._raw_at(_float(weights[o.raw.name]), t) if o.raw.stacked else None
            raw = _float(weights[o.raw.name]) if raw is None else raw
            value = evaluate(o.definition, {o.raw.name: raw})
            values[o.name] = value[:, None] if len(o.variable.shape) == 1 else value
        return values

    def _raw_at(self, stack: Array, t: float) -> Array:
        j, theta = locate(t, self.program.h, self.program.steps)
        if self.program.mode == "linear":
            return (1 - theta) * stack[j] + theta * stack[j + 1]
        return stack[j]

    def layer(self, stacks: dict[str, Array], j: int) -> dict[str, Array]:
        return stacks if self.program.mode == "shared" else {n: s[j] for n, s in stacks.items()}

    def time(self, j: int) -> Array:
        return np.asarray(j * self.program.h)

    def logits(self, weights: Weights, y: Array) -> Array:
        if self.program.readout is None:
            return y
        return evaluate(self.program.readout, {"y": y, **self.whole(weights)})

    def _loss_of(self, logits: Array, C: Array) -> Array:
        return self._loss_of_logits({"x": logits, "C": C})[0]

    def whole(self, weights: Weights) -> dict[str, Array]:
        """Weights without a time axis (readout, lift), vectors as columns."""
        whole = (w for w in self.program.weights if not w.stacked)
        return {w.name: _column(_float(weights[w.name])) for w in whole}

    def _split(self, y: Array) -> dict[str, Array]:
        parts, at = {}, 0
        for name, n in self.program.blocks.items():
            parts[name], at = columns(y)[at : at + n], at + n
        return parts

    def _stacked(self, state: dict[str, Array]) -> Array:
        return np.concatenate([state[name] for name in self.program.blocks])


def locate(t: float, h: float, steps: int) -> tuple[int, float]:
    """The step j with t_j ≤ t < t_{j+1} and the place of t in it, 0 ≤ θ ≤ 1.

    A time that is t_j but for rounding counts as t_j.
    """
    j = min(max(int(np.floor(t / h + 1e-9)), 0), steps - 1)
    return j, t / h - j


def columns(x: Array) -> Array:
    return _float(x).T


def _float(x: Array) -> Array:
    """float64, or complex128 for complex-step differentiation."""
    x = np.asarray(x)
    return x.astype(np.result_type(x.dtype, np.float64), copy=False)


def _column(x: Array) -> Array:
    return x[:, None] if x.ndim == 1 else x


def _number(x: Any) -> Any:
    """A Python float (a complex number stays one)."""
    return np.asarray(x).item()
