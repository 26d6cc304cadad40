"""A program in words and numbers: what `show` prints, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from ..spec.initializers import (
    Constant,
    Identity,
    Initializer,
    Normal,
    Random,
    Uniform,
    Values,
)
from ..spec.integrators import RungeKutta
from .cost import Cost, cost
from .findings import Finding
from .initial import standard_deviation
from .ir.program import Program, RawWeight
from .ir.text import definition, equations, initial_blocks, mathematics, number
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


@dataclass(frozen=True)
class Description:
    """What was built from a spec."""

    name: str
    equations: list[str]
    weights: list[WeightRow]
    integrator: list[str]
    cost: Cost
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "equations": self.equations,
            "weights": [asdict(row) for row in self.weights],
            "integrator": self.integrator,
            "cost": self.cost.to_json(),
            "findings": [f.to_json() for f in self.findings],
        }


def describe(program: Program) -> Description:
    """Equations, weights, plan, cost and stability findings. Imports no framework."""
    return Description(
        name=program.name,
        equations=_equations(program),
        weights=[_row(program, w) for w in program.weights],
        integrator=_plan(program),
        cost=cost(program),
        findings=analyse(program),
    )


def _equations(program: Program) -> list[str]:
    lines = equations(program.field, program.order)
    if program.hamiltonian is not None:
        lines.append(f"from H = {mathematics(program.hamiltonian)}: y' = ∂H/∂z, z' = −∂H/∂y")
    lines += [definition(o) for o in program.operands if not o.is_raw]
    at_rest = ["y'(0) = 0"] if program.order == 2 else []
    lines.append(", ".join([*initial_blocks(program), *at_rest]))
    if program.readout is not None and program.loss is not None:
        lines.append(f"logits x = {mathematics(program.readout)}, y = y(T)")
        lines.append(f"loss = mean over the examples of {mathematics(program.loss)}")
    lines += [f"+ {mathematics(p.value)}" for p in program.penalties]
    return lines


def _plan(program: Program) -> list[str]:
    time = program.spec.model.time
    integrator = program.integrator
    kind = f"{integrator.name}, order {integrator.order}"
    if isinstance(integrator, RungeKutta):
        stages = len(integrator.tableau.b)
        kind += f", {stages} stage{'s' if stages > 1 else ''}"
    lines = [
        kind,
        f"N = {time.steps} steps of h = T/N = {time.step:.6g}, T = {number(time.horizon)}",
        f"weights: {WEIGHTS_IN_TIME[program.mode]}",
    ]
    lines += [
        f"before the first step: {u.name} = {mathematics(u.value)}" for u in program.step.start
    ]
    lines += [f"{u.name} = {mathematics(u.value)}" for u in program.step.lines]
    results = program.step.results.items()
    return lines + [f"{name} ← {mathematics(e)}" for name, e in results if e.op != "variable"]


def _row(program: Program, w: RawWeight) -> WeightRow:
    return WeightRow(w.name, w.shape, w.axes, _initial(w), prod(w.shape))


def _initial(w: RawWeight) -> str:
    initializer = w.initializer
    repeated = "" if not w.stacked else ", repeated over time"
    if isinstance(initializer, Random):
        each = ", one draw each" if w.stacked else ""
        return f"{_law(initializer, w)}{repeated if initializer.repeat else each}"
    if isinstance(initializer, Values):
        return f"by value{repeated}"
    return _law(initializer, w)


def _law(initializer: Initializer, w: RawWeight) -> str:
    match initializer:
        case Normal():
            std = standard_deviation(initializer, w.step_shape)
            return f"N({number(initializer.mean)}, {std:.4g}²)"
        case Uniform():
            return f"U({number(initializer.low)}, {number(initializer.high)})"
        case Constant():
            return number(initializer.value)
        case Identity():
            return f"{number(initializer.scale)} I" if initializer.scale != 1 else "I"
        case _:
            return "0"
