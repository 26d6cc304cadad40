"""At how many times an adaptive network is looked at."""

from __future__ import annotations

from dataclasses import replace

from ..builders import network
from ..ir.compiled import Compiled
from .budget import looks


def closely(compiled: Compiled) -> Compiled:
    """The same network with as many steps as are looked at."""
    problem, steps = compiled.problem, looks(compiled.problem)
    if problem.steps == steps:
        return compiled
    time = problem.spec.model.time.model_copy(update={"steps": steps})
    model = problem.spec.model.model_copy(update={"time": time})
    spec = problem.spec.model_copy(update={"model": model})
    looked_at = replace(problem, spec=spec)
    return Compiled(looked_at, network.build(looked_at, ()), compiled.kept)
