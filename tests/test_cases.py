"""docs/cases.md is what is said today."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

GENERATOR = Path(__file__).parents[1] / "docs" / "cases.py"


def test_the_page_is_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(GENERATOR.parent)  # as `python docs/cases.py` has it
    module = runpy.run_path(str(GENERATOR))
    page = GENERATOR.with_suffix(".md").read_text(encoding="utf-8")
    assert module["page"]() == page, "run python docs/cases.py"
