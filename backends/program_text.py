"""Putting a program together: head, imports, constants, functions."""

from __future__ import annotations

from collections.abc import Sequence

from ..compiler.ir.program import Program
from . import emit_init
from .dialects import Dialect
from .header import header
from .printer import Printer


def assemble(
    program: Program, dialect: Dialect, imports: list[str], functions: Sequence[list[str]]
) -> str:
    """The whole text of a program."""
    top = "\n".join([header(program, dialect), "", *imports])
    numbers = "\n".join(emit_init.constants(program))
    bodies = ["\n".join(lines) for lines in functions if lines]
    return "\n\n\n".join([f"{top}\n\n{numbers}", *bodies]) + "\n"


def loss_lines(
    program: Program, dialect: Dialect, targets: str, logits: str, axis: str
) -> list[str]:
    """Logits and targets as columns, and the loss of every example: (s,)."""
    assert program.loss is not None
    printer = Printer(dialect, like="logits", names={"x": "logits"})
    lines = [f"    logits = {logits}", f"    C = {targets}"]
    lines += printer.lines(program.loss, "losses = ")
    # per example a scalar is (1, s) inside expressions; here it is the last thing, so (s,)
    keep = {"axis=0": "(axis=0, keepdims=True)", "dim=0": "(dim=0, keepdim=True)"}[axis]
    return [line.replace(keep, f"({axis})") for line in lines]
