"""The solve on the way back: state, cotangent, those of the constants, from its end to its start.

y' = f(t, y, θ) goes on, with a' = −(∂f/∂y)ᵀ a and θ_bar' = −(∂f/∂θ)ᵀ a (Pontryagin; Chen et al.
2018, algorithm 1). Where states are read along the way, the cotangent of each is added to a at its
time: a scan over the intervals between them, from the last to the first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..ir.expr import Expr, build, constant, variable
from ..ir.module import Call, Function, Let, Result, Scan, Solve
from ..ir.types import ENDS, Size
from .reversed_scan import bar_name, name_of

if TYPE_CHECKING:
    from .adjoint import Adjoint


class ReversedSolve:
    """The way back of a solve from a start to a stop, and the cotangents that it gives.

    `of` are the state and the constants that have cotangents.
    """

    def __init__(self, adjoint: Adjoint, statement: Let, solve: Solve, active: set[Expr]) -> None:
        self.adjoint, self.solve = adjoint, solve
        (self.along,), (self.start,) = statement.targets, solve.init
        self.field = adjoint.function(solve.field)
        self.consts = [i for i, c in enumerate(solve.consts) if c in active]
        self.of = [self.start, *(solve.consts[i] for i in self.consts)]
        self.names = [bar_name(name_of(e)) for e in self.of]

    def statements(self, seed: Expr) -> tuple[list[Let], list[Expr]]:
        """What computes the cotangents of `of` from those at the times that are read, and these."""
        if self.solve.times.type.path != (ENDS,):
            return self._over_intervals(seed)
        begin, end = (build("at", self.solve.times, constant(i)) for i in (0, 1))
        ends = build("last", self.along), build("last", seed)
        back, bars = self._solved(*ends, begin, end, self.solve.consts)
        return [back], [bars[0] + build("at", seed, constant(0)), *bars[1:]]

    def _solved(
        self, y: Expr, a: Expr, begin: Expr, end: Expr, consts: tuple[Expr, ...]
    ) -> tuple[Let, list[Expr]]:
        """The solve from a state and its cotangent at the end to the begin, and the cotangents."""
        zeros = (build("zeros_like", consts[i]) for i in self.consts)
        back = replace(
            self.solve,
            field=self._field(),
            init=(y, a, *zeros),
            times=build("interval", end, begin),
            consts=consts,
        )
        wanted = [(name_of(self.start), self.start), *zip(self.names, self.of, strict=True)]
        along = [variable(f"{name}s", e.type.along(ENDS)) for name, e in wanted]
        return Let(tuple(along), back), [build("last", e) for e in along[1:]]

    def _over_intervals(self, seed: Expr) -> tuple[list[Let], list[Expr]]:
        solve, times = self.solve, self.solve.times
        between = times.type.path[0].longer(-1)
        along = (self.along, seed)
        scan = Scan(
            step=self._interval(),
            init=(build("zeros_like", self.start),),
            xs=(
                *(build("tail", e) for e in along),
                build("head", times),
                build("tail", times),
            ),
            consts=solve.consts,
            length=Size(1),
            axis=between,
            reverse=True,
            sums=len(self.consts),
            over=build("head", times),
        )
        found = tuple(variable(n, e.type) for n, e in zip(self.names, self.of, strict=True))
        a, *others = found
        return [Let(found, scan)], [a + build("at", seed, constant(0)), *others]

    def _interval(self) -> str:
        """From the end of an interval to its begin: a, y and the cotangent of y at the end, both
        times, constants → a at the begin, and what the constants' cotangents grow by."""
        (state, *_), consts = self.field.results, self.field.params[-len(self.solve.consts) :]
        consts = tuple(variable(p.name, p.type) for p in consts) if self.solve.consts else ()
        y = variable(name_of(self.start), state.value.type)
        a, here = (variable(name, y.type) for name in (bar_name(y.name), f"{y.name}_here"))
        begin, end = variable("t"), variable("until")
        body, bars = self._solved(y, a + here, begin, end, consts)
        return self.adjoint.add(
            Function(
                name=self.adjoint.fresh(f"{self.field.name}_interval_back"),
                role=self.field.role,
                params=(a, y, here, begin, end, *consts),
                body=(body,),
                results=tuple(Result(n, e) for n, e in zip(self.names, bars, strict=True)),
                doc=(
                    f"The cotangents from the end of an interval to its begin, `{self.field.name}` "
                    "solved back.",
                ),
                loc=self.field.loc,
                pullback_of=self.field.name,
            )
        )

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
