"""Where in the spec an equation stands."""

from __future__ import annotations

from ...compiler.equations import FIELD
from ...compiler.ir.program import Penalty, Program
from ...spec.diagnostics import Span

Loc = tuple[str | int, ...]

LOCS: dict[str, Loc] = {
    "lift": ("model", "lift"),
    "step": ("model", "integrator"),
    "path": ("model", "time"),
    "readout": ("model", "readout"),
    "loss": ("model", "readout", "loss"),
    "derivative": ("model", "vector_field"),
    "optimizer": ("train", "optimizer"),
    "schedule": ("train", "schedule"),
    "data": ("train", "batch"),
}
"""The first word of an equation and its key; those of one weight or block are found below."""
PASSES: dict[str, Loc] = {
    "discretize": ("model", "integrator"),
    "inline": ("model", "integrator"),
    "stack": ("model", "time"),
}
"""A pass of the compiler and what it works on."""


def spec_place(
    program: Program, equation: str, weight: str = "", penalty: Penalty | None = None
) -> Span | None:
    """The key of the spec that says this equation; None for a spec that was made in Python.

    What the spec leaves to a default is where the default would stand.
    """
    word, _, name = equation.partition(" ")
    if word == "pass":
        return program.spec.span(*PASSES.get(name, FIELD))
    if word == "field":
        return program.spec.span(*_of_field(program, name))
    if word == "parametrization":
        return program.spec.span(*_of_operand(program, name))
    if word == "regularizer" and penalty is not None:
        return program.spec.span("regularizers", program.penalties.index(penalty))
    if word in ("init", "gradient"):
        return program.spec.span(*_of_weight(program, weight, word))
    return program.spec.span(*LOCS.get(word, ("model",)))


def _of_field(program: Program, block: str) -> Loc:
    for loc in ((*FIELD, "equations", block), (*FIELD, "hamiltonian")):
        if program.spec.wrote(*loc):
            return loc
    return FIELD


def _of_operand(program: Program, name: str) -> Loc:
    operand = next((o for o in program.operands if o.name == name), None)
    if operand is not None and operand.is_custom:
        return (*operand.loc, "parametrization")
    written = program.spec.wrote("model", "parametrization")
    return ("model", "parametrization") if written else FIELD


def _of_weight(program: Program, name: str, word: str) -> Loc:
    """What a weight starts from, or where it is declared."""
    initial: Loc = ("model", "initializers", name)
    if word == "init":
        return initial if program.spec.wrote(*initial) else ("seed",)
    declared = {w.name: w.loc for w in program.weights}
    return ("model", "readout") if name in ("W", "mu") else declared.get(name, FIELD)
