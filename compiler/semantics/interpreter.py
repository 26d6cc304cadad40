"""The interpreter: a module run in NumPy, in float64 (or complex numbers).

The same run serves as the reference, and with an observer as a trace: the observer sees every
statement with the values of all nodes of its expressions, and which steps of scans it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..ir.expr import Expr
from ..ir.module import Call, Function, Let, Module, Pull, Scan, Solve
from .evaluate import Evaluator
from .meaning import Array
from .solved import solved

Weights = Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Expressions of a function that were evaluated together, with the values of all their nodes.

    `targets` are what a reader knows the results by; `steps` the entries of the scans around it,
    the outermost first; `arguments` what a generic function was called on, by parameter.
    """

    function: Function
    targets: tuple[str, ...]
    evaluator: Evaluator
    values: list[Array]
    steps: tuple[int, ...]
    arguments: Mapping[Expr, Expr]
    by: tuple[str, ...]
    """What each result is the cotangent of; empty where it is none."""

    @property
    def results(self) -> list[Array]:
        return [self.values[i] for i in self.evaluator.results]


Observer = Callable[[Evaluated], None]


@dataclass(frozen=True, eq=False)
class _Line:
    """A statement with the evaluator of its operands."""

    let: Let | None
    evaluator: Evaluator

    def names(self, function: Function) -> tuple[str, ...]:
        """What its expressions are known by: results, targets, or what is handed on."""
        if self.let is None:
            return tuple(result.name for result in function.results)
        if isinstance(self.let.value, Expr):
            return tuple(target.name for target in self.let.targets)
        return tuple(e.name if e.attributes else e.op for e in self.let.operands)

    def by(self, function: Function) -> tuple[str, ...]:
        """What each of them is the cotangent of."""
        if self.let is None:
            return tuple(result.by for result in function.results)
        is_bound = isinstance(self.let.value, Expr)
        known = self.let.targets if is_bound else self.let.operands
        return tuple(function.cotangents.get(e, "") for e in known)


class Interpreter:
    """Runs the functions of a module; `narrowed` rounds every value to a narrower dtype."""

    def __init__(
        self,
        module: Module,
        observer: Observer | None = None,
        narrowed: Callable[[Array], Array] | None = None,
    ) -> None:
        self.module, self.observer, self.narrowed = module, observer, narrowed
        self._plans: dict[str, list[_Line]] = {}
        self._steps: list[int] = []
        self._arguments: dict[Expr, Expr] = {}

    def run(self, name: str, args: Sequence[Array], weights: Weights | None = None) -> list[Array]:
        """The results of a function; raw weights by name, as they are stored."""
        held = weights or {}
        leaves = {w.stack: np.asarray(held[w.name]) for w in self.module.weights if held}
        return self._function(name, args, leaves)

    def _function(
        self, name: str, args: Sequence[Array], weights: Mapping[Expr, Array]
    ) -> list[Array]:
        function = self.module.functions[name]
        values = {**(weights if function.takes_weights else {})}
        values |= dict(zip(function.params, args, strict=True))
        found: list[Array] = []
        for line in self._plan(function):
            operands = self._evaluated(function, line, values, weights)
            if line.let is None:
                return operands
            found = self._results(line.let, operands, weights)
            values |= dict(zip(line.let.targets, found, strict=True))
        return found

    def _plan(self, function: Function) -> list[_Line]:
        if function.name not in self._plans:
            lines = [_Line(let, Evaluator(*let.operands)) for let in function.body]
            last = _Line(None, Evaluator(*function.values))
            self._plans[function.name] = [*lines, last]
        return self._plans[function.name]

    def _evaluated(
        self,
        function: Function,
        line: _Line,
        values: Mapping[Expr, Array],
        weights: Mapping[Expr, Array],
    ) -> list[Array]:
        def called(node: Expr, args: list[Array]) -> Array:
            callee, before = self.module.functions[node.name], self._arguments
            is_generic = callee.generic
            self._arguments = dict(zip(callee.params, node.args, strict=True)) if is_generic else {}
            (value,) = self._function(node.name, args, weights)
            self._arguments = before
            return value

        done = line.evaluator.every(values, called, self.narrowed)
        if self.observer is not None and line.evaluator.order:
            steps = tuple(self._steps)
            names, by = line.names(function), line.by(function)
            given = self._arguments if function.generic else {}
            self.observer(Evaluated(function, names, line.evaluator, done, steps, given, by))
        return [done[i] for i in line.evaluator.results]

    def _results(
        self, let: Let, operands: list[Array], weights: Mapping[Expr, Array]
    ) -> list[Array]:
        match let.value:
            case Expr():
                return operands
            case Call():
                return self._function(let.value.function, operands, weights)
            case Scan():
                return self._scanned(let.value, operands, weights)
            case Solve():
                return self._solved(let.value, operands, weights)
            case Pull():
                raise TypeError("a framework's own reverse mode is not interpreted")

    def _solved(
        self, solve: Solve, operands: list[Array], weights: Mapping[Expr, Array]
    ) -> list[Array]:
        n = len(solve.init)
        states, times, consts = operands[:n], operands[n], operands[n + 1 :]

        def slopes(t: float, states: list[Array]) -> list[Array]:
            time = [np.asarray(t)] * solve.timed
            return self._function(solve.field, [*time, *states, *consts], weights)

        return solved(slopes, states, times, solve.by, self.narrowed is not None)

    def _scanned(
        self, scan: Scan, operands: list[Array], weights: Mapping[Expr, Array]
    ) -> list[Array]:
        n, m = len(scan.init), len(scan.init) + len(scan.xs)
        carry, xs, consts = operands[:n], operands[n:m], operands[m:][: len(scan.consts)]
        path, outs, sums = [carry], [], None
        order = range(scan.length.value if scan.over is None else len(operands[-1]))
        for j in reversed(order) if scan.reverse else order:
            self._steps.append(j)
            found = self._function(scan.step, [*carry, *(x[j] for x in xs), *consts], weights)
            self._steps.pop()
            carry, others = found[:n], found[n:]
            path.append(carry)
            split = len(others) - scan.sums
            outs.append(others[:split])
            more = others[split:]
            sums = more if sums is None else [a + b for a, b in zip(sums, more, strict=True)]
        if scan.reverse:
            path.reverse()
            outs.reverse()
        first = [np.stack(along) for along in zip(*path, strict=True)] if scan.path else carry
        return [*first, *(np.stack(along) for along in zip(*outs, strict=True)), *(sums or ())]
