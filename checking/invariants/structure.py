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

from ...backends.model import Model
from ...compiler.ir.program import Operand, Program
from ...spec.parametrizations import Antisymmetric, HamiltonianBlock, NegativeGram
from ..compare import Array, Standard
from ..probes import RANDOM, Probes, Weights
from ..quantities import Answers
from ..tolerances import EPSILON
from .operands import operands

EPS = EPSILON["float64"]
TIMES_EPSILON = 4.0
"""Multiple of n ε for what is computed with n terms."""
SKEW, SYMMETRIC, NEGATIVE, BLOCKS = (
    "K + K' + gamma I",
    "(K - K') / |K|",
    "max(0, largest eigenvalue) / |K|",
    "s(B) - s(-B)'",
)


def applies(program: Program, probes: Probes) -> bool:
    """Some operand has a structure."""
    return _has_blocks(program) or any(_structured(program))


def ask(model: Model, probes: Probes) -> Answers:
    """What should be zero, by set of weights and operand."""
    found: Answers = {}
    for name, weights in probes.weights.items():
        if any(_structured(model.program)):
            made = operands(model, weights)
            for stage, operand in _structured(model.program):
                leaves = _measured(operand, made[stage])
                found |= {f"{name}/{stage}: {what}": a for what, a in leaves.items()}
    if _has_blocks(model.program):
        found |= _blocks(model, probes)
    return found


def expected(program: Program, probes: Probes) -> dict[str, Standard]:
    """Zero: exactly, or to TIMES_EPSILON · n ε relative to K."""
    found: dict[str, Standard] = {}
    for name in probes.weights:
        for stage, operand in _structured(program):
            n, steps = operand.variable.shape[-1], _steps(program)
            wanted = {SKEW: _zero((*steps, n, n), 0.0)}
            if isinstance(operand.parametrization, NegativeGram):
                wanted = {
                    SYMMETRIC: _zero((*steps, n, n), TIMES_EPSILON * n * EPS),
                    NEGATIVE: _zero(steps, TIMES_EPSILON * n * EPS),
                }
            found |= {f"{name}/{stage}: {what}": s for what, s in wanted.items()}
    if _has_blocks(program):
        n = program.size
        tolerance = TIMES_EPSILON * n * EPS
        found |= {_block_leaf(at): _zero((n, n), tolerance) for at in probes.times}
    return found


def _zero(shape: tuple[int, ...], tolerance: float) -> Standard:
    return Standard(np.zeros(shape), np.asarray(1.0), np.asarray(tolerance))


def _structured(program: Program) -> Iterator[tuple[str, Operand]]:
    """Stage names of the operands that have a structure of their own."""
    return (
        (program.stage_name(operand, node), operand)
        for operand, node in program.layer
        if isinstance(operand.parametrization, (Antisymmetric, NegativeGram))
    )


def _steps(program: Program) -> tuple[int, ...]:
    return () if program.mode == "shared" else (program.steps,)


def _measured(operand: Operand, K: Array) -> Answers:
    if isinstance(operand.parametrization, Antisymmetric):
        return {SKEW: K + K.mT + operand.parametrization.gamma * np.eye(K.shape[-1])}
    size = np.linalg.norm(K, axis=(-2, -1), keepdims=True)
    K = K / np.where(size > 0, size, 1.0)
    largest = np.linalg.eigvalsh((K + K.mT) / 2)[..., -1]
    return {SYMMETRIC: K - K.mT, NEGATIVE: np.maximum(largest, 0.0)}


def _has_blocks(program: Program) -> bool:
    return any(isinstance(o.parametrization, HamiltonianBlock) for o in program.operands)


def _block_leaf(at: str) -> str:
    return f"{RANDOM}/{at}: {BLOCKS}"


def _blocks(model: Model, probes: Probes) -> Answers:
    """σ(B) − σ(−B)ᵀ over its largest entry, at every time of the probes."""
    program, weights = model.program, probes.weights[RANDOM]
    ahead, back = (_without_bias(program, weights, sign) for sign in (1, -1))
    unit, found = np.eye(program.size), dict[str, Array]()
    for at, t in probes.times.items():
        plus = model.vector_field(ahead, t, unit)
        minus = model.vector_field(back, t, unit)
        found[_block_leaf(at)] = (plus - minus.T) / (np.abs(plus).max() or 1.0)
    return found


def _without_bias(program: Program, weights: Weights, sign: int) -> Weights:
    """±K, all else that the field has at zero; the readout stays as it is."""
    factors = {
        o.raw.name: sign if isinstance(o.parametrization, HamiltonianBlock) else 0
        for o in program.operands
    }
    return weights | {name: factor * weights[name] for name, factor in factors.items()}
