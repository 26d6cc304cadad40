"""Kutta's methods (1901): of third order, and the 3/8 rule."""

from typing import ClassVar

from wellposed.spec.integrators import RungeKutta, Tableau


class Kutta3(RungeKutta, kind="kutta-3"):
    """Simpson's rule for y' = f(t)."""

    name: ClassVar[str] = "Kutta 3"
    order: ClassVar[int] = 3
    tableau: ClassVar[Tableau] = Tableau.parse(("", "1/2", "-1 2"), "1/6 2/3 1/6")


class ThreeEighths(RungeKutta, kind="three-eighths"):
    """Newton's 3/8 rule for y' = f(t)."""

    name: ClassVar[str] = "the 3/8 rule"
    order: ClassVar[int] = 4
    tableau: ClassVar[Tableau] = Tableau.parse(("", "1/3", "-1/3 1", "1 -1 1"), "1/8 3/8 3/8 1/8")
