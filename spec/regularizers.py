"""Regularizers: of raw weights, as text in the grammar (Haber & Ruthotto 2017, section 4), and
along the path of the states (Finlay et al. 2020)."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from .density import Estimate
from .diagnostics import quote
from .node import Family, Why, refuse


class AnyRegularizer(Family, title="regularizer"):
    """What is added to the mean loss."""

    planned: ClassVar[dict[str, str]] = {"readout-smoothness": "images"}
    formula: ClassVar[str]
    """The penalty in the docstring of an emitted program."""

    alpha: Annotated[
        float,
        Field(ge=0, description="factor α"),
        Why("a negative α rewards what it should penalize"),
    ]


class Regularizer(AnyRegularizer):
    """A penalty on raw weights: the sum of one number for each weight."""

    needs_path: ClassVar[bool] = False
    """Does it compare the weights of neighbouring time steps?"""
    expression: ClassVar[str]
    """In terms of alpha, h and w, which stands for the whole of a weight over time."""

    of: Annotated[tuple[str, ...], Field(min_length=1, description="raw weights by their names")]

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


# --- along the path ----------------------------------------------------------------------------


class PathRegularizer(AnyRegularizer):
    """A penalty on the path of the states: α times the mean over the rows of an integral from 0 to
    T, which is stepped with the state. It is in the loss alone: `forward` knows nothing of it."""

    block: ClassVar[str]
    """What the integral is called in a step."""
    rate: ClassVar[str]
    """What is integrated, in words of the field."""


class KineticEnergy(PathRegularizer, kind="kinetic-energy"):
    """α (1/s) Σ ∫₀ᵀ ‖f(t, y)‖² dt: straight paths, of which an adaptive method takes long steps
    (Finlay et al. 2020)."""

    examples: ClassVar[tuple[str, ...]] = ("{kind: kinetic-energy, alpha: 0.01}",)
    formula: ClassVar[str] = "α ∫ ‖f(t, y)‖² dt"
    block: ClassVar[str] = "kinetic"
    rate: ClassVar[str] = "‖f(t, y)‖²"


class JacobianFrobenius(PathRegularizer, kind="jacobian-frobenius"):
    """α (1/s) Σ ∫₀ᵀ ‖∂f/∂y‖²_F dt, exactly or by random vectors (Finlay et al. 2020): a field that
    neighbouring paths feel alike."""

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: jacobian-frobenius, alpha: 0.01}",
        "{kind: jacobian-frobenius, alpha: 0.01, estimate: {kind: hutchinson, probes: 1}}",
    )
    formula: ClassVar[str] = "α ∫ ‖∂f/∂y‖²_F dt"
    block: ClassVar[str] = "jacobian"
    rate: ClassVar[str] = "‖∂f/∂y‖²_F"

    estimate: Annotated[
        Estimate | None,
        Field(description="by random vectors; left out: exactly, the cheapest way there is"),
    ] = None
