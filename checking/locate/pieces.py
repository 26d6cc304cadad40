"""The pieces of a program, asked one by one: what tells which equation is wrong.

A program with the functions of an emitted one (`operands`, `step`, `dy_dt`, …) is asked what each
gives on the reference's own arguments. Any program is asked for its public functions on weights
that hold something still: *steady* weights are the same in every step, *moving K* lets K alone
vary, *twin* weights are other numbers of which the parametrizations make the same operands. Leaves
are called `set of weights/piece/part`; a piece that a program lacks, or fails at, is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ...backends.framework_model import FrameworkModel
from ...backends.model import Model
from ...backends.optimizers import updater
from ...compiler.ir.program import Program, RawWeight
from ..compare import Array
from ..probes import Probes, Weights
from ..quantities import Answers
from .parts import ProgramParts, ReferenceParts, readout_columns

FIELD_PIECES = "pieces of the field"
PATH_PIECES = "pieces of the path"
OBJECTIVE_PIECES = "pieces of the objective"
TRAINING_PIECES = "pieces of training"

OPERAND, STEADY_OPERAND, MADE, RATE = "operand", "steady operand", "made", "rate"
STEADY_FIELD, TWIN_FIELD, MOVING = "steady field", "twin field", "moving"
STEP, START, STEADY_PATH = "step", "start", "steady path"
FIRST_LOSS = "first loss"
FINAL_STATE, SEEN, ONLY, ONLY_STEADY = "final state", "seen", "only", "only steady"

Piece = tuple[str, Callable[[], Mapping[str, Array]]]
Parts = ProgramParts | ReferenceParts

TWINS: dict[str, Callable[[Array], Array]] = {
    "antisymmetric": lambda K: -np.matrix_transpose(K),
    "negative-gram": lambda C: C[..., ::-1, :],
}
"""Other raw weights with the same operand: (−Kᵀ) − (−Kᵀ)ᵀ = K − Kᵀ, and CᵀC knows no order of
the rows of C."""


def ask_field_pieces(model: Model, probes: Probes) -> Answers:
    """What the right-hand sides are made of, and the field where weights stand still."""
    return _collect(model, probes, _field_pieces)


def ask_path_pieces(model: Model, probes: Probes) -> Answers:
    """The initial state, one step on given arguments, trajectories of weights that stand still."""
    return _collect(model, probes, _path_pieces)


def ask_objective_pieces(model: Model, probes: Probes) -> Answers:
    """The state that the readout sees, and the regularizer of one weight at a time."""
    return _collect(model, probes, _objective_pieces)


def ask_training_pieces(model: Model, probes: Probes) -> Answers:
    """The loss of the first update, which is that of the initial weights on its examples."""
    return _collect(model, probes, _training_pieces)


PIECES: dict[str, Callable[[Model, Probes], Answers]] = {
    FIELD_PIECES: ask_field_pieces,
    PATH_PIECES: ask_path_pieces,
    OBJECTIVE_PIECES: ask_objective_pieces,
    TRAINING_PIECES: ask_training_pieces,
}


def steady(program: Program, weights: Mapping[str, Array]) -> Weights:
    """The weights of the first step in every step."""
    return {w.name: _still(w, weights[w.name]) for w in program.weights}


def moving(program: Program, weights: Mapping[str, Array], name: str) -> Weights:
    """Steady weights but for one."""
    return steady(program, weights) | {name: weights[name]}


def _still(weight: RawWeight, value: Array) -> Array:
    return np.repeat(value[:1], len(value), axis=0) if weight.stacked else value


def _twin(program: Program, weights: Mapping[str, Array]) -> Weights:
    kinds = {o.raw.name: o.parametrization.kind for o in program.operands}
    twins = {name: TWINS[kind](weights[name]) for name, kind in kinds.items() if kind in TWINS}
    return {**weights, **twins} if twins else {}


def _alone(weights: Mapping[str, Array], name: str) -> Weights:
    """All weights zero but one."""
    return {n: w if n == name else np.zeros_like(w) for n, w in weights.items()}


def _collect(
    model: Model, probes: Probes, pieces: Callable[[Model, Probes, Weights], Iterator[Piece]]
) -> Answers:
    found: Answers = {}
    for set_, weights in probes.weights.items():
        for name, ask in pieces(model, probes, weights):
            try:
                leaves = ask()
            except (Exception, SystemExit):  # it is no such program: other pieces will tell
                continue
            found |= {f"{set_}/{name}/{leaf}": np.asarray(v) for leaf, v in leaves.items()}
    return found


def _parts(model: Model) -> Parts:
    if isinstance(model, FrameworkModel):
        return ProgramParts(model)
    return ReferenceParts(model.program)


def _field_pieces(model: Model, probes: Probes, weights: Weights) -> Iterator[Piece]:
    parts, program = _parts(model), model.program
    still, twin = steady(program, weights), _twin(program, weights)

    def field(given: Weights) -> Callable[[], Answers]:
        return lambda: {at: model.vector_field(given, t, probes.y) for at, t in _times(probes)}

    yield OPERAND, lambda: parts.operands(weights)
    yield STEADY_OPERAND, lambda: parts.operands(still)
    yield MADE, lambda: parts.made(weights)
    yield RATE, lambda: parts.rates(weights, probes.y)
    yield STEADY_FIELD, field(still)
    if twin:
        yield TWIN_FIELD, field(twin)
    for name in _stacked(program):
        yield f"{MOVING} {name}", field(moving(program, weights, name))


def _path_pieces(model: Model, probes: Probes, weights: Weights) -> Iterator[Piece]:
    parts, program = _parts(model), model.program
    still = steady(program, weights)

    def path(given: Weights) -> Callable[[], Answers]:
        return lambda: {"path": model.trajectory(given, probes.x)}

    yield START, lambda: parts.start(weights, probes.x)
    yield STEP, lambda: parts.step(weights, probes.y)
    yield STEADY_PATH, path(still)
    for name in _stacked(program):
        yield f"{MOVING} {name}", path(moving(program, weights, name))


def _objective_pieces(model: Model, probes: Probes, weights: Weights) -> Iterator[Piece]:
    parts, program = _parts(model), model.program
    yield FINAL_STATE, lambda: parts.final(weights, probes.x)
    if program.readout is not None:
        yield SEEN, lambda: {"y": _seen(model, weights, probes.x)}
    for w in program.weights if program.penalties else ():
        alone = _alone(weights, w.name)
        still = alone | {w.name: _still(w, weights[w.name])}
        yield f"{ONLY} {w.name}", lambda a=alone: _penalty(model, a)
        yield f"{ONLY_STEADY} {w.name}", lambda a=still: _penalty(model, a)


def _training_pieces(model: Model, probes: Probes, weights: Weights) -> Iterator[Piece]:
    plan, train = probes.training, model.program.spec.train
    if plan is None or train is None:
        return

    def first_loss() -> Answers:
        stepper = model.stepper(updater(train), plan.x, plan.targets)
        stepper.load(weights)
        return {"loss": np.asarray(stepper.step(*plan.updates[0]).loss, model.dtype)}

    yield FIRST_LOSS, first_loss


def _penalty(model: Model, weights: Weights) -> Answers:
    return {"R": np.asarray(model.regularizer(weights), model.dtype)}


def _seen(model: Model, weights: Weights, x: Array) -> Array:
    """y(T) as the readout has it: the logits of unit vectors as W, with mu = 0."""
    n, k = model.program.blocks["y"], model.program.outputs
    given = (weights | readout_columns(n, k, first) for first in range(0, n, k))
    return np.concatenate([model.forward(w, x) for w in given], axis=1)[:, :n]


def _times(probes: Probes) -> list[tuple[str, float]]:
    return list(probes.times.items())


def _stacked(program: Program) -> list[str]:
    return [w.name for w in program.weights if w.stacked]
