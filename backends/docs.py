"""The docstrings of emitted functions: one sentence and the formula."""

from __future__ import annotations

from ..compiler.ir.program import Program
from ..compiler.ir.text import definition, initial_blocks, mathematics


def operands(program: Program) -> str:
    """What `operands` returns."""
    made = [definition(o) for o in program.operands if not o.is_raw]
    vectors = any(len(o.variable.shape) == 1 for o in program.operands)
    whose = "The one layer's weights" if program.mode == "shared" else "The weights of all steps"
    extras = [*made, *(["vectors as columns"] if vectors else [])]
    return f"{whose}{': ' + '; '.join(extras) if extras else ''}."


def initial_state(program: Program) -> str:
    """y(0) and the blocks that start at zero."""
    parts = initial_blocks(program)
    if program.step.start:
        parts.append("v at -h/2 from y'(0) = 0")
    return f"{', '.join(parts)}; one column per example."


def stacked(program: Program) -> str:
    """The state as the user sees it."""
    names = ", ".join(program.blocks)
    return f"({names})" if len(program.blocks) > 1 else names


def regularizer(program: Program) -> str:
    """R(θ) as a formula for every kind of penalty."""
    formulas = dict.fromkeys(r.formula for r in program.spec.regularizers)
    return f"R = {' + '.join(formulas)}."


def loss(program: Program) -> str:
    """The objective."""
    targets = "classes (s,) or likelihoods (s, classes)" if has_classes(program) else "(s, outputs)"
    penalty = " + R" if program.penalties else ""
    assert program.loss is not None
    return f"Mean over the examples of {mathematics(program.loss)}{penalty}; targets are {targets}."


def has_classes(program: Program) -> bool:
    return program.spec.task.kind == "classification"
