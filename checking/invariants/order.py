"""The observed order of the integrator: how y(T) nears the exact solution as h is halved.

With errors e(h) = ‖y_h(T) − y(T)‖ the observed order is log₂ e(h)/e(h/2); y(T) is SciPy's DOP853
for the reference's vector field, so that a wrong tableau is seen although reference and programs
share it. For `verlet` with z_{−½} = z(0) the exact solution is the one through
z(0) + (h/2) g(0, y(0)), of which z_{−½} is the value at −h/2 up to h²; leapfrog's equation y'' = f
is solved as the system of y and y'.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from ...backends import registry
from ...backends.model import Model
from ...compiler.ir.program import Program
from ...compiler.reference import Reference
from ...spec.integrators import Verlet
from ..compare import Array, Standard
from ..probes import Probes, Weights
from ..quantities import Answers
from .refined import is_smooth, loaded, longest, refined, smooth_weights, starts

LEAF = "smooth/observed order"
ALLOWED = 0.1
SETTLED = 0.05
"""Estimates near their limit by halves: the last is as far from it as from the one before."""
ROUNDING = 1e-12
"""Relative errors below it are no longer those of the method, but SciPy's and rounding's."""
FINEST = {1: 512, 2: 128, 3: 64}
"""Steps on the horizon by order, else LAST: fine enough to settle, too coarse for rounding."""
LAST = 32
MOST = 10_000
"""Evaluations of a field that SciPy may take; a few hundred are usual."""


def applies(program: Program, probes: Probes) -> bool:
    """Only a smooth field shows the order of a method."""
    return is_smooth(program)


def ask(model: Model, probes: Probes) -> Answers:
    """The order seen at the last halving: programs of JAX take half a second each to compile."""
    return {LEAF: np.asarray(orders(errors(model, halvings=1))[-1])}


def expected(program: Program, probes: Probes) -> dict[str, Standard]:
    """The declared order of the integrator, where the field lets it be seen."""
    found = errors(registry.get("numpy").load(program, ""), halvings=2)
    return {LEAF: standard(program.integrator.order, found)}


def standard(declared: int, found: Array) -> Standard:
    """The declared order to ALLOWED, given the errors that the reference finds as h is halved.

    The tolerance is ∞, not judged, where its estimates have not settled, its errors are mere
    rounding, or it has settled above the declared order, as it does for special fields and for no
    wrong formula.
    """
    *_, before, last = orders(found)
    is_seen = abs(last - before) <= SETTLED and found[-1] >= ROUNDING
    tolerance = ALLOWED if is_seen and last <= declared + ALLOWED else np.inf
    return Standard(np.asarray(float(declared)), np.asarray(1.0), np.asarray(tolerance))


def orders(found: Array) -> Array:
    """log₂ of the ratios of successive errors; nan where an error is not a positive number."""
    with np.errstate(all="ignore"):
        return np.log2(found[:-1] / found[1:])


def errors(model: Model, halvings: int) -> Array:
    """‖y_h(T) − y(T)‖/‖y(T)‖ for h = T/N, N from coarse to fine."""
    T = longest(model.program)
    finest = FINEST.get(model.program.integrator.order, LAST)
    counts = [finest >> i for i in reversed(range(halvings + 1))]
    programs = [refined(model.program, T, n) for n in counts]
    with np.errstate(all="ignore"):
        exact = _exact(programs[-1], [p.h for p in programs])
        found = [_last(loaded(p, model)) for p in programs]
        pairs = zip(found, exact, strict=True)
        return np.array([np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in pairs])


def _last(model: Model) -> Array:
    """The state at T, as far as it is compared."""
    path = model.trajectory(smooth_weights(model.program), starts(model.program))
    return _compared(model.program, path[-1])


def _compared(program: Program, states: Array) -> Array:
    """All blocks; of verlet y alone, since its z is that of half a step before."""
    return states[:, : program.blocks["y"]] if isinstance(program.integrator, Verlet) else states


def _exact(program: Program, steps: list[float]) -> list[Array]:
    """The exact states at T that methods with these h near."""
    weights = smooth_weights(program)
    rows = [_start(program, weights, h) for h in steps]
    ends = solved(program, weights, np.concatenate(rows))
    return [_compared(program, part) for part in np.split(ends, len(steps))]


def _start(program: Program, weights: Weights, h: float) -> Array:
    """Rows of states at t = 0, the z of verlet moved by h/2."""
    x = starts(program)
    y = np.pad(x, ((0, 0), (0, program.size - x.shape[1])))
    if isinstance(program.integrator, Verlet):
        g = Reference(program).vector_field(weights, 0.0, y)
        y[:, x.shape[1] :] += h / 2 * g[:, x.shape[1] :]
    return y


def solved(program: Program, weights: Weights, y: Array) -> Array:
    """y(T) of rows y(0) by SciPy, y'(0) = 0 for a second-order field; nan where it gives up.

    SciPy's solvers take a quarter of a second to import.
    """
    from scipy.integrate import solve_ivp

    T = program.h * program.steps
    start = np.stack([y] if program.order == 1 else [y, np.zeros_like(y)])
    rate = _rate(program, weights, start.shape)
    try:
        found = solve_ivp(
            rate, (0, T), start.ravel(), "DOP853", max_step=T / 8, rtol=1e-13, atol=1e-15
        )
    except ArithmeticError:
        return np.full_like(y, np.nan)
    return found.y[:, -1].reshape(start.shape)[0] if found.success else np.full_like(y, np.nan)


def _rate(
    program: Program, weights: Weights, shape: tuple[int, ...]
) -> Callable[[float, Array], Array]:
    """The right-hand side of a system of first order, flat.

    It raises ArithmeticError for a rate that is not finite, and after MOST calls: SciPy would go on
    for ever.
    """
    field, calls = Reference(program).vector_field, itertools.count()

    def rate(t: float, flat: Array) -> Array:
        state = flat.reshape(shape)
        f = field(weights, t, state[0])
        if next(calls) == MOST or not np.isfinite(f).all():
            raise ArithmeticError
        return np.stack([*state[1:], f]).ravel()

    return rate
