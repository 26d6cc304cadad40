"""What variables of a function are written together, and where they are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from ..compiler.ir.expr import Expr, variables, walk
from ..compiler.ir.module import Function, Group, Result, Scan

Part = Expr | Group
"""What is written as one name: a variable, or a group of them."""


def parts(targets: Sequence[Expr], function: Function) -> list[tuple[Part, list[Expr]]]:
    """Variables and groups in order, each with its members."""
    found: list[tuple[Part, list[Expr]]] = []
    for key, members in groupby(targets, key=lambda v: function.groups.get(v, v)):
        found.append((key, list(members)))
    return found


def result_parts(results: Sequence[Result]) -> list[tuple[Group | None, list[Result]]]:
    """Results one by one, those of a group together."""
    found: list[tuple[Group | None, list[Result]]] = []
    for result in results:
        if result.group is not None and found and found[-1][0] == result.group:
            found[-1][1].append(result)
        else:
            found.append((result.group, [result]))
    return found


def last_uses(function: Function) -> dict[Expr, int]:
    """Variable → the last statement that uses it; the results are behind all statements."""
    found: dict[Expr, int] = {}
    for i, let in enumerate(function.body):
        found |= dict.fromkeys(variables(*let.operands), i)
    return found | dict.fromkeys(variables(*function.values), len(function.body))


def roots(function: Function) -> Iterator[tuple[Expr, ...]]:
    """The argument lists and the expressions of a function: what groups are handed on in."""
    for let in function.body:
        if isinstance(let.value, Expr):
            yield from _argument_lists(let.value)
        elif isinstance(let.value, Scan):
            yield let.value.init
            yield let.value.xs
            yield let.value.consts
            for e in let.operands:
                yield from _argument_lists(e, bare=False)
        else:
            yield let.operands
            for e in let.operands:
                yield from _argument_lists(e, bare=False)
    for value in function.values:
        yield from _argument_lists(value)


def _argument_lists(root: Expr, bare: bool = True) -> Iterator[tuple[Expr, ...]]:
    """The arguments of every call; every other operand by itself."""
    if bare:
        yield (root,)
    for node in walk(root):
        if node.op == "call":
            yield node.args
        else:
            yield from ((arg,) for arg in node.args)


def handed_on(args: tuple[Expr, ...], members: list[Expr]) -> bool:
    """Does an argument list hold all of the members in a row, or none of them?"""
    own = [a for a in args if a in members]
    if not own:
        return True
    first = args.index(members[0]) if members[0] in args else -1
    return first >= 0 and list(args[first : first + len(members)]) == members
