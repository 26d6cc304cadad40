"""Whether the log-densities of a trained flow are those of its equations, or of its step.

Fixed steps that are too long give numbers that integrate to no 1, and a training finds weights for
which they do: the likelihood is then better than that of any density (Onken & Ruthotto 2020 look
again with other steps after training, as is done here).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...spec.diagnostics import Diagnostic
from ...spec.model import Spec
from ..builders import network
from ..front.facts import facts_known
from ..front.lower import lower
from ..ir.compiled import Compiled
from ..ir.module import Module
from ..ir.problem import RawWeight
from ..passes.materialize import materialize
from ..reference.chance import base, probes
from ..reference.reference import Reference

Array = NDArray[Any]
ROWS = 200
LARGEST = 0.05
"""Nats, in the root mean square over the rows, that halving the step may change."""


def step_matters(
    compiled: Compiled, weights: Mapping[str, Array], rows: Array | None
) -> list[Diagnostic]:
    """A warning where it does; `rows` are of the data, without them samples are taken."""
    problem = compiled.problem
    if problem.density is None or problem.is_adaptive or problem.is_discrete:
        return []
    halved = _halved(compiled)
    finer = {w.name: _prolonged(w, weights[w.name]) for w in problem.weights}
    with np.errstate(all="ignore"):
        x = _samples(compiled.module, weights) if rows is None else rows[:ROWS]
        parts = ((compiled.module, weights), (halved, finer))
        here, there = (
            Reference(module).log_density(w, x, *probes(module, "log_density", len(x), 0))
            for module, w in parts
        )
        change = float(np.sqrt(np.mean((here - there) ** 2)))
    if not change > LARGEST:  # what is not finite has been said elsewhere
        return []
    message = f"log-densities change by {change:.2g} nats when the step is halved"
    label = "they are those of the step, and need not integrate to 1"
    help = "more steps, a method of higher order, or dopri5, which holds the error"
    span = compiled.spec.span("model", "time", "steps")
    return [Diagnostic("W308", message, span, label=label, help=help, severity="warning")]


def _halved(compiled: Compiled) -> Module:
    """The module with twice as many steps."""
    plain = compiled.spec.to_plain()
    plain["model"]["time"]["steps"] *= 2
    plain["data"] = None
    problem = lower(Spec.model_validate(plain), facts_known(compiled))
    return materialize(network.build(problem, ()))


def _prolonged(weight: RawWeight, value: Array) -> Array:
    """The same weight in time, on twice as many steps."""
    if weight.mode == "shared":
        return value
    if weight.mode == "per-step":
        return np.repeat(value, 2, axis=0)
    finer = np.repeat(value, 2, axis=0)[:-1]
    finer[1::2] = (value[:-1] + value[1:]) / 2
    return finer


def _samples(module: Module, weights: Mapping[str, Array]) -> Array:
    return Reference(module).sample(weights, base(module, ROWS, module.seed))
