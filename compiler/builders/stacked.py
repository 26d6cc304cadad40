"""The stacked state: all blocks, one below the other."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.expr import Expr, build
from ..ir.problem import Block, Problem, slices
from ..ir.types import Size


def stack(parts: Sequence[Expr]) -> Expr:
    """One value of several."""
    return parts[0] if len(parts) == 1 else build("concat", *parts)


def blocks_of(problem: Problem, whole: Expr) -> dict[str, Expr]:
    """The blocks of the stacked state by name."""
    if len(problem.blocks) == 1:
        return {problem.first.name: whole}
    places = zip(problem.blocks.values(), slices(problem.blocks.values()), strict=True)
    return {block.name: _part(whole, block, place) for block, place in places}


def _part(whole: Expr, block: Block, place: tuple[Size, Size]) -> Expr:
    if not block.shape:
        return build("component", whole, attributes=place[:1])
    return build("slice", whole, attributes=place)
