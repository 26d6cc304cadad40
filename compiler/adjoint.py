"""Gradients of the reference, by the IR's own derivative rules.

The step is differentiated once as an expression and run backwards over the stored states
(discretise, then optimise); then through the parametrizations and the lift.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..spec.model import LinearLift
from .evaluate import Evaluator, evaluate, rounded
from .ir.expr import Expr, variable
from .passes import inline
from .passes.derive import by_use, gradient, vjp

if TYPE_CHECKING:
    from .reference import Reference

Array = NDArray[Any]
Weights = Mapping[str, Array]

BAR = "\u0304"
"""What stands before the name of a cotangent: a letter that no weight's name has."""


class ReferenceGradient:
    """The gradient of a reference's loss: call it with weights, features and targets."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.program = reference.program

    def __call__(self, weights: Weights, x: Array, targets: Array) -> dict[str, Array]:
        """∂ loss / ∂ θ for every raw weight, shaped like it."""
        states = self.reference.run(weights, x)
        total = self._penalty_gradient(weights)
        y_bar, readout = self._objective_gradient(weights, states[-1]["y"], targets)
        _accumulate(total, readout)
        _accumulate(total, self._trajectory_gradient(weights, x, states, y_bar))
        shapes = {w.name: w.shape for w in self.program.weights}
        return {name: np.asarray(total[name]).reshape(shapes[name]) for name in shapes}

    def _objective_gradient(
        self, weights: Weights, y: Array, targets: Array
    ) -> tuple[Array, dict[str, Array]]:
        """Cotangents of y(T) and of the readout's weights."""
        p = self.program
        assert p.readout is not None and p.loss is not None
        logits = self.reference.logits(weights, y)
        seed = np.full((1, y.shape[1]), 1 / y.shape[1])
        values = {"x": logits, "C": self.reference.targets(targets, logits.dtype), BAR: seed}
        x_bar = self._loss_gradient(values)[0]
        W, mu = (w.variable for w in p.weights[-2:])
        parts = self._readout_gradient({"y": y, BAR: x_bar, **self.reference.whole(weights)})
        return parts[0], {str(v.attributes[0]): g for v, g in zip((W, mu), parts[1:], strict=True)}

    def _trajectory_gradient(
        self, weights: Weights, x: Array, states: list[dict[str, Array]], y_bar: Array
    ) -> dict[str, Array]:
        """The step's adjoint from t_N to t_0, then through the parametrizations and the lift."""
        p = self.program
        stacks = self.reference.operand_stacks(weights)
        bars = {n: np.zeros_like(stack, dtype=y_bar.dtype) for n, stack in stacks.items()}
        bar = {n: np.zeros_like(states[-1][n]) for n in p.states} | {"y": y_bar}
        for j in reversed(range(p.steps)):
            values = states[j] | self.reference.layer(stacks, j) | {"t": self.reference.time(j)}
            seeds = {f"{BAR}{n}": bar[n] for n in p.states}
            bar = self._pull(self._step_adjoint, values | seeds, bars, j, bar)
        if p.step.start:
            values = states[0] | self.reference.layer(stacks, 0) | {"t": self.reference.time(0)}
            seeds = {f"{BAR}{u.name}": bar[u.name] for u in p.step.start}
            below = self._pull(self._start_adjoint, values | seeds, bars, 0, bar)
            bar = {"y": bar["y"] + below["y"]}
        total = self._definition_gradient(weights, bars)
        _accumulate(total, self._lift_gradient(weights, x, bar["y"]))
        return total

    def _pull(
        self,
        adjoint: _Adjoint,
        values: dict[str, Array],
        bars: dict[str, Array],
        j: int,
        like: dict[str, Array],
    ) -> dict[str, Array]:
        """Cotangents of the states before; those of the operands are added to their stacks."""
        found = adjoint(values)
        for name, stack in bars.items():
            if name in found:
                at = ... if self.program.mode == "shared" else j
                stack[at] += found[name].reshape(np.shape(stack[at]))
        return {n: found.get(n, np.zeros_like(like[n])) for n in self.program.states if n in like}

    def _definition_gradient(self, weights: Weights, bars: dict[str, Array]) -> dict[str, Array]:
        """From the operands of all steps to the stacks of raw weights.

        Use by use, as a program adds them up in any order, and a penalty's slope between them: of
        K = W − Wᵀ with one component it sees ± the same number, in which a small slope is lost.
        """
        total: dict[str, Array] = {}
        for (operand, node), definition in self.reference.definitions.items():
            name = self.program.stage_name(operand, node)
            seed = variable(BAR, definition.shape, stacked=definition.type.stacked)
            raw = operand.raw
            (parts,) = by_use([(definition, seed)], [raw.stack])
            bar = bars[name].reshape(_without_column(bars[name], definition))
            values = {raw.name: np.asarray(weights[raw.name]), BAR: bar}
            for part in parts:
                _accumulate(total, {raw.name: rounded(evaluate(part, values))})
        return total

    def _penalty_gradient(self, weights: Weights) -> dict[str, Array]:
        values = {w.name: np.asarray(weights[w.name]) for w in self.program.weights}
        total = {
            name: np.zeros_like(w, dtype=np.result_type(w, np.float64))
            for name, w in values.items()
        }
        stacks = [w.stack for w in self.program.weights]
        one = variable(BAR)
        for penalty in self.program.penalties:
            parts = gradient(penalty.value, stacks, one)
            for w, part in zip(self.program.weights, parts, strict=True):
                if part is not None:
                    total[w.name] = total[w.name] + evaluate(part, values | {BAR: np.asarray(1.0)})
        return total

    def _lift_gradient(self, weights: Weights, x: Array, y_bar: Array) -> dict[str, Array]:
        p = self.program
        if not isinstance(p.spec.model.lift, LinearLift):
            return {}
        L = p.weight("L").variable
        (found,) = gradient(p.lift, [L], variable(BAR, p.lift.shape, batched=True))
        assert found is not None
        return {
            "L": evaluate(
                found, {"x": np.asarray(x).T, BAR: y_bar, **self.reference.whole(weights)}
            )
        }

    @cached_property
    def _step_adjoint(self) -> _Adjoint:
        return _Adjoint(inline.step(self.program), self._arguments())

    @cached_property
    def _start_adjoint(self) -> _Adjoint:
        return _Adjoint(inline.start(self.program), self._arguments())

    def _arguments(self) -> list[Expr]:
        """The variables that a step is differentiated by: states and operands."""
        p = self.program
        n = p.blocks["y"]
        states = [variable(s, (p.blocks.get(s, n),), batched=True) for s in p.states]
        operands = [variable(p.stage_name(o, node), o.variable.shape) for o, node in p.layer]
        return [*states, *operands]

    @cached_property
    def _loss_gradient(self) -> Evaluator:
        p = self.program
        assert p.loss is not None
        x = variable("x", (p.outputs,), batched=True)
        parts = gradient(p.loss, [x], variable(BAR, (), batched=True))
        return Evaluator(*(part for part in parts if part is not None))

    @cached_property
    def _readout_gradient(self) -> Evaluator:
        p = self.program
        assert p.readout is not None
        wrt = [variable("y", (p.blocks["y"],), batched=True), *(w.variable for w in p.weights[-2:])]
        parts = gradient(p.readout, wrt, variable(BAR, p.readout.shape, batched=True))
        return Evaluator(*(part for part in parts if part is not None))


class _Adjoint:
    """Reverse differentiation of several outputs by the variables they depend on."""

    def __init__(self, outputs: dict[str, Expr], wrt: list[Expr]) -> None:
        seeds = [(e, variable(f"{BAR}{n}", e.shape, batched=True)) for n, e in outputs.items()]
        parts = zip(wrt, vjp(seeds, wrt), strict=True)
        found = [(str(v.attributes[0]), part) for v, part in parts if part is not None]
        self.names = [name for name, _ in found]
        self.evaluator = Evaluator(*(part for _, part in found))

    def __call__(self, values: dict[str, Array]) -> dict[str, Array]:
        return dict(zip(self.names, self.evaluator(values), strict=True))


def _without_column(stack: Array, definition: Expr) -> tuple[int, ...]:
    """The shape of a stack as the raw weights have it: vectors without their column axis."""
    return stack.shape[:-1] if len(definition.shape) == 1 else stack.shape


def _accumulate(total: dict[str, Array], more: Mapping[str, Array]) -> None:
    for name, value in more.items():
        known = total.get(name)
        total[name] = value if known is None else known + value.reshape(known.shape)
