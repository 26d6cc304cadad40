"""Statements whose values nobody uses are left out, and functions that nobody calls."""

from __future__ import annotations

from dataclasses import replace

from ..ir.expr import Expr, variables
from ..ir.module import Function, Let, Module
from ..promises import claims
from ..promises.checked import checked


@checked("prune", claims.module_kept)
def prune(module: Module) -> Module:
    """The module without dead statements and functions."""
    functions = {name: without_dead_statements(f) for name, f in module.functions.items()}
    wanted: set[str] = set()
    pending = list(module.public)
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending += functions[name].called
    return module.with_functions({n: f for n, f in functions.items() if n in wanted})


def without_dead_statements(function: Function) -> Function:
    """The function without statements whose values are not used."""
    used: set[Expr] = set(variables(*function.values))
    body: list[Let] = []
    for let in reversed(function.body):
        if used.intersection(let.targets):
            body.append(let)
            used.update(variables(*let.operands))
    body.reverse()
    bound = {*function.params, *(target for let in body for target in let.targets)}
    groups = {v: g for v, g in function.groups.items() if v in bound}
    return replace(function, body=tuple(body), groups=groups)
