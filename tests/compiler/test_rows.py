"""What a framework writes for an operation: the row of another operation is seen by the reference.

Rows of the functions of one number are in test_functions, held to mpmath.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import printed
import pytest
from nodes import NODES, OTHERS, array, leaves
from specs import Case, batch, random_weights, sample

from wellposed import compile
from wellposed.backends.dialect import ATOM, Dialect, Named
from wellposed.backends.jax_dialect import JAX
from wellposed.backends.torch_dialect import TORCH
from wellposed.compiler.ir.expr import Expr
from wellposed.compiler.ir.operations import ELEMENTWISE_FUNCTIONS
from wellposed.compiler.semantics.evaluate import evaluate

DIALECTS: dict[str, Dialect] = {"torch": TORCH, "jax": JAX}
WRONG_TEXTS = ("wrong text in torch", "wrong text in jax")
EVERY: dict[str, list[Expr]] = NODES | OTHERS
"""But for what is printed as a call of a function of the program's own."""
OPERATIONS = sorted(EVERY.keys() & TORCH.rows.keys() - {*ELEMENTWISE_FUNCTIONS})
SAMPLED = 5
"""Rows that are tried in the place of each; with `--all-grids` every one."""


def value(backend: str, e: Expr) -> np.ndarray:
    """The printed expression on random values."""
    values = {v: array(v, np.random.default_rng(11)) for v in leaves(e)}
    f = printed.compiled(backend, e, tuple(values))
    if backend == "torch":
        torch = pytest.importorskip("torch")
        return np.asarray(f(*map(torch.tensor, values.values())))
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        return np.asarray(f(*map(jax.numpy.asarray, values.values())))


def reference(e: Expr) -> np.ndarray:
    return evaluate(e, {v: array(v, np.random.default_rng(11)) for v in leaves(e)})


def is_seen(backend: str, op: str) -> bool:
    """Does a node of the operation have other numbers, another shape, or none?"""
    for node in EVERY[op]:
        try:
            found = value(backend, node)
        except Exception:  # whatever the framework raises
            return True
        expected = reference(node)
        if found.shape != expected.shape or not np.allclose(found, expected, rtol=1e-9):
            return True
    return False


SAME: dict[str, set[str]] = {
    # one text for all, which is named after the operation
    "softmax": {"log_softmax"},
    "log_softmax": {"softmax"},
    "mean": {"softmax", "log_softmax"},
    # of one positive number
    "scalar": {"column", "mean", "reduce", "relu", "abs"},
    # a number for every example, which broadcasting spreads
    "per_example": {"full"},
}
"""Rows of others that write the same on the nodes of an operation."""


@pytest.mark.covers(*WRONG_TEXTS, by="op", of="operation")
@pytest.mark.parametrize("op", OPERATIONS)
@pytest.mark.parametrize("backend", DIALECTS)
def test_the_row_of_another_operation_is_seen(
    backend: str, op: str, all_grids: bool, monkeypatch: pytest.MonkeyPatch
):
    assert not is_seen(backend, op)
    rows = dict(DIALECTS[backend].rows)
    others = [name for name, row in rows.items() if row is not rows[op]]
    unseen: set[str] = set()
    for other in others if all_grids else sample(others, SAMPLED, seed=len(op)):
        monkeypatch.setitem(DIALECTS[backend].rows, op, rows[other])  # pyright: ignore[reportArgumentType]
        unseen |= set() if is_seen(backend, op) else {other}
    assert unseen <= SAME.get(op, set())


# --- rows that only whole programs have ---------------------------------------------------------

PROGRAM = Case("one-block", "antisymmetric", "heun")
"""It has times, steps of times, classes, and an identity matrix."""
IN_PROGRAMS = ("eye", "times", "step_of", "class_probabilities")


def disagrees(backend: str) -> bool:
    """Is something that the program gives other than what the reference gives?"""
    problem, spec = PROGRAM.problem(), PROGRAM.spec()
    weights, (x, targets) = random_weights(problem), batch(problem)
    program, right = compile(spec, backend), compile(spec, "numpy")
    try:
        return not (
            np.allclose(program.loss(weights, x, targets), right.loss(weights, x, targets))
            and np.allclose(
                program.vector_field(weights, 0.4, x), right.vector_field(weights, 0.4, x)
            )
        )
    except (IndexError, ValueError):
        return True


@pytest.mark.covers(*WRONG_TEXTS, by="op", of="operation")
@pytest.mark.parametrize("op", IN_PROGRAMS)
@pytest.mark.parametrize("backend", DIALECTS)
def test_a_wrong_row_of_a_program_is_seen(backend: str, op: str, monkeypatch: pytest.MonkeyPatch):
    """Twice what it is."""
    rows = DIALECTS[backend].rows
    row = rows[op]

    def wrong(node: Expr, named: Named) -> str:
        return f"(2 * ({row.template(node, named)}))"

    assert not disagrees(backend)
    monkeypatch.setitem(rows, op, replace(row, text=wrong, precedence=ATOM))  # pyright: ignore[reportArgumentType]
    assert disagrees(backend)
