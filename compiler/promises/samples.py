"""Random values for expressions, and their interpretation with any field in the place of calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir.expr import Expr, variables, walk
from ..ir.types import OBSERVATION, Shape, Type, array_shape
from ..semantics.evaluate import GIVEN
from ..semantics.meaning import MEANING

Array = NDArray[Any]
Values = dict[Expr, Array]
Called = Callable[[Expr, list[Array]], Array]
"""(a call, the values of its arguments) → the value of its result."""

SIZES = {"s": 3, "N": 3, "L": 3, "G": 4}
"""Examples of a batch, steps, observations and times of a path, whatever their number in the spec;
a place along it is a number of at most 2, or one more."""


def draws(*roots: Expr, times: int = 1) -> Iterator[list[Values]]:
    """Values of all variables below the roots: of both signs, then positive, each `times` over.

    Positive ones are for what has a logarithm or a root. No number is near 0, where relu and abs
    have their kinks.
    """
    sizes = _of_cuts(roots)
    shapes = {e: shape_of(e.type, sizes) for e in variables(*roots)}
    for signed in (True, False):
        yield [_drawn(shapes, i, signed) for i in range(times)]


def _of_cuts(roots: Iterable[Expr]) -> dict[str, int]:
    """The lengths of axes that are cut into segments, with one entry left over; one observation for
    each example where these are taken for examples."""
    found: dict[str, int] = {}
    for node in walk(*roots):
        if node.op in ("merged", "parted"):
            found |= {OBSERVATION.name: 1}
        if node.op in ("segments", "rest", "unsegmented"):
            cut: tuple[Any, ...] = node.attributes
            whole, outer, inner, left, count, each = cut
            found |= {whole.name: count.value * each.value + 1, outer.name: count.value}
            found |= {inner.name: each.value, left.name: 1}
    return found


def shape_of(type: Type, sizes: Mapping[str, int] = SIZES) -> Shape:
    """The shape of a sample of a type."""
    known = {axis.name: SIZES.get(axis.name, 2) for axis in type.axes}
    return array_shape(type, {**known, **sizes})


def _drawn(shapes: dict[Expr, Shape], seed: int, signed: bool) -> Values:
    rng = np.random.default_rng([seed, signed])
    sizes = {e: np.asarray(rng.uniform(0.3, 1.7, shape)) for e, shape in shapes.items()}
    if not signed:
        return sizes
    return {e: a * (2 * rng.integers(0, 2, a.shape) - 1) for e, a in sizes.items()}


class Nodes:
    """The values of all nodes below some roots."""

    def __init__(self, *roots: Expr) -> None:
        self.order = list(walk(*roots))

    def __call__(self, values: Values) -> Values:
        done: Values = {}
        with np.errstate(all="ignore"):
            for node in self.order:
                args = [done[arg] for arg in node.args]
                if node.op in GIVEN:
                    done[node] = values[node]
                elif node.op == "call":
                    done[node] = some_function(node, args)
                else:
                    done[node] = MEANING[node.op](node, *args)
        return done


def some_function(node: Expr, args: list[Array]) -> Array:
    """A smooth nonlinear function that depends on the name and on every argument."""
    code = sum(node.name.encode())
    total = sum(np.sin((1 + 0.1 * i) * np.sum(a) + code) for i, a in enumerate(args, start=1))
    shape = shape_of(node.type)
    return np.cos(np.arange(np.prod(shape, dtype=int)).reshape(shape) + total)


def finite_size(*arrays: Array) -> float:
    """The largest finite magnitude."""
    return max((float(np.abs(a[np.isfinite(a)]).max(initial=0.0)) for a in arrays), default=0.0)
