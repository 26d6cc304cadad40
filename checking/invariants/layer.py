"""The weights of every layer: what the program's own `layer_weights` makes of the raw weights."""

from __future__ import annotations

from ...backends.model import Inspectable, Model
from ...compiler.pipeline import Compiled
from ..compare import Array
from ..probes import Probes, Weights
from ..quantities import Answers, NotOffered

FUNCTION = "layer_weights"


def applies(case: Compiled, probes: Probes) -> bool:
    """A field of the user's may have no weights."""
    return FUNCTION in case.module.functions


def ask(model: Model, case: Compiled, probes: Probes) -> Answers:
    """`random/K`, `random/b`, …: the weights of all layers, vectors as columns."""
    return {
        f"{name}/{weight}": array
        for name, weights in probes.weights.items()
        for weight, array in layer_weights(model, case, weights).items()
    }


def layer_weights(model: Model, case: Compiled, weights: Weights) -> dict[str, Array]:
    """The weight of all layers (one when shared), by the name that a step calls it by.

    Raises NotOffered for a program without such a function, which a user's need not have.
    """
    function = case.module.functions[FUNCTION]
    names = [result.name for result in function.results]
    if not isinstance(model, Inspectable) or not model.offers(function):
        raise NotOffered(FUNCTION)
    found = model.called(function, weights, ())
    if len(found) != len(names):
        raise ValueError(f"{FUNCTION} gives {len(found)} arrays, not {', '.join(names)}")
    return dict(zip(names, found, strict=True))
