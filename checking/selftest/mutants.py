"""The planted bugs that are mutations of the module: by operator, function and backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache, partial

from ...compiler.ir.module import Function, Role
from ...compiler.pipeline import Compiled, compiled
from ..locate.calls import recorded
from ..probes import draw
from . import plant
from .mutations import Mutation, mutations
from .plant import Bug
from .specs import specs

PLACE = "module"
EACH = 2
"""Mutations of one kind in functions of one name that are planted in a PyTorch program."""
RUNGS = {
    Role.PARAMETRIZATION: "L1",
    Role.FIELD: "L1",
    Role.STEP: "L2",
    Role.LIFT: "L2",
    Role.READOUT: "L3",
    Role.LOSS: "L3",
    Role.PENALTY: "L3",
}
"""Where a wrong function shows first."""
PATHS = {"vector_field": "L1", "weights_at": "L1", "final_state": "L3"}
"""The same of functions that choose weights and times; else L2."""


@cache
def mutants() -> tuple[Bug, ...]:
    """Every kind of mutation in every function, and one of every function in JAX."""
    found: list[Bug] = []
    seen: Counter[tuple[str, ...]] = Counter()
    for spec, given in specs().items():
        case = compiled(given)
        for mutation in mutations(case, recorded(case, draw(case))):
            for backend in _backends(mutation, seen):
                found.append(_bug(spec, case, mutation, backend))
    return tuple(found)


def _backends(mutation: Mutation, seen: Counter[tuple[str, ...]]) -> Iterator[str]:
    """Those whose program gets this mutation: XLA compiles every program for seconds."""
    for backend, key, most in (
        ("torch", (mutation.function, mutation.name), EACH),
        ("jax", (mutation.function,), 1),
    ):
        seen[key] += 1
        if seen[key] <= most:
            yield backend


def _bug(spec: str, case: Compiled, mutation: Mutation, backend: str) -> Bug:
    function = case.module.functions[mutation.function]
    title = f"{mutation.name} in {mutation.function} of {spec} ({mutation.number}) in {backend}"
    return Bug(
        name=title,
        place=PLACE,
        spec=spec,
        plant=partial(plant.module, backend, mutation.of),
        caught=_rung(case, function),
        equation="step" if _starts_the_method(case, function) else function.equation,
        backends=(backend,),
    )


def _starts_the_method(case: Compiled, function: Function) -> bool:
    """Is it the velocity before the first step, of states that are lifted as they are?"""
    blocks = case.module.signature.blocks
    return function.role is Role.LIFT and any(r.name not in blocks for r in function.results)


def _rung(case: Compiled, function: Function) -> str:
    if function.role is Role.PATH:
        found = PATHS.get(function.name, "L2")
        return min(found, "L2") if case.problem.readout is None else found
    return RUNGS[function.role]
