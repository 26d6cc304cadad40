"""Derivatives of a target's value: by a difference quotient, and by the compiler's own rules.

What is differentiated is the sum of squares of all numbers that a function gives, in one direction.
The quotient knows no rule; where the two differ, the reference's gradient is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ...compiler.evaluate import evaluate
from ...compiler.ir.expr import Expr, variable, walk
from ...compiler.ir.program import Program
from ...compiler.promises.checked import value_checked
from ...compiler.passes.derive import vjp
from ..compare import Array

MOVE = 1e-5
"""Half the width of the quotient, which is then right to about 1e-10."""
Arrays = Mapping[str, Array]
Value = Callable[[Arrays, Sequence[Array]], Sequence[Array]]
"""(weights, inputs) → the arrays that the reference gives."""
Rule = Callable[[Arrays, Sequence[Array], str, Array], float]
"""(weights, inputs, name, direction) → the derivative by the rules."""


def flat(values: Sequence[Array]) -> Array:
    """All numbers of several arrays in a row."""
    return np.concatenate([np.ravel(np.asarray(v, np.float64)) for v in values])


def quotient(
    value: Value, weights: Arrays, inputs: Mapping[str, Array], by: str, v: Array
) -> float:
    """(φ(θ + εv) − φ(θ − εv)) / 2ε, φ the sum of squares."""

    def squares(move: Array) -> float:
        moved = {n: w + move if n == by else w for n, w in weights.items()}
        shifted = [a + move if n == by else a for n, a in inputs.items()]
        return float(np.square(flat(value(moved, shifted))).sum())

    return (squares(MOVE * v) - squares(-MOVE * v)) / (2 * MOVE)


def by_rules(roots: Sequence[Expr], names: Sequence[str]) -> Rule:
    """Of expressions of the inputs: Σ <2 root, (∂root/∂by) v>."""

    def rule(weights: Arrays, inputs: Sequence[Array], by: str, v: Array) -> float:
        values = {**weights, **dict(zip(names, inputs, strict=True))}
        seeds = [2 * evaluate(root, values) for root in roots]
        return pulled(roots, seeds, values, by, v)

    return rule


def of_mean(program: Program, value: Value, loss: Expr) -> Rule:
    """Of the mean loss of logits `x` given as rows."""

    def rule(weights: Arrays, inputs: Sequence[Array], by: str, v: Array) -> float:
        (mean,) = value(weights, inputs)
        logits, targets = inputs
        outputs = np.eye(program.outputs)
        C = outputs[:, targets] if targets.ndim == 1 else targets.T
        seed = np.full((1, len(logits)), 2 * float(mean) / len(logits))
        return pulled([loss], [seed], {"x": logits.T, "C": C}, "x", v.T)

    return rule


def pulled(
    roots: Sequence[Expr], seeds: Sequence[Array], values: Arrays, by: str, v: Array
) -> float:
    """Σ <seed, (∂root/∂by) v> by reverse differentiation.

    The rules are on trial here: one that breaks its promise is evaluated like any other.
    """
    (wrt,) = {e for e in walk(*roots) if e.op == "variable" and e.attributes[0] == by}
    names = [f"cotangent {i}" for i in range(len(roots))]
    cotangents = [
        variable(n, r.shape, batched=r.type.batched, stacked=r.type.stacked)
        for n, r in zip(names, roots, strict=True)
    ]
    with value_checked(lambda violation: None):
        (part,) = vjp(list(zip(roots, cotangents, strict=True)), [wrt])
    if part is None:
        return 0.0
    return float(np.sum(evaluate(part, {**values, **dict(zip(names, seeds, strict=True))}) * v))
