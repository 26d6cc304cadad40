"""Loss and gradient of one batch, operation by operation, each with its place in the spec.

The network is taken apart into the operands of a layer, right-hand sides, lines of the method, the
readout, the loss and the regularizers; the gradient goes back over them (discretise, then
optimise). It is the float64 reference, in stages and rounded to the dtype of a training.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping

import numpy as np

from ..spec.vector_fields import Custom
from .ir.expr import Expr, build, constant, rewrite, variable, walk
from .ir.program import END, MID, Operand, Program, RawWeight, Update
from .ir.text import DERIVATIVE_MARKS, mathematics
from .tape import Array, Place, Slot, Slots, Stage, Stages, Tape, barred

Loc = tuple[str | int, ...]
One = Generator[Stage, None, Slot]
"""Stages as they are evaluated; at the end, their one result."""
MODEL = ("model",)


class Trace:
    """The computation of one batch: iterate over it once, then ask for the gradient."""

    def __init__(
        self,
        program: Program,
        weights: Mapping[str, Array],
        x: Array,
        targets: Array,
        dtype: str = "float64",
    ) -> None:
        """Features x (s, d); targets (s, k), a class as a row with one 1."""
        self.program = program
        self._tape = Tape(dtype)
        given = {"x": np.asarray(x, float).T, "C": np.asarray(targets, float).T}
        self._given = {name: Slot(value, is_fixed=True) for name, value in given.items()}
        self._nodes = {w.name: _nodes(w, weights[w.name]) for w in program.weights}
        self._stacks = {w.name: Slot(np.asarray(weights[w.name], float)) for w in program.weights}
        self._whole = {w.name: self._nodes[w.name][0] for w in program.weights if not w.stacked}
        self._layers: dict[int, Slots] = {}

    def __iter__(self) -> Iterator[Stage]:
        """Data, forward pass, loss, regularizers, their sum; then the gradient and its norm."""
        yield self._data()
        states = yield from self._trajectory()
        yield from self._objective(states["y"])
        yield from self._tape.reverse()
        yield from self._norm()

    @property
    def gradient(self) -> dict[str, Array]:
        """∂ loss / ∂ θ for every raw weight, shaped like it."""
        return {w.name: self._leaf(w) for w in self.program.weights}

    def _leaf(self, weight: RawWeight) -> Array:
        along = [slot.cotangent.reshape(weight.step_shape) for slot in self._nodes[weight.name]]
        whole = np.stack(along) if weight.stacked else along[0]
        return whole + self._stacks[weight.name].cotangent

    # --- forward -----------------------------------------------------------------------------

    def _data(self) -> Stage:
        roots = {n: variable(n, (len(s.value),), batched=True) for n, s in self._given.items()}
        return self._tape.evaluated(Place("data", ("data",)), roots, self._given)

    def _trajectory(self) -> Stages:
        """The states at T."""
        states = yield from self._initial()
        for j in range(self.program.steps):
            states = yield from self._step(states, j)
        return states

    def _initial(self) -> Stages:
        p, place = self.program, Place("lift", (*MODEL, "lift"))
        lifted = yield from self._tape.stage(place, {"y": p.lift}, self._given | self._whole)
        columns = lifted["y"].value.shape[1]
        zeros = {n: Slot(np.zeros((d, columns))) for n, d in p.blocks.items() if n != "y"}
        states = lifted | zeros
        if p.step.start:
            scope = states | (yield from self._layer(0))
            states |= yield from self._lines(p.step.start, scope, 0)
        return states

    def _step(self, states: Slots, j: int) -> Stages:
        """The lines of step j in order, then what the states become, all at once."""
        step = self.program.step
        scope = states | (yield from self._layer(j))
        scope |= yield from self._lines(step.lines, scope, j)
        found: Slots = {}
        for name, value in step.results.items():
            found[name] = yield from self._line(Update(name, value), scope, j)
        return found

    def _lines(self, lines: Iterable[Update], scope: Slots, j: int) -> Stages:
        found: Slots = {}
        for line in lines:
            found[line.name] = yield from self._line(line, scope | found, j)
        return found

    def _line(self, line: Update, scope: Slots, j: int) -> One:
        """First the rates in a line, then the line in terms of them."""
        called: dict[Expr, Expr] = {}
        for rate in [e for e in walk(line.value) if e.op == "rate"]:
            name = mathematics(rate)
            called[rate] = variable(name, rate.shape, batched=True)
            scope = scope | {name: (yield from self._rate(rate, scope, j))}
        value = rewrite(line.value, lambda e: called.get(e, e))
        return (yield from self._in_step(line.name, value, scope, j))

    def _rate(self, rate: Expr, scope: Slots, j: int) -> One:
        """The right-hand side of a block, at the time and the states that the method says."""
        p = self.program
        block, node, names = rate.attributes
        assert isinstance(block, str) and isinstance(names, tuple)
        inputs: Slots = {}
        for name, value in zip(("t", *names), rate.args, strict=True):
            inputs[name] = yield from self._in_step(name, value, scope, j)
        for operand in p.operands_of(block):
            inputs[operand.name] = scope[p.stage_name(operand, str(node))]
        place = Place(f"field {block}", _field_loc(p, block), j + 1)
        name = block + DERIVATIVE_MARKS[p.order]
        return (yield from self._tape.stage(place, {name: p.field[block]}, inputs))[name]

    def _in_step(self, name: str, value: Expr, scope: Slots, j: int) -> One:
        if value.op == "variable":
            return scope[str(value.attributes[0])]
        place = Place("step", (*MODEL, "integrator"), j + 1)
        return (yield from self._tape.stage(place, {name: value}, scope))[name]

    def _layer(self, j: int) -> Stages:
        """The operands of step j by what the step calls them, and its time."""
        p = self.program
        key = 0 if p.mode == "shared" else j
        if key not in self._layers:
            found: Slots = {}
            for operand, node in p.layer:
                found[p.stage_name(operand, node)] = yield from self._operand(operand, node, j)
            self._layers[key] = found
        return self._layers[key] | {"t": Slot(np.asarray(j * p.h), is_fixed=True)}

    def _operand(self, operand: Operand, node: str, j: int) -> One:
        p, raw = self.program, operand.raw
        here, inputs = self._raw(raw, node, j)
        definition = rewrite(operand.definition, lambda e: here if e is raw.variable else e)
        if definition.op == "variable":
            return inputs[raw.name]
        layer = None if p.mode == "shared" else j + 1
        name = operand.name
        place = Place(f"parametrization {name}", _operand_loc(operand), layer)
        return (yield from self._tape.stage(place, {name: definition}, inputs))[name]

    def _raw(self, raw: RawWeight, node: str, j: int) -> tuple[Expr, Slots]:
        """The raw weight at a node of step j; linear ones are interpolated."""
        nodes = self._nodes[raw.name]
        if not raw.stacked or node != MID or self.program.mode != "linear":
            at = 0 if not raw.stacked else j + (node == END)
            return raw.variable, {raw.name: nodes[at]}
        names = (f"{raw.name}{j}", f"{raw.name}{j + 1}")
        before, after = (variable(name, raw.step_shape) for name in names)
        return (before + after) / constant(2), dict(zip(names, nodes[j : j + 2], strict=True))

    # --- loss --------------------------------------------------------------------------------

    def _objective(self, y: Slot) -> Iterator[Stage]:
        """Logits, losses, their mean, the regularizers, the sum; and the cotangents it starts."""
        p, head = self.program, (*MODEL, "readout")
        assert p.readout is not None and p.loss is not None
        scope = {"y": y, **self._whole}
        logits = yield from self._tape.stage(Place("readout", head), {"x": p.readout}, scope)
        place = Place("loss", (*head, "loss"))
        losses = yield from self._tape.stage(place, {"loss": p.loss}, self._given | logits)
        of_examples = losses["loss"].value
        losses["loss"].bar = np.full_like(of_examples, 1 / of_examples.size)
        mean = build("sum", variable("losses", (of_examples.size,))) / constant(of_examples.size)
        stage = self._tape.evaluated(place, {"mean loss": mean}, {"losses": Slot(of_examples.T)})
        yield stage
        yield from self._regularized(stage.results[0])

    def _regularized(self, mean: Array) -> Iterator[Stage]:
        parts = {"mean loss": Slot(mean)}
        for i, penalty in enumerate(self.program.penalties):
            place = Place(f"regularizer {penalty.regularizer.kind}", ("regularizers", i))
            name = f"R{i + 1}"
            found = yield from self._tape.stage(place, {name: penalty.value}, self._stacks)
            found[name].bar = np.asarray(1.0)
            parts |= found
        first, *rest = map(variable, parts)
        yield self._tape.evaluated(Place("loss", ()), {"total loss": sum(rest, first)}, parts)

    # --- the norm of the gradient --------------------------------------------------------------

    def _norm(self) -> Iterator[Stage]:
        """Σ g² of every weight and of all."""
        squares: Slots = {}
        for w in self.program.weights:
            place = Place(f"gradient {w.name}", weight_loc(self.program, w))
            name = barred(w.name)
            square = build("sum", variable(name, w.step_shape, stacked=w.stacked) ** 2)
            scope = {name: Slot(self._leaf(w))}
            stage = self._tape.evaluated(place, {f"‖{name}‖²": square}, scope)
            yield stage
            squares[f"‖{name}‖²"] = Slot(stage.results[0])
        first, *rest = map(variable, squares)
        yield self._tape.evaluated(Place("gradient", ()), {"‖g‖²": sum(rest, first)}, squares)


def weight_loc(program: Program, weight: RawWeight) -> Loc:
    """Where the spec speaks of a weight: its initializer if it has one, else its declaration."""
    loc = (*MODEL, "initializers", weight.name)
    return loc if program.spec.wrote(*loc) else weight.loc


def _field_loc(program: Program, block: str) -> Loc:
    """The equation of the block where the user wrote one, else the field of the catalogue."""
    here, field = (*MODEL, "vector_field"), program.spec.model.vector_field
    if not isinstance(field, Custom):
        return here
    return (*here, "hamiltonian") if field.hamiltonian else (*here, "equations", block)


def _operand_loc(operand: Operand) -> Loc:
    above = operand.loc if operand.is_custom else MODEL
    return (*above, "parametrization")


def _nodes(weight: RawWeight, value: Array) -> list[Slot]:
    """The weight at every time node (or the one there is), vectors as columns."""
    values = np.asarray(value, float) if weight.stacked else [np.asarray(value, float)]
    return [Slot(v[:, None] if v.ndim == 1 else np.asarray(v)) for v in values]
