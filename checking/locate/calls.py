"""The calls of a network's functions, as the reference makes them, with their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...compiler.ir.expr import Expr
from ...compiler.ir.module import Function
from ...compiler.pipeline import Compiled
from ...compiler.semantics.interpreter import Interpreter
from ...data.rng import rng
from ..compare import Array
from ..probes import RANDOM, Probes, Weights

MOST = 6
"""Calls of one function that are kept, from the first to the last."""
STEADY = "steady"
"""The name of a set of weights that are the same in every step."""


@dataclass(frozen=True)
class Called:
    """The arguments of one call, and cotangents of its results, which are random numbers."""

    args: list[Array]
    bars: list[Array]


class _Recorder(Interpreter):
    """Keeps the arguments and the results of every call."""

    def __init__(self, case: Compiled) -> None:
        super().__init__(case.module)
        self.calls: dict[str, list[tuple[Sequence[Array], Sequence[Array]]]] = {}

    def _function(
        self, name: str, args: Sequence[Array], weights: Mapping[Expr, Array]
    ) -> list[Array]:
        found = super()._function(name, args, weights)
        self.calls.setdefault(name, []).append((args, found))
        return found


def recorded(case: Compiled, probes: Probes) -> dict[str, Array]:
    """`step/0/arg 1`, `step/0/bar 0`, …: some calls of every function, on random weights."""
    run, weights = _Recorder(case), probes.weights[RANDOM]
    with np.errstate(all="ignore"):
        run.run("trajectory", [probes.x], weights)
        run.run("forward", [probes.x], weights)
        for t in probes.times.values():
            run.run("vector_field", [np.asarray(t), probes.y], weights)
        for targets in probes.targets.values():
            run.run("loss", [probes.x, targets], weights)
    found: dict[str, Array] = {}
    for name, calls in run.calls.items():
        random = rng(case.module.seed, "cotangents", name)
        some = np.unique(np.linspace(0, len(calls) - 1, MOST).round().astype(int))
        for i, (args, results) in enumerate(calls[j] for j in some):
            bars = [random.normal(size=np.shape(r)) for r in results]
            found |= {f"{name}/{i}/arg {n}": np.array(a, order="C") for n, a in enumerate(args)}
            found |= {f"{name}/{i}/bar {n}": np.asarray(b) for n, b in enumerate(bars)}
    return found


def calls_of(function: Function, probes: Probes) -> list[Called]:
    """The calls of a function that travel with the probes."""
    found: list[Called] = []
    while f"{function.name}/{len(found)}/bar 0" in probes.calls:
        start = f"{function.name}/{len(found)}"
        args = [probes.calls[f"{start}/arg {n}"] for n in range(len(function.params))]
        bars = [probes.calls[f"{start}/bar {n}"] for n in range(len(function.results))]
        found.append(Called(args, bars))
    return found


def steady(case: Compiled, weights: Weights) -> Weights:
    """The weights of the first step in every step."""
    return {
        w.name: np.repeat(weights[w.name][:1], w.nodes, axis=0) if w.nodes else weights[w.name]
        for w in case.module.weights
    }
