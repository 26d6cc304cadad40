"""The reference against literal NumPy loops, over every pair of entries of the catalogue."""

from __future__ import annotations

import pytest
from literal import differences
from specs import Case, all_pairs

from wellposed.compiler.passes.checked import value_checked
from wellposed.spec.integrators import Heun, Midpoint
from wellposed.spec.parametrizations import Antisymmetric
from wellposed.spec.regularizers import Smoothness


@pytest.mark.covers("value", by="case")
@pytest.mark.parametrize("case", all_pairs(), ids=str)
def test_values_over_all_pairs(case: Case):
    assert max(differences(case).values()) < 1e-12


WRONG = {
    "midpoint": (Case(integrator="midpoint"), Midpoint, "tableau", Heun.tableau, "trajectory"),
    "antisymmetric": (
        Case(parametrization="antisymmetric"),
        Antisymmetric,
        "expression",
        lambda self, raw: f"({raw} + {raw}.T) / 2",
        "trajectory",
    ),
    "smoothness": (Case(), Smoothness, "factor", "alpha / h", "regularizer"),
}
"""Other networks, all passes being right: Heun's method too is of second order."""


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_entry_is_caught(name: str, monkeypatch: pytest.MonkeyPatch):
    case, owner, attribute, wrong, what = WRONG[name]
    monkeypatch.setattr(owner, attribute, wrong)
    with value_checked(None):
        assert differences(case)[what] > 1e-6
