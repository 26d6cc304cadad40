"""Regularizers on raw weights, as text in the grammar. Haber & Ruthotto (2017), section 4."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from .diagnostics import quote
from .node import Family, Why, refuse


class Regularizer(Family, title="regularizer"):
    """A penalty added to the mean loss: the sum of one number for each weight."""

    planned: ClassVar[dict[str, str]] = {
        "readout-smoothness": "images",
        "kinetic-energy": "continuous depth",
        "jacobian-frobenius": "continuous depth",
    }
    needs_path: ClassVar[bool] = False
    """Does it compare the weights of neighbouring time steps?"""
    expression: ClassVar[str]
    """In terms of alpha, h and w, which stands for the whole of a weight over time."""

    formula: ClassVar[str]
    """The penalty in the docstring of an emitted program."""

    of: Annotated[tuple[str, ...], Field(min_length=1, description="raw weights by their names")]
    alpha: Annotated[
        float,
        Field(ge=0, description="factor α"),
        Why("a negative α rewards what it should penalize"),
    ]

    @model_validator(mode="after")
    def _names_each_weight_once(self) -> Self:
        for i, name in enumerate(self.of):
            if name in self.of[:i]:
                message = f"{quote(name)} is named twice"
                raise refuse("E109", message, loc=("of", i), help="a larger alpha weighs more")
        return self


class WeightDecay(Regularizer, kind="weight-decay"):
    """α/2 Σ ‖θ‖²_F (Tikhonov)."""

    examples: ClassVar[tuple[str, ...]] = ("{kind: weight-decay, of: [W, mu], alpha: 1e-3}",)
    expression: ClassVar[str] = "alpha / 2 * sum(w ** 2)"
    formula: ClassVar[str] = "α/2 ‖w‖²"


class Smoothness(Regularizer, kind="smoothness"):
    """α/(2h) Σ_j ‖θ_j − θ_{j−1}‖²: weights that vary slowly in time."""

    examples: ClassVar[tuple[str, ...]] = ("{kind: smoothness, of: [K, b], alpha: 1e-3}",)
    needs_path: ClassVar[bool] = True
    expression: ClassVar[str] = "alpha / (2 * h) * sum((tail(w) - head(w)) ** 2)"
    formula: ClassVar[str] = "α/(2h) Σ_j ‖w_{j+1} − w_j‖²"
