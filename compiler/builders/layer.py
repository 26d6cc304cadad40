"""The weights of one layer, taken where within a step the method takes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from ...spec.integrators import RungeKutta, Splitting
from ..ir.expr import Expr, build, constant, variable
from ..ir.module import Group
from ..ir.problem import LayerWeight, Problem

PLACES = {Fraction(0): "start", Fraction(1, 2): "mid", Fraction(1): "end"}


@dataclass(frozen=True, eq=False)
class Entry:
    """A weight at a stage; `variable` stands for it in a step."""

    weight: LayerWeight
    stage: Fraction
    variable: Expr


@dataclass(frozen=True, eq=False)
class Layer:
    """What one step is given. Weights that are linear in time are taken at every stage c of the
    method, at t_j + c h; all others once."""

    entries: tuple[Entry, ...]
    is_linear: bool
    """Are the weights linear in time?"""
    groups: dict[Fraction, Group] = field(default_factory=dict)
    """Where there are several stages, each is a group of its own."""

    def of(self, weights: tuple[LayerWeight, ...], stage: Fraction) -> list[Expr]:
        """The variables of these weights at a stage; a KeyError where they are not taken there."""
        known = {(e.weight, e.stage): e.variable for e in self.entries}
        taken = stage if self.is_linear else Fraction(0)
        return [known[weight, taken] for weight in weights]

    def group(self, entry: Entry) -> Group | None:
        return self.groups.get(entry.stage)


def layer_of(problem: Problem) -> Layer:
    """The weights that a step of the problem's method takes, stage by stage."""
    taken = _taken(problem)
    stages = sorted({stage for _, stage in taken})
    entries = [
        (weight, stage)
        for stage in stages
        for weight in problem.layer
        if any(s == stage and weight in problem.layer_of(b) for b, s in taken)
    ]
    several = len(stages) > 1
    groups = {s: Group(_place(s), "Layer") for s in stages} if several else {}
    is_linear = problem.mode == "linear"
    return Layer(tuple(_entry(w, s, several) for w, s in entries), is_linear, groups)


def _taken(problem: Problem) -> set[tuple[str, Fraction]]:
    """The blocks with the stages at which their right-hand sides are evaluated."""
    integrator = problem.integrator
    if isinstance(integrator, RungeKutta):
        found = {(block, c) for block in problem.blocks for c in integrator.tableau.c}
    elif isinstance(integrator, Splitting):
        found = {
            (block, move.at) for move in integrator.moves for block in moved(problem, move.half)
        }
        found |= {(b, Fraction(0)) for b in moved(problem, "momentum") if integrator.start}
    else:
        raise TypeError(f"no step is known of the integrator {integrator.kind}")
    return found if problem.mode == "linear" else {(block, Fraction(0)) for block, _ in found}


def moved(problem: Problem, half: str) -> list[str]:
    """The blocks whose right-hand side moves that half; for y'' = f that of y moves y'."""
    if problem.order == 2:
        return ["y"] if half == "momentum" else []
    return [name for name in problem.blocks if (name == "y") == (half == "position")]


def _entry(weight: LayerWeight, stage: Fraction, several: bool) -> Entry:
    name = f"{weight.name}_{_place(stage)}" if several else weight.name
    return Entry(weight, stage, variable(name, weight.variable.type))


def _place(stage: Fraction) -> str:
    return PLACES.get(stage, f"at_{stage.numerator}_{stage.denominator}")


def at_stage(problem: Problem, stack: Expr, stage: Fraction) -> Expr:
    """The raw weight of all steps, each at a stage of its step: (1 − c) θ_j + c θ_{j+1}."""
    if problem.mode != "linear":
        return stack
    before, after = build("head", stack), build("tail", stack)
    if stage in (0, 1):
        return after if stage else before
    p, q = stage.numerator, stage.denominator
    return (_times(q - p, before) + _times(p, after)) / constant(q)


def _times(count: int, e: Expr) -> Expr:
    return e if count == 1 else constant(count) * e
