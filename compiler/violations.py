"""Are the compiler's own passes right about this spec? Every one is checked by value on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..spec.model import Spec
from .front.facts import Facts
from .ir.expr import Expr, rebuild, variable, walk
from .ir.module import Module
from .passes.derive import RULES, by_use
from .pipeline import Compiled, compiled
from .promises.checked import PassViolation, value_checked
from .reference.chance import loss_arguments, over_horizon
from .reference.reference import Reference


def violations(spec: Spec, facts: Facts | None = None) -> list[PassViolation]:
    """Compile the spec, then run and differentiate its reference once, all passes checked.

    The first violation is the innermost: the derivative rule of one operation before what uses it.
    Raises SpecError for a spec that does not compile.
    """
    found: list[PassViolation] = []
    with value_checked(found.append):
        try:
            case = compiled(spec, facts)
            found += _of_rules(case)
            _ = case.written
            _use(case.module)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            if not found:  # what a broken pass leaves behind may well not run
                raise
    return sorted(dict.fromkeys(found), key=lambda v: not v.operation)


def _of_rules(case: Compiled) -> list[PassViolation]:
    """Every operation of the module, and of the H that it is derived from, by itself."""
    found: list[PassViolation] = []
    for node in _operations(case):
        args = tuple(arg if arg.op == "constant" else variable("x", arg.type) for arg in node.args)
        output = rebuild(node, args)
        moving = [arg for arg in args if arg.op == "variable" and not arg.type.is_operator]
        broken: list[PassViolation] = []
        with value_checked(broken.append):
            by_use([(output, variable("g", output.type))], moving)
        found += [replace(v, operation=node.op) for v in broken]
    return found


def _operations(case: Compiled) -> Iterator[Expr]:
    """One node of every operation on operands of every type, in the order of the functions."""
    H, functions = case.problem.hamiltonian, case.module.functions.values()
    roots = [*([] if H is None else [H]), *(e for f in functions for e in f.expressions)]
    seen: set[object] = set()
    for node in walk(*roots):
        key = node.op, node.attributes, tuple(arg.type for arg in node.args)
        if node.op in RULES and key not in seen:
            seen.add(key)
            yield node


def _use(module: Module) -> None:
    """Everything that the reference makes of a module, on one row."""
    reference = Reference(module)
    weights = reference.init()
    x = np.ones((1, module.signature.features))
    with np.errstate(all="ignore"):
        if not module.has_loss:
            reference.trajectory(weights, x)
        elif module.is_of_series:
            reference.gradient(weights, *over_horizon(module, x))
        else:
            targets = np.ones((1, module.signature.outputs))
            reference.gradient(weights, *loss_arguments(module, x, targets))
