"""Parametrizations: what the operator K is made of, as text in the language's own grammar.

Haber & Ruthotto (2017), "Stable architectures for deep neural networks", Inverse Problems 34,
014004, arXiv:1705.03341: weights whose structure keeps the spectrum of the field where the flow
neither explodes nor forgets.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from .node import Family, Why


class Parametrization(Family, title="parametrization"):
    """How the operator of a vector field is made from its raw weight."""

    raw: ClassVar[str] = "K"
    """Letter of the raw weight: K, or C when the operator is a product of C with itself."""
    square: ClassVar[bool] = False
    """Does the operator map a space to itself by construction?"""

    def expression(self, raw: str) -> str:
        """The operator in terms of its raw weight, in the grammar of the language."""
        raise NotImplementedError

    def numbers(self) -> dict[str, float]:
        """The keys that are numbers, which the expression may name."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        numbers = {n: v for n, v in given.items() if isinstance(v, int | float)}
        return {n: v for n, v in numbers.items() if not isinstance(v, bool)}


class Free(Parametrization, kind="free"):
    """K = K: every matrix; nothing is known of its spectrum."""

    def expression(self, raw: str) -> str:
        return raw


class Antisymmetric(Parametrization, kind="antisymmetric"):
    """K ↦ ½ (K − Kᵀ − γ I): imaginary spectrum, moved left by γ/2 (Haber & Ruthotto 2017)."""

    square: ClassVar[bool] = True

    gamma: Annotated[
        float,
        Field(ge=0, description="damping γ"),
        Why("a negative γ makes every mode grow: Re λ = -γ/2 > 0"),
    ] = 0.0

    def expression(self, raw: str) -> str:
        damping = " - gamma * I" if self.gamma else ""
        return f"({raw} - {raw}.T{damping}) / 2"


class NegativeGram(Parametrization, kind="negative-gram"):
    """K = −Cᵀ C: symmetric negative semidefinite (Haber & Ruthotto 2017, for second order)."""

    raw: ClassVar[str] = "C"
    square: ClassVar[bool] = True

    def expression(self, raw: str) -> str:
        return f"-{raw}.T @ {raw}"


class HamiltonianBlock(Parametrization, kind="hamiltonian"):
    """The block operator [[0, K], [−Kᵀ, 0]] on the stacked state (y, z) of `layer`.

    The vector field `layer` writes its two equations itself; K is the upper right block.
    """

    def expression(self, raw: str) -> str:
        return raw
