"""The rungs L0–L3: which part of which answer each one compares. Later rungs join this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..compiler.ir.program import Program
from .compare import (
    Array,
    Comparison,
    Leaves,
    Standard,
    Verdict,
    compare_bytes,
    compare_leaves,
    differs,
    errors,
    structure,
)
from .expectation import Expectation
from .quantities import (
    FIELD,
    FINAL,
    GRADIENT,
    LOGITS,
    LOSS,
    PROGRAM,
    REGULARIZER,
    TRAJECTORY,
    WEIGHTS,
    Answer,
    Key,
)
from .tolerances import LIMIT

INITIAL_STATE, ONE_STEP = "initial state", "one step"
LEVELS = {
    PROGRAM: "L0",
    WEIGHTS: "L0",
    FIELD: "L1",
    INITIAL_STATE: "L2",
    ONE_STEP: "L2",
    TRAJECTORY: "L2",
    FINAL: "L2",
    LOGITS: "L3",
    REGULARIZER: "L3",
    LOSS: "L3",
    GRADIENT: "L3",
}


@dataclass(frozen=True)
class Rung:
    """One line of the ladder, the worst of all its leaves.

    `worst` is an error relative to the scale of the reference, `tolerance` what it was held to
    (None where nothing was measured), `element` the place as words; `between` is the error of this
    backend against the other one. `step` is the first time step whose state differs.
    """

    rung: str
    backend: str
    dtype: str
    quantity: str
    passed: bool
    worst: float | None = None
    tolerance: float | None = None
    element: str = ""
    reason: str = ""
    between: float | None = None
    ill_posed: bool = False
    step: int | None = None

    @property
    def ratio(self) -> float:
        """The worst error as a part of what is allowed."""
        return (self.worst or 0.0) / self.tolerance if self.tolerance else 0.0


@dataclass(frozen=True)
class Part:
    """A quantity of the table as part of an answer: which leaves, and what of them."""

    quantity: str
    select: Callable[[str], bool] = lambda leaf: True
    cut: Callable[[Array], Array] = lambda array: array

    def of(self, leaves: Leaves) -> dict[str, Array]:
        return {name: self.cut(array) for name, array in leaves.items() if self.select(name)}

    def standards(self, standards: Mapping[str, Standard]) -> dict[str, Standard]:
        """The same part of what is expected."""
        return {
            name: replace(
                s, value=self.cut(s.value), scale=self.cut(s.scale), tolerance=self.cut(s.tolerance)
            )
            for name, s in standards.items()
            if self.select(name)
        }


def parts(program: Program, quantity: str) -> list[Part]:
    """What the table says of one answer, in the order of its rows."""
    if quantity == TRAJECTORY:
        start, first = (lambda a: a[:1]), (lambda a: a[1:2])
        return [Part(INITIAL_STATE, cut=start), Part(ONE_STEP, cut=first), Part(TRAJECTORY)]
    if quantity == GRADIENT:
        return [
            Part(f"{GRADIENT} {w.name}", select=partial(_is_of, w.name)) for w in program.weights
        ]
    return [Part(quantity)]


def _is_of(weight: str, leaf: str) -> bool:
    return leaf.partition("/")[2] == weight


def level(quantity: str) -> str:
    """`L3` of `gradient K`."""
    return LEVELS[quantity if quantity in LEVELS else quantity.split()[0]]


def judge(
    program: Program, backend: str, key: Key, answer: Answer, expected: Expectation, peer: Leaves
) -> list[Rung]:
    """The rungs of one answer; `peer` are the other backend's leaves, where there are any."""
    if answer.reason:
        return [_rung(backend, key, key.quantity, differs(answer.reason))]
    if key.quantity == WEIGHTS:
        found = compare_bytes(answer.leaves, expected.weights)
        return [_rung(backend, key, key.quantity, found)]
    standards = expected.standards[key]
    misfit = structure(answer.leaves, {n: s.value for n, s in standards.items()}, key.dtype)
    if misfit:
        return [_rung(backend, key, key.quantity, differs(misfit))]
    return [
        _judge_part(backend, key, part, answer.leaves, standards, peer)
        for part in parts(program, key.quantity)
    ]


def _judge_part(
    backend: str,
    key: Key,
    part: Part,
    leaves: Leaves,
    standards: Mapping[str, Standard],
    peer: Leaves,
) -> Rung:
    own, wanted = part.of(leaves), part.standards(standards)
    comparison = compare_leaves(own, wanted, key.dtype)
    rung = _rung(backend, key, part.quantity, comparison)
    return replace(rung, between=_between(own, part.of(peer), wanted))


def _between(own: Leaves, peer: Leaves, wanted: Mapping[str, Standard]) -> float | None:
    """The largest difference of two backends over the scale of the reference."""
    if any(n not in peer or peer[n].shape != own[n].shape for n in wanted):
        return None
    found = [np.max(errors(own[n], peer[n], s.scale)) for n, s in wanted.items()]
    return float(max(found))


def _rung(backend: str, key: Key, quantity: str, c: Comparison) -> Rung:
    ill_posed = c.verdict is Verdict.ILL_POSED
    judged = key.dtype == "float64" or not ill_posed
    return Rung(
        rung=level(quantity),
        backend=backend,
        dtype=key.dtype,
        quantity=quantity,
        passed=c.verdict is Verdict.AGREES or not judged,
        worst=c.worst,
        tolerance=c.tolerance,
        element=_element(quantity, c),
        reason=c.reason or (_ill_posed(quantity, key.dtype, c) if ill_posed else ""),
        ill_posed=ill_posed,
        step=c.first if quantity == TRAJECTORY else None,
    )


def _ill_posed(quantity: str, dtype: str, c: Comparison) -> str:
    where = f" from step {c.horizon} on" if quantity == TRAJECTORY and c.horizon is not None else ""
    why = f"the spec magnifies rounding beyond {LIMIT[dtype]:g} or overflows"
    return f"not judged{where}: {why}" + ("; float64 decides" if dtype != "float64" else "")


def _element(quantity: str, c: Comparison) -> str:
    """`random weights, step 3, row 1, component 0: 0.25, not 0.5`."""
    if c.element is None:
        return ""
    set_, _, leaf = c.element.leaf.partition("/")
    where = [f"{set_} weights" if quantity != WEIGHTS else set_]
    where += [leaf] if leaf and not quantity.endswith(f" {leaf}") else []
    where += _place(quantity, c.element.index)
    values = f"{c.element.found:.9g}"
    if c.verdict is Verdict.DIFFERS:
        values += f", not {c.element.expected:.9g}"
    return f"{', '.join(where)}: {values}"


def _place(quantity: str, index: tuple[int, ...]) -> list[str]:
    if quantity in (INITIAL_STATE, ONE_STEP):
        index = index[1:]
    names = {
        TRAJECTORY: ("step", "row", "component"),
        FIELD: ("row", "component"),
        INITIAL_STATE: ("row", "component"),
        ONE_STEP: ("row", "component"),
        FINAL: ("row", "component"),
        LOGITS: ("row", "output"),
    }.get(quantity)
    if names:
        return [f"{name} {i}" for name, i in zip(names, index, strict=True)]
    return [f"[{', '.join(map(str, index))}]"] if index else []
