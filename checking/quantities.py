"""What is asked of a program: the quantities of the ladder, as its own functions return them.

The same questions are put to the reference, which gives the expectations. Answers are dicts of
arrays (leaves); nothing is reshaped, cast or cut on the way.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..backends.framework_model import FrameworkModel
from ..backends.model import Model
from ..compiler.ir.program import Program
from .compare import Array
from .probes import LIKELIHOODS, RANDOM, Probes

Answers = dict[str, Array]
PROGRAM, WEIGHTS, FIELD, TRAJECTORY, FINAL = (
    "program",
    "weights",
    "vector field",
    "trajectory",
    "final state",
)
LOGITS, REGULARIZER, LOSS, GRADIENT = "logits", "regularizer", "loss", "gradient"
DTYPES = ("float64", "float32")
FUNCTIONS = frozenset(
    {"Network", "init", "vector_field", "trajectory", "forward", "regularizer", "loss"}
)
_LONGEST = 300  # characters of a program's own error message that a reason quotes


class Key(NamedTuple):
    """One question: a quantity in a dtype."""

    dtype: str
    quantity: str


@dataclass(frozen=True)
class Answer:
    """Leaves by name, or the reason why there are none."""

    leaves: Answers = field(default_factory=dict)
    reason: str = ""


def weights(model: Model, probes: Probes) -> Answers:
    """init() and init(seed) with a seed that is not the spec's."""
    other = model.program.spec.seed + 1
    drawn = {"init()": model.init(), f"init({other})": model.init(other)}
    for call, found in drawn.items():
        if not isinstance(found, dict):
            raise TypeError(f"{call} gives {type(found).__name__}, not a dict of arrays")
    return {
        f"{call}/{name}": _array(w, f"{call} {name}")
        for call, found in drawn.items()
        for name, w in found.items()
    }


def vector_field(model: Model, probes: Probes) -> Answers:
    """f(t, y) at every probe time."""
    return {
        f"{name}/{at}": _value(model, "vector_field", w, t, probes.y)
        for name, w in probes.weights.items()
        for at, t in probes.times.items()
    }


def trajectory(model: Model, probes: Probes) -> Answers:
    """The states at t_0 … t_N."""
    return {n: _value(model, "trajectory", w, probes.x) for n, w in probes.weights.items()}


def forward(model: Model, probes: Probes) -> Answers:
    """Logits; without a readout y(T)."""
    return {n: _value(model, "forward", w, probes.x) for n, w in probes.weights.items()}


def regularizer(model: Model, probes: Probes) -> Answers:
    """R(θ)."""
    return {n: _value(model, "regularizer", w) for n, w in probes.weights.items()}


def loss(model: Model, probes: Probes) -> Answers:
    """Every kind of targets on the random weights, the first kind on all."""
    return {
        f"{name}/{kind}": _value(model, "loss", w, probes.x, probes.targets[kind])
        for name, w in probes.weights.items()
        for kind in probes.targets
        if kind != LIKELIHOODS or name == RANDOM
    }


def gradient(model: Model, probes: Probes) -> Answers:
    """∂ loss / ∂ θ by the framework's own differentiation of the program's loss."""
    kind = next(iter(probes.targets))
    found: Answers = {}
    for name, w in probes.weights.items():
        leaves = model.gradient(w, probes.x, probes.targets[kind])
        found |= {f"{name}/{k}": _array(g, f"gradient {k}") for k, g in leaves.items()}
    return found


MEASURES: dict[str, Callable[[Model, Probes], Answers]] = {
    WEIGHTS: weights,
    FIELD: vector_field,
    TRAJECTORY: trajectory,
    FINAL: forward,
    LOGITS: forward,
    REGULARIZER: regularizer,
    LOSS: loss,
    GRADIENT: gradient,
}


def plan(program: Program, dtypes: tuple[str, ...]) -> list[Key]:
    """What is asked, lowest rung first; weights are drawn in the spec's dtype only."""
    has_loss = program.loss is not None
    wanted = {
        FIELD: True,
        TRAJECTORY: True,
        FINAL: program.readout is None,
        LOGITS: program.readout is not None,
        REGULARIZER: bool(program.penalties),
        LOSS: has_loss,
        GRADIENT: has_loss,
    }
    keys = [Key(dtype, quantity) for dtype in dtypes for quantity in wanted if wanted[quantity]]
    return [Key(program.spec.dtype, WEIGHTS), *keys]


def answers(
    load: Callable[[str], Model], keys: list[Key], probes: Probes
) -> Iterator[tuple[Key, Answer]]:
    """The answers in order, each as soon as it is there; `load` gives the model of a dtype.

    A program that does not load answers one question, that for PROGRAM, with the reason.
    """
    models: dict[str, Model] = {}
    for key in keys:
        try:
            if key.dtype not in models:
                models[key.dtype] = load(key.dtype)
        except (Exception, SystemExit) as error:
            yield Key(key.dtype, PROGRAM), Answer(reason=in_words(error))
            return
        yield key, _answer(models[key.dtype], key.quantity, probes)


def _answer(model: Model, quantity: str, probes: Probes) -> Answer:
    try:
        return Answer(MEASURES[quantity](model, probes))
    except (Exception, SystemExit) as error:
        return Answer(reason=in_words(error))


def _value(model: Model, function: str, *arguments: Any) -> Array:
    """What the function returns: of an emitted program before any conversion to a Python number."""
    given = [_cast(a, model.dtype) for a in arguments]
    if isinstance(model, FrameworkModel):
        return _array(model.array(function, *given), function)
    return _array(getattr(model, function)(*given), function)


def _cast(argument: Any, dtype: str) -> Any:
    """Rows and targets in the model's dtype; classes stay integers, a time stays a number."""
    is_real = isinstance(argument, np.ndarray) and argument.dtype.kind == "f"
    return argument.astype(dtype) if is_real else argument


def _array(value: Any, what: str) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"{what} gives {array.dtype}, not an array of numbers")
    return np.array(array, order="C")


def in_words(error: BaseException) -> str:
    """One line: what was raised, and the line of the program where."""
    place = _place(error)
    if isinstance(error, SystemExit):
        return f"the program calls sys.exit({error.code!r}){place}"
    if isinstance(error, AttributeError) and error.name in FUNCTIONS and not place:
        return f"the program lacks `{error.name}`"
    message = next((line for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, SyntaxError):
        message = error.msg
    return f"{type(error).__name__}: {message}"[:_LONGEST].rstrip(": ") + place


def _place(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return _line(error.lineno, error.text or "")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith("<wellposed ")]
    if not own or own[-1].lineno is None:
        return ""
    return _line(own[-1].lineno, linecache.getline(own[-1].filename, own[-1].lineno))


def _line(number: int, text: str) -> str:
    return f" (line {number} of the program: `{text.strip()[:100]}`)"
