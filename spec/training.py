"""How a network is trained: the optimizer, the schedule of its rate, clipping, epochs, batches.

Formulas of the updates: `backends/optimizers.py`; of the schedules: `training/schedules.py`.
Defaults are those of the papers; what torch and optax give different defaults must be stated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from .node import Family, Later, Node, Why, refuse

Rate = Annotated[
    float,
    Field(gt=0, description="learning rate, at the peak of the schedule"),
    Why("the update is −lr times a direction of descent: lr ≤ 0 never descends"),
]
Momentum = Annotated[
    float,
    Field(ge=0, lt=1, description="μ"),
    Why("past gradients fade as μᵗ, and for μ ≥ 1 they never do"),
]
Average = Annotated[
    float,
    Field(ge=0, lt=1, description="decay of a running mean"),
    Why("the running mean is divided by 1 − βᵗ, which must not vanish"),
]
Epsilon = Annotated[
    float,
    Field(gt=0, description="ε, outside the root"),
    Why("where every gradient was zero, the update is 0 / (0 + ε)"),
]
Decay = Annotated[
    float,
    Field(ge=0, description="weight decay"),
    Why("a negative decay drives the weights away from zero"),
]
Norm = Annotated[float, Field(gt=0), Why("a gradient of norm 0 changes nothing")]
Count = Annotated[int, Field(ge=1)]


class Optimizer(Family, title="optimizer"):
    """The update rule."""

    lr: Rate


class Sgd(Optimizer, kind="sgd"):
    """θ ← θ − lr u, u ← μ u + g: gradient descent, with momentum as torch.optim.SGD has it."""

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: sgd, lr: 1e-2, momentum: 0.9, nesterov: true, weight_decay: 1e-4}",
    )

    momentum: Momentum = 0.0
    nesterov: Annotated[bool, Field(description="Nesterov's momentum; needs a momentum > 0")] = (
        False
    )
    weight_decay: Decay = 0.0

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            message = "nesterov needs a momentum > 0"
            raise refuse("E109", message, loc=("nesterov",), help="such as `momentum: 0.9`")
        return self


class Adam(Optimizer, kind="adam"):
    """Adam: Kingma & Ba (ICLR 2015), algorithm 1."""

    lr: Rate = 1e-3
    beta1: Average = 0.9
    beta2: Average = 0.999
    eps: Epsilon = 1e-8


class AdamW(Adam, kind="adamw"):
    """Adam with decoupled weight decay: Loshchilov & Hutter (ICLR 2019), decay scaled by lr."""

    weight_decay: Decay = 1e-2


class Schedule(Family, title="schedule"):
    """The learning rate as a function of the place in the training."""


class ConstantRate(Schedule, kind="constant"):
    """The optimizer's lr throughout."""


class CosineRate(Schedule, kind="cosine"):
    """From lr down to `final` along half a cosine, after `warmup` epochs of linear growth."""

    final: Annotated[float, Field(ge=0, description="rate at the end, at most lr")] = 0.0
    warmup: Annotated[float, Field(ge=0, description="epochs of linear growth, fewer than all")] = (
        0.0
    )


class StepRate(Schedule, kind="step"):
    """lr times `factor` once every `every` epochs."""

    examples: ClassVar[tuple[str, ...]] = ("{kind: step, every: 30, factor: 0.5}",)

    every: Annotated[Count, Field(description="epochs between two changes")]
    factor: Annotated[
        float,
        Field(gt=0, le=1, description="what the rate is multiplied by"),
        Why("a factor above 1 makes the rate grow"),
    ]


class Train(Node):
    """The `train` node. Without `batch` every step sees all examples."""

    examples: ClassVar[tuple[str, ...]] = (
        "{optimizer: {kind: adam, lr: 1e-2}, schedule: cosine, clip: 1, epochs: 100, batch: 250}",
    )

    optimizer: Annotated[Optimizer, Field(description="the update rule")]
    schedule: Annotated[Schedule, Field(description="the learning rate over the training")] = (
        ConstantRate()
    )
    clip: Annotated[Norm | None, Field(description="largest global norm of the gradient")] = None
    epochs: Annotated[Count, Field(description="how often every example is seen")]
    batch: Annotated[
        Count | None, Field(description="examples (of series pieces) of a step; without it, all")
    ] = None
    steps: Annotated[
        Count | None,
        Field(description="steps of an epoch, without data: 100 by default"),
        Later(),
    ] = None

    window: Annotated[
        Annotated[int, Field(ge=2)] | None,
        Why("a piece starts from its first observation and has to meet another one"),
        Field(
            description="observations of the pieces that series are cut into, neighbours sharing "
            "one; without it, whole series"
        ),
        Later(),
    ] = None

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        if isinstance(self.schedule, CosineRate):
            problems = list(_misfits(self.schedule, self.optimizer.lr, self.epochs))
            if problems:
                raise ValidationError.from_exception_data("train", problems)
        return self


def _misfits(schedule: CosineRate, lr: float, epochs: int) -> Iterator[InitErrorDetails]:
    if schedule.final > lr:
        message = f"final must be ≤ the optimizer's lr, {lr}, got {schedule.final}"
        yield _beyond("final", message, "the schedule goes down from lr to this rate")
    if schedule.warmup >= epochs:
        message = f"warmup must be < epochs, {epochs}, got {schedule.warmup}"
        yield _beyond("warmup", message, "epochs of growth, which leave none to descend")


def _beyond(key: str, message: str, label: str) -> InitErrorDetails:
    (error,) = refuse("E102", message, loc=("schedule", key), label=label).errors()
    custom = PydanticCustomError("refused", "{message}", error.get("ctx"))
    return InitErrorDetails(type=custom, loc=error["loc"], input=None)
