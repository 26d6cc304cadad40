"""The functions that an emitted program is made of, and what the reference gives in their place.

`ProgramParts` calls a program's own function where it has one with the emitted parameters;
`ReferenceParts` computes the same from the expressions of the compiler. The arguments of both are
the reference's, so that a wrong operand is not taken for a wrong step.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

import numpy as np

from ...backends.emit_field import parametrization_name, rate_name
from ...backends.emit_step import layer_names
from ...backends.framework_model import FrameworkModel
from ...compiler.evaluate import Evaluator, evaluate
from ...compiler.ir.expr import substitute
from ...compiler.ir.program import Operand, Program
from ...compiler.passes import inline
from ...compiler.reference import Reference
from ..compare import Array

Arrays = dict[str, Array]
Weights = Mapping[str, Array]


class Absent(Exception):
    """The program has no function of that name with these parameters."""


def arguments(program: Program, weights: Weights, y: Array) -> Arrays:
    """What `dy_dt` and `step` may ask for, by name: t, states as columns, operands of one step.

    The step is the one in the middle; y are stacked states (s, n).
    """
    reference = Reference(program)
    j = program.steps // 2
    layer = reference.layer(reference.operand_stacks(weights), j)
    named = {o.name: layer[program.stage_name(o, node)] for o, node in reversed(program.layer)}
    states, at = {}, 0
    for name, n in program.blocks.items():
        states[name], at = y.T[at : at + n], at + n
    velocities = {u.name: states["y"][:, ::-1] for u in program.step.start}
    t = np.asarray((j + 1 / 3) * program.h)
    return {"t": t, **states, **velocities, **named, **layer}


def rate_parameters(program: Program, block: str) -> list[str]:
    """The parameters of `dy_dt`."""
    return [*program.depends_on(block), *(o.name for o in program.operands_of(block))]


def step_parameters(program: Program) -> list[str]:
    """The parameters of `step`."""
    return [*program.states, *layer_names(program)]


def readout_columns(n: int, k: int, first: int) -> Arrays:
    """Readout weights with which the logits are the components of y from `first` on."""
    return {"W": np.eye(n)[:, first : first + k] @ np.eye(min(k, n - first), k), "mu": np.zeros(k)}


class ProgramParts:
    """The parts of a loaded program; Absent where it has none of that name and signature."""

    def __init__(self, model: FrameworkModel) -> None:
        self.model, self.program = model, model.program

    def operands(self, weights: Weights) -> Arrays:
        """Stage name → the operand of all steps."""
        names = [self.program.stage_name(o, node) for o, node in self.program.layer]
        return dict(zip(names, self.model.parts("operands", weights), strict=True))

    def made(self, weights: Weights) -> Arrays:
        """Operand → what its parametrization's function makes of the whole raw stack."""
        found: Arrays = {}
        for o in _made(self.program):
            value = self._call(parametrization_name(o), None, [weights[o.raw.name]])
            (found[o.name],) = value
        return found

    def rates(self, weights: Weights, y: Array) -> Arrays:
        """Block → its right-hand side at one time."""
        known = arguments(self.program, weights, y)
        found: Arrays = {}
        for block in self.program.blocks:
            names = rate_parameters(self.program, block)
            function = rate_name(self.program, block)
            (found[block],) = self._call(function, names, [known[n] for n in names])
        return found

    def step(self, weights: Weights, y: Array) -> Arrays:
        """State → what one step makes of it."""
        known, names = arguments(self.program, weights, y), step_parameters(self.program)
        value = self._call("step", names, [known[n] for n in names])
        return dict(zip(self.program.states, value, strict=True))

    def start(self, weights: Weights, x: Array) -> Arrays:
        """State → its value before the first step."""
        value = self.model.parts("initial_state", weights, self._cast(x))
        return dict(zip(self.program.states, value, strict=True))

    def final(self, weights: Weights, x: Array) -> Arrays:
        """y(T) as columns."""
        (value,) = self.model.parts("final_state", weights, self._cast(x))
        return {"y": value}

    def _call(
        self, function: str, names: Sequence[str] | None, given: Sequence[Array]
    ) -> tuple[Array, ...]:
        """A function of the module, if its parameters are these (None: as many as given)."""
        parameters = list(inspect.signature(getattr(self.model.native, function)).parameters)
        if len(parameters) != len(given) or names not in (None, parameters):
            raise Absent(function)
        return self.model.parts(function, None, *map(self._cast, given))

    def _cast(self, value: Array) -> Array:
        return np.array(value, self.model.dtype)


class ReferenceParts:
    """What every part should give."""

    def __init__(self, program: Program) -> None:
        self.program, self.reference = program, Reference(program)

    def operands(self, weights: Weights) -> Arrays:
        return self.reference.operand_stacks(weights)

    def made(self, weights: Weights) -> Arrays:
        return {
            o.name: evaluate(
                substitute(o.definition, {o.raw.name: o.raw.stack}),
                {o.raw.name: weights[o.raw.name]},
            )
            for o in _made(self.program)
        }

    def rates(self, weights: Weights, y: Array) -> Arrays:
        field = self.program.field
        found = Evaluator(*field.values())(arguments(self.program, weights, y))
        return dict(zip(field, found, strict=True))

    def step(self, weights: Weights, y: Array) -> Arrays:
        results = inline.step(self.program)
        found = Evaluator(*results.values())(arguments(self.program, weights, y))
        return {name: dict(zip(results, found, strict=True))[name] for name in self.program.states}

    def start(self, weights: Weights, x: Array) -> Arrays:
        return self.reference.run(weights, x)[0]

    def final(self, weights: Weights, x: Array) -> Arrays:
        return {"y": self.reference.run(weights, x)[-1]["y"]}


def _made(program: Program) -> list[Operand]:
    """The operands that are not the raw weight itself."""
    return [o for o in program.operands if not o.is_raw]
