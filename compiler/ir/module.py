"""The statement level: a network as functions, statements and scans.

A module is what backends print and the interpreter runs. Its functions stand with callees first; a
function is parameters, statements that give names to values, and results. Nothing here knows of
vector fields: what a function computes for a reader stands in its role and its documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ...data.preprocessing import Preprocessing
from ...spec.adaptive import Adaptive
from ...spec.model import Adjoint
from .expr import Expr, variables, walk
from .header import Header
from .problem import Loc, RawWeight
from .types import STEP, Axis, Size, Type


@dataclass(frozen=True)
class Group:
    """Variables that are written as one: `layer` for K, b, c. In meaning they stay apart.

    `alias` is the type that a program writes for it.
    """

    name: str
    alias: str


@dataclass(frozen=True, eq=False)
class Call:
    """What a function gives for these arguments, all its results."""

    function: str
    args: tuple[Expr, ...]

    @property
    def operands(self) -> tuple[Expr, ...]:
        return self.args


@dataclass(frozen=True, eq=False)
class Scan:
    """A step function over the entries of stacks, from the first to the last or in reverse.

    The step takes carry, entries, constants; it gives the carry again, then what is collected
    (stacked in the order of the entries), then what is added up. The results of the scan are the
    last carry, or with `path` the carry at every node from the first on; the collected; the sums.

    There are as many steps as entries of `over`, where that is given: a stack that comes in with
    the data. `length` is then how many there are on [0, T].
    """

    step: str
    init: tuple[Expr, ...]
    length: Size
    xs: tuple[Expr, ...] = ()
    consts: tuple[Expr, ...] = ()
    axis: Axis = STEP
    reverse: bool = False
    path: bool = False
    sums: int = 0
    over: Expr | None = None

    @property
    def operands(self) -> tuple[Expr, ...]:
        over = () if self.over is None else (self.over,)
        return (*self.init, *self.xs, *self.consts, *over)


@dataclass(frozen=True, eq=False)
class Solve:
    """The solution of y' = field(t, y, constants) from the first of the times on, by an adaptive
    method; a field that is not `timed` takes no t.

    The results are the states at those times, stacked. Times in between only read the solution.
    `adjoint` says that programs differentiate it by the continuous adjoint.
    """

    field: str
    init: tuple[Expr, ...]
    times: Expr
    consts: tuple[Expr, ...]
    by: Adaptive
    adjoint: Adjoint | None = None
    timed: bool = True

    @property
    def operands(self) -> tuple[Expr, ...]:
        return (*self.init, self.times, *self.consts)


@dataclass(frozen=True, eq=False)
class Pull:
    """The cotangents of the arguments of a function, `bars` being those of its results, by the
    framework's own reverse mode."""

    function: str
    args: tuple[Expr, ...]
    bars: tuple[Expr, ...]

    @property
    def operands(self) -> tuple[Expr, ...]:
        return (*self.args, *self.bars)


Value = Expr | Call | Scan | Solve | Pull


@dataclass(frozen=True, eq=False)
class Let:
    """Variables that get the values of a statement."""

    targets: tuple[Expr, ...]
    value: Value

    @property
    def operands(self) -> tuple[Expr, ...]:
        """The expressions that the statement evaluates."""
        return (self.value,) if isinstance(self.value, Expr) else self.value.operands

    @property
    def called(self) -> Iterator[str]:
        """The functions that it calls."""
        if isinstance(self.value, Call | Pull):
            yield self.value.function
        elif isinstance(self.value, Scan):
            yield self.value.step
        elif isinstance(self.value, Solve):
            yield self.value.field
        yield from calls(*self.operands)


def calls(*roots: Expr) -> Iterator[str]:
    """The functions that expressions call."""
    return (node.name for node in walk(*roots) if node.op == "call")


def let(target: Expr, value: Value) -> Let:
    """A statement with one result."""
    return Let((target,), value)


class Role(StrEnum):
    """What a function computes, for whoever looks for the cause of a difference."""

    PARAMETRIZATION = "parametrization"
    FIELD = "field"
    STEP = "step"
    PATH = "path"
    """Which weight and time belong to which step, and the scan over them."""
    LIFT = "lift"
    READOUT = "readout"
    LOSS = "loss"
    PENALTY = "regularizer"


@dataclass(frozen=True, eq=False)
class Result:
    """A result by the name that a reader would give it."""

    name: str
    value: Expr
    group: Group | None = None
    by: str = ""
    """What it is the cotangent of, where it is one."""


@dataclass(frozen=True, eq=False)
class Function:
    """`doc` are the lines of its documentation, `loc` its place in the spec, `subject` the block,
    weight or regularizer that it is about.

    A function that `takes_weights` may name raw weights: it is a method of the network. A `generic`
    one is called on values of several types; its body is typed for one of them.
    """

    name: str
    role: Role
    params: tuple[Expr, ...]
    results: tuple[Result, ...]
    body: tuple[Let, ...] = ()
    doc: tuple[str, ...] = ()
    loc: Loc = ()
    subject: str = ""
    takes_weights: bool = False
    generic: bool = False
    recomputed: bool = False
    """Is nothing kept of it for the way back, on which it is computed again?"""
    derivative: str = ""
    """The function that programs take its cotangents by, where that is one of its own: it takes
    the results, the parameters behind as many, the cotangents of the results, and gives those of
    all parameters."""
    pullback_of: str = ""
    """The function whose cotangents it computes, where it does that."""
    cotangents: Mapping[Expr, str] = field(default_factory=dict)
    """Its variables that are cotangents, each with the name of what it is the cotangent of."""
    numbers: tuple[Expr, ...] = ()
    """Parameters that are numbers of Python: times that a caller gives."""
    groups: Mapping[Expr, Group] = field(default_factory=dict)
    rows: Mapping[Expr, Size] = field(default_factory=dict)
    """Parameters that a caller gives as a row for each example, and how many columns they have."""

    @property
    def equation(self) -> str:
        """`field y`, `parametrization K`, `step`."""
        return f"{self.role} {self.subject}".strip()

    @property
    def values(self) -> tuple[Expr, ...]:
        """The expressions of the results."""
        return tuple(result.value for result in self.results)

    @property
    def expressions(self) -> list[Expr]:
        """All expressions in it, in order."""
        return [*(e for let in self.body for e in let.operands), *self.values]

    @property
    def called(self) -> list[str]:
        """The functions that it calls, each once."""
        found = [*(name for let in self.body for name in let.called), *calls(*self.values)]
        found += [self.derivative] * bool(self.derivative)
        return list(dict.fromkeys(found))

    @property
    def types(self) -> tuple[Type, ...]:
        """The types of the results."""
        return tuple(value.type for value in self.values)


@dataclass(frozen=True)
class Constant:
    """A named number of the program, and the symbol or the words that a comment has for it."""

    name: str
    value: int | float
    comment: str


@dataclass(frozen=True)
class Signature:
    """What a caller has to know: the sizes of arguments and results.

    `blocks` are the parts of the stacked state in order.
    """

    features: int
    blocks: Mapping[str, int]
    outputs: int
    is_classifier: bool
    is_of_series: bool = False
    """Are the examples series of observations, of which outputs are the channels?"""

    @property
    def size(self) -> int:
        """Length of the stacked state."""
        return sum(self.blocks.values())


@dataclass(frozen=True)
class Chance:
    """The random vectors that a trace is estimated by: how many for a row, and of which law."""

    probes: int
    law: str


@dataclass(frozen=True, eq=False)
class Module:
    """A whole program. `functions` by name, callees first; `public` ones keep their names.

    `names` are those that the spec gave: a program renames its own where they meet.
    """

    name: str
    dtype: str
    seed: int
    steps: int
    h: float
    horizon: float
    signature: Signature
    constants: tuple[Constant, ...]
    weights: tuple[RawWeight, ...]
    functions: Mapping[str, Function]
    public: tuple[str, ...]
    header: Header
    names: frozenset[str] = frozenset()
    sizes: Mapping[str, int] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    """How rows of the data become features, where its programs are to do it."""
    is_staggered: bool = False
    """Does the momentum of a state lie behind its position in time?"""
    chance: Chance | None = None
    """What is drawn for every row of a loss."""
    base_rows: int = 0
    """How many rows of the base a step of its training draws, where it has no data."""
    weights_name: str = ""
    """The file that a program run alone loads, where it is not called like the program."""

    @property
    def file_name(self) -> str:
        """The name that files are called by: dashes as underscores."""
        return self.name.replace("-", "_")

    @property
    def weights_file(self) -> str:
        """The file beside a program that its weights are loaded from."""
        return self.weights_name or f"{self.file_name}.safetensors"

    @property
    def trained(self) -> tuple[RawWeight, ...]:
        """The weights that a gradient has."""
        return tuple(w for w in self.weights if w.trainable)

    @property
    def has_loss(self) -> bool:
        return "loss" in self.functions

    @property
    def is_density(self) -> bool:
        """Are densities of rows learnt, without targets?"""
        return "divergence" in self.functions

    @property
    def has_targets(self) -> bool:
        """Does a loss compare with targets beside the rows?"""
        return not (self.is_density or self.is_of_series)

    @property
    def is_of_series(self) -> bool:
        """Are the examples series of observations?"""
        return self.signature.is_of_series

    @property
    def undone(self) -> str:
        """Of a discrete flow the step that is undone to go the other way; nothing of others."""
        if not self.is_density or {"log_density", "sample"} <= self.functions.keys():
            return ""
        return "reverse_step" if "sample" in self.functions else "step"

    @property
    def way(self) -> str:
        """The function with the steps, or the solve, that a loss goes through."""
        known = ("penalized_state_of_base", "penalized_state")
        known += ("density_state_of_base", "density_state", "path", "final_state")
        return next(name for name in known if name in self.functions)

    @property
    def of_rows(self) -> str:
        """The function whose values a score is made of: logits, log-densities, free energies."""
        known = ("free_energy", "log_density", "forward")
        return next(name for name in known if name in self.functions)

    @property
    def has_penalties(self) -> bool:
        return "regularizer" in self.functions

    @property
    def is_penalized(self) -> bool:
        """Are there regularizers along the path?"""
        return "path_penalty" in self.functions

    def with_functions(self, functions: Mapping[str, Function]) -> Module:
        return replace(self, functions=functions)

    def of_role(self, role: Role) -> list[Function]:
        return [f for f in self.functions.values() if f.role is role]

    def weight(self, name: str) -> RawWeight:
        return next(w for w in self.weights if w.name == name)


def solve_of(module: Module) -> Solve | None:
    """One of a module's solves, which are all by the same method."""
    found = (let.value for f in module.functions.values() for let in f.body)
    return next((value for value in found if isinstance(value, Solve)), None)


def used_weights(module: Module, function: Function) -> set[str]:
    """The raw weights that a function names, itself or through what it calls."""
    own = {e.name for e in variables(*function.expressions) if e.op == "weight"}
    below = (used_weights(module, module.functions[name]) for name in function.called)
    return own.union(*below)
