"""The calls of a network's functions, as the reference makes them, with their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...compiler.ir.expr import Expr
from ...compiler.pipeline import Compiled
from ...compiler.reference.chance import loss_arguments
from ...compiler.reference.chance import probes as random_vectors
from ...compiler.semantics.interpreter import Interpreter
from ...data.rng import rng
from ..compare import Array
from ..probes import RANDOM, Called, Probes, Weights

MOST = 6
"""Calls of one function that are kept, from the first to the last."""
STEADY = "steady"
"""The name of a set of weights that are the same in every step."""
_Call = tuple[Sequence[Array], Sequence[Array]]
"""Arguments and results."""


class _Recorder(Interpreter):
    """Keeps the arguments and the results of every call."""

    def __init__(self, case: Compiled) -> None:
        super().__init__(case.module)
        self.calls: dict[str, list[_Call]] = {}

    def _function(
        self, name: str, args: Sequence[Array], weights: Mapping[Expr, Array]
    ) -> list[Array]:
        found = super()._function(name, args, weights)
        self.calls.setdefault(name, []).append((args, found))
        return found


def recorded(case: Compiled, probes: Probes) -> Probes:
    """With some calls of every function, on random weights; cotangents are random numbers."""
    run, weights = _Recorder(case), probes.weights[RANDOM]
    with np.errstate(all="ignore"):
        run.run("trajectory", [probes.x], weights)
        run.run("forward", probes.forward_given(case), weights)
        for t in probes.times.values():
            run.run("vector_field", [np.asarray(t), probes.y], weights)
        for targets in probes.targets.values():
            run.run("loss", loss_arguments(case.module, probes.examples, targets), weights)
        if case.module.is_penalized:
            vectors = random_vectors(case.module, "path_penalty", len(probes.x), 0)
            run.run("path_penalty", [probes.x, *vectors], weights)
        if case.module.is_density:
            if "sample" in case.module.functions:
                run.run("sample", [probes.x], weights)
            for t in probes.times.values():
                vectors = random_vectors(case.module, "divergence", len(probes.y), 0)
                run.run("divergence", [np.asarray(t), probes.y, *vectors], weights)
    calls = {
        name: _some(run.calls.get(name, ()), rng(case.module.seed, "cotangents", name))
        for name in case.module.functions
    }
    return replace(probes, calls=calls)


def _some(calls: Sequence[_Call], random: np.random.Generator) -> list[Called]:
    some = {round(i) for i in np.linspace(0, len(calls) - 1, MOST)} if calls else ()
    return [
        Called(
            [np.array(a, order="C") for a in args],
            [np.asarray(random.normal(size=np.shape(r))) for r in results],
        )
        for args, results in (calls[j] for j in sorted(some))
    ]


def steady(case: Compiled, weights: Weights) -> Weights:
    """The weights of the first step in every step."""
    return {
        w.name: np.repeat(weights[w.name][:1], w.nodes, axis=0) if w.nodes else weights[w.name]
        for w in case.module.weights
    }
