"""Wrong versions of a module: one operation of one function changed, everything else as it was.

A program that is printed from one is held to the reference of the right module; of a builder, both
would be wrong alike, and whole networks written as loops see it (`tests/literal.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...compiler.ir.expr import Expr, build, constant, rewrite, walk
from ...compiler.ir.module import Function, Let, Module, Scan
from ...compiler.ir.operations import ELEMENTWISE_FUNCTIONS
from ...compiler.ir.types import ShapeError
from ...compiler.ir.verify import InvalidModule, verify
from ...compiler.passes.rewriting import function_with
from ...compiler.pipeline import Compiled
from ...compiler.semantics.interpreter import Interpreter
from ..probes import RANDOM, Probes

Change = Callable[[Expr], Expr | None]
"""A node → what stands in its place; None where the mutation does not apply."""
DIFFERS = 1e-6
"""Relative to the largest number of a result: less is no mutation that a float32 program shows."""


@dataclass(frozen=True)
class Mutation:
    """The `number`-th place in a function where a mutation of that name applies."""

    function: str
    name: str
    number: int

    def of(self, module: Module) -> Module:
        """The mutated module; the module itself where it has no such place."""
        if self.function not in module.functions:
            return module
        found = _mutants(module.functions[self.function], self.name)
        mutant = next((f for i, f in enumerate(found) if i == self.number), None)
        return module if mutant is None else _with(module, mutant)


def mutations(case: Compiled, probes: Probes) -> Iterator[Mutation]:
    """All mutations of a case whose function gives something else on the calls of the probes."""
    for function in case.module.functions.values():
        for name in (*CHANGES, *OTHERS):
            for number, mutant in enumerate(_mutants(function, name)):
                if _is_seen(case.module, _with(case.module, mutant), mutant, probes):
                    yield Mutation(function.name, name, number)


def _with(module: Module, function: Function) -> Module:
    return module.with_functions({**module.functions, function.name: function})


def _is_seen(module: Module, wrong: Module, function: Function, probes: Probes) -> bool:
    """Is the mutant well formed, and does it give something else?"""
    try:
        verify(wrong)
    except InvalidModule:
        return False
    run, other, weights = Interpreter(module), Interpreter(wrong), probes.weights[RANDOM]
    with np.errstate(all="ignore"):
        for call in probes.calls[function.name]:
            right = run.run(function.name, call.args, weights)
            try:
                found = other.run(function.name, call.args, weights)
            except (ValueError, IndexError, TypeError):
                return False
            if any(_differ(a, b) for a, b in zip(right, found, strict=True)):
                return True
    return False


def _differ(a: np.ndarray, b: np.ndarray) -> bool:
    scale = np.max(np.abs(a), initial=0.0) or 1.0
    return np.shape(a) == np.shape(b) and bool(np.max(np.abs(a - b)) > DIFFERS * scale)


def _mutants(function: Function, name: str) -> Iterator[Function]:
    if name in OTHERS:
        yield from OTHERS[name](function)
        return
    nodes = list(walk(*function.expressions))
    unseen = {arg for node in nodes if node.op == "step_of" for arg in node.args}
    for node in nodes:
        if node in unseen:  # a program calls a function of its own, which knows h by itself
            continue
        try:
            new = CHANGES[name](node)
        except ShapeError:
            continue
        if new is not None and new.type == node.type and new is not node:
            yield _replaced(function, node, new)


def _replaced(function: Function, node: Expr, new: Expr) -> Function:
    """Another expression wherever a function has this one."""
    try:
        return function_with(
            function, lambda root: rewrite(root, lambda e: new if e is node else e)
        )
    except ShapeError:
        return function


# --- expressions -------------------------------------------------------------------------------


def _sign(e: Expr) -> Expr | None:
    other = {"add": "sub", "sub": "add"}.get(e.op)
    if other:
        return build(other, *e.args)
    return e.args[0] if e.op == "neg" else None


def _term(e: Expr) -> Expr | None:
    return e.args[0] if e.op in ("add", "sub") else None


def _factor(e: Expr) -> Expr | None:
    if e.op not in ("mul", "div"):
        return None
    return next((arg for arg in reversed(e.args) if arg.type == e.type), None)


def _number(e: Expr) -> Expr | None:
    if e.op != "constant" or e.attributes[0] == 0:
        return None
    return 2 * e if e.attributes[1] else constant(e.attributes[0] + 1)  # pyright: ignore


def _transpose(e: Expr) -> Expr | None:
    if e.op == "transpose":
        return e.args[0]
    if e.op == "matmul" and e.args[0].op != "transpose":
        return e.args[0].T @ e.args[1]
    return None


def _function(e: Expr) -> Expr | None:
    if e.op not in ELEMENTWISE_FUNCTIONS:
        return None
    return build("sin" if e.op != "sin" else "cos", *e.args)


def _entry(e: Expr) -> Expr | None:
    """Another node of a path, another step, another component."""
    other = {"head": "tail", "tail": "head"}.get(e.op)
    if other:
        return build(other, *e.args)
    if e.op == "at":
        return build("at", e.args[0], e.args[1] - 1)
    if e.op == "concat":
        return build("concat", *reversed(e.args), attributes=e.attributes)
    return None


def _swapped(args: Sequence[Expr]) -> tuple[Expr, ...]:
    """The first two different arguments of one type exchanged; none where there are none."""
    for i, a in enumerate(args):
        for j in range(i + 1, len(args)):
            if args[j].type == a.type and args[j] is not a:
                return (*args[:i], args[j], *args[i + 1 : j], a, *args[j + 1 :])
    return ()


# --- statements --------------------------------------------------------------------------------


def _stale(function: Function) -> Iterator[Function]:
    """A value from one statement earlier: a stage of Runge–Kutta methods, the momentum before."""
    before: list[Expr] = list(function.params)
    for at, let in enumerate(function.body):
        for target in let.targets:
            old = next((v for v in reversed(before) if v.type == target.type), None)
            if old is not None:
                yield _from(function, at + 1, {target: old})
        before += let.targets


def _from(function: Function, start: int, known: dict[Expr, Expr]) -> Function:
    """Other variables from one statement on."""
    changed = function_with(function, lambda e: rewrite(e, lambda node: known.get(node, node)))
    return replace(changed, body=(*function.body[:start], *changed.body[start:]))


def _scans(function: Function, change: Callable[[Scan], Scan | None]) -> Iterator[Function]:
    """Another scan in the place of each one."""
    for at, let in enumerate(function.body):
        new = change(let.value) if isinstance(let.value, Scan) else None
        if new is not None:
            body = (*function.body[:at], Let(let.targets, new), *function.body[at + 1 :])
            yield replace(function, body=body)


def _exchanged(scan: Scan) -> Scan | None:
    """With the weights of another stage of the step."""
    xs = _swapped(scan.xs)
    return replace(scan, xs=xs) if xs else None


CHANGES: dict[str, Change] = {
    "another sign": _sign,
    "a term dropped": _term,
    "a factor dropped": _factor,
    "another number": _number,
    "a transpose": _transpose,
    "another function": _function,
    "another entry": _entry,
}
OTHERS: dict[str, Callable[[Function], Iterator[Function]]] = {
    "a stale value": _stale,
    "steps in reverse": lambda f: _scans(f, lambda scan: replace(scan, reverse=True)),
    "stages exchanged": lambda f: _scans(f, _exchanged),
}
