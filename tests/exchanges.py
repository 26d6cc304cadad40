"""Mutants of a function: two values of one type exchanged where the order alone tells them apart.

Arguments of a call, targets of a statement, results: what a builder gets wrong when it hands a
weight or a state to the place of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from wellposed.compiler.ir.expr import Expr, rebuild, rewrite, walk
from wellposed.compiler.ir.module import Call, Function, Let
from wellposed.compiler.ir.text import mathematics
from wellposed.compiler.passes.rewriting import function_with

Order = tuple[Expr, ...]


def exchanges(function: Function) -> Iterator[tuple[str, Function]]:
    """(what is exchanged, the function with it)."""
    yield from _within_expressions(function)
    for at, let in enumerate(function.body):
        if isinstance(let.value, Call):
            for what, args in _orders(let.value.args):
                call = replace(let.value, args=args)
                yield f"{call.function}: {what}", _at(function, at, Let(let.targets, call))
        for what, targets in _orders(let.targets):
            yield f"given: {what}", _at(function, at, Let(targets, let.value))
    for what, values in _orders(function.values):
        pairs = zip(function.results, values, strict=True)
        yield (
            f"results: {what}",
            replace(
                function, results=tuple(replace(result, value=value) for result, value in pairs)
            ),
        )


def _within_expressions(function: Function) -> Iterator[tuple[str, Function]]:
    for node in walk(*function.expressions):
        if node.op == "call":
            for what, args in _orders(node.args):
                new = rebuild(node, args)
                yield f"{node.name}: {what}", _replaced(function, node, new)


def _orders(values: Sequence[Expr]) -> Iterator[tuple[str, Order]]:
    """Every two different values of one type exchanged."""
    for i, j in combinations(range(len(values)), 2):
        a, b = values[i], values[j]
        if a.type == b.type and a is not b:
            moved = {i: b, j: a}
            text = f"{mathematics(a)} and {mathematics(b)}"
            yield text, tuple(moved.get(k, value) for k, value in enumerate(values))


def _replaced(function: Function, node: Expr, new: Expr) -> Function:
    return function_with(function, lambda e: rewrite(e, lambda x: new if x is node else x))


def _at(function: Function, at: int, let: Let) -> Function:
    return replace(function, body=(*function.body[:at], let, *function.body[at + 1 :]))
