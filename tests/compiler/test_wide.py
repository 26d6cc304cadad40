"""Wide and deep networks: a budget for eigenvalues, and only what was looked at is spoken of."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from shapes import SHAPES

from wellposed.compiler.analysis import budget as budgets
from wellposed.compiler.analysis import jacobian, numbers
from wellposed.compiler.analysis.budget import budget
from wellposed.compiler.analysis.numbers import Numbers, numbers_of
from wellposed.compiler.analysis.outermost import outermost
from wellposed.compiler.analysis.seen import look_at
from wellposed.compiler.analysis.stability import analyse
from wellposed.compiler.pipeline import Compiled, compiled
from wellposed.compiler.reference import walk
from wellposed.compiler.reference.initial import initial_weights
from wellposed.compiler.reference.reference import Reference
from wellposed.spec.model import Spec

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(0)


def network(state: int, steps: int = 8, mode: str = "per-step", **model: Any) -> Compiled:
    settings: dict[str, Any] = {
        "state": state,
        "vector_field": "layer",
        "time": {"horizon": 2, "steps": steps, "weights": mode},
        "integrator": "rk4",
    }
    plain = {"wellposed": 1, "name": "wide", "dtype": "float64", "model": settings | model}
    return compiled(Spec.model_validate(plain))


def test_a_network_of_time_may_give_more_numbers_than_a_state_has():
    """64 units of 784 components: 100,416 numbers, where a dimension that is written has 65,536."""
    field = {"kind": "planar-mixture", "width": 64, "hidden": [1]}
    (last,) = (w for w in network(784, vector_field=field).problem.weights if w.name == "W2")
    assert last.shape == (8, 64 * (2 * 784 + 1), 1)


def numbers_at(case: Compiled) -> Numbers:
    return numbers_of(case, look_at(case.problem))


def cut(monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    for name, limit in limits.items():
        monkeypatch.setattr(budgets, name, limit)


# --- eigenvalues by products --------------------------------------------------------------------


def skew(n: int) -> Array:
    a = RANDOM.normal(size=(n, n)) / np.sqrt(n)
    return a - a.T


@pytest.mark.parametrize("make", [skew, lambda n: RANDOM.normal(size=(n, n)) / np.sqrt(n)])
def test_what_products_find_are_eigenvalues_and_the_largest_is_among_them(
    make: Callable[[int], Array],
):
    matrix = make(400)
    every = np.linalg.eigvals(matrix)
    found = outermost(lambda v: matrix @ v, 400, 200)
    radius = np.abs(every).max()
    apart = np.abs(found[:, None] - every).min(axis=1)
    assert len(found) > 4 and apart.max() <= 0.01 * radius
    assert np.abs(found).max() == pytest.approx(radius, rel=1e-6)


def test_rounding_is_no_growth():
    matrix = skew(400)
    assert (np.real(outermost(lambda v: matrix @ v, 400, 200)) == 0).any()


@pytest.mark.parametrize(
    ("diagonal", "expected"), [([0, 0, 0, 0], [0]), ([2, 2, -3, -3], [-3, 2]), ([1, 2, 3, 4], None)]
)
def test_a_space_that_holds_its_own_images_is_enough(diagonal: list[float], expected: Any):
    found = outermost(lambda v: np.array(diagonal) * v, 4, 4)
    assert found == pytest.approx(expected or [4, 3, 2, 1])


def test_a_product_that_is_not_finite_is_told():
    with np.errstate(all="ignore"):
        assert np.isnan(outermost(lambda v: v * np.inf, 4, 4)).all()


# --- states, a few steps at a time --------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, walk.AT_ONCE])
@pytest.mark.parametrize("shape", SHAPES)
def test_states_are_those_of_the_trajectory(
    shape: str, at_once: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(walk, "AT_ONCE", at_once)
    case = compiled(Spec.model_validate(SHAPES[shape]))
    weights = {w.name: RANDOM.normal(size=w.shape) for w in case.module.weights}
    x = RANDOM.normal(size=(3, case.problem.features.value))
    path = Reference(case.module).trajectory(weights, x)
    found = walk.states_before(case, weights, x, range(case.problem.steps))
    assert list(found) == list(range(case.problem.steps))
    assert all((path[j] == state).all() for j, state in found.items())


def test_weights_that_all_steps_begin_with_are_held_once():
    (k, _) = initial_weights(network(4, steps=64).problem.weights, 0).values()
    assert k.shape == (64, 4, 4) and k.base is not None and k.strides[0] == 0


# --- what is looked at ----------------------------------------------------------------------------


def test_within_the_budget_all_eigenvalues_are_computed():
    for state in (2, 16, 128):
        plan = budget(network(state, steps=100).problem)
        assert plan is not None and not plan.products and not plan.is_cut and plan.steps == 64


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (network(450), "1 random state, 8 steps: Re"),
        (network(784, steps=64), r"4 of 64 steps, \d+ outer eigenvalues of 784: Re"),
        (
            network(700, mode="shared", vector_field={"kind": "layer", "activation": "identity"}),
            "2 random states, 8 steps: Re",
        ),
        (
            network(1100, mode="shared", vector_field={"kind": "layer", "activation": "identity"}),
            r"1 random state, alike at all states and times, \d+ outer eigenvalues of 1100",
        ),
        (network(2, steps=100_000), "64 of the first 32,768 of 100,000 steps: Re"),
    ],
)
def test_what_was_looked_at_is_said(case: Compiled, said: str):
    assert re.search(said, analyse(case)[0].evidence)


@pytest.mark.parametrize("field", ["layer", "second-order", "hamiltonian", "parabolic"])
def test_outermost_eigenvalues_are_among_all(field: str, monkeypatch: pytest.MonkeyPatch):
    integrator = {"second-order": "leapfrog", "hamiltonian": "verlet"}.get(field, "rk4")
    case = network(60, vector_field=field, integrator=integrator)
    whole = numbers_at(case)
    cut(monkeypatch, WHOLE=0)
    found = numbers_at(case)
    assert not found.is_whole and whole.is_whole
    assert found.modulus == pytest.approx(whole.modulus, rel=0.05)
    assert found.upper <= whole.upper + 1e-3 * whole.modulus


def test_one_jacobian_is_decomposed_once(monkeypatch: pytest.MonkeyPatch):
    made: list[tuple[int, ...]] = []

    def counted(matrices: Array) -> Array:
        made.append(matrices.shape)
        return jacobian.eigenvalues_of(matrices)

    monkeypatch.setattr(numbers, "eigenvalues_of", counted)
    linear = {"kind": "layer", "activation": "identity"}
    found = numbers_at(network(3, steps=64, mode="shared", vector_field=linear))
    assert made == [(1, 1, 3, 3)] and found.count == 64 * 8 * 3
    numbers_at(network(3, steps=64, vector_field=linear))
    assert made[1:] == [(64, 8, 3, 3)]


# --- what is said of a part of the spectrum -----------------------------------------------------


def by_value(matrix: Array, integrator: str = "rk4") -> Compiled:
    initial = {"K": {"kind": "values", "values": matrix.tolist()}}
    linear = {"kind": "layer", "activation": "identity", "bias": "none"}
    return network(len(matrix), initializers=initial, vector_field=linear, integrator=integrator)


def test_of_a_part_it_is_not_said_that_no_mode_grows(monkeypatch: pytest.MonkeyPatch):
    """All of them decay but one, which is small: what is outermost does not show it."""
    matrix = np.diag(np.r_[1e-3, -np.linspace(0, 1, 57), -4, -5, -6.4])
    assert analyse(by_value(matrix))[0].code == "W203"
    cut(monkeypatch, WHOLE=0, PRODUCTS=12, FEWEST_PRODUCTS=1)
    found = analyse(by_value(matrix))
    assert [f.code for f in found] == ["N202"]
    assert "outer eigenvalues of 61: Re λ in [-6.4, -" in found[0].evidence


def test_an_eigenvalue_outside_is_a_finding(monkeypatch: pytest.MonkeyPatch):
    cut(monkeypatch, WHOLE=0)
    assert analyse(by_value(np.diag(np.arange(60) / 10)))[0].code == "W203"
    stiff = analyse(by_value(-np.diag(np.arange(60.0))))
    assert [f.code for f in stiff if "> 2.79 at λ = -59" in f.claim] == ["W202"]


def test_stability_by_a_part_says_so(monkeypatch: pytest.MonkeyPatch):
    cut(monkeypatch, WHOLE=0)
    case = network(60, vector_field="hamiltonian", integrator="verlet")
    claim = analyse(case)[-1].claim
    assert "(staggered) is stable for the eigenvalues that were computed: h |λ| =" in claim


def test_where_nothing_is_found_that_is_said(monkeypatch: pytest.MonkeyPatch):
    cut(monkeypatch, WHOLE=0, PRODUCTS=3, FEWEST_PRODUCTS=1)
    (found,) = analyse(network(60))
    assert found.code == "N202" and found.evidence.endswith(
        "no eigenvalue found by 3 products with ∂f/∂y"
    )
