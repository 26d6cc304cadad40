"""The program: the discrete network that a backend prints and the reference runs.

Expressions in it speak of these variables: `t` and the blocks of the state (`y`, `z`, columns);
the *operands* of the field, which are what the parametrizations make of the raw weights (`K`, `b`);
raw weights under their own names; `x` the features of one example; `C` its target.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from math import prod

from ...spec.initializers import Initializer
from ...spec.integrators import Integrator
from ...spec.model import Spec
from ...spec.parametrizations import Parametrization
from ...spec.regularizers import Regularizer
from .expr import Expr, Shape, variable, variables, walk

START, MID, END = "start", "mid", "end"
"""Where within a step [t_j, t_j + h] weights are taken: at its start, its middle or its end."""


@dataclass(frozen=True, eq=False)
class RawWeight:
    """A weight as it travels in dicts: its full shape, time axis first when it has one."""

    name: str
    shape: Shape
    axes: tuple[str, ...]
    stacked: int
    initializer: Initializer
    loc: tuple[str | int, ...]
    variable: Expr
    """The raw weight of one step (or the whole of a weight that has no time axis)."""

    @property
    def step_shape(self) -> Shape:
        return self.shape[1:] if self.stacked else self.shape

    @property
    def stack(self) -> Expr:
        """The whole weight, all time nodes, as a variable."""
        return variable(self.name, self.step_shape, stacked=self.stacked)


@dataclass(frozen=True, eq=False)
class Operand:
    """What the equations call a weight, and how it is made from the raw one."""

    variable: Expr
    raw: RawWeight
    definition: Expr
    parametrization: Parametrization
    loc: tuple[str | int, ...]

    @property
    def name(self) -> str:
        return str(self.variable.attributes[0])

    @property
    def is_custom(self) -> bool:
        """Did the user declare it, with a parametrization of its own?"""
        return self.loc[-1] != "vector_field"

    @property
    def is_raw(self) -> bool:
        """Is it the raw weight itself (free)?"""
        return self.definition is self.raw.variable


@dataclass(frozen=True, eq=False)
class Penalty:
    """A regularizer: factor · Σ_w term(w), a term for each raw weight."""

    regularizer: Regularizer
    weights: tuple[RawWeight, ...]
    factor: Expr
    terms: tuple[Expr, ...]

    @property
    def value(self) -> Expr:
        """The whole as one scalar expression of the stacks of raw weights."""
        first, *rest = self.terms
        return self.factor * reduce(lambda total, term: total + term, rest, first)


@dataclass(frozen=True)
class Update:
    """One line of a step: a name gets a value. `rate` nodes in it stand for the field."""

    name: str
    value: Expr


@dataclass(frozen=True)
class Step:
    """One step of a method: its lines in order, then what the states become, all at once.

    `start` gives, before the first step, the states that the lift does not (a velocity).
    """

    lines: tuple[Update, ...]
    results: dict[str, Expr]
    start: tuple[Update, ...] = ()

    @property
    def values(self) -> list[Expr]:
        return [*(u.value for u in (*self.start, *self.lines)), *self.results.values()]


@dataclass(frozen=True, eq=False)
class Program:
    """A whole network. `blocks` are the parts of the state in order, `y` first."""

    spec: Spec
    blocks: dict[str, int]
    features: int
    weights: tuple[RawWeight, ...]
    operands: tuple[Operand, ...]
    field: dict[str, Expr]
    hamiltonian: Expr | None
    order: int
    integrator: Integrator
    step: Step
    lift: Expr
    readout: Expr | None
    hypothesis: Expr | None
    loss: Expr | None
    penalties: tuple[Penalty, ...]

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def module_name(self) -> str:
        """The name that files are called by: dashes as underscores."""
        return self.name.replace("-", "_")

    @property
    def steps(self) -> int:
        return self.spec.model.time.steps

    @property
    def h(self) -> float:
        return self.spec.model.time.step

    @property
    def mode(self) -> str:
        """`per-step`, `linear` or `shared`."""
        return self.spec.model.time.weights

    @property
    def states(self) -> tuple[str, ...]:
        """What a step carries: the blocks, and the velocity of a second-order field."""
        return (*self.blocks, *(u.name for u in self.step.start))

    @property
    def size(self) -> int:
        """Length of the stacked state."""
        return sum(self.blocks.values())

    @property
    def outputs(self) -> int:
        """Number of logits; without a readout the length of y."""
        return self.readout.shape[0] if self.readout is not None else self.blocks["y"]

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """Where within a step the weights are taken: START only, unless they vary within it."""
        if self.mode != "linear":
            return (START,)
        used = {str(rate.attributes[1]) for rate in self.rates()}
        return tuple(node for node in (START, MID, END) if node in used)

    @cached_property
    def layer(self) -> tuple[tuple[Operand, str], ...]:
        """The operands that one step uses, each with the node where it is taken."""
        taken = {(self._node(rate), str(rate.attributes[0])) for rate in self.rates()}
        return tuple(
            (operand, node)
            for node in self.nodes
            for operand in self.operands
            if any(n == node and operand in self.operands_of(b) for n, b in taken)
        )

    def _node(self, rate: Expr) -> str:
        return str(rate.attributes[1]) if self.mode == "linear" else START

    def stage_name(self, operand: Operand, node: str) -> str:
        """What a step calls an operand: `K`, or `K_mid` where weights vary within a step."""
        return operand.name if len(self.nodes) == 1 else f"{operand.name}_{node}"

    def rates(self) -> Iterator[Expr]:
        """Every evaluation of the field in a step."""
        return (e for e in walk(*self.step.values) if e.op == "rate")

    def operands_of(self, block: str) -> tuple[Operand, ...]:
        """The operands that a block's right-hand side names, in the order of declaration."""
        used = set(variables(self.field[block]))
        return tuple(o for o in self.operands if o.name in used)

    def depends_on(self, block: str) -> tuple[str, ...]:
        """The blocks (and `t`) that a block's right-hand side names."""
        used = set(variables(self.field[block]))
        return tuple(name for name in ("t", *self.blocks) if name in used)

    @property
    def weight_count(self) -> int:
        """How many numbers are trained."""
        return sum(prod(w.shape) for w in self.weights)

    @property
    def is_autonomous(self) -> bool:
        return all("t" not in self.depends_on(block) for block in self.blocks)

    def weight(self, name: str) -> RawWeight:
        return next(w for w in self.weights if w.name == name)

    @property
    def expressions(self) -> list[Expr]:
        """Every expression of the program."""
        around = [e for e in (self.readout, self.hypothesis, self.loss) if e is not None]
        definitions = [o.definition for o in self.operands]
        return [
            *self.field.values(),
            *self.step.values,
            self.lift,
            *definitions,
            *(p.value for p in self.penalties),
            *around,
        ]
