"""The operands out of the raw weights: of all steps at once, and at any time."""

from __future__ import annotations

from collections.abc import Iterator

from ..compiler.ir.program import Operand, Program
from .emit_field import parametrization_name, rate_name
from .layout import docstring


def operand_lines(program: Program, raw: dict[str, str], indent: int = 4) -> Iterator[str]:
    """The statements that make the operands of all steps out of the stacks in `raw`."""
    pad = " " * indent
    for operand, node in program.layer:
        name = program.stage_name(operand, node)
        yield f"{pad}{name} = {made(operand, at_node(program, raw[operand.raw.name], node))}"


def at_node(program: Program, stack: str, node: str) -> str:
    if program.mode != "linear":
        return stack
    return {
        "start": f"{stack}[:-1]",
        "end": f"{stack}[1:]",
        "mid": f"({stack}[:-1] + {stack}[1:]) / 2",
    }[node]


def made(operand: Operand, raw: str) -> str:
    """The operand out of its raw weight: parametrized, a vector as a column."""
    if not operand.is_raw:
        return f"{parametrization_name(operand)}({raw})"
    if len(operand.variable.shape) != 1:
        return raw
    raw = f"({raw})" if " " in raw else raw
    return f"{raw}[..., None]"


def vector_field(
    program: Program,
    *,
    head: str,
    raw: dict[str, str],
    locate: list[str],
    time: str,
    join: str,
    indent: int = 0,
) -> list[str]:
    """f(t, y) on rows at any time: weight j for t_j <= t < t_{j+1}, interpolated if linear."""
    pad = " " * (indent + 4)
    rule = {
        "per-step": ", with weight j for t_j <= t < t_{j+1}",
        "linear": ", with weights interpolated at t",
        "shared": "",
    }[program.mode]
    what = "y''" if program.order == 2 else "f(t, y)"
    lines = [
        f"{' ' * indent}{head}",
        docstring([f"{what}, rows (s, {program.size}) in and out{rule}."], indent + 4),
    ]
    if program.mode != "shared":
        needed = locate if program.mode == "linear" else locate[:-1]
        lines += [f"{' ' * indent}{line}" for line in needed]
    for operand in program.operands:
        lines.append(f"{pad}{operand.name} = {made(operand, _at_time(program, operand, raw))}")
    if not program.is_autonomous:
        lines.append(f"{pad}time = {time}")
    lines += [f"{pad}{line}" for line in _split(program)]
    calls = [_call_at_time(program, block) for block in program.blocks]
    if len(calls) == 1:
        return [*lines, f"{pad}return {calls[0]}.T"]
    rates = [f"{block}_rate" for block in program.blocks]
    lines += [f"{pad}{rate} = {call}" for rate, call in zip(rates, calls, strict=True)]
    return [*lines, f"{pad}return {join.format(', '.join(rates))}.T"]


def _at_time(program: Program, operand: Operand, raw: dict[str, str]) -> str:
    stack = raw[operand.raw.name]
    if program.mode == "shared":
        return stack
    if program.mode == "per-step":
        return f"{stack}[j]"
    return f"(1 - theta) * {stack}[j] + theta * {stack}[j + 1]"


def _split(program: Program) -> list[str]:
    """The blocks of the stacked state as columns."""
    if len(program.blocks) == 1:
        return ["y = y.T"]
    lines, at = ["columns = y.T"], 0
    for name, n in program.blocks.items():
        stop = at + n if at + n < program.size else ""
        lines.append(f"{name} = columns[{at or ''}:{stop}]")
        at += n
    return lines


def _call_at_time(program: Program, block: str) -> str:
    given = ["time" if name == "t" else name for name in program.depends_on(block)]
    taken = [o.name for o in program.operands_of(block)]
    return f"{rate_name(program, block)}({', '.join([*given, *taken])})"
