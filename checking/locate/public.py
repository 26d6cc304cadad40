"""What tells equations apart in a program of any structure: its public functions on chosen weights.

*Steady* weights are the same in every step, *twin* weights are other numbers of which the
parametrizations make the same ones. What a program fails at is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ...backends.model import Model
from ...backends.optimizers import updater
from ...compiler.pipeline import Compiled
from ..compare import Array
from ..probes import RANDOM, Probes, Weights
from ..quantities import Answers
from .calls import steady

STEADY_FIELD, TWIN_FIELD, STEADY_PATH = "steady field", "twin field", "steady path"
SEEN, ALONE, ALONE_STEADY, FIRST_LOSS = "seen", "alone", "alone and steady", "first loss"

TWINS: dict[str, Callable[[Array], Array]] = {
    "antisymmetric": lambda K: -np.matrix_transpose(K),
    "negative-gram": lambda C: C[..., ::-1, :],
}
"""Other raw weights with the same weight of the layer: (−Kᵀ) − (−Kᵀ)ᵀ = K − Kᵀ, and CᵀC knows no
order of the rows of C."""
Question = tuple[str, Callable[[], Array]]


def ask(model: Model, case: Compiled, probes: Probes) -> Answers:
    """The answers by question, such as `steady field/t = 0`."""
    found: Answers = {}
    for name, question in _questions(model, case, probes):
        try:
            found[name] = np.asarray(question(), model.dtype)
        except (Exception, SystemExit):
            continue
    return found


def _questions(model: Model, case: Compiled, probes: Probes) -> Iterator[Question]:
    module, weights = case.module, probes.weights[RANDOM]
    still, twin = steady(case, weights), twins(case, weights)
    for at, t in probes.times.items():
        yield f"{STEADY_FIELD}/{at}", lambda t=t: model.vector_field(still, t, probes.y)
        if twin:
            yield f"{TWIN_FIELD}/{at}", lambda t=t: model.vector_field(twin, t, probes.y)
    yield STEADY_PATH, lambda: model.trajectory(still, probes.x)
    if case.problem.readout is not None and case.problem.readout.weights:
        yield SEEN, lambda: seen(model, case, weights, probes.x)
    for name in weights if module.has_penalties else ():
        alone = {n: w if n == name else np.zeros_like(w) for n, w in weights.items()}
        yield f"{ALONE}/{name}", lambda w=alone: np.asarray(model.regularizer(w))
        flat = steady(case, alone)
        yield f"{ALONE_STEADY}/{name}", lambda w=flat: np.asarray(model.regularizer(w))
    plan, train = probes.training, case.problem.spec.train
    if plan is not None and train is not None:
        yield FIRST_LOSS, lambda: _first_loss(model, case, probes)


def twins(case: Compiled, weights: Mapping[str, Array]) -> Weights:
    """Weights with the twins of those that a parametrization is known of; none where none is."""
    kinds = {w.raw.name: w.parametrization.kind for w in case.problem.layer}
    found = {name: TWINS[kind](weights[name]) for name, kind in kinds.items() if kind in TWINS}
    return {**weights, **found} if found else {}


def seen(model: Model, case: Compiled, weights: Weights, x: Array) -> Array:
    """y(T) as the readout has it: the logits of unit vectors as W, with mu = 0."""
    n, k = case.problem.first.size.value, case.module.signature.outputs
    given = (
        weights | {"W": np.eye(n)[:, i : i + k] @ np.eye(min(k, n - i), k), "mu": np.zeros(k)}
        for i in range(0, n, k)
    )
    return np.concatenate([model.forward(w, x) for w in given], axis=1)[:, :n]


def _first_loss(model: Model, case: Compiled, probes: Probes) -> Array:
    """The loss of the first update, which is that of the initial weights on its examples."""
    plan, train = probes.training, case.problem.spec.train
    assert plan is not None and train is not None
    stepper = model.stepper(updater(train), plan.x, plan.targets)
    stepper.load(probes.weights[RANDOM])
    return np.asarray(stepper.step(*plan.updates[0]).loss)
