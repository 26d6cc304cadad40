"""Times of series: each example starts at a time of its own, from which on a path is computed."""

from __future__ import annotations

from ..ir.expr import Expr, build, constant, variable
from ..ir.problem import Problem
from ..ir.types import columns

START = variable("start", columns())
"""The time of the first observation of every example."""


def starts(problem: Problem) -> tuple[Expr, ...]:
    """What a field that depends on time is given besides the time since the start."""
    return (START,) if problem.has_starts else ()


def zeros(problem: Problem, like: Expr) -> tuple[Expr, ...]:
    """The same for paths that all start at 0, as many as there are examples of `like`."""
    return (build("per_example", constant(0), like),) if problem.has_starts else ()
