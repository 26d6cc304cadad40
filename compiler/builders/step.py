"""One step of a method as a function: Runge–Kutta tableaux, and halves that move in turn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from math import lcm

from ...spec.integrators import RungeKutta, Splitting, Tableau
from ..ir.expr import Expr, constant, is_constant, variable
from ..ir.module import Function, Let, Result, Role, let
from ..ir.problem import Problem
from ..passes.simplify import simplify
from ..promises.checked import checked
from .body import CARRIED
from .field import rhs
from .layer import Layer, moved
from .literal import method_kept
from .names import own_name

VELOCITY = "v"
UNBROKEN = "\u00a0"
"""A space at which documentation is not broken into lines."""
LOC = ("model", "integrator")


def carried(problem: Problem) -> dict[str, Expr]:
    """New variables of what a step carries: the blocks, and a second-order field's velocity."""
    found = {n: variable(n, block.variable.type) for n, block in problem.blocks.items()}
    if problem.order == 2:
        found[VELOCITY] = variable(VELOCITY, problem.first.variable.type)
    return found


@checked("step", method_kept)
def step(problem: Problem, layer: Layer) -> Function:
    """`step(states, t, weights of a layer)` → the states at t + h."""
    return _step(problem, layer, _Method(problem, layer), own_name(problem, "step"))


def reverse_step(problem: Problem, layer: Layer) -> Function:
    """`reverse_step(states, t, weights of a layer)` → from the states at t + h those at t, by the
    same method with −h: what a stage takes at t + c h it takes here at t + h − c h."""
    method = _ReversedMethod(problem, layer)
    return _step(problem, layer, method, own_name(problem, "reverse_step"))


def _step(problem: Problem, layer: Layer, method: _Method, name: str) -> Function:
    states = carried(problem)
    integrator = problem.integrator
    if isinstance(integrator, RungeKutta):
        body, after = method.runge_kutta(integrator.tableau, states)
    elif isinstance(integrator, Splitting):
        body, after = method.splitting(integrator, states)
    else:
        raise TypeError(f"no step is known of the integrator {integrator.kind}")
    time = () if problem.is_autonomous else (method.t,)
    groups = {e.variable: group for e in layer.entries if (group := layer.group(e))}
    several, group = len(states) > 1, CARRIED[problem.carries]
    return Function(
        name=name,
        role=Role.STEP,
        params=(*states.values(), *time, *(e.variable for e in layer.entries), *problem.given),
        body=tuple(body),
        results=tuple(Result(n, e, group if several else None) for n, e in after.items()),
        doc=(method.doc,),
        loc=LOC,
        groups=groups,
    )


def start(problem: Problem, layer_at_0: list[Expr], y: Expr) -> Expr:
    """The velocity before the first step of a staggered method, from y'(0) = 0."""
    integrator = problem.integrator
    assert isinstance(integrator, Splitting)
    force = rhs(problem, "y", constant(0.0), {"y": y}, layer_at_0)
    by = _scaled(problem.H, abs(integrator.start)) * force
    return -by if integrator.start < 0 else by


class _Method:
    """The lines of a step, with calls of the right-hand sides."""

    def __init__(self, problem: Problem, layer: Layer) -> None:
        self.problem, self.layer, self.H = problem, layer, problem.H
        self.t = variable("t", problem.t.type)
        self.is_seen = {
            name: any(block.variable in problem.depends_on(b) for b in problem.blocks)
            for name, block in problem.blocks.items()
        }

    def _rhs(
        self,
        block: str,
        stage: Fraction,
        states: dict[str, Expr],
        slopes: Mapping[str, Expr] | None = None,
    ) -> Expr:
        stage = self.place(stage)
        weights = self.layer.of(self.problem.layer_of(block), stage)
        blocks = {name: states[name] for name in self.problem.blocks}
        return rhs(self.problem, block, self._time(stage), blocks, weights, slopes=slopes)

    @property
    def doc(self) -> str:
        """Name and formula."""
        return _doc(self.problem)

    def place(self, stage: Fraction) -> Fraction:
        """Where between t and t + h a stage lies."""
        return stage

    def moved(self, y: Expr, increment: Expr | None) -> Expr:
        """The state moved by h times a slope."""
        return y if increment is None else y + increment

    def _time(self, stage: Fraction) -> Expr:
        """t + c h, as a reader would write it."""
        return simplify(self.t + _scaled(self.H, stage)) if stage else self.t

    def runge_kutta(
        self, tableau: Tableau, states: dict[str, Expr]
    ) -> tuple[list[Let], dict[str, Expr]]:
        """k_i = f(t + c_i h, y + h Σ_j a_ij k_j);  y + h Σ_i b_i k_i."""
        body: list[Let] = []
        slopes: dict[str, list[Expr]] = {name: [] for name in states}
        several = len(states) > 1
        for i, (a, c) in enumerate(zip(tableau.a, tableau.c, strict=True), start=1):
            at = {n: self.moved(y, _combination(self.H, a, slopes[n])) for n, y in states.items()}
            if several and i > 1:
                at = {n: self._named(f"{n}{i}", n, e, body) for n, e in at.items()}
            known: dict[str, Expr] = {}
            for name in states:
                k, label = self._rhs(name, c, at, known), f"k{i}_{name}" if several else f"k{i}"
                is_alone = len(tableau.b) == 1 and not self.problem.reads_slope(name)
                known[name] = k if is_alone else _bound(label, k, body)
                slopes[name].append(known[name])
        return body, {
            n: self.moved(y, _combination(self.H, tableau.b, slopes[n])) for n, y in states.items()
        }

    def _named(self, name: str, block: str, value: Expr, body: list[Let]) -> Expr:
        """A stage state of several blocks by a name: every right-hand side may need it."""
        return _bound(name, value, body) if self.is_seen[block] else value

    def splitting(
        self, method: Splitting, states: dict[str, Expr]
    ) -> tuple[list[Let], dict[str, Expr]]:
        """Every move in turn, each with what the moves before it have made of the state."""
        body: list[Let] = []
        now = dict(states)
        for move in method.moves:
            for name, slope in self._slopes(move.half, move.at, now).items():
                now[name] = _bound(name, now[name] + _scaled(self.H, move.by) * slope, body)
        return body, now

    def _slopes(self, half: str, at: Fraction, now: dict[str, Expr]) -> dict[str, Expr]:
        """What moves: blocks by their right-hand sides; for y'' = f also y by its velocity."""
        if self.problem.order == 2 and half == "position":
            return {"y": now[VELOCITY]}
        names = {"y": VELOCITY} if self.problem.order == 2 else {}
        return {names.get(b, b): self._rhs(b, at, now) for b in moved(self.problem, half)}


class _ReversedMethod(_Method):
    """From t + h to t."""

    @property
    def doc(self) -> str:
        name = self.problem.integrator.name
        return f"{name[:1].upper()}{name[1:]} from t + h to t: the step by −h."

    def place(self, stage: Fraction) -> Fraction:
        return 1 - stage

    def moved(self, y: Expr, increment: Expr | None) -> Expr:
        return y if increment is None else y - increment


def _bound(name: str, value: Expr, body: list[Let]) -> Expr:
    """A new variable for a value."""
    target = variable(name, value.type)
    body.append(let(target, value))
    return target


def _scaled(H: Expr, factor: Fraction) -> Expr:
    """h a/b as `a * H / b`."""
    product = constant(factor.numerator) * H
    return simplify(product / constant(factor.denominator))


def _combination(H: Expr, factors: tuple[Fraction, ...], terms: list[Expr]) -> Expr | None:
    """h Σ aᵢ kᵢ with the common denominator drawn out: `H / 6 * (k1 + 2 * k2 + …)`."""
    denominator = lcm(*(a.denominator for a in factors)) if factors else 1
    total: Expr | None = None
    for a, k in zip(factors, terms, strict=True):
        weight = constant(int(a * denominator))
        if is_constant(weight, 0):
            continue
        part = simplify(weight * k)
        total = part if total is None else total + part
    return None if total is None else _scaled(H, Fraction(1, denominator)) * total


def _with_names(formula: str, problem: Problem) -> str:
    """A formula of halves y and z in the names of the blocks."""
    y, *others = problem.blocks
    names = {"y": y, "z": ", ".join(others)}
    return re.sub(r"\b[yz]\b", lambda found: names[found[0]], formula)


def _doc(problem: Problem) -> str:
    """Name and formula, and the order where it is another one for the problem as it is written; a
    line is broken between equations, not within one."""
    integrator = problem.integrator
    name = integrator.name[:1].upper() + integrator.name[1:]
    parts = [part.replace(" ", UNBROKEN) for part in integrator.formula.split(", k")]
    text = f"{name}: {', k'.join(parts)}".replace(f";{UNBROKEN}", "; ")
    if problem.order == 1 and isinstance(integrator, Splitting):
        text = _with_names(text, problem)
    differs = integrator.initial_value_order != integrator.order
    return f"{text}. {problem.accuracy.capitalize()}." if differs else f"{text}."
