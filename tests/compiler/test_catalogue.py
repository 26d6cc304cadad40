"""The reference against literal NumPy loops: every pair of entries of the catalogue, and the whole
grid of fields, parametrizations, integrators and weights in time."""

from __future__ import annotations

import pytest
from literal import differences
from specs import FIELDS, Case, all_pairs, allowed, structural

from wellposed.compiler.promises.checked import value_checked
from wellposed.spec.integrators import Heun, Midpoint
from wellposed.spec.parametrizations import Antisymmetric
from wellposed.spec.regularizers import Smoothness


@pytest.mark.covers("value", by="case")
@pytest.mark.parametrize("case", all_pairs(), ids=str)
def test_values_over_all_pairs(case: Case):
    assert max(differences(case).values()) < 1e-12


@pytest.mark.parametrize("field", FIELDS)
def test_values_over_the_whole_grid(field: str):
    cases = [case for case in structural() if case.field == field and allowed(case)]
    worst = {str(case): max(differences(case).values()) for case in cases}
    assert {name: error for name, error in worst.items() if error > 1e-12} == {}
    assert len(cases) >= 9


WRONG = {
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


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_entry_is_caught(name: str, monkeypatch: pytest.MonkeyPatch):
    case, owner, attribute, wrong, what = WRONG[name]
    monkeypatch.setattr(owner, attribute, wrong)
    with value_checked(None):
        assert differences(case)[what] > 1e-6
