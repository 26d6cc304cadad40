"""What a scan is given, as a program writes it: stacks, constants, and what its sums begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..compiler.ir.expr import Expr
from ..compiler.ir.module import Function, Group, Scan
from ..compiler.ir.types import array_shape
from .document import Doc, bracket, flat
from .grouping import parts

if TYPE_CHECKING:
    from .functions import FunctionPrinter

TIME = "t"
"""What a step calls the time that it begins at."""


def constants_of(printer: FunctionPrinter, scan: Scan, step: Function) -> list[Doc]:
    """What every call of the step is given as it is, grouped as the step takes it; numbers by name,
    as nobody knows how many arrays a layer before them is."""
    first = len(step.params) - len(scan.consts)
    last = len(scan.consts) - len(step.numbers)
    numbers = zip(printer.program.number_names(step), scan.consts[last:], strict=True)
    given = list(zip(step.params[first:][:last], scan.consts[:last], strict=True))
    apart = [(p, e) for p, e in given if step.groups and p not in step.groups]
    together = given[: len(given) - len(apart)]
    return [
        *printer.handed(step, [p for p, _ in together], [e for _, e in together]),
        *((f"{printer.program.parameter(step, p)}=", printer.inline(e)) for p, e in apart),
        *((f"{name}=", printer.inline(e)) for name, e in numbers),
    ]


def count_of(printer: FunctionPrinter, scan: Scan) -> str:
    """How many steps a scan has."""
    if scan.over is None:
        return printer.program.size(scan.length)
    is_head = scan.over.op == "head"
    stack = scan.over.args[0] if is_head else scan.over
    return f"len({flat(printer.inline(stack))}){' - 1' * is_head}"


def entries(printer: FunctionPrinter, scan: Scan, step: Function) -> list[tuple[Doc, int]]:
    """The stacks of a scan as parts of a line, grouped as the step takes their entries, with the
    number of values in each."""
    n, found, at = len(scan.init), [], 0
    for part, members in parts(step.params[n : n + len(scan.xs)], step):
        given = scan.xs[at : at + len(members)]
        if isinstance(part, Group) and not printer.whole_name(given):
            docs = [printer.inline(e) for e in given]
            found.append((bracket("(", docs, ")") if len(docs) > 1 else docs[0], len(docs)))
        elif isinstance(part, Group):
            found.append((printer.whole_name(given), len(members)))
        elif not at or not _is_inside(printer, scan.xs, at):
            found += _written(printer, _run(printer, scan.xs, at))
        at += len(members)
    return found


def zeros(printer: FunctionPrinter, scan: Scan, step: Function, like: str, of: str) -> list[str]:
    """What the sums of a scan begin with: zeros like its constants, where it has a sum for each and
    each has a name, else of a shape. `like` and `of` are a framework's words for these."""
    values = step.values[len(step.values) - scan.sums :]
    are_alike = [v.type for v in values] == [e.type for e in scan.consts]
    if are_alike and not printer.whole.keys() & {*scan.consts}:
        return [like.format(flat(printer.inline(e))) for e in scan.consts]
    sizes = {**printer.program.module.sizes, "s": 1}
    shapes = (array_shape(v.type, sizes) for v in values)
    return [of.format(shape, like=printer.like_name) for shape in shapes]


def _written(printer: FunctionPrinter, given: Sequence[Expr]) -> list[tuple[Doc, int]]:
    """Expressions as parts of a line: groups have one name."""
    found: list[tuple[Doc, int]] = []
    i = 0
    while i < len(given):
        members = printer.members_of(given[i])
        if members and list(given[i : i + len(members)]) == members:
            found.append((printer.names[given[i]], len(members)))
            i += len(members)
        else:
            found.append((printer.inline(given[i]), 1))
            i += 1
    return found


def _run(printer: FunctionPrinter, given: Sequence[Expr], at: int) -> Sequence[Expr]:
    """The expression at a place, with the others of a group that it is the first of."""
    members = printer.members_of(given[at])
    is_whole = members and list(given[at : at + len(members)]) == members
    return given[at : at + len(members)] if is_whole else given[at : at + 1]


def _is_inside(printer: FunctionPrinter, given: Sequence[Expr], at: int) -> bool:
    """Does it belong to a group that began before it?"""
    members = printer.members_of(given[at])
    i = members.index(given[at]) if given[at] in members else 0
    return bool(i) and list(given[at - i : at - i + len(members)]) == members
