"""The weights of one layer, taken where within a step the method takes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from ...spec.integrators import RungeKutta, Splitting
from ..ir.expr import Expr, build, constant, variable
from ..ir.module import Group
from ..ir.problem import LayerWeight, Problem, RawWeight

PLACES = {Fraction(0): "start", Fraction(1, 2): "mid", Fraction(1): "end"}


@dataclass(frozen=True, eq=False)
class Entry:
    """A weight at a stage; `variable` stands for it in a step."""

    weight: LayerWeight
    stage: Fraction
    variable: Expr
    is_raw: bool = False
    """Is it the raw weight, of which the weight is made where it is used?"""


@dataclass(frozen=True, eq=False)
class Layer:
    """What one step is given. Weights that are linear in time are taken at every stage c of the
    method, at t_j + c h; all others once. Those that all steps share come last."""

    entries: tuple[Entry, ...]
    groups: dict[Entry, Group] = field(default_factory=dict)
    """Where there are several stages, or shared weights beside others, each is a group."""

    def of(self, weights: tuple[LayerWeight, ...], stage: Fraction) -> list[Expr]:
        """The variables of these weights at a stage; a KeyError where they are not taken there."""
        known = {(e.weight, e.stage): e.variable for e in self.entries}
        return [known[weight, _taken_at(weight, stage)] for weight in weights]

    def group(self, entry: Entry) -> Group | None:
        return self.groups.get(entry)

    @property
    def of_steps(self) -> int:
        """How many entries are of one step; those behind them are shared by all."""
        return sum(not is_shared(e.weight) for e in self.entries)


def is_shared(weight: LayerWeight) -> bool:
    return weight.mode == "shared"


def _taken_at(weight: LayerWeight, stage: Fraction) -> Fraction:
    """Where within a step a weight is taken for a right-hand side at this stage."""
    return stage if weight.mode == "linear" else Fraction(0)


def layer_of(problem: Problem, *, reverse: bool = False) -> Layer:
    """The weights that a step of the problem's method takes, or one in reverse: those of one step,
    stage by stage, then those that all steps share."""
    taken = {
        (weight, _taken_at(weight, 1 - stage if reverse else stage))
        for block, stage in _stages(problem)
        for weight in problem.layer_of(block)
    }
    stages = sorted({stage for weight, stage in taken if not is_shared(weight)})
    wanted = [(w, s) for s in stages for w in problem.layer if (w, s) in taken and not is_shared(w)]
    shared = [w for w in problem.layer if is_shared(w) and (w, Fraction(0)) in taken]
    several = len(stages) > 1
    entries = [_entry(w, s, several, problem.is_adaptive) for w, s in wanted]
    groups = {e: Group(_place(e.stage), "Layer") for e in entries} if several else {}
    rest = [_entry(w, Fraction(0), several=False) for w in shared]
    if (entries and rest) or problem.given:  # what comes behind a layer is told from it
        groups = groups or dict.fromkeys(entries, Group("layer", "Layer"))
        groups |= dict.fromkeys(rest, Group("shared" if entries else "layer", "Layer"))
    return Layer((*entries, *rest), groups)


def _stages(problem: Problem) -> set[tuple[str, Fraction]]:
    """The blocks with the stages at which their right-hand sides are evaluated."""
    integrator = problem.integrator
    if problem.is_adaptive:  # which goes anywhere between both ends
        return {(block, c) for block in problem.blocks for c in (Fraction(0), Fraction(1))}
    if isinstance(integrator, RungeKutta):
        return {(block, c) for block in problem.blocks for c in integrator.tableau.c}
    if isinstance(integrator, Splitting):
        found = {
            (block, move.at) for move in integrator.moves for block in moved(problem, move.half)
        }
        before = {(b, Fraction(0)) for b in moved(problem, "momentum") if integrator.start}
        return found | before
    raise TypeError(f"no step is known of the integrator {integrator.kind}")


def moved(problem: Problem, half: str) -> list[str]:
    """The blocks whose right-hand side moves that half; for y'' = f that of y moves y'."""
    if problem.order == 2:
        return ["y"] if half == "momentum" else []
    first = problem.first.name
    return [name for name in problem.blocks if (name == first) == (half == "position")]


def _entry(weight: LayerWeight, stage: Fraction, several: bool, is_adaptive: bool = False) -> Entry:
    is_raw = is_adaptive and weight.mode == "linear"
    is_placed = several and weight.mode == "linear"
    like = weight.raw if is_raw else weight
    name = f"{like.name}_{_place(stage)}" if is_placed else like.name
    return Entry(weight, stage, variable(name, like.variable.type), is_raw)


def as_layer(value: Expr) -> Expr:
    """A vector as a column."""
    return build("column", value) if value.type.rank == 1 else value


def _place(stage: Fraction) -> str:
    return PLACES.get(stage, f"at_{stage.numerator}_{stage.denominator}")


def at_stage(weight: RawWeight, stage: Fraction) -> Expr:
    """The raw weight of all steps, each at a stage of its step: (1 − c) θ_j + c θ_{j+1}."""
    stack = weight.stack
    if weight.mode != "linear":
        return stack
    before, after = build("head", stack), build("tail", stack)
    if stage in (0, 1):
        return after if stage else before
    p, q = stage.numerator, stage.denominator
    return (_times(q - p, before) + _times(p, after)) / constant(q)


def _times(count: int, e: Expr) -> Expr:
    return e if count == 1 else constant(count) * e
