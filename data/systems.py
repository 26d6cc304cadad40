"""Systems of differential equations in the plane: solutions (s, L, 2) from s random starts at times
(L,), by SciPy's DOP853."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .generators import polar
from .preprocessing import Floats

RTOL = ATOL = 1e-12
Slopes = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""The two components of y' from those of y, each (s,)."""


def solved(slopes: Slopes, starts: Floats, times: Floats) -> Floats:
    """The solutions of y' = slopes(y) from starts (s, 2); the first time is that of the starts."""
    from scipy.integrate import solve_ivp  # to import it takes longer than to solve

    if not len(starts):
        return np.zeros((0, len(times), 2))

    def field(_: float, flat: Floats) -> Floats:
        return np.concatenate(slopes(*np.split(flat, 2)))

    span, flat = (times[0], times[-1]), starts.T.ravel()
    with np.errstate(over="ignore", invalid="ignore"):  # of steps that are tried and not taken
        found = solve_ivp(field, span, flat, "DOP853", times, rtol=RTOL, atol=ATOL)
    if not found.success or not np.isfinite(found.y).all():
        raise ArithmeticError(f"no solution up to {times[-1]:g}: {found.message}")
    return np.moveaxis(found.y.reshape(2, len(starts), len(times)), 0, 2)


def cubic_spiral(
    size: int, times: Floats, random: np.random.Generator, *, is_first: bool
) -> Floats:
    """y1' = −0.1 y1³ − 2 y2³, y2' = 2 y1³ − 0.1 y2³ from 2 (cos θ, sin θ), θ ~ U(0, 2π).

    Where the first solution is among them it has θ = 0. Source: ode_demo of torchdiffeq.
    """
    angle = 2 * np.pi * random.random(size)
    angle[: int(is_first)] = 0.0

    def slopes(y1: Floats, y2: Floats) -> tuple[Floats, Floats]:
        return -0.1 * y1**3 - 2 * y2**3, 2 * y1**3 - 0.1 * y2**3

    return solved(slopes, polar(np.full(size, 2.0), angle), times)


def lotka_volterra(
    rates: Sequence[float], size: int, times: Floats, random: np.random.Generator
) -> Floats:
    """x' = a x − b x y, y' = −c y + d x y from (u c/d, v a/b), u, v ~ U(¼, ¾).

    It is solved for the logarithms, (log x)' = a − b y and (log y)' = −c + d x, by which the
    numbers stay positive however few are left.
    """
    a, b, c, d = rates
    starts = (0.25 + 0.5 * random.random((size, 2))) * [c / d, a / b]

    def slopes(log_x: Floats, log_y: Floats) -> tuple[Floats, Floats]:
        return a - b * np.exp(log_y), d * np.exp(log_x) - c

    return np.exp(solved(slopes, np.log(starts), times))


def pendulum(frequency: float, size: int, times: Floats, random: np.random.Generator) -> Floats:
    """q' = p, p' = −ω² sin q from q = α cos φ, p = ± ω √(2 (cos q − cos α)), upwards for φ < π.

    Swings of amplitude α ~ U(½, 2½), which never go over the top, begin at a phase φ ~ U(0, 2π).
    """
    amplitude, phase = 0.5 + 2 * random.random(size), 2 * np.pi * random.random(size)
    q = amplitude * np.cos(phase)
    p = frequency * np.sqrt(2 * np.maximum(np.cos(q) - np.cos(amplitude), 0.0))

    def slopes(q: Floats, p: Floats) -> tuple[Floats, Floats]:
        return p, -(frequency**2) * np.sin(q)

    return solved(slopes, np.column_stack([q, np.where(phase < np.pi, p, -p)]), times)
