"""A network in words and numbers: what `show` prints, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...spec.adaptive import Adaptive
from ...spec.initializers import (
    Constant,
    Identity,
    Initializer,
    Normal,
    Random,
    Uniform,
    Values,
)
from ...spec.integrators import RungeKutta
from ..builders.network import adaptive_steps, gradient_mode, in_time, tolerances
from ..builders.path import initial_blocks
from ..ir.compiled import Compiled
from ..ir.integrals import Density, PathPenalty
from ..ir.module import Function
from ..ir.problem import Penalty, Problem, RawWeight
from ..ir.text import definition, equations, mathematics, number
from ..reference.initial import deviation
from .cost import Cost, cost
from .findings import Finding
from .flow import limits
from .seen import Seen
from .spectrum import in_text
from .stability import analyse

WEIGHTS_IN_TIME = {
    "per-step": "weight j on [t_j, t_j + h)",
    "linear": "linear in time between the nodes t_0 … t_N",
    "shared": "one weight for all times",
}


@dataclass(frozen=True)
class WeightRow:
    """One raw weight: shape with its axes, how it starts, how many numbers."""

    name: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    initial: str
    count: int
    trainable: bool


@dataclass(frozen=True)
class Description:
    """What was built from a spec."""

    name: str
    equations: list[str]
    weights: list[WeightRow]
    integrator: list[str]
    cost: Cost
    findings: tuple[Finding, ...]
    """On stability."""
    limits: tuple[Finding, ...]
    """What a flow cannot do."""

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "equations": self.equations,
            "weights": [asdict(row) for row in self.weights],
            "integrator": self.integrator,
            "cost": self.cost.to_json(),
            "findings": [f.to_json() for f in self.findings],
            "limits": [f.to_json() for f in self.limits],
        }


def describe(compiled: Compiled, given: Seen | None = None) -> Description:
    """Equations, weights, plan, cost, stability findings by what is `given` to look at, and what
    the flow cannot do. Imports no framework."""
    problem = compiled.problem
    return Description(
        name=problem.name,
        equations=_equations(problem),
        weights=[_row(w) for w in problem.weights],
        integrator=_plan(compiled),
        cost=cost(compiled.written),
        findings=analyse(compiled, given),
        limits=limits(problem),
    )


def _equations(problem: Problem) -> list[str]:
    lines = equations(problem.rhs, problem.order)
    if problem.hamiltonian is not None:
        y, z = problem.blocks
        lines.append(
            f"from H = {mathematics(problem.hamiltonian)}: {y}' = ∂H/∂{z}, {z}' = −∂H/∂{y}"
        )
    lines += [definition(w.name, w.raw.name, w.definition) for w in problem.layer if not w.is_raw]
    lines += in_text(problem)
    at_rest = ["y'(0) = 0"] if problem.order == 2 else []
    lines.append(", ".join([*initial_blocks(problem), *at_rest]))
    if problem.readout is not None:
        y = problem.first.name
        what = "logits u" if problem.readout.weights else "prediction u"
        lines.append(f"{what} = {mathematics(problem.readout.logits)}, {y} = {y}(T)")
        lines.append(f"loss = mean over the examples of {mathematics(problem.readout.loss)}")
    if problem.density is not None:
        lines += _density(problem, problem.density)
    lines += [f"+ {_penalty(p)}" for p in problem.penalties]
    return lines + [f"+ {_path_penalty(p)}" for p in problem.path_penalties]


def _density(problem: Problem, density: Density) -> list[str]:
    """How the log-density changes, why its trace is taken so, and the loss."""
    names = ", ".join(f"{name}(T)" for name in problem.blocks)
    loss = "loss = mean over the examples of −log p(x)"
    if problem.is_matched:
        loss = "loss = mean over rows of the base, y(T), of log q(y(0)) + U(y(0))"
    energy = [] if density.energy is None else [f"U = {mathematics(density.energy)}"]
    if problem.is_discrete:
        sign = "−" if problem.is_matched else "+"
        how = [f"a step: log|det(I {sign} h ∂f/∂y)|, {density.reason}"]
        how.append(f"log p(x) = log N({names}; 0, I) and the sum over the steps")
    else:
        how = ["(log p)' = −tr ∂f/∂y", f"trace: {density.kind}, {density.reason}"]
        how.append(f"log p(x) = log N({names}; 0, I) + ∫ tr ∂f/∂y dt")
    return [*how, *energy, loss]


def _penalty(penalty: Penalty) -> str:
    of = ", ".join(w.name for w in penalty.weights)
    return f"{penalty.regularizer.formula} of {of}, α = {number(penalty.regularizer.alpha)}"


def _path_penalty(penalty: PathPenalty) -> str:
    """With how a norm is taken, and why so."""
    how = f"; {penalty.kind}, {penalty.reason}" if penalty.kind else ""
    return f"{penalty.regularizer.formula}, α = {number(penalty.regularizer.alpha)}{how}"


def _plan(compiled: Compiled) -> list[str]:
    problem = compiled.problem
    time = problem.spec.model.time
    integrator = problem.integrator
    kind = f"{integrator.name}, {problem.accuracy}"
    if isinstance(integrator, Adaptive):
        return _adaptive_plan(problem, integrator)
    if isinstance(integrator, RungeKutta):
        stages = len(integrator.tableau.b)
        kind += f", {stages} stage{'s' if stages > 1 else ''}"
    lines = [
        kind,
        f"N = {time.steps} steps of h = T/N = {time.step:.6g}, T = {number(time.horizon)}",
        f"weights: {in_time(problem, WEIGHTS_IN_TIME)}",
    ]
    if problem.order == 2:
        start = compiled.module.functions["initial_state"].results[-1]
        lines.append(f"before the first step: {start.name} = {mathematics(start.value)}")
    lines += [f"gradient: {text}" for text in gradient_mode(problem)]
    return lines + _lines(compiled.module.functions["step"])


def _adaptive_plan(problem: Problem, integrator: Adaptive) -> list[str]:
    return [
        f"{integrator.name}, {problem.accuracy}, {integrator.stages} evaluations a step",
        tolerances(integrator),
        f"T = {number(problem.spec.model.time.horizon)}, {adaptive_steps(problem)}",
        f"weights: {in_time(problem, WEIGHTS_IN_TIME)}",
        *(f"gradient: {text}" for text in gradient_mode(problem)),
    ]


def _lines(step: Function) -> list[str]:
    """The statements of a step as a reader would write them."""
    lines = [f"{let.targets[0].name} = {mathematics(let.operands[0])}" for let in step.body]
    moved = [r for r in step.results if r.value.op != "variable"]
    return lines + [f"{r.name} ← {mathematics(r.value)}" for r in moved]


def _row(w: RawWeight) -> WeightRow:
    return WeightRow(w.name, w.shape, w.axes, _initial(w), w.count, w.trainable)


def _initial(w: RawWeight) -> str:
    initializer = w.initializer
    repeated = "" if not w.nodes else ", repeated over time"
    if isinstance(initializer, Random):
        each = ", one draw each" if w.nodes else ""
        return f"{_law(initializer, w)}{repeated if initializer.repeat else each}"
    if isinstance(initializer, Values):
        return f"by value{repeated}"
    return _law(initializer, w)


def _law(initializer: Initializer, w: RawWeight) -> str:
    match initializer:
        case Normal():
            std = deviation(w) if initializer.std is None else initializer.std
            return f"N({number(initializer.mean)}, {std:.4g}²)"
        case Uniform():
            return f"U({number(initializer.low)}, {number(initializer.high)})"
        case Constant():
            return number(initializer.value)
        case Identity():
            return f"{number(initializer.scale)} I" if initializer.scale != 1 else "I"
    return initializer.kind if initializer.kind != "zeros" else "0"
