"""At how many times an adaptive network is looked at."""

from __future__ import annotations

from dataclasses import replace

from ..builders import network
from ..builders.adaptive import is_adaptive
from ..ir.compiled import Compiled

LOOKS = 16
"""Times at which a flow is looked at, of which the spec names fewer."""


def closely(compiled: Compiled) -> Compiled:
    """The same network, for an adaptive method with shared weights at several times: there N says
    no more than where `trajectory` looks."""
    problem = compiled.problem
    if not (is_adaptive(problem) and problem.is_shared) or problem.steps >= LOOKS:
        return compiled
    time = problem.spec.model.time.model_copy(update={"steps": LOOKS})
    model = problem.spec.model.model_copy(update={"time": time})
    spec = problem.spec.model_copy(update={"model": model})
    looked_at = replace(problem, spec=spec)
    return Compiled(looked_at, network.build(looked_at, ()), compiled.kept)
