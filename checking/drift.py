"""L5: training steps, held to what training does to one unit in the last place.

Two correct programs part in the last digit, and training may carry them apart: by as much as it
carries a program from itself when it starts one ulp away. So every backend trains twice, in step,
and the distance between backends is held to DISTANCE times that *self-drift*. Where the self-drift
passes LIMIT, nothing that the two have in common is left to compare: the drift horizon.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from itertools import combinations

import numpy as np

from ..backends.framework_model import fast_compile
from ..backends.model import Model
from ..backends.optimizers import updater
from ..backends.stepper import Stepper
from ..compiler.pipeline import Compiled
from .compare import Array, Leaves, Standard
from .probes import Probes
from .quantities import GRADIENT, Answers, Key
from .solver import tolerance
from .tolerances import EPSILON

DISTANCE = 100.0
"""Two programs part anew with every rounding, where one that starts an ulp away parts once. Over
the shipped examples the distance was at most 4 self-drifts, over random specs at most 21."""
LIMIT = 1e-3
FLOOR = 1e-3
"""A weight that is small against the largest is compared on this part of the largest's scale."""
DRIFT = "self-drift"


def ask(model: Model, case: Compiled, probes: Probes) -> Answers:
    """The self-drift after every update, and the weights after updates 1, 2, 4, … and the last.

    It ends at the horizon: the first update after which the self-drift passes LIMIT, or where
    a number is not finite.
    """
    plan, train = probes.training, case.problem.spec.train
    assert plan is not None and train is not None
    rule, initial = updater(train), probes.own
    one, other = (model.stepper(rule, plan.x, plan.targets) for _ in range(2))
    one.load(initial)
    rtol, _ = tolerance(case, Key(model.dtype, GRADIENT))
    other.load(one_ulp_away(initial) if not rtol else away(initial, rtol))
    drifts: list[float] = []
    found: Answers = {}
    updates, most = plan.updates, plan.sizes.max()
    for number, (rows, rate) in enumerate(updates, start=1):
        # what an epoch leaves over is compiled by itself, for one update in many
        with nullcontext() if len(rows) == most else fast_compile(model):
            drifts.append(_drift(one, other, rows, rate))
        if not drifts[-1] <= LIMIT:
            break
        if number & (number - 1) == 0 or number == len(updates):
            found |= {f"{number}/{name}": w for name, w in one.weights().items()}
    return found | {DRIFT: np.array(drifts)}


def _drift(one: Stepper, other: Stepper, rows: Array, rate: float) -> float:
    """The largest distance of the two after one more update, over the scale of each weight."""
    steps = one.step(rows, rate), other.step(rows, rate)
    if not all(step.finite for step in steps):
        return np.inf
    return distance(one.weights(), other.weights())


def distance(one: Leaves, other: Leaves) -> float:
    """max over weights of max |a − b| / scale."""
    scales = scales_of(one)
    return max(float(np.max(np.abs(one[n] - other[n])) / scales[n]) for n in one)


def scales_of(weights: Leaves) -> dict[str, float]:
    """The largest entry of each weight, at least FLOOR times the largest of all."""
    sizes = {name: float(np.max(np.abs(w), initial=0.0)) for name, w in weights.items()}
    least = FLOOR * max(sizes.values()) or 1.0
    return {name: max(size, least) for name, size in sizes.items()}


def one_ulp_away(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Every number replaced by the next one farther from zero.

    Equal numbers stay equal and zeros stay zero, as they do under the rounding of any program. A
    move at random would break symmetries that no program breaks, such as equal weights at the
    start under `smoothness`: their gradient is 0, and Adam makes a whole step of any other number.
    """
    return {
        name: np.where(w == 0, w, np.nextafter(w, np.copysign(np.inf, w)))
        for name, w in weights.items()
    }


def away(weights: Mapping[str, Array], by: float) -> dict[str, Array]:
    """Every number moved by that part of itself, as one ulp moves it: what an adaptive solver may
    be off by in one update."""
    return {name: w * (1 + by) for name, w in weights.items()}


def standards(own: Leaves, peer: Leaves) -> dict[str, Standard]:
    """What the peer has at the marks that both reached, to DISTANCE times the larger self-drift.

    The self-drift is taken as its running maximum, and as one ε at least.
    """
    length = min(len(own[DRIFT]), len(peer[DRIFT]))
    drifts = np.maximum(own[DRIFT][:length], peer[DRIFT][:length])
    allowed = DISTANCE * np.maximum.accumulate(np.maximum(drifts, EPSILON["float64"]))
    found: dict[str, Standard] = {}
    for mark in sorted({int(n.partition("/")[0]) for n in peer if n != DRIFT}):
        leaves = {n: w for n, w in peer.items() if n.startswith(f"{mark}/")}
        scales = scales_of(leaves)
        if mark <= length and allowed[mark - 1] <= DISTANCE * LIMIT:
            tolerance = np.asarray(allowed[mark - 1])
            found |= {n: Standard(w, np.asarray(scales[n]), tolerance) for n, w in leaves.items()}
    return found


def horizon(leaves: Leaves) -> int | None:
    """The updates after which the self-drift passes LIMIT; None where it never does."""
    beyond = ~(leaves[DRIFT] <= LIMIT)
    return int(np.argmax(beyond)) + 1 if beyond.any() else None


def in_words(answers: Mapping[str, Leaves], move: str = "one ulp") -> str:
    """How far training can be compared, from the answers of all backends that trained; `move` is
    what they were moved by at the start."""
    horizons = [h for h in map(horizon, answers.values()) if h is not None]
    if horizons:
        return (
            f"Training is ill-posed: after update {min(horizons)} no backend agrees with itself, "
            f"started {move} away, to {LIMIT:g}."
        )
    updates = min(len(leaves[DRIFT]) for leaves in answers.values())
    drifts = max(float(np.max(leaves[DRIFT])) for leaves in answers.values())
    apart = max(_apart(a, b) for a, b in combinations(answers.values(), 2))
    return (
        f"Training: the backends agree to {apart:.1e} for all of the {updates} updates; "
        f"{move} at the start grows to {drifts:.1e}."
    )


def _apart(one: Leaves, other: Leaves) -> float:
    """The largest distance at all marks."""
    marks = {name.partition("/")[0] for name in one.keys() & other.keys() if name != DRIFT}
    at = [{n: w for n, w in one.items() if n.startswith(f"{mark}/")} for mark in marks]
    return max(distance(leaves, {n: other[n] for n in leaves}) for leaves in at)
