"""Rewriting modules: a rule for expressions applied to every function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..ir.expr import Expr
from ..ir.module import Call, Function, Let, Module, Pull, Scan, Solve, Value

Rule = Callable[[Expr], Expr]


def with_expressions(module: Module, rule: Rule) -> Module:
    """The module with the rule applied to every expression of its statements and results."""
    functions = {name: function_with(f, rule) for name, f in module.functions.items()}
    return module.with_functions(functions)


def function_with(function: Function, rule: Rule) -> Function:
    """The function with the rule applied to its expressions; its variables stay."""
    body = tuple(Let(let.targets, value_with(let.value, rule)) for let in function.body)
    results = tuple(replace(r, value=rule(r.value)) for r in function.results)
    return replace(function, body=body, results=results)


def value_with(value: Value, rule: Rule) -> Value:
    """A statement's value with other operands."""
    match value:
        case Expr():
            return rule(value)
        case Call():
            return Call(value.function, tuple(map(rule, value.args)))
        case Scan():
            init, xs, consts = (tuple(map(rule, e)) for e in (value.init, value.xs, value.consts))
            over = None if value.over is None else rule(value.over)
            return replace(value, init=init, xs=xs, consts=consts, over=over)
        case Solve():
            init, consts = (tuple(map(rule, e)) for e in (value.init, value.consts))
            return replace(value, init=init, times=rule(value.times), consts=consts)
        case Pull():
            args, bars = (tuple(map(rule, e)) for e in (value.args, value.bars))
            return Pull(value.function, args, bars)
