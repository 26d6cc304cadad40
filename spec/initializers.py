"""Initial weights: drawn by NumPy from a stream of each weight's own, or given by value.

By default one layer is drawn and repeated over all time steps, a path of weights that is smooth
in time (as Meganet.m does, Haber & Ruthotto's own program); `repeat: false` draws every step.
"""

from math import isinf
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from .node import Family, refuse

Positive = Annotated[float, Field(gt=0)]


class Initializer(Family, title="initializer"):
    """How the first value of a weight is chosen."""


class Random(Initializer):
    """Initializers that draw numbers."""

    repeat: bool = True


class Zeros(Initializer, kind="zeros"):
    """θ = 0."""


class Constant(Initializer, kind="constant"):
    """θ = value, every entry."""

    value: float


class Identity(Initializer, kind="identity"):
    """θ = scale · I (ones on the main diagonal; matrices only)."""

    scale: float = 1.0


class Normal(Random, kind="normal"):
    """θ ~ N(mean, std²); std defaults to 1/√(columns), which keeps |K y| ≈ |y|."""

    mean: float = 0.0
    std: Positive | None = None


class Uniform(Random, kind="uniform"):
    """θ ~ U(low, high)."""

    low: float = -1.0
    high: float = 1.0

    @model_validator(mode="after")
    def _is_an_interval(self) -> Self:
        if self.high < self.low:
            message = f"high must be ≥ low, {self.low:g}, got {self.high:g}"
            raise refuse("E102", message, loc=("high",))
        if isinf(self.high - self.low):
            raise refuse("E102", "high − low is beyond the range of numbers", loc=("high",))
        return self


class Values(Initializer, kind="values"):
    """θ given by value: nested lists, either one step's weight (repeated) or the whole stack."""

    values: Any
