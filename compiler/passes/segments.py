"""Scans cut into segments: N steps become a scan over segments of k steps, and one over the rest.

The adjoint of such a module keeps the state before every segment and goes through a segment again
on its way back, so that about N/k + k states are in memory in place of N (Griewank & Walther,
"Evaluating Derivatives", 2008, chapter 12).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..ir.expr import Expr, build, variable
from ..ir.module import Function, Let, Module, Result, Scan, let
from ..ir.types import Axis, Size, Type
from ..promises import claims
from ..promises.checked import checked

SEGMENTS, WITHIN, REST = Axis("segments"), Axis("within"), Axis("rest")
FINAL_STATE, SEGMENT = "final_state", "segment"


@checked("segmented", claims.module_kept)
def segmented(module: Module, every: int, names: Mapping[str, str] | None = None) -> Module:
    """The module whose scans over more than `every` steps run in segments of as many.

    `names` are the functions whose scans are cut, with what a segment of each is called; by default
    all functions.
    """
    if every < 1:
        raise ValueError(f"a segment of {every} steps")
    names = {name: f"{name}_segment" for name in module.functions} if names is None else names
    functions: dict[str, Function] = {}
    for name, function in module.functions.items():
        body: list[Let] = []
        for statement in function.body:
            scan = statement.value
            is_long = isinstance(scan, Scan) and not scan.reverse and scan.length.value > every
            if name in names and isinstance(scan, Scan) and is_long:
                cut = _Cut(names[name], module.functions[scan.step], scan, every)
                functions[cut.name] = cut.function()
                body += cut.statements(statement.targets)
            else:
                body.append(statement)
        functions[name] = replace(function, body=tuple(body))
    count = _count(module.steps, every)
    lengths = {SEGMENTS.name: count, WITHIN.name: every, REST.name: module.steps - count * every}
    return replace(module, functions=functions, sizes={**module.sizes, **lengths})


def checkpointed(module: Module, every: int) -> Module:
    """The module whose way to y(T) is computed again, segment by segment, on the way back."""
    found = segmented(module, every, {module.way: SEGMENT})
    if SEGMENT not in found.functions:
        return module  # a single step
    doc = f"{every} steps, which are computed again for the gradient."
    segment = replace(found.functions[SEGMENT], recomputed=True, doc=(doc,))
    return found.with_functions({**found.functions, SEGMENT: segment})


def _count(steps: int, every: int) -> int:
    """The number of whole segments, such that the rest has at least one step."""
    return (steps - 1) // every


class _Cut:
    """One scan: the function of a segment, and what stands in the place of the scan."""

    def __init__(self, name: str, step: Function, scan: Scan, every: int) -> None:
        self.name, self.step, self.scan, self.every = name, step, scan, every
        self.count = _count(scan.length.value, every)
        n, split = len(scan.init), len(step.types) - scan.sums
        self.carry, self.outs, self.sums = step.types[:n], step.types[n:split], step.types[split:]

    def function(self) -> Function:
        """The states behind k steps from those before them, and what the steps collect."""
        scan, n = self.scan, len(self.scan.init)
        given, consts = self.step.params, self.step.params[n + len(scan.xs) :]
        start = _variables(given[:n], self.carry)
        xs = tuple(variable(x.name, x.type.along(WITHIN)) for x in given[n : n + len(scan.xs)])
        fixed = _variables(consts, [c.type for c in consts])
        inner = replace(scan, init=start, xs=xs, consts=fixed, length=Size(self.every), axis=WITHIN)
        ends, outs, sums = self._targets(WITHIN)
        carry = [build("last", e) for e in ends] if scan.path else ends
        heads = [build("head", e) for e in ends] if scan.path else []
        names = [r.name for r in self.step.results]
        names = [*names[:n], *[f"{name}s" for name in names[: len(heads)]], *names[n:]]
        values = [*carry, *heads, *outs, *sums]
        return Function(
            name=self.name,
            role=self.step.role,
            params=(*start, *xs, *fixed),
            body=(Let((*ends, *outs, *sums), inner),),
            results=tuple(Result(name, e) for name, e in zip(names, values, strict=True)),
            doc=(f"{self.every} times `{self.step.name}`.",),
            loc=self.step.loc,
        )

    def statements(self, targets: Sequence[Expr]) -> list[Let]:
        """All segments, the rest, and the results of both together."""
        scan, n = self.scan, len(self.scan.init)
        states = _variables(self.step.params[:n], self.carry)
        heads = [t.along(WITHIN) for t in self.carry] if scan.path else []
        collected = [*heads, *(t.along(WITHIN) for t in self.outs)]
        first = [variable(t.name, of.along(SEGMENTS)) for t, of in self._named(targets, collected)]
        added = [variable("sum", t) for t in self.sums]
        outer = replace(
            scan,
            step=self.name,
            length=Size(self.count),
            xs=tuple(build("segments", x, attributes=self._of(scan.axis)) for x in scan.xs),
            axis=SEGMENTS,
            path=False,
        )
        left = tuple(build("rest", x, attributes=self._of(scan.axis)) for x in scan.xs)
        length = Size(scan.length.value - self.count * self.every)
        last = replace(scan, init=states, xs=left, length=length, axis=REST)
        ends, outs, sums = self._targets(REST)
        if not scan.path:
            ends = list(targets[:n])
        second = [*(ends if scan.path else ()), *outs]
        whole = targets[len(targets) - len(first) - len(sums) : len(targets) - len(sums)]
        return [
            Let((*states, *first, *added), outer),
            Let((*ends, *outs, *sums), last),
            *(
                let(t, build("unsegmented", a, b, attributes=self._of(t.type.path[0])))
                for t, a, b in zip(whole, first, second, strict=True)
            ),
            *(
                let(t, a + b)
                for t, a, b in zip(targets[len(targets) - len(sums) :], added, sums, strict=True)
            ),
        ]

    def _of(self, axis: Axis) -> tuple[object, ...]:
        """How that axis is cut."""
        return axis, SEGMENTS, WITHIN, REST, Size(self.count), Size(self.every)

    def _named(self, targets: Sequence[Expr], types: Sequence[Type]) -> list[tuple[Expr, Type]]:
        """The results that are collected, each with a type of its own."""
        start = len(targets) - len(self.sums) - len(types)
        return list(zip(targets[start : start + len(types)], types, strict=True))

    def _targets(self, axis: Axis) -> tuple[list[Expr], list[Expr], list[Expr]]:
        """New variables for the results of the scan along an axis."""
        nodes = axis.longer()
        names = [r.name for r in self.step.results]
        n, split = len(self.carry), len(names) - len(self.sums)
        ends = [t.along(nodes) if self.scan.path else t for t in self.carry]
        outs = [t.along(axis) for t in self.outs]
        return (
            [variable(name, t) for name, t in zip(names[:n], ends, strict=True)],
            [variable(name, t) for name, t in zip(names[n:split], outs, strict=True)],
            [variable(name, t) for name, t in zip(names[split:], self.sums, strict=True)],
        )


def _variables(like: Sequence[Expr], types: Sequence[Type]) -> tuple[Expr, ...]:
    """New variables of these types, called as others are."""
    return tuple(variable(e.name, t) for e, t in zip(like, types, strict=True))
