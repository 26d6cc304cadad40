"""Random values for expressions, and their interpretation with any field in the place of rates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluate import MEANING
from ..ir.expr import Expr, Type, walk

Array = NDArray[Any]
Values = dict[str, Array]
Rate = Callable[[Expr, Array, dict[str, Array]], Array]
"""(rate node, t, states by name) → the right-hand side of its block there."""

EXAMPLES, NODES = 3, 3
"""Columns of a batch, and time nodes of a stack whatever their number in the spec."""


def draws(*roots: Expr, times: int = 1) -> Iterator[list[Values]]:
    """Values of all variables below the roots: of both signs, then positive, each `times` over.

    Positive ones are for what has a logarithm or a root. No number is near 0, where relu and abs
    have their kinks.
    """
    found = {str(e.attributes[0]): e.type for e in walk(*roots) if e.op == "variable"}
    longest = max((type.stacked for type in found.values()), default=0)
    shapes = {name: layout(type, longest) for name, type in found.items()}
    for signed in (True, False):
        yield [_drawn(shapes, i, signed) for i in range(times)]


def _drawn(shapes: Mapping[str, tuple[int, ...]], seed: int, signed: bool) -> Values:
    rng = np.random.default_rng([seed, signed])
    sizes = {name: rng.uniform(0.3, 1.7, shape) for name, shape in shapes.items()}
    if not signed:
        return sizes
    return {name: a * (2 * rng.integers(0, 2, a.shape) - 1) for name, a in sizes.items()}


def layout(type: Type, longest: int = 0) -> tuple[int, ...]:
    """The shape of an array: (n, s), (1, s), (n, 1), or with few time nodes first."""
    if type.stacked:
        return (type.stacked - longest + min(longest, NODES + 1), *type.shape)
    if type.batched:
        return (*(type.shape or (1,)), EXAMPLES)
    return (*type.shape, 1) if type.rank == 1 else type.shape


class Interpreter:
    """The values of all nodes below some roots."""

    def __init__(self, *roots: Expr) -> None:
        self.order = list(walk(*roots))

    def __call__(self, values: Mapping[str, Array], rate: Rate) -> dict[Expr, Array]:
        done: dict[Expr, Array] = {}
        with np.errstate(all="ignore"):
            for node in self.order:
                args = [done[arg] for arg in node.args]
                if node.op == "variable":
                    done[node] = values[str(node.attributes[0])]
                elif node.op == "rate":
                    done[node] = _rate(node, args, rate)
                else:
                    done[node] = MEANING[node.op](node, *args)
        return done


def _rate(node: Expr, args: list[Array], rate: Rate) -> Array:
    t, *states = args
    names = node.attributes[2]
    assert isinstance(names, tuple)
    return rate(node, t, dict(zip(names, states, strict=True)))


PLACES = {"start": 0.0, "mid": 0.5, "end": 1.0}


def some_field(block: str, n: int, place: float, t: Array, states: Mapping[str, Array]) -> Array:
    """A smooth nonlinear right-hand side that depends on all it may depend on.

    `place` is where within the step the weights are taken: a part of h.
    """
    code = sum(block.encode())
    phase = np.cos(t + code) + np.sin(3 * place + code)
    flow = [
        (1 + 0.1 * i) * np.sin(np.resize(y, (n, y.shape[1])) + phase)
        for i, (_, y) in enumerate(sorted(states.items()))
    ]
    return sum(flow, np.full((n, 1), phase))


def some_rate(node: Expr, t: Array, states: dict[str, Array]) -> Array:
    """`some_field` for a rate node."""
    block, place, _ = node.attributes
    return some_field(str(block), node.shape[0], PLACES[str(place)], t, states)


def finite_size(*arrays: Array) -> float:
    """The largest finite magnitude."""
    return max((float(np.abs(a[np.isfinite(a)]).max(initial=0.0)) for a in arrays), default=0.0)
