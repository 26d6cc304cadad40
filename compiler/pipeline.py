"""From a spec to a module: the front end, a builder, the passes, each handing on a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..data.dataset import Dataset
from ..spec.model import Adjoint, Checkpoint, Gradient, Reversible, Spec
from .analysis.spectrum import structural_claims
from .builders import network
from .front.facts import Facts, facts_of
from .front.lower import lower
from .ir.compiled import Compiled
from .ir.module import Module
from .ir.problem import Problem
from .ir.verify import verify
from .passes.by_adjoint import by_adjoint
from .passes.materialize import materialize
from .passes.prune import prune
from .passes.reversible import reversible
from .passes.segments import checkpointed

Builder = Callable[[Problem, list[str]], Module]
Pass = Callable[[Module], Module]

BUILDERS: Mapping[str, Builder] = {
    "classification": network.build,
    "regression": network.build,
    "density": network.build,
    "dynamics": network.build,
}
"""The builder of every task."""
PASSES: tuple[Pass, ...] = (materialize, prune)
"""What a module goes through before it is printed or run; verified after each."""


def compiled(spec: Spec, facts: Facts | None = None, kept: Dataset | None = None) -> Compiled:
    """The problem and the module of a spec. Raises SpecError.

    `facts` are what is known of the data; without them the data files are looked at. `kept` are
    examples that stand in their place.
    """
    problem = lower(spec, facts_of(spec) if facts is None else facts)
    module = passed(BUILDERS[spec.task.kind](problem, structural_claims(problem)), PASSES)
    return Compiled(problem, module, kept, lean)


def lean(module: Module, mode: Gradient) -> Module:
    """The module as programs have it that take a gradient in that mode."""
    if isinstance(mode, Checkpoint):
        return verify(checkpointed(module, mode.spacing(module.steps)))
    if isinstance(mode, Adjoint):
        return verify(by_adjoint(module, mode))
    return verify(reversible(module)) if isinstance(mode, Reversible) else module


def passed(module: Module, passes: tuple[Pass, ...]) -> Module:
    """The module after these passes, each of which leaves it well formed."""
    verify(module)
    for each in passes:
        module = verify(each(module))
    return module
