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
from ...compiler.pipeline import Compiled
from ...compiler.reference.reference import Reference
from ...spec.integrators import Splitting
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


def applies(case: Compiled, probes: Probes) -> bool:
    """Only a smooth field shows the order of a method."""
    return is_smooth(case)


def ask(model: Model, case: Compiled, probes: Probes) -> Answers:
    """The order seen at the last halving: programs of JAX take half a second each to compile."""
    return {LEAF: np.asarray(orders(errors(model, case, halvings=1))[-1])}


def expected(case: Compiled, probes: Probes) -> dict[str, Standard]:
    """The declared order of the integrator, where the field lets it be seen."""
    found = errors(registry.get("numpy").load(case.module, ""), case, halvings=2)
    return {LEAF: standard(case.problem.integrator.order, found)}


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


def errors(model: Model, case: Compiled, halvings: int) -> Array:
    """‖y_h(T) − y(T)‖/‖y(T)‖ for h = T/N, N from coarse to fine."""
    T = longest(case)
    finest = FINEST.get(case.problem.integrator.order, LAST)
    counts = [finest >> i for i in reversed(range(halvings + 1))]
    cases = [refined(case, T, n) for n in counts]
    with np.errstate(all="ignore"):
        exact = _exact(cases[-1], [c.module.h for c in cases])
        paths = [loaded(c, model).trajectory(smooth_weights(c), starts(c)) for c in cases]
        found = [_compared(c, path[-1]) for c, path in zip(cases, paths, strict=True)]
        pairs = zip(found, exact, strict=True)
        return np.array([np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in pairs])


def lag(case: Compiled) -> float:
    """By what part of h the momentum of a state lies behind its position."""
    integrator = case.problem.integrator
    return float(integrator.lag) if isinstance(integrator, Splitting) else 0.0


def _compared(case: Compiled, states: Array) -> Array:
    """All blocks; y alone where the others lie half a step behind."""
    return states[:, : case.problem.sizes["y"]] if lag(case) else states


def _exact(case: Compiled, steps: list[float]) -> list[Array]:
    """The exact states at T that methods with these h near."""
    weights = smooth_weights(case)
    rows = [_start(case, weights, h) for h in steps]
    ends = solved(case, weights, np.concatenate(rows))
    return [_compared(case, part) for part in np.split(ends, len(steps))]


def _start(case: Compiled, weights: Weights, h: float) -> Array:
    """Rows of states at t = 0, what lies behind moved to that time."""
    x = starts(case)
    y = np.pad(x, ((0, 0), (0, case.problem.size - x.shape[1])))
    if lag(case) and case.problem.order == 1:
        g = Reference(case.module).vector_field(weights, 0.0, y)
        y[:, x.shape[1] :] += lag(case) * h * g[:, x.shape[1] :]
    return y


def solved(case: Compiled, weights: Weights, y: Array) -> Array:
    """y(T) of rows y(0) by SciPy, y'(0) = 0 for a second-order field; nan where it gives up.

    SciPy's solvers take a quarter of a second to import.
    """
    from scipy.integrate import solve_ivp

    T = case.module.h * case.module.steps
    start = np.stack([y] if case.problem.order == 1 else [y, np.zeros_like(y)])
    rhs = _rhs(case, weights, start.shape)
    try:
        found = solve_ivp(
            rhs, (0, T), start.ravel(), "DOP853", max_step=T / 8, rtol=1e-13, atol=1e-15
        )
    except ArithmeticError:
        return np.full_like(y, np.nan)
    return found.y[:, -1].reshape(start.shape)[0] if found.success else np.full_like(y, np.nan)


def _rhs(
    case: Compiled, weights: Weights, shape: tuple[int, ...]
) -> Callable[[float, Array], Array]:
    """The right-hand side of a system of first order, flat.

    It raises ArithmeticError for a value that is not finite, and after MOST calls: SciPy would go
    on for ever.
    """
    field, calls = Reference(case.module).vector_field, itertools.count()

    def rhs(t: float, flat: Array) -> Array:
        state = flat.reshape(shape)
        f = field(weights, t, state[0])
        if next(calls) == MOST or not np.isfinite(f).all():
            raise ArithmeticError
        return np.stack([*state[1:], f]).ravel()

    return rhs
