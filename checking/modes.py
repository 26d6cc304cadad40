"""Gradient modes: how far the gradient of each that the spec allows is from that of backprop.

Backprop, checkpoint and reversible differentiate the same discrete map, so they differ by rounding
alone: where steps are undone by that of the way back too, which the reference shows by undoing them
itself. The gap is relative to the largest entry of the reference's gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..backends.expressions import NotPrinted
from ..backends.model import Model
from ..compiler.passes.reversed_scan import Keep
from ..compiler.pipeline import Compiled
from ..compiler.reference.reference import Reference
from ..data.rng import rng
from ..spec.model import Backprop, Gradient, Reversible
from ..spec.node import content_hash
from .compare import Array, Standard
from .invariants.refined import loaded
from .probes import RANDOM, Probes
from .quantities import GRADIENT, Answers, Key, NotOffered
from .tolerances import EPSILON, MOVES, Moved, standards

KEY = Key("float64", GRADIENT)


def modes(case: Compiled) -> list[Gradient]:
    """Those that the spec allows besides backprop: its own as it says, the others as they are."""
    own, method = case.spec.model.gradient, type(case.spec.model.integrator)
    members = (m for m in Gradient.members().values() if m.takes(method) and m is not Backprop)
    return [own if isinstance(own, member) else member() for member in members]


def ask(model: Model, case: Compiled, probes: Probes) -> Answers:
    """The gradient by every mode less that by backprop, both of the model's framework."""
    plain = _gradient(model, case, Backprop(), probes)
    return {
        f"{mode.kind}/{name}": g - plain[name]
        for mode in modes(case)
        for name, g in _gradient(model, case, mode, probes).items()
    }


def _gradient(model: Model, case: Compiled, mode: Gradient, probes: Probes) -> dict[str, Array]:
    """By the model itself where the mode is the spec's. Raises NotOffered for a backend that has no
    words for the mode."""
    if mode.kind != case.spec.model.gradient.kind:
        try:
            model = loaded(replace(case, module=case.lean(case.module, mode)), model)
        except NotPrinted as error:
            raise NotOffered(str(error)) from None
    return model.gradient(*_given(probes))


def _given(probes: Probes) -> tuple[dict[str, Array], Array, Array]:
    return probes.weights[RANDOM], probes.x, next(iter(probes.targets.values()))


def expected(case: Compiled, probes: Probes) -> dict[str, Standard]:
    """No difference, to what rounding makes of the gradient."""
    reference = Reference(case.module)
    with np.errstate(all="ignore"):
        base = reference.gradient(*_given(probes))
        moved = [(size, reference.gradient(*_given(p))) for size, p in _moved(case, probes)]
        found: dict[str, Standard] = {}
        for mode in modes(case):
            runs = [*moved, *_undone(case, probes)] if isinstance(mode, Reversible) else moved
            for name, s in standards(KEY, base, runs).items():
                found[f"{mode.kind}/{name}"] = replace(s, value=np.zeros_like(s.value))
    return found


def _moved(case: Compiled, probes: Probes) -> Iterator[tuple[float, Probes]]:
    """Every number moved a little, as for the growth of other gradients."""
    random = rng(case.module.seed, "modes", content_hash(case.problem.spec))
    return ((size, probes.perturbed(size, random)) for size in MOVES[KEY.dtype])


def _undone(case: Compiled, probes: Probes) -> list[Moved]:
    """The gradient that the reference finds from states that it undoes itself."""
    reference = Reference(case.module, Keep.NOTHING)
    return [(EPSILON[KEY.dtype], reference.gradient(*_given(probes)))]
