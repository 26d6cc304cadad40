"""What the reference expects of a program, and to which tolerance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..backends import registry
from ..backends.model import Model
from ..compiler.ir.program import Program
from ..data.streams import stream
from ..spec.node import content_hash
from .compare import Leaves, Standard
from .probes import Probes
from .quantities import FINAL, GRADIENT, LOGITS, LOSS, TRAJECTORY, WEIGHTS, Key, answers
from .tolerances import MOVES, lost_sets, standards

REFERENCE = "numpy"
AFTER_THE_STATES = frozenset({FINAL, LOGITS, LOSS, GRADIENT})


class ReferenceFailure(Exception):
    """The reference could not answer: an error of the compiler, not of a program."""


@dataclass(frozen=True)
class Expectation:
    """Exact leaves of the weights; a standard for every leaf of every other quantity."""

    weights: Leaves
    standards: Mapping[Key, Mapping[str, Standard]]


def expectation(program: Program, keys: tuple[Key, ...], probes: Probes) -> Expectation:
    """Run the reference on the probes and, for the growth, on probes moved a little."""
    model = registry.get(REFERENCE).load(program, "")
    base = _ask(model, keys, probes)
    numeric = [key for key in keys if key.quantity != WEIGHTS]
    found: dict[Key, dict[str, Standard]] = {}
    for dtype in dict.fromkeys(key.dtype for key in numeric):
        moved = _moved(model, program, numeric, probes, dtype)
        for key in (key for key in numeric if key.dtype == dtype):
            runs = [run[key.quantity] for run in moved]
            lost = _lost(key, base)
            found[key] = standards(key, base[key.quantity], runs, lost)
    return Expectation(base[WEIGHTS], found)


def _lost(key: Key, base: Mapping[str, Leaves]) -> frozenset[str]:
    """The sets of weights with which the states, or the gradients, overflow on the way."""
    ways = [
        *[TRAJECTORY] * (key.quantity in AFTER_THE_STATES),
        *[GRADIENT] * (key.quantity == GRADIENT),
    ]
    return frozenset().union(*(lost_sets(base[way], key.dtype) for way in ways))


def _moved(
    model: Model, program: Program, keys: list[Key], probes: Probes, dtype: str
) -> list[dict[str, Leaves]]:
    """The reference's answers on perturbed probes; names of leaves stay those of the probes."""
    names = ("growth", content_hash(program.spec), dtype)
    return [
        _ask(model, keys, probes.perturbed(size, stream(program.spec.seed, *names, str(i))))
        for i, size in enumerate(MOVES[dtype])
    ]


def _ask(model: Model, keys: tuple[Key, ...] | list[Key], probes: Probes) -> dict[str, Leaves]:
    """Every quantity once: the reference has one dtype."""
    wanted = [Key("float64", quantity) for quantity in dict.fromkeys(k.quantity for k in keys)]
    found: dict[str, Leaves] = {}
    with np.errstate(all="ignore"):
        for key, answer in answers(lambda dtype: model, wanted, probes):
            if answer.reason:
                raise ReferenceFailure(f"the reference fails at {key.quantity}: {answer.reason}")
            found[key.quantity] = answer.leaves
    return found
