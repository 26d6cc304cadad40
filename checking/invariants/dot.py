"""The dot test: reverse mode is the adjoint of forward mode, ⟨J v, w⟩ = ⟨v, Jᵀ w⟩.

J is the derivative of the program's `forward` by all weights and by x, J v the framework's forward
mode and Jᵀ w its reverse mode. Both are of the same program, so no formula of ours enters: the test
sees an adjoint that is not that of its own forward pass (Claerbout, "Earth Soundings Analysis:
Processing versus Inversion", 1992, chapter 5).

No framework has forward mode through a program that undoes its steps: what such a program says of
its derivative is how cotangents go back. J v is then that of the spec's program without this, in
the same framework, whose map is the same: it is exact for every field, where a complex step would
ask that functions have no kinks, and a difference quotient sees half of the digits.
"""

from __future__ import annotations

import numpy as np

from ...backends.framework_model import FrameworkModel, NoForwardMode
from ...backends.model import Model
from ...compiler.pipeline import Compiled
from ...compiler.reference.reference import Reference
from ...data.rng import rng
from ...spec.model import Reversible
from ...spec.node import content_hash
from .. import undone
from ..compare import Array, Standard
from ..probes import RANDOM, Probes, Weights
from ..quantities import LOGITS, Answers, Key, NotOffered
from ..tolerances import EPSILON, MOVES, VALUES, standards
from .refined import loaded

LEAF = f"{RANDOM}/<Jv, w> - <v, J'w>"
ALLOWED = 1e-12
"""For a spec without growth, relative to Σ|vᵢ (Jᵀw)ᵢ| + Σ|wᵢ (Jv)ᵢ|."""
STEP, VISIBLE = 1e-6, 1e-4
"""Of a difference quotient, and the part of the terms that it can tell from zero. It is the arbiter
where torch's forward mode passes over a derivative that it has not been told of: then reverse mode
is right and forward mode is not there."""


def ask(model: Model, case: Compiled, probes: Probes) -> Answers:
    """The difference of the two products over the sum of the sizes of their terms."""
    if not isinstance(model, FrameworkModel):
        raise NotOffered("forward mode")
    with np.errstate(all="ignore"):
        return {LEAF: np.asarray(_residual(_terms(model, case, probes)))}


def _terms(model: FrameworkModel, case: Compiled, probes: Probes) -> list[Array]:
    """The terms of ⟨J v, w⟩ − ⟨v, Jᵀ w⟩, an array for every variable."""
    weights, random = probes.weights[RANDOM], _generator(case)
    x, *others = probes.forward_given(case)
    w = random.normal(size=x.shape if others else (len(x), case.module.signature.outputs))
    pulled, pulled_x = model.vjp(weights, [x, *others], w)
    leaves = {**pulled, "": pulled_x}
    v = {name: random.normal(size=g.shape) / _size(g) for name, g in leaves.items()}
    dx = v.pop("")
    along = {name: v.get(name, np.zeros_like(a)) for name, a in weights.items()}
    reverse = [-dx * pulled_x, *(-v[name] * g for name, g in pulled.items())]
    terms = [w * _pushed(model, case, probes, along, dx), *reverse]
    if (
        _residual(terms) > VISIBLE
        and _residual([w * _quotient(model, case, probes, along, dx), *reverse]) < VISIBLE
    ):
        raise NotOffered("forward mode: an operation drops the tangent and says nothing")
    return terms


def _pushed(
    model: FrameworkModel, case: Compiled, probes: Probes, along: Weights, dx: Array
) -> Array:
    """J v, of a program that undoes its steps that of the one by backprop."""
    if isinstance(case.spec.model.gradient, Reversible):
        plain = loaded(case, model)
        assert isinstance(plain, FrameworkModel)
        model = plain
    try:
        return model.jvp(probes.weights[RANDOM], probes.forward_given(case), along, dx)
    except NoForwardMode as error:
        raise NotOffered(str(error)) from None


def _quotient(
    model: FrameworkModel, case: Compiled, probes: Probes, v: Weights, dx: Array
) -> Array:
    """(F(θ + δ v) − F(θ − δ v)) / 2 δ."""
    weights, (x, *others) = probes.weights[RANDOM], probes.forward_given(case)
    ahead, back = (
        model.array("forward", {n: a + d * v[n] for n, a in weights.items()}, x + d * dx, *others)
        for d in (STEP, -STEP)
    )
    return (ahead - back) / (2 * STEP)


def _size(g: Array) -> float:
    """The norm by which a direction is divided, so that every weight has its say in the sum."""
    norm = float(np.linalg.norm(g))
    return norm if norm > 0 else 1.0


def _residual(terms: list[Array]) -> float:
    total, size = sum(t.sum() for t in terms), sum(np.abs(t).sum() for t in terms)
    return float(abs(total) / size) if size != 0 else 0.0


def expected(case: Compiled, probes: Probes) -> dict[str, Standard]:
    """Zero, to ALLOWED times the growth of `forward`; ∞ where that cannot be judged.

    Forward and reverse mode round on the way to the state where they differentiate, each for
    itself, and the derivative differs as much as those states do, and where they are undone as much
    as those that are undone.
    """
    zero, one = np.asarray(0.0), np.asarray(1.0)
    most = max(growth(case, probes), undone.growth(case, probes))
    return {LEAF: Standard(zero, one, np.asarray(ALLOWED * most))}


def growth(case: Compiled, probes: Probes) -> float:
    """How much `forward` magnifies rounding of weights and features; ∞ beyond all judging."""
    key, reference = Key("float64", LOGITS), Reference(case.module)

    def run(probes: Probes) -> dict[str, Array]:
        with np.errstate(all="ignore"):
            return {RANDOM: reference.forward(probes.weights[RANDOM], *probes.forward_given(case))}

    moved = [(size, run(probes.perturbed(size, _generator(case)))) for size in MOVES[key.dtype]]
    tolerance = standards(key, run(probes), moved)[RANDOM].tolerance
    return float(np.max(tolerance)) / (VALUES * EPSILON[key.dtype])


def _generator(case: Compiled) -> np.random.Generator:
    return rng(case.module.seed, "dot test", content_hash(case.problem.spec))
