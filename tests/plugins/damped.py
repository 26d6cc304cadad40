"""A parametrization with two keys of its own."""

from typing import Annotated, ClassVar

from pydantic import Field

from wellposed.spec.node import Why
from wellposed.spec.parametrizations import Parametrization


class Damped(Parametrization, kind="damped"):
    """K ↦ scale (K − Kᵀ) − γ I: imaginary spectrum, moved left by γ."""

    square: ClassVar[bool] = True

    gamma: Annotated[float, Field(ge=0), Why("a negative γ makes every mode grow")]
    scale: Annotated[float, Field(gt=0)] = 1.0

    def expression(self, raw: str) -> str:
        return f"scale * ({raw} - {raw}.T) - gamma * I"
