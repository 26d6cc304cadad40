"""Expressions evaluated by the meaning of their operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from ..ir.expr import Expr, walk
from ..ir.operations import is_exact
from .meaning import MEANING, Array

Values = Mapping[Expr, Array]
"""Arrays of variables and raw weights."""
GIVEN = ("variable", "weight")
DRAWN = 4096
"""Random numbers that are drawn at a time."""
_rounding: ContextVar[Callable[[Array], Array] | None] = ContextVar("rounding", default=None)


@contextmanager
def rounding(size: float, rng: np.random.Generator) -> Iterator[None]:
    """Within it every operation that rounds is off by up to ±size of its value, at random.

    So a second run shows what rounding on the way does to a result, be it magnified by later
    operations or by cancellation (CESTAC: Vignes, Math. Comput. Simulation 35 (1993) 233-261).
    """

    token = _rounding.set(_Noise(size, rng))
    try:
        yield
    finally:
        _rounding.reset(token)


@contextmanager
def exactly() -> Iterator[None]:
    """Within it nothing is off: an adaptive solver would take noise in slopes for stiffness."""
    token = _rounding.set(None)
    try:
        yield
    finally:
        _rounding.reset(token)


class _Noise:
    """Factors 1 + u, |u| < size, in the order of the generator; it draws many at a time, since most
    arrays have a few entries."""

    def __init__(self, size: float, rng: np.random.Generator) -> None:
        self.size, self.rng = size, rng
        self.factors, self.used = np.empty(0), 0

    def __call__(self, value: Array) -> Array:
        value = np.asarray(value)
        start, end = self.used, self.used + value.size
        if end > len(self.factors):
            more = 1 + self.size * self.rng.uniform(-1, 1, DRAWN + value.size)
            self.factors = np.concatenate([self.factors[start:], more])
            start, end = 0, value.size
        self.used = end
        return value * self.factors[start:end].reshape(value.shape)


class Evaluator:
    """Evaluates expressions that share parts, each part once."""

    def __init__(self, *roots: Expr) -> None:
        self.order = list(walk(*roots))
        at = {node: i for i, node in enumerate(self.order)}
        self.operands = [tuple(at[arg] for arg in node.args) for node in self.order]
        self.exact = [is_exact(node.op) for node in self.order]
        self.results = [at[root] for root in roots]

    def __call__(self, values: Values) -> list[Array]:
        """Values of the roots, given those of the variables."""
        done = self.every(values)
        return [done[i] for i in self.results]

    def every(
        self,
        values: Values,
        called: Callable[[Expr, list[Array]], Array] | None = None,
        narrowed: Callable[[Array], Array] | None = None,
    ) -> list[Array]:
        """Values of all nodes in `order`; each `narrowed`, as in a narrower dtype.

        `called` gives the value of a call of a function.
        """
        off = _rounding.get()
        done: list[Array] = []
        for node, operands, exact in zip(self.order, self.operands, self.exact, strict=True):
            if node.op in GIVEN:
                value = values[node]
            elif node.op == "call":
                assert called is not None
                value = called(node, [done[i] for i in operands])
            elif narrowed is not None and node.op == "mean":
                # the sum may overflow where the mean would not
                (x,) = (done[i] for i in operands)
                value = narrowed(x.sum()) / x.size
            else:
                value = MEANING[node.op](node, *[done[i] for i in operands])
            if off is not None and not exact:
                value = off(value)
            done.append(value if narrowed is None else narrowed(value))
        return done


def evaluate(root: Expr, values: Values) -> Array:
    return Evaluator(root)(values)[0]


def not_finite(root: Expr) -> Expr | None:
    """The first part made of numbers alone that is not a finite number: `1 / 0`, `log(−1)`."""
    numbers: dict[Expr, Array] = {}
    with np.errstate(all="ignore"):
        for node in walk(root):
            if node.op not in GIVEN and all(arg in numbers for arg in node.args):
                numbers[node] = MEANING[node.op](node, *(numbers[arg] for arg in node.args))
                if not np.isfinite(numbers[node]).all():
                    return node
    return None
