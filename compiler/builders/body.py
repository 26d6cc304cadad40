"""The statements of a function while it is written."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..ir.expr import Expr, variable
from ..ir.module import Call, Function, Group, Let, let
from ..ir.types import Type
from .names import DENSITY, PENALIZED

STATE, FLOW = Group("state", "State"), Group("state", "FlowState")
PENALIZED_STATE = Group("state", "PenalizedState")
"""What a step carries; with a log-density it is one more, with penalties one more for each."""
CARRIED = {"": STATE, DENSITY: FLOW, PENALIZED: PENALIZED_STATE}


@dataclass
class Body:
    """The statements of a function while it is written."""

    lets: list[Let] = field(default_factory=list)
    groups: dict[Expr, Group] = field(default_factory=dict)

    def named(self, name: str, value: Expr) -> Expr:
        """A new variable for a value."""
        target = variable(name, value.type)
        self.lets.append(let(target, value))
        return target

    def call(self, function: Function, *args: Expr) -> tuple[Expr, ...]:
        """New variables for all results of a function, in the groups that it gives them in."""
        targets = tuple(variable(r.name, r.value.type) for r in function.results)
        self.lets.append(Let(targets, Call(function.name, args)))
        for target, result in zip(targets, function.results, strict=True):
            if result.group not in (None, *CARRIED.values()):
                self.groups[target] = _of_stacks(result.group, target.type)
        return targets


def _of_stacks(group: Group, type: Type) -> Group:
    """Stacks of several layers are `layers`."""
    return Group(f"{group.name}s", group.alias) if type.path else group
