"""What the passes that make a program promise: the step, the step written out, the stacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...spec.integrators import Integrator, RungeKutta
from ..evaluate import evaluate
from ..ir.expr import Expr, variable
from ..ir.program import Step, Update
from . import literal
from .checked import PassViolation
from .claims import broken, cut, relative_error, short
from .samples import (
    EXAMPLES,
    PLACES,
    Array,
    Interpreter,
    Rate,
    Values,
    draws,
    finite_size,
    some_field,
    some_rate,
)

if TYPE_CHECKING:
    from ..ir.program import Operand, Program

SAME = 1e-12
"""The same operations in another order, over a few steps."""
STEPS = 3


def discretized(
    step: Step, integrator: Integrator, blocks: Mapping[str, int], h: float
) -> Iterator[PassViolation]:
    """The lines of a step do what the method does, and a tableau has its order."""
    if isinstance(integrator, RungeKutta):
        found = literal.order(integrator.tableau)
        if found != integrator.order:
            words = f"order {integrator.order}", f"order {found}"
            yield PassViolation("discretize", integrator.kind, *words, np.inf)
    names = (*(u.name for u in (*step.start, *step.lines)), *step.results)
    claim = (integrator.kind, *names, tuple(blocks.items()), h, *step.values, *_exact(integrator))
    error = broken(claim, SAME, lambda: _step_error(step, integrator, blocks, h))
    if error is not None:
        text = cut("; ".join(f"{name} ← {short(e)}" for name, e in step.results.items()))
        yield PassViolation("discretize", integrator.kind, integrator.name, text, error)


def _exact(integrator: Integrator) -> tuple[object, ...]:
    return (integrator.tableau,) if isinstance(integrator, RungeKutta) else ()


def _step_error(step: Step, integrator: Integrator, blocks: Mapping[str, int], h: float) -> float:
    """A few steps of a smooth field by the lines and by the literal loop.

    The field is as small as a large h makes a step of it large, lest the steps magnify rounding.
    """
    calm = max(1.0, h) ** (2 if integrator.kind == "leapfrog" else 1)
    rng = np.random.default_rng(0)
    states = {name: rng.normal(size=(n, EXAMPLES)) for name, n in blocks.items()}

    def f(block: str, place: float, t: float, at: Mapping[str, Array]) -> Array:
        seen = _seen(block, at, separable)
        return some_field(block, blocks[block], place, np.asarray(t), seen) / calm

    def rate(node: Expr, t: Array, at: Values) -> Array:
        return f(str(node.attributes[0]), PLACES[str(node.attributes[1])], float(t), at)

    separable = integrator.kind == "verlet"
    wanted = literal.path(integrator, f, states, h, STEPS)
    found = _path(step, states, rate, h)
    return max(
        _difference([there[n] for n in blocks], [here[n] for n in blocks])
        for there, here in zip(wanted, found, strict=True)
    )


def _seen(block: str, states: Mapping[str, Array], separable: bool) -> dict[str, Array]:
    """What a rate sees of the states: of a separable field not its own half."""
    if not separable:
        return dict(states)
    return {name: value for name, value in states.items() if (name == "y") != (block == "y")}


def _path(step: Step, states: Values, rate: Rate, h: float) -> list[Values]:
    """The states after each step, line by line."""
    now = states | _run(step.start, states | {"t": np.asarray(0.0)}, rate)
    found: list[Values] = []
    for j in range(STEPS):
        scope = now | {"t": np.asarray(j * h)}
        now = _after(step, scope, rate)
        found.append(now)
    return found


def _after(step: Step, scope: Values, rate: Rate) -> Values:
    scope = scope | _run(step.lines, scope, rate)
    done = Interpreter(*step.results.values())(scope, rate)
    return {name: done[e] for name, e in step.results.items()}


def _run(lines: Sequence[Update], scope: Values, rate: Rate) -> Values:
    """The names that the lines give values to, one after the other."""
    found: Values = {}
    for line in lines:
        found[line.name] = Interpreter(line.value)(scope | found, rate)[line.value]
    return found


def inlined(result: Mapping[str, Expr], program: Program) -> Iterator[PassViolation]:
    """A step written out is its lines run with the right-hand sides of the field."""
    yield from _inlined(result, program, list(result.values()), program.step)


def inlined_start(result: Mapping[str, Expr], program: Program) -> Iterator[PassViolation]:
    """So are the lines before the first step."""
    yield from _inlined(result, program, list(result.values()), None)


def _inlined(
    result: Mapping[str, Expr], program: Program, roots: list[Expr], step: Step | None
) -> Iterator[PassViolation]:
    claim = ("inline", *roots, *program.field.values(), *program.step.values)
    error = broken(claim, SAME, lambda: _inline_error(result, program, step))
    if error is not None:
        lines = program.step.start if step is None else program.step.lines
        before = "; ".join(f"{u.name} ← {short(u.value)}" for u in lines)
        after = "; ".join(f"{name} ← {short(e)}" for name, e in result.items())
        yield PassViolation("inline", "", cut(before), cut(after), error)


def _inline_error(result: Mapping[str, Expr], program: Program, step: Step | None) -> float:
    worst = 0.0
    run = Interpreter(*result.values())
    for (values,) in draws(*result.values(), *program.step.values, *_operands(program)):
        rate = _rate_of(program, values)
        if step is None:
            wanted = _run(program.step.start, values, rate)
        else:
            wanted = _after(step, values, rate)
        found = run(values, some_rate)
        pairs = [wanted[n] for n in result], [found[e] for e in result.values()]
        worst = max(worst, _difference(*pairs))
    return worst


def _operands(program: Program) -> list[Expr]:
    """The operands of a step as variables, by the names that a step calls them."""
    return [
        variable(program.stage_name(o, node), o.variable.shape)
        for o in program.operands
        for node in program.nodes
    ]


def _rate_of(program: Program, values: Values) -> Rate:
    """The program's own field."""

    def rate(node: Expr, t: Array, states: Values) -> Array:
        block, place, _ = node.attributes
        operands = {o.name: values[program.stage_name(o, str(place))] for o in program.operands}
        return evaluate(program.field[str(block)], operands | states | {"t": t})

    return rate


def stacked(result: Expr, program: Program, operand: Operand, node: str) -> Iterator[PassViolation]:
    """The operand of all steps at once is, step by step, its definition."""
    claim = (result, operand.definition, operand.raw.stack, program.mode, node)
    error = broken(claim, SAME, lambda: _stack_error(result, program, operand, node))
    if error is not None:
        what = f"{operand.name} = {short(operand.definition)} at the {node} of a step"
        yield PassViolation("stack", node, what, short(result), error)


def _stack_error(result: Expr, program: Program, operand: Operand, node: str) -> float:
    raw = operand.raw
    (values,) = next(draws(result, raw.stack))
    stack = values[raw.name]
    found = evaluate(result, values)
    if program.mode == "shared":
        return _difference([evaluate(operand.definition, values)], [found])
    steps = len(stack) - (program.mode == "linear")
    wanted = [
        evaluate(operand.definition, {raw.name: _raw_at(stack, j, program.mode, PLACES[node])})
        for j in range(steps)
    ]
    return _difference([np.stack(wanted)], [found])


def _raw_at(stack: Array, j: int, mode: str, place: float) -> Array:
    """Weight j, or the interpolant at a place of step j."""
    return (1 - place) * stack[j] + place * stack[j + 1] if mode == "linear" else stack[j]


def _difference(wanted: Sequence[Array], found: Sequence[Array]) -> float:
    """Relative to the largest number; shapes are broadcast."""
    size = np.asarray(finite_size(*wanted))
    pairs = (np.broadcast_arrays(a, b) for a, b in zip(wanted, found, strict=True))
    return max((relative_error(a, b, size) for a, b in pairs), default=0.0)
