"""The scan on the way back: over the steps from the last to the first, it pulls cotangents back."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

from ..ir.expr import Expr, build, variable
from ..ir.module import Call, Function, Let, Result, Scan
from .invert import inverse

if TYPE_CHECKING:
    from .adjoint import Adjoint


UNDO, BACK = "un{}", "{}_back"
"""What the inverse of a step and a step back are called."""


class Keep(Enum):
    """What a scan keeps for its way back."""

    STATES = "the states before every step"
    NOTHING = "nothing: a step is undone from what it gave"


class ReversedScan:
    """The reversed scan of a scan, as it is written.

    Its step takes the cotangents of the states behind a step and the states before it, and with
    them what the step was given. Where nothing is kept, the states are carried too, and undone.
    """

    def __init__(self, adjoint: Adjoint, statement: Let, scan: Scan, active: set[Expr]) -> None:
        self.adjoint, self.scan, self.targets = adjoint, scan, statement.targets
        self.step = adjoint.function(scan.step)
        self.n, self.m = len(scan.init), len(scan.init) + len(scan.xs)
        self.xs = [i for i, x in enumerate(scan.xs) if x in active]
        self.consts = [i for i, c in enumerate(scan.consts) if c in active]
        more = (*(self.n + i for i in self.xs), *(self.m + i for i in self.consts))
        self.moving = (*range(self.n), *more)
        self.pulled = [self.step.params[i] for i in self.moving]
        self.is_undone = adjoint.keep is Keep.NOTHING
        self.of = [
            *scan.init,
            *(scan.xs[i] for i in self.xs),
            *(scan.consts[i] for i in self.consts),
        ]

    def statement(self, paths: Sequence[Expr], seeds: Sequence[Expr | None]) -> Let:
        """The scan; its last targets are the cotangents of `of`.

        `paths` are the states at all nodes, `seeds` the cotangents of the scan's results.
        """
        scan, n = self.scan, self.n
        split = len(self.targets) - scan.sums
        given = zip(seeds, self.targets, strict=True)
        bars = [build("zeros_like", e) if g is None else g for g, e in given]
        ends, start, along = self.targets[:n], bars[:n], ()
        if scan.path and scan.reverse:
            raise TypeError("no adjoint of a reversed scan that gives the states at all nodes")
        if scan.path:
            ends, start = (tuple(build("last", e) for e in es) for es in (ends, start))
            along = tuple(build("head", g) for g in bars[:n])
        side = "tail" if scan.reverse else "head"  # states lie in the order of time
        before = () if self.is_undone else tuple(build(side, path) for path in paths)
        found = Scan(
            step=self._back(),
            init=(*(ends if self.is_undone else ()), *start),
            xs=(*before, *scan.xs, *along, *bars[n:split]),
            consts=(*scan.consts, *bars[split:]),
            axis=scan.axis,
            length=scan.length,
            reverse=not scan.reverse,
            sums=len(self.consts),
            over=scan.over,
        )
        return Let(self._bound(found), found)

    def _bound(self, scan: Scan) -> tuple[Expr, ...]:
        """Targets: the undone states, the cotangents of starts, entries and constants."""
        states = [variable(f"{name_of(e)}_start", e.type) for e in self.scan.init]
        return (
            *(states if self.is_undone else ()),
            *(variable(bar_name(name_of(e)), e.type) for e in self.of),
        )

    def _back(self) -> str:
        key = self.step.name, self.moving, self.scan.path
        if key not in self.adjoint.backs:
            self.adjoint.backs[key] = self._step()
        return self.adjoint.backs[key]

    def _step(self) -> str:
        """The step function of the reversed scan, its parameters as a scan hands them on."""
        step, n, m = self.step, self.n, self.m
        states, entries, consts = (
            _renamed(params) for params in (step.params[:n], step.params[n:m], step.params[m:])
        )
        bars = _renamed(step.params[:n], "_bar")
        more = _renamed(step.params[:n], "_here") if self.scan.path else ()
        split = len(step.results) - self.scan.sums
        outs, sums = (
            tuple(variable(bar_name(r.name), r.value.type) for r in results)
            for results in (step.results[n:split], step.results[split:])
        )
        body: list[Let] = []
        before = self._undo(states, entries, consts, body) if self.is_undone else states
        found = tuple(variable(bar_name(p.name), p.type) for p in self.pulled)
        args, seeds = (*before, *entries, *consts), (*bars, *outs, *sums)
        body.append(self.adjoint.back(found, step.name, self.moving, args, seeds))
        carry = [g + here for g, here in zip(found, more, strict=False)] if more else found[:n]
        first, second = ((*states, *bars), ()) if self.is_undone else (bars, states)
        undone = before if self.is_undone else ()
        results = [Result(e.name, e) for e in undone]
        pulled = zip(self.pulled, (*carry, *found[n:]), strict=True)
        results += [Result(bar_name(p.name), value, by=p.name) for p, value in pulled]
        of = [p.name for p in step.params[:n]] * (2 if more else 1)
        of += [r.name for r in step.results[n:]] + [p.name for p in self.pulled]
        cotangents = zip((*bars, *more, *outs, *sums, *found), of, strict=True)
        return self.adjoint.add(
            Function(
                name=self.adjoint.fresh(BACK.format(step.name)),
                role=step.role,
                params=(*first, *second, *entries, *more, *outs, *consts, *sums),
                body=tuple(body),
                results=tuple(results),
                doc=(_doc(step.name, self.is_undone),),
                loc=step.loc,
                pullback_of=step.name,
                cotangents=dict(cotangents),
            )
        )

    def _undo(
        self,
        states: tuple[Expr, ...],
        entries: tuple[Expr, ...],
        consts: tuple[Expr, ...],
        body: list[Let],
    ) -> tuple[Expr, ...]:
        """The states before a step, from those behind it."""
        name = UNDO.format(self.step.name)
        if name not in self.adjoint.made:
            self.adjoint.add(inverse(self.step, self.n, name))
        before = _renamed(states)
        body.append(Let(before, Call(name, (*states, *entries, *consts))))
        return before


def _doc(step: str, is_undone: bool) -> str:
    if is_undone:
        return f"`{step}` is undone, then cotangents are pulled back through it."
    return f"One step back through `{step}`."


def bar_name(name: str) -> str:
    """What the cotangent of a variable is called."""
    return f"{name}_bar"


def _renamed(params: Sequence[Expr], suffix: str = "") -> tuple[Expr, ...]:
    """New variables like these."""
    return tuple(variable(f"{p.name}{suffix}", p.type) for p in params)


def name_of(e: Expr) -> str:
    return e.name if e.op in ("variable", "weight") else "x"
