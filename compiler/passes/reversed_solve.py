"""The solve on the way back: state, cotangent, those of the constants, from its end to its start.

y' = f(t, y, θ) goes on, with a' = −(∂f/∂y)ᵀ a and θ_bar' = −(∂f/∂θ)ᵀ a (Pontryagin; Chen et al.
2018, algorithm 1).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..ir.expr import Expr, build, constant, variable
from ..ir.module import Call, Function, Let, Result, Solve
from ..ir.types import ENDS
from .reversed_scan import bar_name, name_of

if TYPE_CHECKING:
    from .adjoint import Adjoint


class ReversedSolve:
    """The solve back of a solve from a start to a stop, and the cotangents that it gives.

    `of` are the state and the constants that have cotangents.
    """

    def __init__(self, adjoint: Adjoint, statement: Let, solve: Solve, active: set[Expr]) -> None:
        if solve.times.type.path != (ENDS,):
            raise TypeError(f"no adjoint of a solve that is read along {solve.times.type}")
        self.adjoint, self.solve = adjoint, solve
        (self.along,), (self.start,) = statement.targets, solve.init
        self.field = adjoint.function(solve.field)
        self.consts = [i for i, c in enumerate(solve.consts) if c in active]
        self.of = [self.start, *(solve.consts[i] for i in self.consts)]

    def statements(self, seed: Expr) -> tuple[list[Let], list[Expr]]:
        """What computes the cotangents of `of` from those at both ends, and these."""
        solve, zero = self.solve, [build("zeros_like", e) for e in self.of[1:]]
        begin, end = (build("at", solve.times, constant(i)) for i in (0, 1))
        back = replace(
            solve,
            field=self._field(),
            init=(build("last", self.along), build("last", seed), *zero),
            times=build("interval", end, begin),
        )
        wanted = [self.start, *self.of]
        names = [name_of(self.start), *(bar_name(name_of(e)) for e in self.of)]
        along = [
            variable(f"{name}s", e.type.along(ENDS)) for name, e in zip(names, wanted, strict=True)
        ]
        bars = [build("last", e) for e in along[1:]]
        return [Let(tuple(along), back)], [bars[0] + build("at", seed, constant(0)), *bars[1:]]

    def _field(self) -> str:
        """The slopes of state, cotangent and the constants' cotangents."""
        field, first = self.field, int(self.solve.timed)
        moving = (first, *(first + 1 + i for i in self.consts))
        pullback = self.adjoint.pullback(field.name, moving)
        params = tuple(variable(p.name, p.type) for p in field.params)
        slopes = tuple(variable(r.name, r.value.type) for r in field.results)
        bars = tuple(variable(r.name, r.value.type) for r in pullback.results)
        seed = variable(bar_name(params[first].name), params[first].type)
        body = (
            Let(slopes, Call(field.name, params)),
            Let(bars, Call(pullback.name, (*params, seed))),
        )
        states = (params[first], seed)
        others = tuple(variable(e.name, e.type) for e in bars[1:])
        return self.adjoint.add(
            Function(
                name=self.adjoint.fresh(f"{field.name}_back"),
                role=field.role,
                params=(*params[:first], *states, *others, *params[first + 1 :]),
                body=body,
                results=(
                    *(Result(e.name, e) for e in slopes),
                    *(Result(e.name, -e) for e in bars),
                ),
                doc=(f"The slopes on the way back through `{field.name}`.",),
                loc=field.loc,
                pullback_of=field.name,
            )
        )
