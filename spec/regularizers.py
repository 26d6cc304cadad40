"""Regularizers on raw weights, as text in the grammar. Haber & Ruthotto (2017), section 4."""

from typing import Annotated, ClassVar

from pydantic import Field

from .node import Family, Why


class Regularizer(Family, title="regularizer"):
    """A penalty added to the mean loss."""

    planned: ClassVar[dict[str, str]] = {
        "readout-smoothness": "images",
        "kinetic-energy": "continuous depth",
        "jacobian-frobenius": "continuous depth",
    }
    needs_path: ClassVar[bool] = False
    """Does it compare the weights of neighbouring time steps?"""

    of: Annotated[tuple[str, ...], Field(min_length=1)]
    alpha: Annotated[float, Field(ge=0), Why("a negative α rewards what it should penalize")]

    def expression(self, weights: tuple[str, ...]) -> str:
        """The penalty of these weights, each name standing for a whole stack over time."""
        raise NotImplementedError


class WeightDecay(Regularizer, kind="weight-decay"):
    """α/2 Σ ‖θ‖²_F (Tikhonov)."""

    def expression(self, weights: tuple[str, ...]) -> str:
        return f"alpha / 2 * ({' + '.join(f'sum({w} ** 2)' for w in weights)})"


class Smoothness(Regularizer, kind="smoothness"):
    """α/(2h) Σ_j ‖θ_j − θ_{j−1}‖²: weights that vary slowly in time."""

    needs_path: ClassVar[bool] = True

    def expression(self, weights: tuple[str, ...]) -> str:
        terms = (f"sum((tail({w}) - head({w})) ** 2)" for w in weights)
        return f"alpha / (2 * h) * ({' + '.join(terms)})"
