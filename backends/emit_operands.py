"""The operands out of the raw weights: of all steps at once, and at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ..compiler.ir.program import Operand, Program
from .emit_field import parametrization_name, rate_name
from .layout import WIDTH, Bracket, docstring, laid_out


def operand_lines(program: Program, raw: dict[str, str], indent: int = 4) -> Iterator[str]:
    """The statements that make the operands of all steps out of the stacks in `raw`."""
    for operand, node in program.layer:
        name, stack = program.stage_name(operand, node), raw[operand.raw.name]
        yield from _made_of(stack, partial(at_node, program, node=node), operand, name, indent)


def _made_of(
    stack: str, at: Callable[[str], str], operand: Operand, name: str, indent: int
) -> list[str]:
    """The assignment of an operand; a stack that is named twice in a long line is `raw` first."""
    pad = " " * indent
    line = f"{pad}{assigned(name, made(operand, at(stack)), indent)}"
    if len(line) <= WIDTH or at(stack).count(stack) == 1:
        return [line]
    return [f"{pad}raw = {stack}", f"{pad}{assigned(name, made(operand, at('raw')), indent)}"]


def at_node(program: Program, stack: str, node: str) -> str:
    if program.mode != "linear":
        return stack
    return {
        "start": f"{stack}[:-1]",
        "end": f"{stack}[1:]",
        "mid": f"({stack}[:-1] + {stack}[1:]) / 2",
    }[node]


def made(operand: Operand, raw: str) -> Bracket | str:
    """The operand out of its raw weight: parametrized, a vector as a column."""
    if not operand.is_raw:
        return Bracket(f"{parametrization_name(operand)}(", (raw,), ")")
    if len(operand.variable.shape) != 1:
        return raw
    return Bracket("(", (raw,), ")[..., None]") if " " in raw else f"{raw}[..., None]"


def assigned(name: str, value: Bracket | str, indent: int) -> str:
    """An assignment, its call opened up where it is long."""
    if isinstance(value, str):
        return f"{name} = {value}"
    return laid_out(Bracket(f"{name} = {value.before}", value.items, value.after), indent)


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
    if program.mode != "shared" and program.operands:
        needed = locate if program.mode == "linear" else locate[:-1]
        lines += [f"{' ' * indent}{line}" for line in needed]
    for operand in program.operands:
        stack, at = raw[operand.raw.name], partial(_at_time, program)
        lines += _made_of(stack, at, operand, operand.name, indent + 4)
    if not program.is_autonomous:
        lines.append(f"{pad}time = {time}")
    lines += [f"{pad}{line}" for line in _split(program)]
    calls = [_call_at_time(program, block) for block in program.blocks]
    if len(calls) == 1:
        call = Bracket(f"return {calls[0].before}", calls[0].items, ").T")
        return [*lines, f"{pad}{laid_out(call, indent + 4)}"]
    rates = [f"{block}_rate" for block in program.blocks]
    for rate, call in zip(rates, calls, strict=True):
        lines.append(f"{pad}{assigned(rate, call, indent + 4)}")
    return [*lines, f"{pad}return {join.format(', '.join(rates))}.T"]


def _at_time(program: Program, stack: str) -> str:
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


def _call_at_time(program: Program, block: str) -> Bracket:
    given = ["time" if name == "t" else name for name in program.depends_on(block)]
    taken = [o.name for o in program.operands_of(block)]
    return Bracket(f"{rate_name(program, block)}(", (*given, *taken), ")")
