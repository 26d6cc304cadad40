"""Stages of a computation: expressions evaluated at a place, and differentiated on the way back.

Every value is rounded to the dtype that is asked for, so that what overflows in it overflows here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .evaluate import Evaluator
from .ir.expr import Expr, variable, walk
from .ir.text import mathematics
from .passes.derive import vjp

Array = NDArray[Any]


def barred(name: str) -> str:
    """The name of a cotangent: ȳ of y, ȳ' of y'."""
    letters = name.rstrip("'")
    return f"{letters}\u0304{name[len(letters) :]}"


@dataclass(frozen=True)
class Place:
    """A part of a program: what it is called, its key in the spec, its layer (1 … N)."""

    equation: str
    loc: tuple[str | int, ...]
    layer: int | None = None
    by: str = ""
    """In the gradient: what the part is differentiated by."""

    @property
    def is_in_step(self) -> bool:
        """Does it belong to the step of a layer: a right-hand side, or a line of the method?"""
        return self.layer is not None and self.equation.startswith(("field ", "step"))


@dataclass(eq=False)
class Slot:
    """A number of the computation: its value, and its cotangent as far as it is known."""

    value: Array
    bar: Array | None = None
    is_fixed: bool = False
    """Is it given, so that no cotangent of it is wanted (features, targets, time)?"""

    def add(self, part: Array) -> None:
        """Add a part of the cotangent."""
        part = part.reshape(np.shape(self.value))
        self.bar = part if self.bar is None else self.bar + part

    @property
    def cotangent(self) -> Array:
        """Zero where nothing depends on the number."""
        return np.zeros(np.shape(self.value)) if self.bar is None else self.bar


Slots = dict[str, Slot]


@dataclass(frozen=True, eq=False)
class Stage:
    """Expressions that were evaluated together, with the values of all their nodes."""

    place: Place
    roots: dict[str, Expr]
    evaluator: Evaluator
    given: dict[str, Array]
    """The variables, before they were rounded."""
    values: list[Array]
    shown: dict[str, Expr]
    """What a reader knows the stage by: the roots, in the gradient what is differentiated."""

    @property
    def results(self) -> list[Array]:
        """The values of the roots."""
        return [self.values[i] for i in self.evaluator.results]

    @property
    def text(self) -> str:
        """`y' = tanh(K y + b)`."""
        return "; ".join(f"{name} = {mathematics(e)}" for name, e in self.shown.items())


Stages = Generator[Stage, None, Slots]
"""Stages as they are evaluated; at the end, the results by name."""


@dataclass(frozen=True, eq=False)
class _Entry:
    """What reverse differentiation needs of a stage."""

    place: Place
    roots: dict[str, Expr]
    inputs: Slots
    outputs: Slots


class Tape:
    """Evaluates stages and remembers them for the way back."""

    def __init__(self, dtype: str) -> None:
        self._rounded = _rounding(dtype)
        self._entries: list[_Entry] = []
        self._evaluators: dict[tuple[Expr, ...], Evaluator] = {}
        self._adjoints: dict[tuple[Any, ...], dict[str, Expr]] = {}

    def stage(self, place: Place, roots: dict[str, Expr], scope: Slots) -> Stages:
        """Evaluate a part of what is differentiated later."""
        stage = self.evaluated(place, roots, scope)
        yield stage
        used = {str(e.attributes[0]) for e in stage.evaluator.order if e.op == "variable"}
        inputs = {name: scope[name] for name in used}
        fixed = all(slot.is_fixed for slot in inputs.values())
        results = zip(roots, stage.results, strict=True)
        outputs = {name: Slot(value, is_fixed=fixed) for name, value in results}
        if not fixed:
            self._entries.append(_Entry(place, roots, inputs, outputs))
        return outputs

    def evaluated(
        self,
        place: Place,
        roots: dict[str, Expr],
        scope: Mapping[str, Slot],
        shown: dict[str, Expr] | None = None,
    ) -> Stage:
        """Evaluate expressions of the slots in `scope`, to be forgotten."""
        key = tuple(roots.values())
        if key not in self._evaluators:
            self._evaluators[key] = Evaluator(*key)
        evaluator = self._evaluators[key]
        given = {name: slot.value for name, slot in scope.items()}
        with np.errstate(all="ignore"):
            values = evaluator.every(given, self._rounded)
        return Stage(place, roots, evaluator, given, values, roots if shown is None else shown)

    def reverse(self) -> Iterator[Stage]:
        """From the last stage to the first: cotangents of what went in, from those of what came."""
        for entry in reversed(self._entries):
            yield from self._reversed(entry)

    def _reversed(self, entry: _Entry) -> Iterator[Stage]:
        bars = {n: slot.bar for n, slot in entry.outputs.items() if slot.bar is not None}
        wanted = {n: slot for n, slot in entry.inputs.items() if not slot.is_fixed}
        scope = entry.inputs | {barred(n): Slot(bar) for n, bar in bars.items()}
        roots = {n: entry.roots[n] for n in bars}
        for name, part in self._adjoint(roots, tuple(wanted)).items():
            place = replace(entry.place, by=name)
            stage = self.evaluated(place, {barred(name): part}, scope, entry.roots)
            yield stage
            wanted[name].add(stage.results[0])

    def _adjoint(self, roots: dict[str, Expr], wanted: tuple[str, ...]) -> dict[str, Expr]:
        """Cotangents by the name of their variable; made once for all layers."""
        key = (*roots.items(), *wanted)
        if key not in self._adjoints:
            leaves = (e for e in walk(*roots.values()) if e.op == "variable")
            wrt = [e for e in leaves if e.attributes[0] in wanted]
            found = zip(wrt, vjp([_seeded(n, e) for n, e in roots.items()], wrt), strict=True)
            self._adjoints[key] = {str(v.attributes[0]): e for v, e in found if e is not None}
        return self._adjoints[key]


def _seeded(name: str, e: Expr) -> tuple[Expr, Expr]:
    type = e.type
    return e, variable(barred(name), type.shape, batched=type.batched, stacked=type.stacked)


def _rounding(dtype: str) -> Callable[[Array], Array] | None:
    """Rounding of float64 values to those of a narrower dtype."""
    if dtype == "float64":
        return None

    def rounded(value: Array) -> Array:
        with np.errstate(all="ignore"):
            return value.astype(dtype).astype(np.float64)

    return rounded
