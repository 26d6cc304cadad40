"""The spec: what a user writes, as a tree of frozen nodes."""

from math import ceil, sqrt
from sys import float_info
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from .adaptive import Adaptive, Tolerance
from .data import Data
from .density import ENERGIES, FLAT, FLAT_BOX, Box, Divergence, Target
from .initializers import Initializer
from .integrators import Euler, Integrator, Splitting
from .node import Family, Later, Node, Root, Why, refuse
from .parametrizations import Free, Parametrization
from .readouts import Readout
from .regularizers import AnyRegularizer
from .training import Train
from .vector_fields import Expression, InTime, Size, VectorField

Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=80),
    Why("a name becomes a file name: letters, digits, - and _, a letter first"),
]


class Task(Family, title="task"):
    """What the network is trained for."""

    planned: ClassVar[dict[str, str]] = {"time-series": "latent ODEs"}
    is_of_series: ClassVar[bool] = False
    """Are the examples series of observations, each at times of its own?"""


class Classification(Task, kind="classification"):
    """Features to classes."""


class Regression(Task, kind="regression"):
    """Features to numbers."""


class Density(Task, kind="density"):
    """The density of the data, or of a target: y(0) is a row of it, y(T) is standard normal (Chen
    et al. 2018). A target is matched without data, by KL(q ‖ p) over rows of the base."""

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: density, target: potential-1, samples: 500}",
        '{kind: density, target: {energy: "sum(y ** 4) / 4"}, box: [-3, 3]}',
    )

    target: Annotated[
        Target | None, Field(description="e⁻ᵁ is matched, U by its name or as an expression")
    ] = None
    box: Annotated[
        Box | None,
        Field(
            description="[low, high] of every component: beyond, the energy rises as "
            "50 ‖y − clip(y, low, high)‖²; by default [-4, 4] for potential-2 to potential-4"
        ),
    ] = None
    samples: Annotated[
        int, Field(ge=1, le=1_000_000, description="rows of the base, drawn anew for each step")
    ] = 1000

    @property
    def energy(self) -> str | None:
        """U as text; None without a target."""
        if self.target is None:
            return None
        return ENERGIES[self.target] if isinstance(self.target, str) else self.target.energy

    @property
    def interval(self) -> tuple[float, float] | None:
        """The box, where there is one."""
        if self.box is None and self.target in FLAT:
            return FLAT_BOX
        return self.box


class Dynamics(Task, kind="dynamics"):
    """A field that is fitted to observed paths: every series starts from its own first observation,
    and the loss is ½ the mean of (predicted − observed)² over what was observed."""

    is_of_series: ClassVar[bool] = True


class Lift(Family, title="lift"):
    """How the features x (d) become the initial state y(0) (n)."""

    planned: ClassVar[dict[str, str]] = {"conv": "images"}


class ZeroLift(Lift, kind="zeros"):
    """y(0) = (x, 0): n − d zeros appended."""


class LinearLift(Lift, kind="linear"):
    """y(0) = L x, L (n × d), learned, no bias."""


class BlockLift(Lift, kind="blocks"):
    """All blocks from x, one after the other: (y(0), z(0)) = x."""


class Gradient(Family, title="gradient mode"):
    """How the gradient of the loss is taken; a mode says which integrators it takes."""

    why_not: ClassVar[str] = ""
    """Why it does not take another one, whose kind goes into the braces."""
    keeps_paths: ClassVar[bool] = True
    """Is there a gradient of a loss that sees all states along a path?"""

    @classmethod
    def takes(cls, method: type[Integrator]) -> bool:
        """Does it go with that integrator?"""
        return True


class Backprop(Gradient, kind="backprop"):
    """Reverse differentiation of the discrete network (discretise, then optimise)."""


class Checkpoint(Gradient, kind="checkpoint"):
    """That of `backprop`, of which only every k-th state is kept; the others are computed again on
    the way back (Griewank & Walther 2008, chapter 12)."""

    examples: ClassVar[tuple[str, ...]] = ("{kind: checkpoint, every: 2}",)

    every: Annotated[
        Annotated[int, Field(ge=1)] | None, Field(description="k, fewer than N; by default ⌈√N⌉")
    ] = None

    why_not: ClassVar[str] = "{} chooses its own steps"
    keeps_paths: ClassVar[bool] = False

    @classmethod
    def takes(cls, method: type[Integrator]) -> bool:
        """States at steps that are known before."""
        return not issubclass(method, Adaptive)

    def spacing(self, steps: int) -> int:
        """k for N steps."""
        return self.every or ceil(sqrt(steps))


class Reversible(Gradient, kind="reversible"):
    """That of `backprop`, of which only the last state is kept, whatever N; steps are undone one by
    one on the way back, which adds their rounding. For verlet and leapfrog."""

    why_not: ClassVar[str] = "nothing undoes a step of {}"
    keeps_paths: ClassVar[bool] = False

    @classmethod
    def takes(cls, method: type[Integrator]) -> bool:
        """Blocks that move in turn, each by the others, move back in the other order."""
        return issubclass(method, Splitting)


class Adjoint(Gradient, kind="adjoint"):
    """The continuous adjoint: y and ∂loss/∂y solved backwards from T together (optimise, then
    discretise; Chen et al. 2018), for adaptive integrators. No state is kept."""

    examples: ClassVar[tuple[str, ...]] = ("{kind: adjoint, rtol: 1e-6, atol: 1e-8}",)
    why_not: ClassVar[str] = "{} does not choose its steps by tolerances"

    rtol: Annotated[
        Tolerance | None, Field(description="on the way back; by default the integrator's")
    ] = None
    atol: Annotated[
        Tolerance | None, Field(description="on the way back; by default the integrator's")
    ] = None

    @classmethod
    def takes(cls, method: type[Integrator]) -> bool:
        """What solves forwards by tolerances solves backwards too."""
        return issubclass(method, Adaptive)

    def tolerances(self, forwards: Adaptive) -> tuple[float, float]:
        """(rtol, atol) on the way back."""
        return self.rtol or forwards.rtol, self.atol or forwards.atol


class Time(Node):
    """Horizon T, number of steps N (h = T/N) and how weights depend on time."""

    examples: ClassVar[tuple[str, ...]] = ("{horizon: 20, steps: 64, weights: per-step}",)

    horizon: Annotated[
        float,
        Field(
            gt=0,
            description="T; may be left out for tasks of series: the last time of the training "
            "data, from the first on",
        ),
    ] = 1.0
    steps: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            description="N; a step is h = T/N. May be left out (1) with an adaptive integrator, "
            "which chooses its own: then where `trajectory` looks and weights change",
        ),
    ] = 1
    weights: Annotated[
        InTime,
        Field(
            description="how the weights of the field depend on time; "
            "by default shared where steps is left out and for tasks of series"
        ),
    ] = "per-step"

    @model_validator(mode="after")
    def _is_shared_without_steps(self) -> Self:
        if not {"steps", "weights"} & self.model_fields_set:
            object.__setattr__(self, "weights", "shared")
        return self

    @model_validator(mode="after")
    def _has_a_step(self) -> Self:
        if self.step < float_info.min:
            message = f"h = T/N is too small for a number: {self.horizon:g}/{self.steps}"
            raise refuse("E102", message, loc=("horizon",))
        return self

    @property
    def step(self) -> float:
        """h = T/N."""
        return self.horizon / self.steps


class Model(Node):
    """The network: state, lift, vector field, parametrization, time, integrator, readout."""

    state: Annotated[
        Size | Annotated[dict[str, Size], Field(min_length=1, max_length=8)],
        Field(description="components n of the state, or of each of its blocks"),
    ]
    lift: Annotated[Lift, Field(description="from the features x to y(0)")] = ZeroLift()
    vector_field: Annotated[VectorField, Field(description="the right-hand side f(t, y)")]
    parametrization: Annotated[
        Parametrization, Field(description="how K is made of the raw weight")
    ] = Free()
    time: Annotated[Time, Field(description="horizon, steps, weights in time")]
    integrator: Annotated[Integrator, Field(description="the method of one step")] = Euler()
    gradient: Annotated[Gradient, Field(description="how the loss is differentiated")] = Backprop()
    divergence: Annotated[
        Divergence | None,
        Field(
            description="how tr ∂f/∂y is taken, for task: density; by default in closed form "
            "where there is one that costs less than exact"
        ),
        Later(),
    ] = None
    observe: Annotated[
        Expression | None,
        Field(
            description="what is observed of the state, for task: dynamics, an expression; by "
            "default its first components, as many as the data has channels"
        ),
        Later(),
    ] = None
    readout: Annotated[
        Readout | None, Field(description="from y(T) to the logits; without it, forward gives y(T)")
    ] = None
    initializers: Annotated[
        dict[str, Initializer], Field(description="how raw weights start, by their names")
    ] = {}

    @model_validator(mode="after")
    def _has_steps(self) -> Self:
        if "steps" in self.time.model_fields_set or isinstance(self.integrator, Adaptive):
            return self
        help = "an adaptive integrator chooses its own steps: dopri5, tsit5"
        raise refuse("E104", "the key 'steps' is missing in time", loc=("time", "steps"), help=help)


class Spec(Root):
    """A whole spec."""

    wellposed: Annotated[Literal[1], Field(description="version of the language")]
    name: Annotated[
        Name,
        Field(
            description="letters, digits, - and _, a letter first; "
            "files are called by it, dashes as underscores"
        ),
    ]
    seed: Annotated[
        int, Field(ge=0, lt=2**32, description="of every random number: weights, data, batches")
    ] = 0
    dtype: Annotated[
        Literal["float32", "float64"], Field(description="of weights, states and training")
    ] = "float32"
    task: Annotated[Task, Field(description="what the network is for")] = Classification()
    reference: Annotated[
        str, Field(max_length=400, description="a citation for the head of the programs")
    ] = ""
    data: Annotated[
        Data | None, Field(description="the examples; not needed to compile, show or check")
    ] = None
    model: Annotated[Model, Field(description="the network")]
    regularizers: Annotated[
        tuple[AnyRegularizer, ...], Field(description="penalties added to the mean loss")
    ] = ()
    train: Annotated[
        Train | None, Field(description="how to train; not needed to compile, show or check")
    ] = None

    def __repr__(self) -> str:
        return f"Spec({self.name})"

    __str__ = __repr__

    @model_validator(mode="after")
    def _series_share_their_weights(self) -> Self:
        """Where the spec does not say how they depend on time: times come with the data. And where
        it does not say another lift, the channels of a start fill the blocks in order."""
        model = self.model
        if self.task.is_of_series and "weights" not in model.time.model_fields_set:
            object.__setattr__(model.time, "weights", "shared")
        if self.task.is_of_series and "lift" not in model.model_fields_set:
            object.__setattr__(model, "lift", BlockLift())
        return self

    @model_validator(mode="after")
    def _task_is_that_of_the_readout(self) -> Self:
        """Where the spec leaves the task out."""
        readout = self.model.readout
        if "task" not in self.model_fields_set and readout is not None:
            object.__setattr__(self, "task", Task.members()[readout.task]())
        return self
