"""What diffrax does with a field, counted by calls back from the compiled program.

They are there while something is counted; the program itself has none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from .counting import Counts

GIVES_UP = ("maximum number of solver steps", "minimum step size")
"""What diffrax says where it ends the adjoint's solve: the way back has no NaN to say so."""


def gave_up(error: RuntimeError) -> bool:
    """Is it the end of a solve?"""
    return any(words in str(error) for words in GIVES_UP)


def counting(solver: Callable[..., Any], counts: Counts) -> Callable[..., Any]:
    """diffrax's `diffeqsolve`, on fields that count."""

    def count(what: str) -> None:
        setattr(counts, what, getattr(counts, what) + 1)

    def steps(accepted: Any, rejected: Any) -> None:
        counts.accepted += int(accepted)
        counts.rejected += int(rejected)

    @jax.custom_vjp
    def pulled_back(slope: Any) -> Any:
        return slope

    def backward(_: None, bar: Any) -> tuple[Any]:
        jax.debug.callback(lambda: count("nfe_backward"))
        return (bar,)

    pulled_back.defvjp(lambda slope: (slope, None), backward)

    def counted(term: Any, *given: Any, **options: Any) -> Any:
        def field(t: Any, y: Any, args: Any) -> Any:
            jax.debug.callback(lambda: count("nfe"))
            return pulled_back(term.vector_field(t, y, args))

        solution = solver(type(term)(field), *given, **options)
        taken = solution.stats["num_accepted_steps"], solution.stats["num_rejected_steps"]
        jax.debug.callback(steps, *taken)
        return solution

    return counted
