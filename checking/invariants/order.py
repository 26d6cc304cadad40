"""The observed order of the integrator: how y(T) nears the exact solution as h is halved.

With errors e(h) = ‖y_h(T) − y(T)‖ the observed order is log₂ e(h)/e(h/2); y(T) is SciPy's DOP853
for the reference's vector field, so that a wrong tableau is seen although reference and programs
share it; leapfrog's equation y'' = f is solved as the system of y and y'.

Staggered `verlet` is held to two claims: y is of order 1 for the solution through (y(0), z(0)), and
of order 2 for the one through z(0) + (h/2) g(0, y(0)), of which z(0) is the value at −h/2 up to h².
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
STAGGERED = "smooth/observed order of the staggered problem"
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
    found = errors(model, case, halvings=1)
    return {leaf: np.asarray(orders(part)[-1]) for leaf, part in found.items()}


def expected(case: Compiled, probes: Probes) -> dict[str, Standard]:
    """The orders that the integrator claims, where the field lets them be seen."""
    found = errors(registry.get("numpy").load(case.module, ""), case, halvings=2)
    return {leaf: standard(claims(case)[leaf], part) for leaf, part in found.items()}


def claims(case: Compiled) -> dict[str, int]:
    """The order for the problem as it is written, and where it is another one the staggered one."""
    method = case.problem.integrator
    as_written = {LEAF: method.initial_value_order}
    if method.initial_value_order == method.order:
        return as_written
    return as_written | {STAGGERED: method.order}


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


def errors(model: Model, case: Compiled, halvings: int) -> dict[str, Array]:
    """‖y_h(T) − y(T)‖/‖y(T)‖ of every claim for h = T/N, N from coarse to fine."""
    T = longest(case)
    finest = FINEST.get(case.problem.integrator.order, LAST)
    counts = [finest >> i for i in reversed(range(halvings + 1))]
    cases = [refined(case, T, n) for n in counts]
    with np.errstate(all="ignore"):
        paths = [loaded(c, model).trajectory(smooth_weights(c), starts(c)) for c in cases]
        found = [_compared(c, path[-1]) for c, path in zip(cases, paths, strict=True)]
        exact = _exact(cases[-1], [c.module.h for c in cases], list(claims(case)))
        return {leaf: np.array(list(map(_error, found, ends))) for leaf, ends in exact.items()}


def _error(found: Array, exact: Array) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def lag(case: Compiled) -> float:
    """By what part of h the momentum of a state lies behind its position."""
    integrator = case.problem.integrator
    return float(integrator.lag) if isinstance(integrator, Splitting) else 0.0


def _compared(case: Compiled, states: Array) -> Array:
    """All blocks; y alone where the others lie half a step behind."""
    return states[:, : case.problem.first.size.value] if lag(case) else states


def _exact(case: Compiled, steps: list[float], leaves: list[str]) -> dict[str, list[Array]]:
    """The exact states at T that methods with these h near, for every claim."""
    weights = smooth_weights(case)
    rows = [_start(case, weights, h, leaf) for leaf in leaves for h in steps]
    ends = np.split(solved(case, weights, np.concatenate(rows)), len(rows))
    compared = [_compared(case, part) for part in ends]
    parts = [compared[i : i + len(steps)] for i in range(0, len(rows), len(steps))]
    return dict(zip(leaves, parts, strict=True))


def _start(case: Compiled, weights: Weights, h: float, leaf: str) -> Array:
    """Rows of states at t = 0; in the staggered problem what lies behind is moved to that time."""
    x = starts(case)
    y = np.pad(x, ((0, 0), (0, case.problem.size - x.shape[1])))
    if leaf == STAGGERED:
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
