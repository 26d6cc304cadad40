"""Steps that can be undone: lines `z = z + e` in which e knows nothing of z."""

from __future__ import annotations

from ..ir.expr import Expr, substitute, variable, variables
from ..ir.module import Function, Let, Result, let
from ..promises import claims
from ..promises.checked import checked


class NotInvertible(Exception):
    """A step with a line that cannot be undone."""


@checked("inverse", claims.step_undone)
def inverse(step: Function, carried: int, name: str) -> Function:
    """The function that gives the states before a step from those behind it.

    Lines are undone from the last to the first: z = z − e, where e sees the other states as they
    were. Raises NotInvertible.
    """
    lines, now = _lines(step, carried)
    behind = tuple(variable(p.name, p.type) for p in step.params[:carried])
    given = tuple(variable(p.name, p.type) for p in step.params[carried:])
    known = dict(zip(step.params[carried:], given, strict=True))
    known |= dict(zip(now, behind, strict=True))
    body: list[Let] = []
    for target, before, sign, change in reversed(lines):
        value, change = known[target], substitute(change, known)
        undone = variable(before.name, before.type)
        body.append(let(undone, value - change if sign == "add" else value + change))
        known[before] = undone
    pairs = zip(step.params[:carried], step.results, strict=False)
    results = tuple(Result(p.name, known[p], result.group) for p, result in pairs)
    return Function(
        name=name,
        role=step.role,
        params=(*behind, *given),
        results=results,
        body=tuple(body),
        doc=(f"The states before `{step.name}`, from those behind it.",),
        loc=step.loc,
        groups={known[p]: group for p, group in step.groups.items()},
    )


_Line = tuple[Expr, Expr, str, Expr]
"""target = before (+ or −) change."""


def _lines(step: Function, carried: int) -> tuple[list[_Line], list[Expr]]:
    """The lines, and the variables that hold the states behind the step."""
    now = list(step.params[:carried])
    lines: list[_Line] = []
    for statement in step.body:
        (target,), value = statement.targets, statement.value
        is_sum = isinstance(value, Expr) and value.op in ("add", "sub")
        if not isinstance(value, Expr) or not is_sum or value.args[0] not in now:
            raise NotInvertible(f"{step.name}: {target.name} is not moved")
        before, change = value.args
        if before in variables(change):
            raise NotInvertible(f"{step.name}: {target.name} is moved by what it is itself")
        lines.append((target, before, value.op, change))
        now[now.index(before)] = target
    if list(step.values[:carried]) != now:
        raise NotInvertible(f"{step.name}: its results are more than what was moved")
    return lines, now
