"""Initial weights: drawn by NumPy, with a generator for each weight, or given by value.

By default one layer is drawn and repeated over all time steps, a path of weights that is smooth
in time (as Meganet.m does, Haber & Ruthotto's own program); `repeat: false` draws every step.
"""

from dataclasses import dataclass
from math import isinf
from sys import float_info
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from .node import Family, refuse

Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Argument:
    """An argument of a NumPy call that depends on the weight."""

    name: str


SHAPE, ROWS, COLUMNS = Argument("shape"), Argument("rows"), Argument("columns")
DEVIATION = Argument("deviation")
"""1/√(number of terms in an entry of a product with the weight)."""


@dataclass(frozen=True)
class Draw:
    """`scale · function(arguments)`, a function of NumPy or of a random generator.

    It is what the reference calls and what both programs say.
    """

    function: str
    arguments: tuple[Any, ...]
    scale: float = 1.0


class Initializer(Family, title="initializer"):
    """How the first value of a weight is chosen."""

    is_plain: ClassVar[bool] = False
    """May the whole weight be made at once, all steps being equal?"""

    def draw(self) -> Draw:
        """The call that makes the weight of one step."""
        raise NotImplementedError


class Random(Initializer):
    """Initializers that draw numbers."""

    repeat: Annotated[bool, Field(description="one draw for all steps, or one for each")] = True


class Zeros(Initializer, kind="zeros"):
    """θ = 0."""

    is_plain: ClassVar[bool] = True

    def draw(self) -> Draw:
        return Draw("zeros", (SHAPE,))


class Constant(Initializer, kind="constant"):
    """θ = value, every entry."""

    is_plain: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("{kind: constant, value: 0.5}",)

    value: Annotated[float, Field(description="of every entry")]

    def draw(self) -> Draw:
        return Draw("full", (SHAPE, float(self.value)))


class Identity(Initializer, kind="identity"):
    """θ = scale · I (ones on the main diagonal; matrices only)."""

    scale: Annotated[float, Field(description="factor of I")] = 1.0

    def draw(self) -> Draw:
        return Draw("eye", (ROWS, COLUMNS), self.scale)


class Normal(Random, kind="normal"):
    """θ ~ N(mean, std²); std defaults to 1/√(fan-in), which keeps |K y| ≈ |y|.

    The fan-in is the number of terms in an entry of a product with the weight: the columns of K,
    the rows of W, which is used as Wᵀ.
    """

    examples: ClassVar[tuple[str, ...]] = ("{kind: normal, mean: 0, std: 0.1, repeat: true}",)

    mean: Annotated[float, Field(description="of every entry")] = 0.0
    std: Annotated[
        Positive | None, Field(description="standard deviation; by default 1/√(fan-in)")
    ] = None

    def draw(self) -> Draw:
        return Draw("normal", (self.mean, DEVIATION if self.std is None else self.std, SHAPE))


class Uniform(Random, kind="uniform"):
    """θ ~ U(low, high)."""

    low: Annotated[float, Field(description="lower end")] = -1.0
    high: Annotated[float, Field(description="upper end")] = 1.0

    def draw(self) -> Draw:
        return Draw("uniform", (self.low, self.high, SHAPE))

    @model_validator(mode="after")
    def _is_an_interval(self) -> Self:
        if self.high < self.low:
            message = f"high must be ≥ low, {self.low:g}, got {self.high:g}"
            raise refuse("E102", message, loc=("high",))
        if isinf(self.high - self.low):
            raise refuse("E102", "high − low is beyond the range of numbers", loc=("high",))
        return self


def without_long_integers(values: Any) -> Any:
    """Integers that 64 bits do not hold as floats: NumPy makes no array of numbers of them."""
    if isinstance(values, list | tuple):
        return [without_long_integers(value) for value in values]
    is_long = isinstance(values, int) and not -(2**63) <= values < 2**63
    return float(values) if is_long and abs(values) <= float_info.max else values


class Values(Initializer, kind="values"):
    """θ given by value: nested lists, either one step's weight (repeated) or the whole stack."""

    examples: ClassVar[tuple[str, ...]] = ("{kind: values, values: [[0, 1], [-1, 0]]}",)

    values: Annotated[
        Any,
        AfterValidator(without_long_integers),
        Field(description="nested lists: the weight of one step, or of all"),
    ]

    def draw(self) -> Draw:
        return Draw("array", (self.values,))
