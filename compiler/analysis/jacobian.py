"""Jacobians of the field along trajectories, from the reference; and their eigenvalues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .evaluate import Evaluator
from .ir.expr import Expr, substitute, variable
from .ir.program import START, Program
from .passes.derive import vjp
from .reference import Reference

Array = NDArray[Any]


def eigenvalues(
    program: Program, weights: Mapping[str, Array], x: Array, most: int = 64
) -> tuple[Array, Array]:
    """Times (J,) of at most `most` steps, and λ of the first-order field there (J, s, n), complex.

    The Jacobian of step j is that of f(t_j, ·) at y(t_j) with the step's weights. A second-order
    field y'' = f has the eigenvalues ±√μ, μ those of ∂f/∂y.
    """
    trajectory = Reference(program).trajectory(weights, x)
    count = min(most, program.steps)
    steps = np.linspace(0, program.steps - 1, count).astype(int)
    found = _eigenvalues(jacobians(program, weights, trajectory, steps))
    return steps * program.h, _of_first_order(found) if program.order == 2 else found


def jacobians(
    program: Program, weights: Mapping[str, Array], trajectory: Array, steps: Array
) -> Array:
    """∂f/∂y (J, s, n, n) at the states trajectory[j] (s, n) of the given steps."""
    adjoint, names = _adjoint(program)
    reference = Reference(program)
    stacks = reference.operand_stacks(weights)
    found = []
    for j in steps:
        state = trajectory[j].T
        columns = np.repeat(state, len(state), axis=1)
        values = _split(program, columns) | reference.layer(stacks, j) | _seeds(program, state)
        values["t"] = reference.time(int(j))
        rows = dict(zip(names, adjoint(values), strict=True))
        found.append(_assembled(program, rows, state.shape))
    return np.stack(found)


def _adjoint(program: Program) -> tuple[Evaluator, list[str]]:
    """Cotangents of the blocks for cotangents of the rates; zero ones are left out."""
    states = {n: variable(n, (d,), batched=True) for n, d in program.blocks.items()}
    outputs = [
        (_at_start(program, program.field[n]), variable(f"g_{n}", y.shape, batched=True))
        for n, y in states.items()
    ]
    parts = zip(states, vjp(outputs, list(states.values())), strict=True)
    kept = [(name, part) for name, part in parts if part is not None]
    return Evaluator(*(part for _, part in kept)), [name for name, _ in kept]


def _at_start(program: Program, rate: Expr) -> Expr:
    """A rate with the weights that a step takes at its start."""
    names = {
        o.name: variable(program.stage_name(o, _node_of(program, o.name)), o.variable.shape)
        for o in program.operands
    }
    return substitute(rate, names)


def _node_of(program: Program, operand: str) -> str:
    """The first node where a step takes this operand (verlet takes some at the middle only)."""
    nodes = [node for o, node in program.layer if o.name == operand]
    return nodes[0] if nodes else START


def _seeds(program: Program, state: Array) -> dict[str, Array]:
    """One unit cotangent after the other, for every example."""
    units = np.tile(np.eye(len(state)), (1, state.shape[1]))
    parts = _split(program, units)
    return {f"g_{name}": part for name, part in parts.items()}


def _split(program: Program, columns: Array) -> dict[str, Array]:
    parts: dict[str, Array] = {}
    at = 0
    for name, n in program.blocks.items():
        parts[name], at = columns[at : at + n], at + n
    return parts


def _assembled(program: Program, rows: dict[str, Array], shape: tuple[int, ...]) -> Array:
    """Cotangents of all unit vectors and examples as matrices (s, n, n)."""
    n, s = shape
    zeros = {name: np.zeros((d, s * n)) for name, d in program.blocks.items()}
    stacked = np.concatenate([rows.get(name, zeros[name]) for name in program.blocks])
    return stacked.reshape(n, s, n).transpose(1, 2, 0)


def _eigenvalues(matrices: Array) -> Array:
    """Eigenvalues (…, n) of matrices (…, n, n); NaN for a matrix that is not finite."""
    finite: Array = np.all(np.isfinite(matrices), axis=(-1, -2), keepdims=True)
    found = np.linalg.eigvals(np.where(finite, matrices, 0.0)).astype(complex)
    return np.where(finite[..., 0], found, np.nan)


def _of_first_order(mu: Array) -> Array:
    root = np.sqrt(mu)
    return np.concatenate([root, -root], axis=-1)
