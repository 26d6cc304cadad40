"""What undoing steps does to rounding, measured on the reference.

A gradient that keeps the last state alone takes derivatives at states that were undone, off by the
rounding of the steps between, which the way back magnifies. The reference undoes steps too; how far
its gradient then is from its own is as much a part of the growth as a change of its inputs is.
"""

from __future__ import annotations

import numpy as np

from ..backends import registry
from ..backends.run_numpy import NumpyModel
from ..compiler.passes.reversed_scan import Keep
from ..compiler.pipeline import Compiled
from ..compiler.reference.chance import loss_arguments
from ..compiler.reference.reference import Reference
from ..spec.model import Reversible
from .compare import Array
from .probes import RANDOM, Probes
from .quantities import GRADIENT, Key
from .tolerances import EPSILON, GRADIENTS, standards

SIZE = EPSILON["float64"]
"""The reference undoes in float64, whatever the dtype of the programs."""


def is_undone(case: Compiled) -> bool:
    """Does the spec's own gradient undo steps?"""
    return case.module.has_loss and isinstance(case.spec.model.gradient, Reversible)


def undoing(case: Compiled) -> NumpyModel:
    """The reference with a gradient that undoes its steps."""
    model = registry.get("numpy").load(case.module, "")
    assert isinstance(model, NumpyModel)
    model.reference = Reference(case.module, Keep.NOTHING)
    return model


def gradient(case: Compiled, probes: Probes, keep: Keep = Keep.NOTHING) -> dict[str, Array]:
    """The reference's gradient on the random weights."""
    targets = next(iter(probes.targets.values()))
    given = loss_arguments(case.module, probes.examples, targets)
    return Reference(case.module, keep).gradient(probes.weights[RANDOM], *given)


def growth(case: Compiled, probes: Probes) -> float:
    """How much rounding grows in the spec's own gradient by undoing; 1 where it does not undo."""
    if not is_undone(case) or not case.module.trained:
        return 1.0
    key = Key("float64", GRADIENT)
    with np.errstate(all="ignore"):
        base = gradient(case, probes, Keep.STATES)
        found = standards(key, base, [(SIZE, gradient(case, probes))])
    return max(float(np.max(s.tolerance)) for s in found.values()) / (GRADIENTS[key.dtype] * SIZE)
