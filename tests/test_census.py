"""Every name of the catalogue is tested in every respect; a gap fails by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import census

COVERED = census.covered()
GAPS = sorted(census.wanted() - COVERED)


@pytest.mark.parametrize("column", [*census.COLUMNS, *census.TABLES])
def test_the_catalogue_is_covered(column: str):
    assert [name for name, found in GAPS if found == column] == []


def test_no_test_covers_what_is_not_in_the_catalogue():
    """A name that was misspelt would cover nothing."""
    known = {f"{family} {kind}" for family, kinds in census.FAMILIES.items() for kind in kinds}
    assert {name for name, _ in COVERED} <= known


def test_a_name_nobody_tests_is_a_gap(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(census.FAMILIES, "integrator", ("euler", "dopri8"))
    gaps = census.wanted() - COVERED - set(GAPS)
    assert gaps == {("integrator dopri8", column) for column in census.COLUMNS}


def test_a_row_that_no_test_plants_is_a_gap(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(census.TABLES, "wrong meaning", (*census.MEANING, "convolve"))
    gaps = census.wanted() - COVERED - set(GAPS)
    assert gaps == {("operation convolve", "wrong meaning")}
