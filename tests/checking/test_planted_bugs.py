"""Bugs in emitted text: each is seen from the time step on that it deserves, and told in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from planting import STEPS, check_text, edited, specs

SPECS = specs()
STACKED = "return torch.stack(ys)"
EDITS = {
    "y(0) moved": ("self.L @ x.T", "(self.L + 1) @ x.T", 0),
    "h too long": ("H / 6", "(1 + 1e-9) * H / 6", 1),
    "one state kicked": (STACKED, f"ys[3] = ys[3] + 1; {STACKED}", 3),
    "the last step skipped": (STACKED, f"ys[-1] = ys[-2]; {STACKED}", STEPS),
    "none": (STACKED, STACKED, None),
}
"""A text that is there, another, and the first state that is wrong."""


@pytest.mark.parametrize("name", EDITS)
def test_the_first_state_that_differs_is_that_of_the_bug(name: str, tmp_path: Path):
    old, new, step = EDITS[name]
    text = edited(SPECS["rk4"], "torch", old, new)
    report = check_text(SPECS["rk4"], "torch", text, tmp_path)
    assert {r.step for r in report.rungs if r.quantity == "trajectory"} == {step}, report.message


@pytest.mark.parametrize("name", SPECS)
def test_the_unchanged_text_passes_in_both_dtypes(name: str, tmp_path: Path):
    given = SPECS[name]
    text = edited(given, "torch", "def init", "def init")
    report = check_text(given, "torch", text, tmp_path, ("float64", "float32"))
    assert report.passed, report.message


def test_the_message_says_what_where_and_from_which_step(tmp_path: Path):
    given = SPECS["rk4"]
    text = edited(given, "torch", STACKED, f"ys[-1] = ys[-2]; {STACKED}")
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
