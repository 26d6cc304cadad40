"""What the reference expects of a program, and to which tolerance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..backends import registry
from ..backends.model import Model
from ..compiler.pipeline import Compiled
from ..compiler.semantics.evaluate import rounding
from ..data.rng import rng
from ..spec.node import content_hash
from . import undone
from .asking import answers
from .checks import CHECKS, Expect
from .compare import Leaves, Standard
from .probes import Probes
from .quantities import (
    FINAL,
    GRADIENT,
    LOG_DENSITY,
    LOGITS,
    LOSS,
    PATH_PENALTY,
    PREDICTIONS,
    TRAJECTORY,
    WEIGHTS,
    Key,
)
from .solver import tolerance
from .tolerances import MOVES, NOISE, ROUNDINGS, lost_sets, standards

REFERENCE = "numpy"
AFTER_THE_STATES = frozenset(
    {FINAL, LOG_DENSITY, LOGITS, PREDICTIONS, PATH_PENALTY, LOSS, GRADIENT}
)


class ReferenceFailure(Exception):
    """The reference could not answer: an error of the compiler, not of a program."""


@dataclass(frozen=True)
class Expectation:
    """Exact leaves of the weights; a standard for every leaf of every other quantity."""

    weights: Leaves
    standards: Mapping[Key, Mapping[str, Standard]]


def expectation(case: Compiled, keys: Sequence[Key], probes: Probes) -> Expectation:
    """Run the reference on the probes and, for the growth, on probes moved a little."""
    model = registry.get(REFERENCE).load(case.module, "")
    by = {how: [k for k in keys if CHECKS[k.quantity].expect is how] for how in Expect}
    weights = _ask(model, case, by[Expect.BYTES], probes).get(WEIGHTS, {})
    found: dict[Key, Mapping[str, Standard]] = {}
    for key in keys:
        if callable(stated := CHECKS[key.quantity].expect):
            found[key] = _judgeable(key, stated(case, probes))
    for dtype in dict.fromkeys(key.dtype for key in by[Expect.GROWTH]):
        ours = [key for key in by[Expect.GROWTH] if key.dtype == dtype]
        given = probes.rounded(dtype)
        base = _ask(model, case, ours, given)
        moved = _moved(model, case, ours, given, dtype)
        for key in ours:
            runs = [(size, run[key.quantity]) for size, run in moved]
            solver = tolerance(case, key)
            judged = standards(key, base[key.quantity], runs, _lost(key, base), solver)
            found[key] = _judgeable(key, judged)
    return Expectation(weights, found)


def _judgeable(key: Key, found: Mapping[str, Standard]) -> Mapping[str, Standard]:
    """Of a lenient check, without the leaves that overflow in the reference itself."""
    if not CHECKS[key.quantity].lenient:
        return found
    return {name: s for name, s in found.items() if np.isfinite(s.tolerance).all()}


def _lost(key: Key, base: Mapping[str, Leaves]) -> frozenset[str]:
    """The sets of weights with which the states, or the gradients, overflow on the way."""
    ways = [
        *[TRAJECTORY] * (key.quantity in AFTER_THE_STATES),
        *[GRADIENT] * (key.quantity == GRADIENT),
    ]
    return frozenset().union(*(lost_sets(base[way], key.dtype) for way in ways if way in base))


def _moved(
    model: Model, case: Compiled, keys: list[Key], probes: Probes, dtype: str
) -> list[tuple[float, dict[str, Leaves]]]:
    """The reference's answers on perturbed probes, with every operation off at random, and from
    states that it has undone where the spec's gradient is."""
    names = ("growth", content_hash(case.problem.spec), dtype)

    def random(what: str) -> np.random.Generator:
        return rng(case.module.seed, *names, what)

    found = [
        (size, _ask(model, case, keys, probes.perturbed(size, random(str(i)))))
        for i, size in enumerate(MOVES[dtype])
    ]
    size = NOISE[dtype]
    for i in range(ROUNDINGS):
        with rounding(size, random(f"rounding {i}")):
            found.append((size, _ask(model, case, keys, probes)))
    if undone.is_undone(case):
        found.append((undone.SIZE, _ask(undone.undoing(case), case, keys, probes)))
    return found


def _ask(model: Model, case: Compiled, keys: Sequence[Key], probes: Probes) -> dict[str, Leaves]:
    """Every quantity, in the one dtype of the reference."""
    wanted = [Key("float64", key.quantity) for key in keys]
    found: dict[str, Leaves] = {}
    with np.errstate(all="ignore"):
        for key, answer in answers(lambda dtype: model, case, wanted, probes):
            if answer.reason:
                raise ReferenceFailure(f"the reference fails at {key.quantity}: {answer.reason}")
            found[key.quantity] = answer.leaves
    return found
