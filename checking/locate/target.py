"""What a standalone pair computes: one function of both programs, its inputs, its true value.

What a function gets from the functions of the network that it calls is an input too, so that a
pair is the source of one function and little more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...compiler.ir.expr import Expr, rewrite, variable
from ...compiler.ir.module import Call, Function, Module, used_weights
from ...compiler.ir.types import Shape
from ...compiler.passes.rewriting import function_with
from ...compiler.reference.reference import Reference
from ..compare import Array
from ..probes import Probes

MOVE = 1e-5
"""Half the width of the difference quotient, which is then right to about 1e-10."""


@dataclass(frozen=True)
class Leaf:
    """One array that is drawn: normal numbers of a shape, or as many integers below `classes`."""

    name: str
    shape: Shape
    classes: int = 0

    @property
    def text(self) -> str:
        """The expression that draws it in a file."""
        if self.classes:
            return f"put(rng.integers({self.classes}, size={self.shape}))"
        return f"draw({', '.join(map(str, self.shape))})"

    def drawn(self, rng: np.random.Generator, dtype: str) -> Array:
        """The same numbers."""
        if self.classes:
            return rng.integers(self.classes, size=self.shape)
        return np.array(rng.normal(size=self.shape) / 2, dtype)


@dataclass(frozen=True)
class Target:
    """A function and what it is computed from: weights, arguments, what is `given` by callees.

    `function` is the module's, `opened` the same with the results of the callees in `given` as
    further parameters. `time` is the number in the place of a time.
    """

    module: Module
    function: Function
    opened: Function
    weights: tuple[Leaf, ...]
    args: tuple[Leaf | float, ...]
    given: dict[str, tuple[Leaf, ...]]
    derivative: bool = False
    """Is the derivative of the sum of squares of its results wanted, in a direction?"""

    @property
    def leaves(self) -> list[Leaf]:
        """All arrays, in the order in which they are drawn."""
        given = [leaf for leaves in self.given.values() for leaf in leaves]
        return [*self.weights, *(a for a in self.args if isinstance(a, Leaf)), *given]

    @property
    def is_smooth(self) -> bool:
        """Has it a derivative by all that it is computed from: no classes, no time?"""
        is_real = all(isinstance(a, Leaf) and not a.classes for a in self.args)
        return bool(self.leaves) and is_real

    def expected(self, seed: int, dtype: str) -> Array:
        """All numbers of the results in a row; of a derivative one number."""
        rng = np.random.default_rng(seed)
        leaves = [np.asarray(leaf.drawn(rng, dtype)) for leaf in self.leaves]
        leaves = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in leaves]
        if not self.derivative:
            return self._value(leaves)
        along = [np.asarray(leaf.drawn(rng, dtype), np.float64) for leaf in self.leaves]
        return np.array([self._quotient(leaves, along)])

    def _value(self, leaves: Sequence[Array]) -> Array:
        functions = {**self.module.functions, self.opened.name: self.opened}
        weights, args = self.split(leaves)
        reference = Reference(self.module.with_functions(functions))
        return np.concatenate(
            [np.ravel(v) for v in reference.run(self.opened.name, weights, *args)]
        )

    def _quotient(self, leaves: Sequence[Array], along: Sequence[Array]) -> float:
        """(φ(x + εv) − φ(x − εv)) / 2ε, φ the sum of squares."""

        def squares(by: float) -> float:
            moved = [a + by * v for a, v in zip(leaves, along, strict=True)]
            return float(np.square(self._value(moved)).sum())

        return (squares(MOVE) - squares(-MOVE)) / (2 * MOVE)

    def split(self, leaves: Sequence[Array]) -> tuple[dict[str, Array], list[Array]]:
        """Weights by name (those of others are of no matter), and arguments."""
        own = dict(zip((w.name for w in self.weights), leaves, strict=False))
        rest = iter(leaves[len(self.weights) :])
        args = [next(rest) if isinstance(a, Leaf) else np.asarray(a) for a in self.args]
        zero = {w.name: np.zeros(w.shape) for w in self.module.weights}
        return zero | own, [*args, *rest]


def targets(
    module: Module, function: Function, probes: Probes, time: float | None, whole: bool
) -> list[Target]:
    """A function on inputs of every kind that it is called with.

    A `whole` one computes what it calls, as of a program of another structure nothing else can be
    said; it has all weights.
    """
    inner = {f.name: f for name in function.called if (f := module.functions[name]).takes_weights}
    given = {} if whole else {name: _given(f, probes) for name, f in inner.items()}
    opened = function if whole else _opened(function, inner)
    used = used_weights(module, opened)
    names = [w for w in module.weights if w.name in used or (whole and function.takes_weights)]
    weights = tuple(Leaf(w.name, w.shape) for w in names)
    found = [
        tuple(
            time
            if time is not None and p in function.numbers
            else _leaf(p.name, a, module, p in function.numbers)
            for p, a in zip(function.params, call.args, strict=True)
        )
        for call in probes.calls[function.name]
    ]
    return [Target(module, function, opened, weights, args, given) for args in dict.fromkeys(found)]


def _leaf(name: str, value: Array, module: Module, is_number: bool) -> Leaf | float:
    if is_number:
        return float(value)
    return Leaf(name, value.shape, module.signature.outputs * (value.dtype.kind == "i"))


def _given(callee: Function, probes: Probes) -> tuple[Leaf, ...]:
    first = probes.calls[callee.name][0]
    return tuple(Leaf(r.name, bar.shape) for r, bar in zip(callee.results, first.bars, strict=True))


def _opened(function: Function, inner: dict[str, Function]) -> Function:
    """The function with the results of some callees as parameters."""
    params = {n: [variable(r.name, r.value.type) for r in f.results] for n, f in inner.items()}
    known: dict[Expr, Expr] = {}
    body = []
    for let in function.body:
        if isinstance(let.value, Call) and let.value.function in params:
            known |= dict(zip(let.targets, params[let.value.function], strict=True))
        else:
            body.append(let)

    def rule(node: Expr) -> Expr:
        if node.op == "call" and node.name in params:
            return params[node.name][0]
        return known.get(node, node)

    more = tuple(p for each in params.values() for p in each)
    left = replace(function, body=tuple(body), params=(*function.params, *more))
    return function_with(left, lambda e: rewrite(e, rule))
