"""Inlining: the lines of a step with the field written out, as one expression per state.

The reference runs and differentiates these; the backends print the step with the field as a
function of its own.
"""

from __future__ import annotations

from ..ir.expr import Expr, rewrite, substitute, variable
from ..ir.program import Program
from . import program_claims
from .checked import checked


@checked(program_claims.inlined)
def step(program: Program) -> dict[str, Expr]:
    """Every state after a step as an expression of the states before, `t` and the operands."""
    known: dict[str, Expr] = {}
    for line in program.step.lines:
        known[line.name] = substitute(inline(program, line.value), known)
    return {n: substitute(inline(program, e), known) for n, e in program.step.results.items()}


@checked(program_claims.inlined_start)
def start(program: Program) -> dict[str, Expr]:
    """The states that the lift does not give, in terms of the blocks at t = 0."""
    return {u.name: inline(program, u.value) for u in program.step.start}


def inline(program: Program, expression: Expr) -> Expr:
    """Replace every rate by the right-hand side it stands for."""
    return rewrite(expression, lambda e: _right_hand_side(program, e) if e.op == "rate" else e)


def _right_hand_side(program: Program, rate: Expr) -> Expr:
    block, node, names = rate.attributes
    assert isinstance(names, tuple)
    t, *states = rate.args
    values = {"t": t, **dict(zip(names, states, strict=True))}
    for operand in program.operands:
        name = program.stage_name(operand, str(node))
        values[operand.name] = variable(name, operand.variable.shape)
    return substitute(program.field[str(block)], values)
