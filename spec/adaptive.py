"""Adaptive methods: embedded pairs of Runge–Kutta methods that choose their steps by tolerances.

The libraries that the programs call have the coefficients (torchdiffeq, diffrax). Here stands what
the analysis needs: R(z), which for order 5 in six stages is the series of exp z to z⁵ and one more
term. Dormand & Prince 1980; Tsitouras 2011; Hairer, Nørsett & Wanner, "Solving Ordinary
Differential Equations I", II.4 and II.5.
"""

from fractions import Fraction
from math import factorial
from typing import Annotated, ClassVar

from pydantic import Field

from .integrators import OneStep

Tolerance = Annotated[float, Field(gt=0, le=1)]
StepSize = Annotated[float, Field(gt=0)]


class Adaptive(OneStep):
    """A step from t to t + h is accepted where its estimated error e fits the tolerances: the RMS
    over the state of e / (atol + rtol max(|y|, |y after the step|)) is ≤ 1 for every row."""

    rtol: Annotated[Tolerance, Field(description="relative tolerance of a step")] = 1e-5
    atol: Annotated[Tolerance, Field(description="absolute tolerance of a step")] = 1e-7
    max_steps: Annotated[
        int,
        Field(ge=1, le=10**9, description="a solve that needs more, rejected ones too, fails"),
    ] = 4096
    first_step: Annotated[
        StepSize | None, Field(description="h of the first step; by default from f and its change")
    ] = None
    min_step: Annotated[
        StepSize | None, Field(description="a step as short as this is accepted in any case")
    ] = None

    stages: ClassVar[int] = 6
    """Evaluations of a step: the last one is the first of the next (FSAL)."""
    sixth: ClassVar[Fraction]
    """The coefficient of z⁶ in R(z)."""

    @classmethod
    def stability_polynomial(cls) -> tuple[Fraction, ...]:
        return (*(Fraction(1, factorial(k)) for k in range(cls.order + 1)), cls.sixth)

    @classmethod
    def places(cls) -> tuple[Fraction, ...]:
        """Steps are tried anywhere, but none goes past a step of weights in time."""
        return ()


class Dopri5(Adaptive, kind="dopri5"):
    """The pair of Dormand & Prince, 5(4)."""

    examples: ClassVar[tuple[str, ...]] = (
        "dopri5",
        "{kind: dopri5, rtol: 1e-6, atol: 1e-8, max_steps: 9999, first_step: 0.1, min_step: 1e-6}",
    )
    name: ClassVar[str] = "Dormand–Prince 5(4)"
    order: ClassVar[int] = 5
    formula: ClassVar[str] = "the pair of Dormand and Prince, steps by tolerances"
    sixth: ClassVar[Fraction] = Fraction(1, 600)


class Tsit5(Adaptive, kind="tsit5"):
    """The pair of Tsitouras, 5(4); torchdiffeq 0.2.5 has none, so there is no PyTorch program."""

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: tsit5, rtol: 1e-6, atol: 1e-8, max_steps: 9999, first_step: 0.1, min_step: 1e-6}",
    )
    name: ClassVar[str] = "Tsitouras 5(4)"
    order: ClassVar[int] = 5
    formula: ClassVar[str] = "the pair of Tsitouras, steps by tolerances"
    sixth: ClassVar[Fraction] = Fraction("0.00143221132480735")
