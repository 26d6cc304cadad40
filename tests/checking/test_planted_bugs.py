"""Bugs planted in emitted text: each is seen from the time step on that it deserves, and told."""

from __future__ import annotations

from pathlib import Path

import pytest
from planting import STEPS, check_text, edited, in_process, specs

from wellposed.checking.ladder import check
from wellposed.checking.selftest.bug import Bug
from wellposed.checking.selftest.text_bugs import STACKED, TEXT_BUGS

SPECS = specs()


@pytest.mark.parametrize("bug", TEXT_BUGS, ids=lambda bug: bug.name)
def test_the_first_state_that_differs_is_that_of_the_bug(bug: Bug):
    with bug.plant():
        report = check(
            SPECS[bug.spec],
            backends=bug.backends,
            dtypes=(bug.dtype,),
            rungs=("L2",),
            run=in_process,
        )
    steps = {r.step for r in report.rungs if r.quantity == "trajectory"}
    assert steps == {bug.step}, report.message


@pytest.mark.parametrize("name", SPECS)
def test_the_unchanged_text_passes_in_both_dtypes(name: str, tmp_path: Path):
    given = SPECS[name]
    text = edited(given, "torch", "def init", "def init")
    report = check_text(given, "torch", text, tmp_path, ("float64", "float32"))
    assert report.passed, report.message


def test_the_message_says_what_where_and_from_which_step(tmp_path: Path):
    given = SPECS["rk4"]
    text = edited(given, "torch", STACKED, f"path[-1] = path[-2]; {STACKED}")
    message = check_text(given, "torch", text, tmp_path).message
    assert "L2 trajectory of PyTorch in float64 is not what the spec says" in message
    assert "step 5, row" in message
    said = f"The first state that differs is that of step {STEPS} of {STEPS}, t = 2."
    assert said in message


def test_the_states_are_said_to_agree_where_they_do(tmp_path: Path):
    given = SPECS["rk4"]
    text = edited(given, "torch", " + self.mu[:, None]", "")
    message = check_text(given, "torch", text, tmp_path).message
    assert f"The states agree at all of the {STEPS} steps." in message
