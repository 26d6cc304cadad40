"""How tr ∂f/∂y is taken, which is what a log-density changes by along a flow (Chen et al. 2018)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .node import Family


class Divergence(Family, title="divergence"):
    """tr ∂f/∂y of a continuous normalizing flow."""

    planned: ClassVar[dict[str, str]] = {"log-det": "discrete normalizing flows"}


class ClosedForm(Divergence, kind="closed-form"):
    """Read off the derivative of the field, a sum of products of matrices and diagonals."""


class Exact(Divergence, kind="exact"):
    """Σᵢ eᵢᵀ (∂f/∂y) eᵢ: n products of the derivative with a vector."""


class Hutchinson(Divergence, kind="hutchinson"):
    """Mean of εᵀ (∂f/∂y) ε over random ε with E εεᵀ = I, one draw for a row and a solve (Hutchinson
    1989; Grathwohl et al. 2019)."""

    examples: ClassVar[tuple[str, ...]] = ("{kind: hutchinson, probes: 2, law: rademacher}",)

    probes: Annotated[int, Field(ge=1, le=10_000, description="draws ε for every row")] = 1
    law: Annotated[Literal["normal", "rademacher"], Field(description="of a component of ε")] = (
        "normal"
    )
