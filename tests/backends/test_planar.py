"""The planar mixture against its formula in PyTorch: the field, and its trace by autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from specs import Case, random_weights

import wellposed
from wellposed.compiler.analysis.jacobian import layer_at
from wellposed.compiler.analysis.spectrum import jacobian_words
from wellposed.compiler.ir.expr import walk
from wellposed.compiler.ir.operators import arrays
from wellposed.compiler.passes.traces import trace
from wellposed.compiler.pipeline import Compiled
from wellposed.compiler.reference.reference import Reference
from wellposed.compiler.semantics.evaluate import evaluate

torch = pytest.importorskip("torch")
MODES = ("shared", "per-step", "linear")
FIELD = {"kind": "planar-mixture", "width": 5, "hidden": [4, 3], "activation": "softplus"}
T = 0.45


def given(mode: str) -> tuple[Compiled, dict[str, np.ndarray], np.ndarray]:
    """A problem, weights and rows of states."""
    case = Case("planar-mixture", integrator="rk4", mode=mode).compiled(vector_field=FIELD)
    return case, random_weights(case.problem), np.random.default_rng(2).normal(size=(6, 3))


def mixture(y: Any, w: dict[str, Any]) -> Any:
    """Σᵢ uᵢ tanh(wᵢ · y + bᵢ) of one y, its weights at T."""
    a = torch.tensor([T], dtype=torch.float64)
    for k in (1, 2):
        a = torch.nn.functional.softplus(w[f"W{k}"] @ a + w[f"b{k}"])
    inner, outer, b = torch.split(w["W3"] @ a + w["b3"], [15, 15, 5])
    units = torch.tanh(inner.unflatten(0, (5, 3)) @ y + b)
    return (units[:, None] * outer.unflatten(0, (5, 3))).sum(dim=0)


def at_T(mode: str, weights: dict[str, np.ndarray]) -> dict[str, Any]:
    """The weights at T = 0.45: of the second of three steps, 0.35 of a step after its start."""
    raw = {name: torch.from_numpy(w) for name, w in weights.items()}
    if mode == "shared":
        return raw
    if mode == "per-step":
        return {name: w[1] for name, w in raw.items()}
    return {name: 0.65 * w[1] + 0.35 * w[2] for name, w in raw.items()}


@pytest.mark.parametrize("mode", MODES)
def test_the_program_is_the_sum(mode: str):
    case, weights, y = given(mode)
    own = at_T(mode, weights | {"W": weights["W1"], "mu": weights["b1"]})
    expected = torch.stack([mixture(row, own) for row in torch.from_numpy(y)]).numpy()
    found = wellposed.compile(case.problem.spec, "torch").vector_field(weights, T, y)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("mode", MODES)
def test_the_trace_in_closed_form_is_that_of_autograd(mode: str):
    """tr ∂f/∂y = Σᵢ tanh'(wᵢ · y + bᵢ) uᵢ · wᵢ."""
    case, weights, y = given(mode)
    problem = case.problem
    state = problem.first.variable
    closed = trace(jacobian_words(problem)["y", "y"], state)
    assert closed is not None
    assert (5, 5) not in {node.shape for node in walk(closed)}  # of W Uᵀ the diagonal alone
    time = np.asarray(T)
    values = layer_at(problem, Reference(case.module), weights, time)
    found = evaluate(arrays(closed), values | {problem.t: time, state: y.T})

    own = at_T(mode, weights | {"W": weights["W1"], "mu": weights["b1"]})
    jacobians = [
        torch.autograd.functional.jacobian(lambda x: mixture(x, own), row)
        for row in torch.from_numpy(y)
    ]
    expected = [float(torch.trace(J)) for J in jacobians]
    np.testing.assert_allclose(found[0], expected, rtol=1e-12)
