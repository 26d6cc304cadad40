"""Ralston's methods (1962): of two and of three stages, with the least bound of the error."""

from typing import ClassVar

from wellposed.spec.integrators import RungeKutta, Tableau


class Ralston(RungeKutta, kind="ralston"):
    """k₂ = f(t + 2h/3, y + 2h/3 k₁), y + h/4 (k₁ + 3 k₂)."""

    name: ClassVar[str] = "Ralston 2"
    order: ClassVar[int] = 2
    tableau: ClassVar[Tableau] = Tableau.parse(("", "2/3"), "1/4 3/4")


class Ralston3(RungeKutta, kind="ralston-3"):
    """Three stages at 0, ½ and ¾."""

    name: ClassVar[str] = "Ralston 3"
    order: ClassVar[int] = 3
    tableau: ClassVar[Tableau] = Tableau.parse(("", "1/2", "0 3/4"), "2/9 1/3 4/9")
