"""What is asked of a program: the quantities of the ladder, as its own functions return them.

The same is asked of the reference, which gives the standards. Answers are dicts of arrays (leaves);
nothing is reshaped, cast or cut on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..backends.checked_model import CheckedModel
from ..backends.model import Model
from ..backends.program_model import ProgramModel
from ..compiler.pipeline import Compiled
from ..compiler.reference.chance import loss_arguments
from ..compiler.reference.chance import probes as random_vectors
from .compare import Array
from .probes import PROBABILITIES, RANDOM, Probes

Answers = dict[str, Array]
PROGRAM, WEIGHTS, FIELD = "program", "weights", "vector field"
FEATURES = "features"
TRAJECTORY, FINAL = "trajectory", "final state"
DIVERGENCE, LOG_DENSITY, SAMPLE = "divergence", "log-density", "sample"
LOGITS, REGULARIZER, LOSS, GRADIENT = "logits", "regularizer", "loss", "gradient"
PREDICTIONS, PATH_PENALTY = "predictions", "path penalty"
MODE = "mode"
"""Asked of gradients: the gap between backprop and each other mode, `mode checkpoint`."""
PASSES = "passes"
"""What is asked of the compiler itself, whose passes every program has been through."""
AWKWARD = "awkward inputs"
FUNCTIONS, PULLBACKS, PUBLIC = "functions", "pullbacks", "public functions"
"""Asked where a check has failed: every function by itself, its derivative, and the public ones on
weights that tell equations apart."""
OPTIMIZER, RATES, BATCHES, TRAINING = "optimizer", "learning rates", "batches", "training"
WITHOUT = "a network without weights"
LAYER, STRUCTURE, ORDER, ENERGY = "layer weights", "structure", "order", "energy"
REVERSIBILITY, DOT = "reversibility", "dot test"
DTYPES = ("float64", "float32")


class Key(NamedTuple):
    """What is asked: a quantity in a dtype."""

    dtype: str
    quantity: str


@dataclass(frozen=True)
class Answer:
    """Leaves by name, or the reason why there are none.

    What a program need not have and does not have is not `offered`, which is no failure.
    """

    leaves: Answers = field(default_factory=dict)
    reason: str = ""
    offered: bool = True


class NotOffered(Exception):
    """The program has no such function, and need not have it."""


def weights(model: Model, case: Compiled, probes: Probes) -> Answers:
    """init(), init(seed) with seeds that are not the spec's, and what a network starts with that is
    given no weights."""
    others = [case.module.seed + more for more in (1, 1_000_000)]
    calls: dict[str, Callable[[], Answers]] = {"init()": model.init}
    calls |= {f"init({seed})": partial(model.init, seed) for seed in others}
    calls[WITHOUT] = model.drawn if isinstance(model, ProgramModel) else model.init
    return {f"{call}/{name}": w for call, ask in calls.items() for name, w in _dict(call, ask())}


def _dict(call: str, found: object) -> Iterator[tuple[str, Array]]:
    if not isinstance(found, dict):
        raise TypeError(f"{call} gives {type(found).__name__}, not a dict of arrays")
    yield from ((name, _array(w, f"{call} {name}")) for name, w in found.items())


def vector_field(model: Model, case: Compiled, probes: Probes) -> Answers:
    """f(t, y) at every probe time."""
    return {
        f"{name}/{at}": _value(model, "vector_field", w, t, probes.y)
        for name, w in probes.weights.items()
        for at, t in probes.times.items()
    }


def trajectory(model: Model, case: Compiled, probes: Probes) -> Answers:
    """The states at t_0 … t_N."""
    return {n: _value(model, "trajectory", w, probes.x) for n, w in probes.weights.items()}


def forward(model: Model, case: Compiled, probes: Probes) -> Answers:
    """Logits, predictions of series; without a readout y(T)."""
    given = probes.forward_given(case)
    return {n: _value(model, "forward", w, *given) for n, w in probes.weights.items()}


def regularizer(model: Model, case: Compiled, probes: Probes) -> Answers:
    """R(θ)."""
    return {n: _value(model, "regularizer", w) for n, w in probes.weights.items()}


def loss(model: Model, case: Compiled, probes: Probes) -> Answers:
    """Every kind of targets on the random weights, the first kind on all."""
    given = {k: loss_arguments(case.module, probes.examples, C) for k, C in probes.targets.items()}
    return {
        f"{name}/{kind}": _value(model, "loss", w, *given[kind])
        for name, w in probes.weights.items()
        for kind in probes.targets
        if kind != PROBABILITIES or name == RANDOM
    }


def log_density(model: Model, case: Compiled, probes: Probes) -> Answers:
    """log p of the rows."""
    vectors = random_vectors(case.module, "log_density", len(probes.x), 0)
    return {
        n: _value(model, "log_density", w, probes.x, *vectors) for n, w in probes.weights.items()
    }


def path_penalty(model: Model, case: Compiled, probes: Probes) -> Answers:
    """What regularizers along the path add to the loss, row by row."""
    vectors = random_vectors(case.module, "path_penalty", len(probes.x), 0)
    return {
        n: _value(model, "path_penalty", w, probes.x, *vectors) for n, w in probes.weights.items()
    }


def divergence(model: Model, case: Compiled, probes: Probes) -> Answers:
    """tr ∂f/∂y at every probe time, as the spec takes it."""
    vectors = random_vectors(case.module, "divergence", len(probes.y), 0)
    return {
        f"{name}/{at}": _value(model, "divergence", w, t, probes.y, *vectors)
        for name, w in probes.weights.items()
        for at, t in probes.times.items()
    }


def sample(model: Model, case: Compiled, probes: Probes) -> Answers:
    """The rows as rows of the base, back to the data."""
    return {n: _value(model, "sample", w, probes.x) for n, w in probes.weights.items()}


def gradient(model: Model, case: Compiled, probes: Probes) -> Answers:
    """∂ loss / ∂ θ by the framework's own differentiation of the program's loss."""
    kind = next(iter(probes.targets))
    found: Answers = {}
    for name, w in probes.weights.items():
        leaves = model.gradient(w, probes.examples, probes.targets[kind])
        found |= {f"{name}/{k}": _array(g, f"gradient {k}") for k, g in leaves.items()}
    return found


def _value(model: Model, function: str, *arguments: Any) -> Array:
    """What the function returns: of an emitted program before any conversion to a Python number."""
    given = [cast(a, model.dtype) for a in arguments]
    if isinstance(model, CheckedModel):
        return _array(model.array(function, *given), function)
    return _array(getattr(model, function)(*given), function)


def cast(argument: Any, dtype: str) -> Any:
    """Rows and targets in the model's dtype; classes stay integers, a time stays a number."""
    is_real = isinstance(argument, np.ndarray) and argument.dtype.kind == "f"
    return argument.astype(dtype) if is_real else argument


def _array(value: Any, what: str) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"{what} gives {array.dtype}, not an array of numbers")
    return np.array(array, order="C")
