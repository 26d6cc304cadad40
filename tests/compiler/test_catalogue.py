"""The reference against literal NumPy loops, over the grid of networks.

Every pair of entries of the catalogue, a sample of the structures (field, parametrization,
integrator, weights in time), and leapfrog more often than its share: it goes with one field only.
With `--all-grids` every structure twenty times, with activation, bias, lift and readout drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from literal import differences
from specs import (
    FIELDS,
    INTEGRATORS,
    Case,
    Plain,
    all_pairs,
    allowed,
    leapfrogs,
    sample,
    structural,
    whole_grid,
)

from wellposed.compiler.builders import path
from wellposed.compiler.ir.expr import Expr, build, constant
from wellposed.compiler.promises.checked import value_checked
from wellposed.spec.integrators import Heun, Midpoint
from wellposed.spec.model import Spec
from wellposed.spec.parametrizations import Antisymmetric
from wellposed.spec.regularizers import Smoothness

Patch = pytest.MonkeyPatch
SAMPLED = 12
"""Structures of each field, of 9 to 51."""


def wrong(cases: Sequence[Case | Spec]) -> dict[str, float]:
    """The networks that are not what the loops say, and by how much."""
    worst = {str(case): max(differences(case).values()) for case in cases}
    return {name: error for name, error in worst.items() if not error <= 1e-12}


@pytest.mark.covers("value", by="case")
@pytest.mark.parametrize("case", all_pairs(), ids=str)
def test_values_over_all_pairs(case: Case):
    assert wrong([case]) == {}


@pytest.mark.parametrize("field", FIELDS)
def test_values_over_the_grid(field: str, all_grids: bool):
    structures = [case for case in structural() if case.field == field and allowed(case)]
    cases = whole_grid(field) if all_grids else sample(structures, SAMPLED)
    assert wrong(cases) == {}
    assert len(cases) >= 9


def edge(case: Case, time: Plain | None = None, **changes: Any) -> Spec:
    """A case with another time or state, and no regularizers."""
    horizon = {"horizon": 0.7, "steps": 3, "weights": case.mode} | (time or {})
    return case.spec(time=horizon, regularizers=[], **changes)


ELLIPSES = {"kind": "ellipses", "train": 12, "validation": 0}
EDGES: dict[str, Spec] = {
    **{f"one step of {k}": edge(Case(integrator=k), {"steps": 1}) for k in INTEGRATORS[:4]},
    "one step of leapfrog": edge(Case("second-order", integrator="leapfrog"), {"steps": 1}),
    "one step of verlet": edge(Case("hamiltonian", integrator="verlet"), {"steps": 1}),
    "many steps": edge(Case("two-blocks", integrator="verlet", mode="linear"), {"steps": 50}),
    "more y than z": edge(
        Case("hamiltonian", integrator="verlet", mode="linear"), state={"y": 4, "z": 2}
    ),
    "more z than y": edge(Case("hamiltonian", integrator="rk4"), state={"y": 2, "z": 5}),
    "stacked blocks of two sizes": edge(
        Case("layer", "hamiltonian", "verlet"), state={"y": 4, "z": 2}
    ),
    "one number for both sizes": edge(Case("double-layer-hamiltonian"), state=3),
    "one component": edge(Case("parabolic", "negative-gram", "heun"), state=1),
    "fewer features than components": Spec.model_validate(
        Case(readout=0).plain(regularizers=[]) | {"data": ELLIPSES}
    ),
    "no time in an mlp": edge(
        Case("mlp", integrator="rk4"), vector_field={"kind": "mlp", "hidden": [4]}
    ),
    "three hidden layers in an mlp": edge(
        Case("mlp"), vector_field={"kind": "mlp", "hidden": [2, 5, 3], "time_input": True}
    ),
}
"""What the grid has no axis for."""


@pytest.mark.parametrize("name", EDGES)
def test_values_at_the_edges(name: str):
    assert wrong([EDGES[name]]) == {}


PLANTED = {
    "midpoint": (Case(integrator="midpoint"), Midpoint, "tableau", Heun.tableau, "trajectory"),
    "antisymmetric": (
        Case(parametrization="antisymmetric"),
        Antisymmetric,
        "expression",
        lambda self, raw: f"({raw} + {raw}.T) / 2",
        "trajectory",
    ),
    "smoothness": (Case(), Smoothness, "expression", "alpha / h * sum(w ** 2)", "regularizer"),
}
"""Other networks, all passes being right: Heun's method too is of second order."""


@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_entry_is_caught(name: str, monkeypatch: Patch):
    case, owner, attribute, value, what = PLANTED[name]
    monkeypatch.setattr(owner, attribute, value)
    with value_checked(None):
        assert differences(case)[what] > 1e-6


# --- leapfrog's start --------------------------------------------------------------------------


def started_by(factor: float) -> Callable[[Patch], None]:
    """The velocity at −h/2 as so many times what it is."""
    right = path.start

    def plant(patch: Patch) -> None:
        patch.setattr(path, "start", lambda *args: factor * right(*args))

    return plant


def _with_weights_of_the_second_step(patch: Patch) -> None:
    right = path._first_layer

    def wrong(*args: Any) -> list[Expr]:
        return [build("at", e.args[0], constant(1)) if e.op == "at" else e for e in right(*args)]

    patch.setattr(path, "_first_layer", wrong)


WRONG_STARTS: dict[str, Callable[[Patch], None]] = {
    "at rest": started_by(0),
    "with the other sign": started_by(-1),
    "a whole step before": started_by(2),
    "off by a tenth": started_by(1.1),
    "with the weights of the second step": _with_weights_of_the_second_step,
}


def cases_of_leapfrog(all_grids: bool) -> list[Case]:
    return leapfrogs() if all_grids else sample(leapfrogs(), 24)


def test_values_of_leapfrog(all_grids: bool):
    assert wrong(cases_of_leapfrog(all_grids)) == {}


@pytest.mark.parametrize("name", WRONG_STARTS)
def test_a_wrong_start_is_seen_by_nearly_every_case(name: str, all_grids: bool, monkeypatch: Patch):
    """A relu may be 0 all over; and steps that share one weight have no other to start with."""
    cases = cases_of_leapfrog(all_grids)
    if name.startswith("with the weights"):
        cases = [case for case in cases if case.mode != "shared"]
    WRONG_STARTS[name](monkeypatch)
    with value_checked(None):
        unseen = [case for case in cases if not max(differences(case).values()) > 1e-6]
    assert {case.activation for case in unseen} <= {"relu"}
    assert len(cases) - len(unseen) >= max(16, 0.9 * len(cases))
