"""What the parametrizations promise of the operators, in every step and for every weight.

- antisymmetric: K + Kᵀ + γ I = 0 exactly, as a − b and b − a round alike;
- negative-gram: K is symmetric and its largest eigenvalue at most 0, to the rounding of Cᵀ C;
- hamiltonian: the block matrix B = [[0, K], [−Kᵀ, 0]] that the field multiplies (y, z) with is
  skew, B + Bᵀ = 0.

The block matrix is no array of the program: it is seen through the field without bias, whose values
on the unit vectors are σ(B). The field of −K gives σ(−B), so that σ(B) − σ(−B)ᵀ = 0 for every σ.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...backends.model import Inspectable, Model
from ...compiler.builders.layer import layer_of
from ...compiler.ir.problem import LayerWeight
from ...compiler.pipeline import Compiled
from ...spec.parametrizations import Antisymmetric, HamiltonianBlock, NegativeGram
from ..compare import Array, Standard
from ..probes import RANDOM, Probes, Weights
from ..quantities import Answers, NotOffered
from ..tolerances import EPSILON

LAYER = "layer_weights"
"""The function that makes the weights of every layer of the raw ones."""
EPS = EPSILON["float64"]
TIMES_EPSILON = 4.0
"""Multiple of n ε for what is computed with n terms."""
SKEW, SYMMETRIC, BLOCKS = "K + K' + gamma I", "(K - K') / |K|", "s(B) - s(-B)'"
NEGATIVE = "max(0, largest eigenvalue) / |K|"


def ask_layer(model: Model, case: Compiled, probes: Probes) -> Answers:
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
    function = case.module.functions[LAYER]
    names = [result.name for result in function.results]
    if not isinstance(model, Inspectable) or not model.offers(function):
        raise NotOffered(LAYER)
    found = model.called(function, weights, ())
    if len(found) != len(names):
        raise ValueError(f"{LAYER} gives {len(found)} arrays, not {', '.join(names)}")
    return dict(zip(names, found, strict=True))


def applies(case: Compiled, probes: Probes) -> bool:
    """Some weight of a layer has a structure."""
    return _has_blocks(case) or any(_structured(case))


def ask(model: Model, case: Compiled, probes: Probes) -> Answers:
    """What should be zero, by set of weights and weight of a layer."""
    found: Answers = {}
    for name, weights in probes.weights.items():
        if any(_structured(case)):
            made = layer_weights(model, case, weights)
            for entry, weight in _structured(case):
                leaves = _measured(weight, made[entry])
                found |= {f"{name}/{entry}: {what}": a for what, a in leaves.items()}
    if _has_blocks(case):
        found |= _blocks(model, case, probes)
    return found


def expected(case: Compiled, probes: Probes) -> dict[str, Standard]:
    """Zero: exactly, or to TIMES_EPSILON · n ε relative to K."""
    found: dict[str, Standard] = {}
    for name in probes.weights:
        for entry, weight in _structured(case):
            n = weight.variable.shape[-1]
            steps = () if weight.mode == "shared" else (case.module.steps,)
            wanted = {SKEW: _zero((*steps, n, n), 0.0)}
            if isinstance(weight.parametrization, NegativeGram):
                wanted = {
                    SYMMETRIC: _zero((*steps, n, n), TIMES_EPSILON * n * EPS),
                    NEGATIVE: _zero(steps, TIMES_EPSILON * n * EPS),
                }
            found |= {f"{name}/{entry}: {what}": s for what, s in wanted.items()}
    if _has_blocks(case):
        n = case.problem.size
        tolerance = TIMES_EPSILON * n * EPS
        found |= {_block_leaf(at): _zero((n, n), tolerance) for at in probes.times}
    return found


def _zero(shape: tuple[int, ...], tolerance: float) -> Standard:
    return Standard(np.zeros(shape), np.asarray(1.0), np.asarray(tolerance))


def _structured(case: Compiled) -> Iterator[tuple[str, LayerWeight]]:
    """Weights that have a structure of their own, by the names that a step calls them by."""
    return (
        (entry.variable.name, entry.weight)
        for entry in layer_of(case.problem).entries
        if isinstance(entry.weight.parametrization, (Antisymmetric, NegativeGram))
    )


def _measured(weight: LayerWeight, K: Array) -> Answers:
    if isinstance(weight.parametrization, Antisymmetric):
        return {SKEW: K + K.mT + weight.parametrization.gamma * np.eye(K.shape[-1])}
    size = np.linalg.norm(K, axis=(-2, -1), keepdims=True)
    K = K / np.where(size > 0, size, 1.0)
    largest = np.linalg.eigvalsh((K + K.mT) / 2)[..., -1]
    return {SYMMETRIC: K - K.mT, NEGATIVE: np.maximum(largest, 0.0)}


def _has_blocks(case: Compiled) -> bool:
    return any(isinstance(w.parametrization, HamiltonianBlock) for w in case.problem.layer)


def _block_leaf(at: str) -> str:
    return f"{RANDOM}/{at}: {BLOCKS}"


def _blocks(model: Model, case: Compiled, probes: Probes) -> Answers:
    """σ(B) − σ(−B)ᵀ over its largest entry, at every time of the probes."""
    weights = probes.weights[RANDOM]
    ahead, back = (_without_bias(case, weights, sign) for sign in (1, -1))
    unit, found = np.eye(case.problem.size), dict[str, Array]()
    for at, t in probes.times.items():
        plus = model.vector_field(ahead, t, unit)
        minus = model.vector_field(back, t, unit)
        found[_block_leaf(at)] = (plus - minus.T) / (np.abs(plus).max() or 1.0)
    return found


def _without_bias(case: Compiled, weights: Weights, sign: int) -> Weights:
    """±K, all else that the field has at zero; the readout stays as it is."""
    factors = {
        w.raw.name: sign if isinstance(w.parametrization, HamiltonianBlock) else 0
        for w in case.problem.layer
    }
    return weights | {name: factor * weights[name] for name, factor in factors.items()}
