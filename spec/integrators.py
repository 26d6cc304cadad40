"""One-step methods: Runge–Kutta tableaux as exact fractions, and the two staggered methods.

From a tableau everything else is derived: the emitted stages, the stability function, the order
conditions (which are checked when the class is made). Hairer, Nørsett & Wanner, "Solving Ordinary
Differential Equations I", II.1; Hairer, Lubich & Wanner, "Geometric Numerical Integration", I.1.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from .node import Family


@dataclass(frozen=True)
class Tableau:
    """A Butcher tableau: a (strictly lower rows), b; c = row sums of a."""

    a: tuple[tuple[Fraction, ...], ...]
    b: tuple[Fraction, ...]

    @classmethod
    def parse(cls, a: tuple[str, ...], b: str) -> "Tableau":
        rows = tuple(tuple(map(Fraction, row.split())) for row in a)
        return cls(rows, tuple(map(Fraction, b.split())))

    def __post_init__(self) -> None:
        if [len(row) for row in self.a] != list(range(len(self.b))):
            raise ValueError("row i of an explicit tableau has i entries")
        if sum(self.b) != 1:
            raise ValueError("the weights b of a consistent tableau sum to 1")

    @property
    def c(self) -> tuple[Fraction, ...]:
        return tuple(sum(row, Fraction(0)) for row in self.a)

    def elementary_weights(self) -> tuple[Fraction, ...]:
        """bᵀ Aᵏ 1 for k = 0, 1, …: the coefficients of the stability function."""
        v = [Fraction(1)] * len(self.b)
        weights: list[Fraction] = []
        while any(v):
            weights.append(sum((b * x for b, x in zip(self.b, v, strict=True)), Fraction(0)))
            v = [sum((a * x for a, x in zip(row, v, strict=False)), Fraction(0)) for row in self.a]
        return tuple(weights)

    def stability_polynomial(self) -> tuple[Fraction, ...]:
        """Coefficients of R(z) = 1 + Σ_k (bᵀ Aᵏ 1) z^{k+1}, constant first."""
        return (Fraction(1), *self.elementary_weights())

    def order(self) -> int:
        """The order p ≤ 4 by the order conditions (HNW I, table II.2.1)."""
        b, c = self.b, self.c
        ac = [sum((a * x for a, x in zip(row, c, strict=False)), Fraction(0)) for row in self.a]
        acc = [
            sum((a * x * x for a, x in zip(row, c, strict=False)), Fraction(0)) for row in self.a
        ]
        aac = [sum((a * x for a, x in zip(row, ac, strict=False)), Fraction(0)) for row in self.a]

        def against(values: list[Fraction]) -> Fraction:
            return sum((x * y for x, y in zip(b, values, strict=True)), Fraction(0))

        conditions = (
            against([Fraction(1)] * len(b)) == 1,
            against(list(c)) == Fraction(1, 2),
            against([x**2 for x in c]) == Fraction(1, 3) and against(ac) == Fraction(1, 6),
            against([x**3 for x in c]) == Fraction(1, 4)
            and against([x * y for x, y in zip(c, ac, strict=True)]) == Fraction(1, 8)
            and against(acc) == Fraction(1, 12)
            and against(aac) == Fraction(1, 24),
        )
        return next((p for p, holds in enumerate(conditions) if not holds), len(conditions))


class Integrator(Family, title="integrator"):
    """The method that steps from t_j to t_j + h."""

    planned: ClassVar[dict[str, str]] = {
        "dopri5": "adaptive solvers",
        "tsit5": "adaptive solvers",
    }
    order: ClassVar[int]
    name: ClassVar[str]


class RungeKutta(Integrator):
    """Explicit Runge–Kutta: k_i = f(t + c_i h, y + h Σ a_ij k_j), y + h Σ b_i k_i."""

    tableau: ClassVar[Tableau]

    @classmethod
    def __pydantic_init_subclass__(cls, kind: str = "", **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(kind=kind, **kwargs)
        if kind and cls.tableau.order() != cls.order:
            raise ValueError(f"{kind}: declared order {cls.order}, found {cls.tableau.order()}")


class Euler(RungeKutta, kind="euler"):
    """y + h f(t, y)."""

    name: ClassVar[str] = "forward Euler"
    order: ClassVar[int] = 1
    tableau: ClassVar[Tableau] = Tableau.parse(("",), "1")


class Midpoint(RungeKutta, kind="midpoint"):
    """k₂ = f(t + h/2, y + h/2 k₁), y + h k₂."""

    name: ClassVar[str] = "explicit midpoint"
    order: ClassVar[int] = 2
    tableau: ClassVar[Tableau] = Tableau.parse(("", "1/2"), "0 1")


class Heun(RungeKutta, kind="heun"):
    """k₂ = f(t + h, y + h k₁), y + h/2 (k₁ + k₂)."""

    name: ClassVar[str] = "Heun"
    order: ClassVar[int] = 2
    tableau: ClassVar[Tableau] = Tableau.parse(("", "1"), "1/2 1/2")


class RK4(RungeKutta, kind="rk4"):
    """The classical fourth-order method (not the 3/8 rule)."""

    name: ClassVar[str] = "classical Runge–Kutta 4"
    order: ClassVar[int] = 4
    tableau: ClassVar[Tableau] = Tableau.parse(("", "1/2", "0 1/2", "0 0 1"), "1/6 1/3 1/3 1/6")


class Leapfrog(Integrator, kind="leapfrog"):
    """v ← v + h f_j(y), y ← y + h v; for y alone y_{j+1} = 2 y_j − y_{j−1} + h² f_j(y_j).

    Started by y₁ = y₀ + (h²/2) f₀(y₀); for second-order fields.
    """

    name: ClassVar[str] = "leapfrog"
    order: ClassVar[int] = 2


class Verlet(Integrator, kind="verlet"):
    """z_{j+½} = z_{j−½} + h g_j(y_j), y_{j+1} = y_j + h f_j(z_{j+½}).

    For separable fields y' = f(t, z), z' = g(t, y).
    """

    name: ClassVar[str] = "Störmer–Verlet"
    order: ClassVar[int] = 2
