"""Discretization: a one-step method becomes the lines of one step, with rates of the field."""

from __future__ import annotations

from fractions import Fraction
from math import lcm

from ...spec.integrators import Integrator, Leapfrog, RungeKutta, Tableau, Verlet
from ..ir.expr import Expr, Shape, constant, is_constant, rate, variable
from ..ir.program import END, MID, START, Step, Update
from . import program_claims
from .checked import checked
from .simplify import simplify

NODE_AT = {Fraction(0): START, Fraction(1, 2): MID, Fraction(1): END}
VELOCITY = "v"


@checked(program_claims.discretized)
def discretize(integrator: Integrator, blocks: dict[str, int], h: float) -> Step:
    """The lines of one step, and those before the first."""
    states = {name: variable(name, (n,), batched=True) for name, n in blocks.items()}
    H = constant(h, "H")
    match integrator:
        case RungeKutta():
            return _runge_kutta(integrator.tableau, states, H)
        case Verlet():
            return _verlet(states, H)
        case Leapfrog():
            return _leapfrog(states["y"], H)
    raise NotImplementedError(f"no discretization of {integrator.kind}")


def _time(c: Fraction, H: Expr) -> Expr:
    """t + c h, as a reader would write it."""
    t = variable("t")
    return simplify(t + _scaled(H, c)) if c else t


def _scaled(H: Expr, factor: Fraction) -> Expr:
    """h a/b as `a * H / b`."""
    product = constant(factor.numerator) * H
    return simplify(product / constant(factor.denominator))


def _combination(H: Expr, factors: tuple[Fraction, ...], terms: list[Expr]) -> Expr | None:
    """h Σ aᵢ kᵢ with the common denominator drawn out: `H / 6 * (k1 + 2 * k2 + …)`."""
    denominator = lcm(*(a.denominator for a in factors)) if factors else 1
    total: Expr | None = None
    for a, k in zip(factors, terms, strict=True):
        weight = constant(int(a * denominator))
        if is_constant(weight, 0):
            continue
        part = simplify(weight * k)
        total = part if total is None else total + part
    return None if total is None else _scaled(H, Fraction(1, denominator)) * total


def _runge_kutta(tableau: Tableau, states: dict[str, Expr], H: Expr) -> Step:
    """k_i = f(t + c_i h, y + h Σ_j a_ij k_j);  y + h Σ_i b_i k_i."""
    lines: list[Update] = []
    stages: dict[str, list[Expr]] = {name: [] for name in states}
    single = len(tableau.b) == 1
    for i, (a, c) in enumerate(zip(tableau.a, tableau.c, strict=True), start=1):
        at = {n: _moved(y, _combination(H, a, stages[n])) for n, y in states.items()}
        for name, y in states.items():
            k: Expr = rate(name, y.shape, NODE_AT[c], _time(c, H), at)
            if not single:
                label = f"k{i}" if len(states) == 1 else f"k{i}_{name}"
                lines.append(Update(label, k))
                k = variable(label, y.shape, batched=True)
            stages[name].append(k)
    results = {n: _moved(y, _combination(H, tableau.b, stages[n])) for n, y in states.items()}
    return Step(tuple(lines), results)


def _moved(y: Expr, increment: Expr | None) -> Expr:
    return y if increment is None else y + increment


def _verlet(states: dict[str, Expr], H: Expr) -> Step:
    """z ← z + h g(t_j, y), then y ← y + h f(t_j + h/2, z) with the new z."""
    y, others = states["y"], [n for n in states if n != "y"]
    kicks = tuple(
        Update(n, states[n] + H * rate(n, states[n].shape, START, variable("t"), states))
        for n in others
    )
    half = _time(Fraction(1, 2), H)
    drift = Update("y", y + H * rate("y", y.shape, MID, half, states))
    return Step((*kicks, drift), states)


def _leapfrog(y: Expr, H: Expr) -> Step:
    """y_{j+1} = 2 y_j − y_{j−1} + h² f_j(y_j), y₁ = y₀ + (h²/2) f₀(y₀), in its staggered form.

    With v_{j+½} = (y_{j+1} − y_j)/h it reads v ← v + h f_j(y), y ← y + h v, started from
    v_{−½} = −(h/2) f₀(y₀). The recurrence for y alone loses O(N²) units of rounding, this one O(N)
    (Hairer, Lubich & Wanner, Geometric Numerical Integration, VIII.5).
    """
    shape: Shape = y.shape
    v = variable(VELOCITY, shape, batched=True)
    force = rate("y", shape, START, variable("t"), {"y": y})
    start = Update(VELOCITY, -(_scaled(H, Fraction(1, 2)) * force))
    kick, drift = Update(VELOCITY, v + H * force), Update("y", y + H * v)
    return Step((kick, drift), {"y": y, VELOCITY: v}, (start,))
