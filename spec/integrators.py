"""One-step methods: Runge–Kutta tableaux as exact fractions, and methods that move halves in turn.

From a tableau everything else is derived: the emitted stages, the stability function, the order
conditions (which are checked when the class is made). Hairer, Nørsett & Wanner, "Solving Ordinary
Differential Equations I", II.1; Hairer, Lubich & Wanner, "Geometric Numerical Integration", I.1.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from . import regions
from .node import Family, Later

if TYPE_CHECKING:
    from .regions import Array

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


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

    def formula(self) -> str:
        """The method in words of mathematics: `y + h k₂; k₂ = f(t + h/2, y + h/2 k₁)`."""
        stages = [
            f"{_k(i)} = f({_shifted('t', c)}, {_sum('y', a)})"
            for i, (a, c) in enumerate(zip(self.a, self.c, strict=True))
        ]
        if len(stages) == 1:
            return "y + h f(t, y)"
        return f"{_sum('y', self.b)}; " + ", ".join(stages)

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


def _k(i: int) -> str:
    """k₁, k₂, …"""
    return f"k{str(i + 1).translate(_SUBSCRIPTS)}"


def _shifted(t: str, c: Fraction) -> str:
    return f"{t} + {times_h(c)}" if c else t


def times_h(factor: Fraction) -> str:
    """h, h/2, 2h/3."""
    numerator = "" if factor.numerator == 1 else str(factor.numerator)
    return f"{numerator}h" + ("" if factor.denominator == 1 else f"/{factor.denominator}")


def _sum(y: str, factors: tuple[Fraction, ...]) -> str:
    """y + h/6 (k₁ + 2 k₂ + …), the common denominator drawn out."""
    denominator = lcm(*(a.denominator for a in factors)) if factors else 1
    terms = [(int(a * denominator), _k(i)) for i, a in enumerate(factors) if a]
    if not terms:
        return y
    if len(terms) == 1:
        (count, k) = terms[0]
        sign = "−" if count < 0 else "+"
        return f"{y} {sign} {times_h(Fraction(abs(count), denominator))} {k}"
    signed = [f"{'−' if n < 0 else '+'} {_multiple(abs(n), k)}" for n, k in terms]
    inside = " ".join(signed).removeprefix("+ ")
    if terms[0][0] < 0:
        inside = inside.replace("− ", "−", 1)
    return f"{y} + {times_h(Fraction(1, denominator))} ({inside})"


def _multiple(count: int, k: str) -> str:
    return k if count == 1 else f"{count} {k}"


class Integrator(Family, title="integrator"):
    """The method that steps from t_j to t_j + h."""

    order: ClassVar[int]
    """For states whose blocks are all given where the method has them: see `Splitting.lag`."""
    name: ClassVar[str]
    formula: ClassVar[str]
    """One step, in the docstring of an emitted program."""
    field_order: ClassVar[int] = 1
    """1 for y' = f, 2 for y'' = f."""
    needs_separable: ClassVar[bool] = False
    """Only for y' = f(t, z), z' = g(t, y)?"""

    @property
    def method(self) -> "Integrator":
        """What steps: this very method, or the form of it that a key chooses."""
        return self

    @property
    def initial_value_order(self) -> int:
        """The order in y for the problem that a user writes, all blocks given at t = 0."""
        return self.order

    def accuracy(self, position: str = "y", momentum: str = "z") -> str:
        """The order in words, with the names of the blocks that move in turn."""
        return f"order {self.order}"

    @classmethod
    def places(cls) -> tuple[Fraction, ...]:
        """Where right-hand sides are evaluated, as parts of a step from its beginning."""
        raise NotImplementedError

    @classmethod
    def amplification(cls, z: "Array") -> "Array":
        """|R(z)|, how a step multiplies the mode z = h λ."""
        raise NotImplementedError

    @classmethod
    def imaginary_limit(cls) -> float:
        """The largest r with |R(iω)| ≤ 1 for 0 ≤ ω ≤ r; 0 where every oscillation grows."""
        raise NotImplementedError


class OneStep(Integrator):
    """Methods whose step multiplies a mode by a polynomial R(z)."""

    @classmethod
    def stability_polynomial(cls) -> tuple[Fraction, ...]:
        """Coefficients of R(z), constant first."""
        raise NotImplementedError

    @classmethod
    def amplification(cls, z: "Array") -> "Array":
        return regions.growth_of_polynomial(cls.stability_polynomial(), z)

    @classmethod
    def imaginary_limit(cls) -> float:
        return regions.imaginary_limit(cls.stability_polynomial())

    @classmethod
    def limit_along(cls, mode: complex) -> float:
        """The largest r with |R(s λ/|λ|)| ≤ 1 for 0 ≤ s ≤ r, Re λ < 0; ∞ where there is no end."""
        return regions.limit_along(cls.stability_polynomial(), mode / abs(mode))

    @classmethod
    def leading_growth(cls) -> tuple[Fraction, int]:
        """(c, p) of |R(iω)| = 1 + c ω^p + …, for small ω."""
        return regions.leading_growth(cls.stability_polynomial())


class RungeKutta(OneStep):
    """Explicit Runge–Kutta: k_i = f(t + c_i h, y + h Σ a_ij k_j), y + h Σ b_i k_i."""

    tableau: ClassVar[Tableau]

    @classmethod
    def __pydantic_init_subclass__(cls, kind: str = "", **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(kind=kind, **kwargs)
        if kind and cls.tableau.order() != cls.order:
            raise ValueError(f"{kind}: declared order {cls.order}, found {cls.tableau.order()}")
        if kind and "formula" not in cls.__dict__:
            cls.formula = cls.tableau.formula()

    @classmethod
    def places(cls) -> tuple[Fraction, ...]:
        return cls.tableau.c

    @classmethod
    def stability_polynomial(cls) -> tuple[Fraction, ...]:
        return cls.tableau.stability_polynomial()


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


@dataclass(frozen=True)
class Move:
    """One half of the state moves by a part of h along its right-hand side.

    `half` is "position" (y) or "momentum" (all other blocks, or y' of a second-order field); `at`
    is where in the step the right-hand side is taken: time t + at h, with the weights there.
    """

    half: str
    by: Fraction
    at: Fraction


class Splitting(Integrator):
    """Position and momentum move in turn, each by the right-hand side that the other one gives."""

    moves: ClassVar[tuple[Move, ...]]
    start: ClassVar[Fraction] = Fraction(0)
    """The momentum before the first step, from that at t = 0: moved by this part of h."""
    lag: ClassVar[Fraction] = Fraction(0)
    """By what part of h the momentum of a state at t_j lies behind its position."""

    @property
    def initial_value_order(self) -> int:
        """A momentum that lies behind, and is not moved there before the first step, is wrong by
        O(h) from the start."""
        return self.order if self.start == -self.lag else 1

    def accuracy(self, position: str = "y", momentum: str = "z") -> str:
        """What is true with the momentum given at t = 0, and what with it given where it lies."""
        if self.initial_value_order == self.order:
            return super().accuracy(position, momentum)
        return (
            f"order {self.initial_value_order} in {position} for {momentum} given at t = 0, "
            f"order {self.order} for {momentum} given at t = −{times_h(self.lag)}"
        )

    @classmethod
    def places(cls) -> tuple[Fraction, ...]:
        return tuple(move.at for move in cls.moves)

    @classmethod
    def amplification(cls, z: "Array") -> "Array":
        return regions.growth_of_trace(cls._trace(), z)

    @classmethod
    def imaginary_limit(cls) -> float:
        return regions.imaginary_limit_of_trace(cls._trace())

    @classmethod
    def _trace(cls) -> regions.Polynomial:
        """tr M(z²) of the step (y, p) ↦ M (y, p) on y' = λ p, p' = λ y, whose det M is 1."""
        return regions.trace_of_shears([(m.half == "position", m.by) for m in cls.moves])


KICK = Move("momentum", Fraction(1), at=Fraction(0))
DRIFT = Move("position", Fraction(1), at=Fraction(1, 2))


class Leapfrog(Splitting, kind="leapfrog"):
    """v ← v + h f_j(y), y ← y + h v; for y alone y_{j+1} = 2 y_j − y_{j−1} + h² f_j(y_j).

    Started by y₁ = y₀ + (h²/2) f₀(y₀), which is v_{−½} = −(h/2) f₀(y₀); for second-order fields.
    The recurrence for y alone loses O(N²) units of rounding, this one O(N) (Hairer, Lubich &
    Wanner, Geometric Numerical Integration, VIII.5).
    """

    name: ClassVar[str] = "leapfrog"
    order: ClassVar[int] = 2
    formula: ClassVar[str] = "v + h y''(y), then y + h v with the new v"
    field_order: ClassVar[int] = 2
    moves: ClassVar[tuple[Move, ...]] = (KICK, DRIFT)
    start: ClassVar[Fraction] = Fraction(-1, 2)
    lag: ClassVar[Fraction] = Fraction(1, 2)


class Verlet(Splitting, kind="verlet"):
    """Störmer–Verlet for separable fields y' = f(t, z), z' = g(t, y), in one of two forms.

    `staggered` (Haber & Ruthotto 2017, section 4): z_{j+½} = z_{j−½} + h g_j(y_j) with
    z_{−½} = z(0), y_{j+1} = y_j + h f_j(z_{j+½}); the state at t_j is (y_j, z_{j−½}). It is of
    order 2 for the problem in which z(0) is the value at −h/2, and y of order 1 for the one in
    which it is that at 0.

    `kick-drift-kick` (Hairer, Lubich & Wanner, Geometric Numerical Integration, I.1.4):
    z_½ = z_j + (h/2) g(t_j, y_j), y_{j+1} = y_j + h f(t_j + h/2, z_½),
    z_{j+1} = z_½ + (h/2) g(t_{j+1}, y_{j+1}), all with the weight of step j; of order 2 for
    (y_j, z_j).
    """

    examples: ClassVar[tuple[str, ...]] = ("verlet", "{kind: verlet, form: kick-drift-kick}")
    form: Annotated[
        Literal["staggered", "kick-drift-kick"],
        Field(description="how y and z take turns: the order is that of the table"),
        Later(),
    ] = "staggered"

    name: ClassVar[str] = "Störmer–Verlet (staggered)"
    order: ClassVar[int] = 2
    formula: ClassVar[str] = "z + h z'(y), then y + h y'(z) with the new z"
    needs_separable: ClassVar[bool] = True
    lag: ClassVar[Fraction] = Fraction(1, 2)
    moves: ClassVar[tuple[Move, ...]] = (KICK, DRIFT)

    @property
    def method(self) -> Integrator:
        return self if self.form == "staggered" else KickDriftKick(form=self.form)


class KickDriftKick(Verlet):
    """Verlet's form in which z is where y is."""

    kind: ClassVar[str] = Verlet.kind
    name: ClassVar[str] = "Störmer–Verlet (kick–drift–kick)"
    formula: ClassVar[str] = "z + h/2 z'(y), then y + h y'(z), then z + h/2 z'(y) with the new y"
    lag: ClassVar[Fraction] = Fraction(0)
    moves: ClassVar[tuple[Move, ...]] = (
        Move("momentum", Fraction(1, 2), at=Fraction(0)),
        DRIFT,
        Move("momentum", Fraction(1, 2), at=Fraction(1)),
    )

    @property
    def method(self) -> Integrator:
        return self
