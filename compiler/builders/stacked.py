"""The stacked state: all blocks, one below the other."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.expr import Expr, build
from ..ir.problem import Problem, slices


def stack(parts: Sequence[Expr]) -> Expr:
    """One value of several."""
    return parts[0] if len(parts) == 1 else build("concat", *parts)


def blocks_of(problem: Problem, whole: Expr) -> dict[str, Expr]:
    """The blocks of the stacked state by name."""
    if len(problem.blocks) == 1:
        return {problem.first.name: whole}
    places = zip(problem.blocks, slices(problem.blocks.values()), strict=True)
    return {n: build("slice", whole, attributes=place) for n, place in places}
