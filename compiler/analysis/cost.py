"""What a network costs: evaluations of the field, floating-point operations, memory for backprop.

A product of matrices counts two operations per entry and column, every other operation one per
component, a function (tanh, …) too. The backward pass is counted as two forward passes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from .ir.expr import LEAVES, Expr, walk
from .ir.program import Program
from .passes import inline

BYTES = {"float32": 4, "float64": 8}


@dataclass(frozen=True)
class Cost:
    """Of one example and one gradient, unless said otherwise."""

    field_evaluations: int
    """NFE of a forward pass: every evaluation of a right-hand side of the whole state."""
    forward_flops: int
    gradient_flops: int
    activation_bytes: int
    """What backprop keeps of the trajectory, for each example."""
    weights: int
    weight_bytes: int
    """Numbers that are trained, and what they take in the spec's dtype."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def cost(program: Program) -> Cost:
    """The cost of a program."""
    step = list(walk(*inline.step(program).values()))
    start = list(walk(*inline.start(program).values()))
    around = [e for e in (program.lift, program.readout, program.loss) if e is not None]
    forward = program.steps * _flops(step) + _flops(start) + _flops(list(walk(*around)))
    size = BYTES[program.spec.dtype]
    kept = sum(prod(e.shape) for e in step if e.type.batched and e.op not in LEAVES)
    return Cost(
        field_evaluations=_evaluations(program),
        forward_flops=forward,
        gradient_flops=3 * forward,
        activation_bytes=program.steps * kept * size,
        weights=program.weight_count,
        weight_bytes=program.weight_count * size,
    )


def _evaluations(program: Program) -> int:
    """Rates of the block y: all blocks of a stage together are one evaluation of the field."""
    once = sum(
        e.attributes[0] == "y"
        for e in walk(*(u.value for u in program.step.start))
        if e.op == "rate"
    )
    lines = [*(u.value for u in program.step.lines), *program.step.results.values()]
    per_step = sum(e.attributes[0] == "y" for e in walk(*lines) if e.op == "rate")
    return program.steps * per_step + once


def _flops(nodes: list[Expr]) -> int:
    """Operations per example; what all examples share is not counted."""
    return sum(_flops_of(e) for e in nodes if e.type.batched and e.op not in LEAVES)


def _flops_of(e: Expr) -> int:
    if e.op == "matmul":
        return 2 * prod(e.args[0].shape)
    if e.op == "sum":
        return prod(e.args[0].shape)
    if e.op in ("rows", "pad", "append", "broadcast", "per_example"):
        return 0
    return prod(e.shape)
