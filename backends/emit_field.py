"""The parametrizations and the right-hand sides as functions."""

from __future__ import annotations

from collections.abc import Iterator

from ..compiler.ir.expr import substitute, variable
from ..compiler.ir.program import Operand, Program
from ..compiler.ir.text import equations, mathematics
from .dialects import Dialect
from .layout import bracketed, docstring
from .printer import Printer


def rate_name(program: Program, block: str) -> str:
    """`dy_dt`, or `d2y_dt2` for a second-order field."""
    return f"d{block}_dt" if program.order == 1 else f"d2{block}_dt2"


def parametrizations(program: Program, dialect: Dialect) -> Iterator[list[str]]:
    """One function for every way in which operands are made of raw weights."""
    seen: set[str] = set()
    for operand in program.operands:
        name = parametrization_name(operand)
        if operand.is_raw or name in seen:
            continue
        seen.add(name)
        yield _parametrization(operand, name, dialect)


def parametrization_name(operand: Operand) -> str:
    """`antisymmetric`; of a weight with a parametrization of its own `antisymmetric_A`."""
    kind = operand.parametrization.kind.replace("-", "_")
    return f"{kind}_{operand.name}" if operand.is_custom else kind


def _parametrization(operand: Operand, name: str, dialect: Dialect) -> list[str]:
    raw = operand.parametrization.raw
    definition = substitute(
        operand.definition, {operand.raw.name: variable(raw, operand.raw.step_shape)}
    )
    return [
        f"def {name}({raw}: {dialect.array}) -> {dialect.array}:",
        docstring([f"{mathematics(definition)}, of one matrix or of a stack of them."]),
        *Printer(dialect, like=raw, stacked=True).lines(definition),
    ]


def rates(program: Program, dialect: Dialect) -> Iterator[list[str]]:
    """The right-hand side of every block as a function of what it depends on."""
    texts = equations(program.field, program.order)
    for block, text in zip(program.blocks, texts, strict=True):
        parameters = [*program.depends_on(block), *(o.name for o in program.operands_of(block))]
        like = next(name for name in parameters if name != "t")
        yield [
            signature(rate_name(program, block), parameters, dialect),
            docstring([f"{text}."]),
            *Printer(dialect, like=like).lines(program.field[block]),
        ]


def signature(name: str, parameters: list[str], dialect: Dialect, result: str = "") -> str:
    typed = [f"{p}: {dialect.array}" for p in parameters]
    return bracketed(f"def {name}(", typed, f") -> {result or dialect.array}:")
