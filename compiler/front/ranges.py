"""Whether the numbers of a spec are numbers of its dtype: float32 ends at 3.4e38."""

from __future__ import annotations

import numpy as np

from ...spec.model import Spec
from ...spec.node import Node
from ...spec.vector_fields import Custom
from ..ir.problem import Loc
from .refusals import Refusals


def check(spec: Spec, refusals: Refusals) -> None:
    """Refuse what a program would take for infinity, key by key."""
    for loc, node in _places(spec).items():
        for key, value in node.to_plain().items():
            if isinstance(value, float) and abs(value) > largest(refusals):
                message = f"{key} is beyond the range of {spec.dtype}"
                refusals.add("E102", message, *loc, key)


def _places(spec: Spec) -> dict[Loc, Node]:
    """The parts of a spec with numbers that a program computes with, by their places."""
    model, field = spec.model, ("model", "vector_field", "weights")
    own = model.vector_field.weights if isinstance(model.vector_field, Custom) else {}
    return {
        ("model", "parametrization"): model.parametrization,
        **{(*field, name, "parametrization"): w.parametrization for name, w in own.items()},
        ("model", "time"): model.time,
        **{("model", "initializers", name): i for name, i in model.initializers.items()},
        **{("regularizers", i): r for i, r in enumerate(spec.regularizers)},
    }


def largest(refusals: Refusals) -> float:
    """The largest number of the spec's dtype."""
    return float(np.finfo(refusals.spec.dtype).max)
