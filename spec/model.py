"""The spec: what a user writes, as a tree of frozen nodes."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .data import Data
from .initializers import Initializer
from .integrators import Euler, Integrator
from .node import Family, Node, Root, Why
from .parametrizations import Free, Parametrization
from .readouts import Readout
from .regularizers import Regularizer
from .training import Train
from .vector_fields import Size, VectorField

Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=80),
    Why("a name becomes a file name: letters, digits, - and _, a letter first"),
]


class Task(Family, title="task"):
    """What the network is trained for."""

    planned: ClassVar[dict[str, str]] = {
        "density": "continuous normalizing flows",
        "time-series": "latent ODEs",
        "dynamics": "fitting a field to trajectories",
    }


class Classification(Task, kind="classification"):
    """Features to classes."""


class Regression(Task, kind="regression"):
    """Features to numbers."""


class Lift(Family, title="lift"):
    """How the features x (d) become the initial state y(0) (n)."""

    planned: ClassVar[dict[str, str]] = {"conv": "images"}


class ZeroLift(Lift, kind="zeros"):
    """y(0) = (x, 0): n − d zeros appended."""


class LinearLift(Lift, kind="linear"):
    """y(0) = L x, L (n × d), learned, no bias."""


class Gradient(Family, title="gradient mode"):
    """How the gradient of the loss is taken."""

    planned: ClassVar[dict[str, str]] = {
        "checkpoint": "memory-lean gradients",
        "reversible": "memory-lean gradients",
        "adjoint": "adaptive solvers",
    }


class Backprop(Gradient, kind="backprop"):
    """Reverse differentiation of the discrete network (discretise, then optimise)."""


class Time(Node):
    """Horizon T, number of steps N (h = T/N) and how weights depend on time."""

    horizon: Annotated[float, Field(gt=0)]
    steps: Annotated[int, Field(ge=1, le=1_000_000)]
    weights: Literal["per-step", "linear", "shared"] = "per-step"

    @property
    def step(self) -> float:
        """h = T/N."""
        return self.horizon / self.steps


class Model(Node):
    """The network: state, lift, vector field, parametrization, time, integrator, readout."""

    state: Size | Annotated[dict[str, Size], Field(min_length=1, max_length=8)]
    lift: Lift = ZeroLift()
    vector_field: VectorField
    parametrization: Parametrization = Free()
    time: Time
    integrator: Integrator = Euler()
    gradient: Gradient = Backprop()
    readout: Readout | None = None
    initializers: dict[str, Initializer] = {}


class Spec(Root):
    """A whole spec."""

    wellposed: Literal[1]
    name: Name
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    dtype: Literal["float32", "float64"] = "float32"
    task: Task = Classification()
    reference: Annotated[str, Field(max_length=400)] = ""
    data: Data | None = None
    model: Model
    regularizers: tuple[Regularizer, ...] = ()
    train: Train | None = None
