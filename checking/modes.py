"""Gradient modes: how far the gradient of each that the spec allows is from that of backprop.

Backprop, checkpoint and reversible differentiate the same discrete map, so they differ by rounding
alone: where steps are undone by that of the way back too, which the reference shows by undoing them
itself. The adjoint solves other
equations and differs by tolerances. The gap is relative to the largest entry of the reference's
gradient.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..backends.expressions import NotPrinted
from ..backends.model import Model
from ..compiler.passes.reversed_scan import Keep
from ..compiler.pipeline import Compiled
from ..data.rng import rng
from ..spec.model import Backprop, Gradient, Reversible
from ..spec.node import content_hash
from . import undone
from .compare import Array, Standard
from .invariants.refined import loaded
from .probes import RANDOM, Probes
from .quantities import GRADIENT, Answers, Key, NotOffered
from .solver import tightened, tolerance
from .tolerances import MOVES, standards

KEY = Key("float64", GRADIENT)


def applies(case: Compiled, probes: Probes) -> bool:
    return case.module.has_loss and bool(case.module.trained and modes(case, probes))


def modes(case: Compiled, probes: Probes) -> list[Gradient]:
    """The spec's own where that is not backprop; of every mode also the others that it allows."""
    if not probes.every_mode:
        return [m for m in [case.spec.model.gradient] if not isinstance(m, Backprop)]
    return allowed(case)


def allowed(case: Compiled) -> list[Gradient]:
    """All besides backprop: the spec's own as it says, the others as they are."""
    own, method = case.spec.model.gradient, type(case.spec.model.integrator)
    members = [m for m in Gradient.members().values() if m.takes(method) and m is not Backprop]
    if case.module.is_of_series:
        members = [m for m in members if m.keeps_paths]
    return [own if isinstance(own, member) else member() for member in members]


def ask(model: Model, case: Compiled, probes: Probes) -> Answers:
    """The gradient by every mode less that by backprop, both of the model's framework."""
    plain = _gradient(model, case, Backprop(), probes)
    return {
        f"{mode.kind}/{name}": g - plain[name]
        for mode in modes(case, probes)
        for name, g in _gradient(model, case, mode, probes).items()
    }


def _gradient(model: Model, case: Compiled, mode: Gradient, probes: Probes) -> dict[str, Array]:
    """By the model itself where the mode is the spec's. Raises NotOffered for a backend that has no
    words for the mode."""
    if mode.kind != case.spec.model.gradient.kind:
        try:
            model = loaded(replace(case, module=case.lean(case.module, mode)), model)
            model = tightened(model, case)
        except NotPrinted as error:
            raise NotOffered(str(error)) from None
    targets = next(iter(probes.targets.values()))
    return model.gradient(probes.weights[RANDOM], probes.examples, targets)


def expected(case: Compiled, probes: Probes) -> dict[str, Standard]:
    """No difference, to what rounding makes of the gradient."""
    random = rng(case.module.seed, "modes", content_hash(case.problem.spec))
    with np.errstate(all="ignore"):
        base = undone.gradient(case, probes, Keep.STATES)
        moved = [
            (size, undone.gradient(case, probes.perturbed(size, random), Keep.STATES))
            for size in MOVES[KEY.dtype]
        ]
        found: dict[str, Standard] = {}
        for mode in modes(case, probes):
            is_undone = isinstance(mode, Reversible)
            runs = [*moved, (undone.SIZE, undone.gradient(case, probes))] if is_undone else moved
            for name, s in standards(KEY, base, runs, solver=tolerance(case, KEY)).items():
                found[f"{mode.kind}/{name}"] = replace(s, value=np.zeros_like(s.value))
    return found
