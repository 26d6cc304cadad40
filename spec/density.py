"""What is said of a density: the target that it is to be, and how its trace is taken."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from .node import Family, Node, Why, refuse
from .vector_fields import Expression

# --- energies ---------------------------------------------------------------------------------
# Rezende & Mohamed 2015, table 1; −log(e⁻ᵃ + e⁻ᵇ) = a − softplus(a − b) does not overflow

_RING = "((sqrt(sum(y ** 2)) - 2) / 0.4) ** 2 / 2"
_LEFT, _RIGHT = "((y[0] + 2) / 0.6) ** 2 / 2", "((y[0] - 2) / 0.6) ** 2 / 2"
_WAVE = "(y[1] - sin(pi * y[0] / 2))"
_BUMP = "3 * exp(-((y[0] - 1) / 0.6) ** 2 / 2)"
_STEP = "3 * sigmoid((y[0] - 1) / 0.3)"


def _two(a: str, b: str) -> str:
    """−log(e⁻ᵃ + e⁻ᵇ)."""
    return f"{a} - softplus({a} - {b})"


def _narrow(distance: str, width: float) -> str:
    return f"({distance} / {width}) ** 2 / 2"


ENERGIES: dict[str, str] = {
    "potential-1": f"{_RING} + {_two(_RIGHT, _LEFT)}",
    "potential-2": _narrow(_WAVE, 0.4),
    "potential-3": _two(_narrow(_WAVE, 0.35), _narrow(f"({_WAVE} + {_BUMP})", 0.35)),
    "potential-4": _two(_narrow(_WAVE, 0.4), _narrow(f"({_WAVE} + {_STEP})", 0.35)),
}
"""U(y) of the targets by name, as text in the grammar."""
FLAT = ("potential-2", "potential-3", "potential-4")
"""Those that integrate to infinity: they are flat along the first component."""
FLAT_BOX = (-4.0, 4.0)
WALL = "50 * sum(relu(y - high) ** 2 + relu(low - y) ** 2)"
"""50 ‖y − clip(y, low, high)‖², which a box adds to the energy."""
EDGE, REACH, POINTS = 1.0, 8.0, 512
"""Of the quadrature of e⁻ᵁ: beyond the box on each side, without a box from −REACH to REACH, in so
many points along each component."""


class Energy(Node):
    """The user's energy U(y): the target is e⁻ᵁ but for a factor."""

    energy: Annotated[Expression, Field(description="U, a number for every row, an expression")]


Target = Literal["potential-1", "potential-2", "potential-3", "potential-4"] | Energy


def _interval(box: tuple[float, float]) -> tuple[float, float]:
    if box[0] >= box[1]:
        raise refuse("E102", f"a box is [low, high], got {box[0]:g} ≥ {box[1]:g}")
    return box


Box = Annotated[
    tuple[float, float],
    AfterValidator(_interval),
    Why("outside of it the density of the target all but vanishes"),
]


# --- the trace --------------------------------------------------------------------------------


class Divergence(Family, title="divergence"):
    """tr ∂f/∂y of a flow, which its log-density changes by (Chen et al. 2018)."""


class ClosedForm(Divergence, kind="closed-form"):
    """Read off the derivative of the field, a sum of products of matrices and diagonals."""


class Exact(Divergence, kind="exact"):
    """Σᵢ eᵢᵀ (∂f/∂y) eᵢ: n products of the derivative with a vector."""


class Estimate(Divergence):
    """What is taken of a derivative by products with random vectors."""

    title: ClassVar[str] = "estimate"


class Hutchinson(Estimate, kind="hutchinson"):
    """Mean of εᵀ (∂f/∂y) ε over random ε with E εεᵀ = I, one draw for a row and a solve (Hutchinson
    1989; Grathwohl et al. 2019); of a norm the mean of ‖εᵀ ∂f/∂y‖²."""

    title: ClassVar[str] = Divergence.title
    examples: ClassVar[tuple[str, ...]] = ("{kind: hutchinson, probes: 2, law: rademacher}",)

    probes: Annotated[int, Field(ge=1, le=10_000, description="draws ε for every row")] = 1
    law: Annotated[Literal["normal", "rademacher"], Field(description="of a component of ε")] = (
        "normal"
    )


class LogDet(Divergence, kind="log-det"):
    """log|det(I ± h ∂f/∂y)| of the steps of euler, which are the model: a discrete flow (Rezende &
    Mohamed 2015). For a derivative of rank one, or a state of at most two components."""
