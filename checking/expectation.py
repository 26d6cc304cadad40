"""What the reference expects of a program, and to which tolerance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..backends import registry
from ..backends.model import Model
from ..compiler.evaluate import rounding
from ..compiler.ir.program import Program
from ..data.rng import rng
from ..spec.node import content_hash
from .asking import answers
from .compare import Leaves, Standard
from .probes import Probes
from .quantities import FINAL, GRADIENT, LOGITS, LOSS, TRAJECTORY, WEIGHTS, Key
from .questions import QUESTIONS, Judge
from .tolerances import MOVES, NOISE, ROUNDINGS, lost_sets, standards

REFERENCE = "numpy"
AFTER_THE_STATES = frozenset({FINAL, LOGITS, LOSS, GRADIENT})


class ReferenceFailure(Exception):
    """The reference could not answer: an error of the compiler, not of a program."""


@dataclass(frozen=True)
class Expectation:
    """Exact leaves of the weights; a standard for every leaf of every other quantity."""

    weights: Leaves
    standards: Mapping[Key, Mapping[str, Standard]]


def expectation(program: Program, keys: Sequence[Key], probes: Probes) -> Expectation:
    """Run the reference on the probes and, for the growth, on probes moved a little."""
    model = registry.get(REFERENCE).load(program, "")
    by = {judge: [k for k in keys if QUESTIONS[k.quantity].judge is judge] for judge in Judge}
    weights = _ask(model, by[Judge.BYTES], probes).get(WEIGHTS, {})
    found = {key: _stated(program, key, probes) for key in by[Judge.STATED]}
    for dtype in dict.fromkeys(key.dtype for key in by[Judge.REFERENCE]):
        ours = [key for key in by[Judge.REFERENCE] if key.dtype == dtype]
        given = probes.rounded(dtype)
        base = _ask(model, ours, given)
        moved = _moved(model, program, ours, given, dtype)
        for key in ours:
            runs = [(size, run[key.quantity]) for size, run in moved]
            judged = standards(key, base[key.quantity], runs, _lost(key, base))
            found[key] = _judgeable(judged) if QUESTIONS[key.quantity].lenient else judged
    return Expectation(weights, found)


def _stated(program: Program, key: Key, probes: Probes) -> Mapping[str, Standard]:
    question = QUESTIONS[key.quantity]
    assert question.stated is not None  # a question of Judge.STATED has its standards
    found = question.stated(program, probes)
    return _judgeable(found) if question.lenient else found


def _judgeable(found: Mapping[str, Standard]) -> dict[str, Standard]:
    """Without the leaves that overflow in the reference itself."""
    return {name: s for name, s in found.items() if np.isfinite(s.tolerance).all()}


def _lost(key: Key, base: Mapping[str, Leaves]) -> frozenset[str]:
    """The sets of weights with which the states, or the gradients, overflow on the way."""
    ways = [
        *[TRAJECTORY] * (key.quantity in AFTER_THE_STATES),
        *[GRADIENT] * (key.quantity == GRADIENT),
    ]
    return frozenset().union(*(lost_sets(base[way], key.dtype) for way in ways if way in base))


def _moved(
    model: Model, program: Program, keys: list[Key], probes: Probes, dtype: str
) -> list[tuple[float, dict[str, Leaves]]]:
    """The reference's answers on perturbed probes, and with every operation off at random."""
    names = ("growth", content_hash(program.spec), dtype)

    def rng(what: str) -> np.random.Generator:
        return rng(program.spec.seed, *names, what)

    found = [
        (size, _ask(model, keys, probes.perturbed(size, rng(str(i)))))
        for i, size in enumerate(MOVES[dtype])
    ]
    size = NOISE[dtype]
    for i in range(ROUNDINGS):
        with rounding(size, rng(f"rounding {i}")):
            found.append((size, _ask(model, keys, probes)))
    return found


def _ask(model: Model, keys: Sequence[Key], probes: Probes) -> dict[str, Leaves]:
    """Every quantity, in the one dtype of the reference."""
    wanted = [Key("float64", key.quantity) for key in keys]
    found: dict[str, Leaves] = {}
    with np.errstate(all="ignore"):
        for key, answer in answers(lambda dtype: model, wanted, probes):
            if answer.reason:
                raise ReferenceFailure(f"the reference fails at {key.quantity}: {answer.reason}")
            found[key.quantity] = answer.leaves
    return found
