"""One step of a method as loops over its tableau or its moves: the promise of the step's builder.

The lines of a step are held against k_i = f(t + c_i h, y + h Σ_j a_ij k_j), y + h Σ_i b_i k_i,
and against the moves of a splitting one after the other, with any field in the place of f.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

import numpy as np

from ...spec.integrators import RungeKutta, Splitting, Tableau
from ..ir.expr import Expr, call
from ..ir.module import Function
from ..ir.problem import Problem
from ..ir.text import mathematics
from ..ir.types import columns
from ..promises.checked import Broken
from ..promises.claims import SAME, broken, by_lines, cut, relative_error
from ..promises.samples import Array, Values, draws, finite_size, some_function
from .layer import Layer, moved
from .names import rhs_name

States = dict[str, Array]
Field = Callable[[str, Fraction, Mapping[str, Array]], Array]
"""(block, place within the step as a part of h, states) → the block's right-hand side."""


def method_kept(step: Function, problem: Problem, layer: Layer) -> Iterator[Broken]:
    """The lines of a step give what the method's formula gives."""
    error = broken((step, problem, layer), SAME, lambda: _error(step, problem, layer))
    if error is not None:
        lines = "; ".join(mathematics(e) for e in step.expressions)
        yield problem.integrator.formula, cut(lines), error


def _error(step: Function, problem: Problem, layer: Layer) -> float:
    (values,) = next(draws(*step.params))
    found = by_lines(step, values)
    names = [result.name for result in step.results]
    states = {name: values[p] for name, p in zip(names, step.params, strict=False)}
    expected = _by_formula(problem, states, _field(step, problem, layer, values))
    worst = 0.0
    for name, value in zip(names, found, strict=True):
        old, new = np.broadcast_arrays(expected[name], value)
        worst = max(worst, relative_error(old, new, np.asarray(finite_size(old))))
    return worst


def _field(step: Function, problem: Problem, layer: Layer, values: Values) -> Field:
    """Right-hand sides that are any function of what they depend on."""
    times = [p for p in step.params if p.type == problem.t.type and p.name == problem.t.name]
    h = float(problem.h)

    def f(block: str, stage: Fraction, states: Mapping[str, Array]) -> Array:
        known = {problem.blocks[n].variable: v for n, v in states.items() if n in problem.blocks}
        if times:
            known[problem.t] = values[times[0]] + float(stage) * h
        for entry in layer.entries:
            if entry.stage == (stage if entry.weight.mode == "linear" else 0):
                known[entry.weight.variable] = values[entry.variable]
        known |= {e: values[e] for e in problem.given}
        parameters = problem.depends_on(block)
        known |= {k: f(n, stage, states) for n, k in problem.slopes.items() if k in parameters}
        return some_function(_call(problem, block, parameters), [known[p] for p in parameters])

    return f


def _call(problem: Problem, block: str, parameters: Sequence[Expr]) -> Expr:
    name = rhs_name(problem, block)
    return call(name, parameters, columns(problem.blocks[block].shape))


def _by_formula(problem: Problem, states: States, f: Field) -> States:
    integrator, h = problem.integrator, float(problem.h)
    if isinstance(integrator, RungeKutta):
        return _runge_kutta(integrator.tableau, f, states, h)
    if isinstance(integrator, Splitting):
        return _moves(integrator, problem, f, states, h)
    raise TypeError(f"there is no formula of {integrator.kind}")


def _runge_kutta(tableau: Tableau, f: Field, y: States, h: float) -> States:
    k: list[States] = []
    for a, c in zip(tableau.a, tableau.c, strict=True):
        at = {n: v + h * _weighted(a, [stage[n] for stage in k]) for n, v in y.items()}
        k.append({n: f(n, c, at) for n in y})
    return {n: v + h * _weighted(tableau.b, [stage[n] for stage in k]) for n, v in y.items()}


def _weighted(weights: tuple[Fraction, ...], terms: list[Array]) -> Array:
    return sum((float(a) * k for a, k in zip(weights, terms, strict=True)), np.zeros(()))


def _moves(method: Splitting, problem: Problem, f: Field, states: States, h: float) -> States:
    """For y'' = f the right-hand side moves the velocity, and the velocity moves y."""
    (velocity,) = states.keys() - problem.blocks.keys() or {""}
    for move in method.moves:
        if velocity and move.half == "position":
            slopes = {"y": states[velocity]}
        elif velocity:
            slopes = {velocity: f("y", move.at, states)}
        else:
            slopes = {n: f(n, move.at, states) for n in moved(problem, move.half)}
        states = states | {n: states[n] + float(move.by) * h * k for n, k in slopes.items()}
    return states
