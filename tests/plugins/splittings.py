"""Symmetric splittings: Strang's, and that of fourth order of Forest & Ruth (1990)."""

from fractions import Fraction
from typing import ClassVar

from wellposed.spec.integrators import Move, Splitting

HALF = Fraction(1, 2)


class Strang(Splitting, kind="strang"):
    """Half a kick, a drift, half a kick."""

    name: ClassVar[str] = "Strang splitting"
    order: ClassVar[int] = 2
    formula: ClassVar[str] = "z + h/2 z'(y), then y + h y'(z), then z + h/2 z'(y)"
    needs_separable: ClassVar[bool] = True
    moves: ClassVar[tuple[Move, ...]] = (
        Move("momentum", HALF, at=Fraction(0)),
        Move("position", Fraction(1), at=HALF),
        Move("momentum", HALF, at=Fraction(1)),
    )


THETA = Fraction(1 / (2 - 2 ** (1 / 3))).limit_denominator(10**8)
"""To 1e-16: the coefficients of a splitting are fractions."""
OUTER, INNER = THETA / 2, (1 - THETA) / 2


class ForestRuth(Splitting, kind="forest-ruth"):
    """Three steps of leapfrog, of the lengths θ h, (1 − 2θ) h, θ h with θ = 1/(2 − 2^⅓)."""

    name: ClassVar[str] = "Forest–Ruth"
    order: ClassVar[int] = 4
    formula: ClassVar[str] = "leapfrog by θ h, (1 − 2θ) h, θ h, θ = 1/(2 − 2^⅓)"
    needs_separable: ClassVar[bool] = True
    moves: ClassVar[tuple[Move, ...]] = (
        Move("position", OUTER, at=Fraction(0)),
        Move("momentum", THETA, at=OUTER),
        Move("position", INNER, at=THETA),
        Move("momentum", 1 - 2 * THETA, at=HALF),
        Move("position", INNER, at=1 - THETA),
        Move("momentum", THETA, at=1 - OUTER),
        Move("position", OUTER, at=Fraction(1)),
    )
