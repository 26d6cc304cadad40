"""The learning problem: what a spec says of a network before it is discretized.

Every expression is typed and every part has its place in the spec. The builders make a module of
it; the analysis reads off it what holds of the continuous network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from math import prod

from ...spec.adaptive import Adaptive
from ...spec.initializers import Initializer
from ...spec.integrators import Integrator
from ...spec.model import Adjoint, Checkpoint, Spec
from ...spec.parametrizations import Parametrization
from ...spec.regularizers import Regularizer
from .expr import Expr, constant, variables, weight
from .integrals import Density, Integral, PathPenalty
from .observed import Observed
from .operators import as_operator
from .types import Axis, Shape, Size, stored

Loc = tuple[str | int, ...]
"""A place in the spec: the keys that lead there."""

LETTERS = {"y": "n", "z": "m"}
"""The letters of the blocks' dimensions, where they have one."""


class Role(StrEnum):
    """What a block of the state is."""

    DATA = "data"
    MOMENTUM = "momentum"
    QUADRATURE = "quadrature"
    """An integral along the path that no right-hand side depends on, such as the log-density."""


@dataclass(frozen=True, eq=False)
class Block:
    """A part of the state; `variable` stands for it in the equations, one column per example."""

    name: str
    size: Size
    role: Role
    variable: Expr

    @property
    def shape(self) -> Shape:
        return self.variable.shape


def slices(blocks: Iterable[Block]) -> Iterator[tuple[Size, Size]]:
    """Where each block begins and ends in the stacked state."""
    at = Size(0)
    for block in blocks:
        stop = at + block.size if at.value else block.size
        yield at, stop
        at = stop


@dataclass(frozen=True, eq=False)
class RawWeight:
    """A weight as it travels in dicts: the time axis first where it has one.

    `letters` name the dimensions of one step's weight (`n`, `classes`), `sizes` are their lengths;
    `variable` stands for the weight of one step.
    """

    name: str
    sizes: tuple[Size, ...]
    letters: tuple[str, ...]
    time: tuple[Axis, ...]
    nodes: int
    """How many there are along time; 0 where one is shared by all."""
    initializer: Initializer
    fan_in: Size | None
    """How many numbers meet in one entry of a product with it."""
    loc: Loc
    variable: Expr
    initializer_loc: Loc = ()
    """Where the spec says how it starts, if it does."""
    trainable: bool = True

    @property
    def mode(self) -> str:
        """How it depends on time: `per-step`, `linear` or `shared`."""
        if not self.time:
            return "shared"
        return "linear" if self.time[0].extra else "per-step"

    @property
    def step_shape(self) -> Shape:
        return tuple(size.value for size in self.sizes)

    @property
    def shape(self) -> Shape:
        return (self.nodes, *self.step_shape) if self.nodes else self.step_shape

    @property
    def axes(self) -> tuple[str, ...]:
        """The letters of all dimensions: `("N", "n", "n")`."""
        return (*map(str, self.time), *self.letters)

    @cached_property
    def stack(self) -> Expr:
        """The whole weight, as it is stored."""
        return weight(self.name, stored(self.step_shape, *self.time))

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)


@dataclass(frozen=True, eq=False)
class LayerWeight:
    """A weight of one layer as the equations name it, and how it is made of the raw one.

    `variable` is a matrix, a column or a number; `definition` an expression of `raw.variable`.
    """

    name: str
    variable: Expr
    raw: RawWeight
    definition: Expr
    parametrization: Parametrization
    is_custom: bool
    """Did the user declare it, with a parametrization of its own?"""
    loc: Loc
    """Where the spec says what it is made by."""

    @property
    def mode(self) -> str:
        return self.raw.mode

    @property
    def is_raw(self) -> bool:
        """Is it the raw weight itself?"""
        return self.definition is as_operator(self.raw.variable)

    @property
    def value(self) -> Expr:
        """What stands for it in equations: of a matrix the linear operator."""
        return as_operator(self.variable)


@dataclass(frozen=True, eq=False)
class Readout:
    """Logits u of y(T), what they stand for, and the loss of one example with target C."""

    u: Expr
    C: Expr
    logits: Expr
    hypothesis: Expr
    loss: Expr
    weights: tuple[RawWeight, ...]

    @property
    def outputs(self) -> int:
        return self.u.shape[0]


@dataclass(frozen=True, eq=False)
class Penalty:
    """A regularizer: the sum of one number for each raw weight.

    `value` is that of `w`, a stand-in for the whole of a weight.
    """

    regularizer: Regularizer
    index: int
    weights: tuple[RawWeight, ...]
    w: Expr
    value: Expr

    @property
    def loc(self) -> Loc:
        return ("regularizers", self.index)


@dataclass(frozen=True, eq=False)
class Problem:
    """A whole network, continuous in time. `blocks` are the parts of the state; the readout reads
    the first, which is y where there is a y."""

    spec: Spec
    blocks: Mapping[str, Block]
    t: Expr
    x: Expr
    features: Size
    weights: tuple[RawWeight, ...]
    layer: tuple[LayerWeight, ...]
    rhs: Mapping[str, Expr]
    """The right-hand side of every block."""
    rhs_locs: Mapping[str, Loc]
    hamiltonian: Expr | None
    order: int
    lift: Mapping[str, Expr]
    """What blocks start at that the features x fill; the others start at 0."""
    readout: Readout | None
    penalties: tuple[Penalty, ...]
    density: Density | None = None
    path_penalties: tuple[PathPenalty, ...] = ()
    slopes: Mapping[str, Expr] = field(default_factory=dict[str, Expr])
    """What stands for the slopes of blocks in the right-hand sides of others: y' in ‖y'‖²."""
    integrals: tuple[Integral, ...] = ()
    """What the blocks of role QUADRATURE are, in a problem that is augmented by them."""
    carries: str = ""
    """What its steps are called by then: `density`, `penalized`."""
    observed: Observed | None = None
    """Of tasks of series; each example then has times of its own, and t is one for each."""
    given: tuple[Expr, ...] = ()
    """What right-hand sides take besides t, the states, weights and slopes: random vectors."""

    @property
    def names(self) -> frozenset[str]:
        """The names that the spec itself gives: of blocks and weights."""
        layer = (w.name for w in self.layer)
        return frozenset([*self.blocks, *layer, *(w.name for w in self.weights)])

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def file_name(self) -> str:
        """The name that files are called by: dashes as underscores."""
        return self.name.replace("-", "_")

    @property
    def integrator(self) -> Integrator:
        return self.spec.model.integrator.method

    @property
    def accuracy(self) -> str:
        """The order of the method in words."""
        position, *momenta = self.blocks
        return self.integrator.accuracy(position, ", ".join(momenta))

    @property
    def steps(self) -> int:
        return self.spec.model.time.steps

    @property
    def h(self) -> float:
        return self.spec.model.time.step

    @property
    def kept_every(self) -> int | None:
        """Of the states every k-th is kept for the gradient; None where all are."""
        mode = self.spec.model.gradient
        return mode.spacing(self.steps) if isinstance(mode, Checkpoint) else None

    @property
    def is_discrete(self) -> bool:
        """Are the steps of a flow the model itself?"""
        return self.density is not None and self.density.kind == "log-det"

    @property
    def is_matched(self) -> bool:
        """Is a density learnt from an energy, not from data?"""
        return self.density is not None and self.density.energy is not None

    @property
    def is_inverted(self) -> bool:
        """Is y(T) of y(0) found by undoing steps, which go the other way?"""
        return self.is_discrete and self.is_matched

    @property
    def is_augmented(self) -> bool:
        """Are there integrals along the path among its blocks?"""
        return bool(self.integrals)

    @property
    def is_penalized(self) -> bool:
        """Are there regularizers along the path?"""
        return bool(self.path_penalties)

    @property
    def probes(self) -> tuple[Expr, ...]:
        """The random vectors of an estimate that its loss takes."""
        found = [p.probes for p in (self.density, *self.path_penalties) if p is not None]
        return tuple(e for e in found if e is not None)[:1]

    @property
    def probe_count(self) -> int:
        """How many random vectors there are for every row."""
        found = [p.count for p in (self.density, *self.path_penalties) if p is not None]
        return max(found, default=0)

    @property
    def is_adaptive(self) -> bool:
        """Does a solver choose the steps?"""
        return isinstance(self.integrator, Adaptive)

    @property
    def is_one_solve(self) -> bool:
        """Is it one solve of [0, T], of which N says no more than where one looks?"""
        return self.is_adaptive and self.is_shared

    @property
    def is_adjoint(self) -> bool:
        """Is the gradient that of the continuous adjoint?"""
        return isinstance(self.spec.model.gradient, Adjoint)

    @property
    def H(self) -> Expr:
        """h as it stands in expressions."""
        return constant(self.h, "H")

    @property
    def modes(self) -> dict[str, list[RawWeight]]:
        """The weights of the field by how they depend on time."""
        found: dict[str, list[RawWeight]] = {}
        for each in self.layer:
            found.setdefault(each.mode, []).append(each.raw)
        return found

    @property
    def is_shared(self) -> bool:
        """Do all steps share all weights of the field?"""
        return self.modes.keys() <= {"shared"}

    @property
    def is_classifier(self) -> bool:
        return self.spec.task.kind == "classification"

    @property
    def first(self) -> Block:
        """The block that the readout reads and lifts fill: y, or the first of others."""
        return next(iter(self.blocks.values()))

    @property
    def states(self) -> dict[str, Expr]:
        """The blocks' variables by name."""
        return {name: block.variable for name, block in self.blocks.items()}

    @property
    def sizes(self) -> dict[str, int]:
        """How many components each block has."""
        return {name: block.size.value for name, block in self.blocks.items()}

    @property
    def size(self) -> int:
        """Length of the stacked state."""
        return sum(self.sizes.values())

    @property
    def outputs(self) -> int:
        """Number of logits or channels; without a readout the length of y."""
        if self.observed is not None:
            return self.observed.channels.value
        return self.readout.outputs if self.readout else self.first.size.value

    @property
    def weight_count(self) -> int:
        """How many numbers the weights have together."""
        return sum(w.count for w in self.weights)

    @property
    def is_autonomous(self) -> bool:
        """Does no right-hand side depend on t?"""
        return self.t not in variables(*self.rhs.values())

    @property
    def has_starts(self) -> bool:
        """Does the field depend on a time that each example counts from a start of its own?"""
        return self.t.type.batched and not self.is_autonomous

    def weight(self, name: str) -> RawWeight:
        return next(w for w in self.weights if w.name == name)

    def depends_on(self, block: str) -> tuple[Expr, ...]:
        """The variables that a block's right-hand side names: t, blocks, slopes, weights, what else
        it is given, in this order."""
        used = set(variables(self.rhs[block]))
        weights = (w.variable for w in self.layer)
        states = (*self.states.values(), *self.slopes.values())
        known = (self.t, *states, *weights, *self.given)
        return tuple(v for v in known if v in used)

    def reads_slope(self, block: str) -> bool:
        """Does another right-hand side depend on the slope of this block?"""
        return self.slopes.get(block) in variables(*self.rhs.values())

    def layer_of(self, block: str) -> tuple[LayerWeight, ...]:
        """The layer weights that a block's right-hand side names."""
        used = set(variables(self.rhs[block]))
        return tuple(w for w in self.layer if w.variable in used)
