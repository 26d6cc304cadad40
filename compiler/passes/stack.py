"""The operands of all steps at once: every definition over the whole stack of raw weights."""

from __future__ import annotations

from ..ir.expr import Expr, build, constant, substitute
from ..ir.program import END, START, Operand, Program
from . import program_claims
from .checked import checked


@checked(program_claims.stacked)
def stacked_definition(program: Program, operand: Operand, node: str) -> Expr:
    """The operand at one node of every step, as an expression of the stack of its raw weight.

    Linear weights are interpolated raw; the parametrization acts on the interpolant.
    """
    raw = operand.raw
    return substitute(operand.definition, {raw.name: _at_node(program, raw.stack, node)})


def _at_node(program: Program, stack: Expr, node: str) -> Expr:
    if program.mode != "linear":
        return stack
    if node == START:
        return build("head", stack)
    if node == END:
        return build("tail", stack)
    return (build("head", stack) + build("tail", stack)) / constant(2)
