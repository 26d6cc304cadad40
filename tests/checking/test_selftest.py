"""The self-test of `check`: every planted bug is caught where it should be, and put away again."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from functools import partial

import pytest

from wellposed.backends import registry
from wellposed.backends.dialects import TORCH
from wellposed.backends.optimizers import Adam
from wellposed.checking.selftest import matrix, plant
from wellposed.checking.selftest.bug import FIELD, Bug
from wellposed.checking.selftest.bugs import BUGS
from wellposed.checking.selftest.matrix import LOCATED, Matrix, Trial, run_matrix
from wellposed.checking.selftest.specs import specs
from wellposed.compiler.pipeline import compiled
from wellposed.data import streams
from wellposed.spec.training import CosineRate
from wellposed.training.schedules import rate

PLACES = {
    *("derivative rule", "pass", "tableau", "catalogue", "initial weights"),
    *("dialect", "printer", "emitted text", "weights"),
    *("optimizer", "schedule", "data order", "stepper"),
}
NOT_LOCATED = {"seven rows"}
"""It fails in the step, far from the lift."""


@pytest.mark.parametrize("number", range(len(BUGS)), ids=[bug.name for bug in BUGS])
def test_a_planted_bug_is_caught_at_its_rung_and_located(number: int):
    bug = BUGS[number]
    caught, located, _ = matrix.tried(number)
    assert caught == tuple(bug.caught)
    assert (located == bug.equation) is (bug.name not in NOT_LOCATED), located


def test_there_are_bugs_in_every_part_and_enough_are_located():
    assert {bug.place for bug in BUGS} == PLACES
    assert len(BUGS) - len(NOT_LOCATED) >= LOCATED * len(BUGS)
    assert max(Counter(bug.name for bug in BUGS).values()) == 1
    levels = {bug.caught.level for bug in BUGS}
    assert levels == {"L0", "L1", "L2", "L3", "L4", "L5", "L6", "L7"}


# --- the matrix --------------------------------------------------------------------------------

HARMLESS = Bug("harmless", "printer", "shared", nullcontext, FIELD, "field y")
SQUARED = Bug(
    "tanh is squared",
    "dialect",
    "shared",
    partial(plant.row, TORCH.operations, "tanh", "torch.tanh({}) ** 2"),
    FIELD,
    "field y",
)


def run_on(bugs: tuple[Bug, ...], monkeypatch: pytest.MonkeyPatch) -> Matrix:
    """The matrix of a few bugs in one small spec."""
    monkeypatch.setattr(matrix, "BUGS", bugs)
    monkeypatch.setattr(matrix, "specs", lambda: {"shared": specs()["shared"]})
    return run_matrix(("torch",), processes=1)


def test_a_survivor_fails_the_matrix_by_its_name(monkeypatch: pytest.MonkeyPatch):
    found = run_on((SQUARED, HARMLESS), monkeypatch)
    assert (found.passed, found.caught, found.survivors) == (False, 1, ("harmless",))
    assert "Survived: harmless." in found.message
    cells = [row[found.columns.index("caught by")] for row in found.rows()]
    assert cells == ["L1 vector field", "SURVIVED"]


def test_a_bug_that_is_caught_and_located_passes(monkeypatch: pytest.MonkeyPatch):
    found = run_on((SQUARED,), monkeypatch)
    assert (found.passed, found.caught, found.located) == (True, 1, 1), found.message
    assert found.to_json()["passed"] is True


def test_an_alarm_without_a_bug_fails_the_matrix(monkeypatch: pytest.MonkeyPatch):
    with SQUARED.plant():
        found = run_on((SQUARED,), monkeypatch)
    assert not found.passed
    assert "False alarm without a bug: shared" in found.message


def test_too_few_located_bugs_and_no_bugs_at_all_fail():
    lost = Trial(SQUARED, ("L1", "vector field"), "step", 0.0)
    assert not Matrix((lost,)).passed
    assert not Matrix(()).passed


def test_bugs_of_a_backend_that_is_not_asked_are_left_out(monkeypatch: pytest.MonkeyPatch):
    other = Bug("in JAX", "dialect", "shared", nullcontext, FIELD, "field y", ("jax",))
    assert [t.bug for t in run_on((SQUARED, other), monkeypatch).trials] == [SQUARED]


# --- planting ----------------------------------------------------------------------------------


def emitted() -> str:
    return registry.get("torch").emit(compiled(specs()["shared"]))


STATES = {
    "row": lambda: TORCH.operations["tanh"],
    "member": lambda: Adam.leaf,
    "body": lambda: streams.batches.__code__,
    "registered": lambda: rate.dispatch(CosineRate),
    "text": emitted,
}
PLANTINGS = {
    "row": partial(plant.row, TORCH.operations, "tanh", "torch.sin({})"),
    "member": partial(plant.member, Adam, "leaf", lambda leaf: lambda *given: leaf(*given)),
    "body": partial(plant.body, streams.batches, lambda seed, epoch, size, batch: iter(())),
    "registered": partial(plant.registered, rate, CosineRate, lambda schedule, peak, clock: peak),
    "text": partial(plant.text, "torch", "torch.tanh", "torch.sin"),
}


@pytest.mark.parametrize("how", PLANTINGS)
def test_what_is_planted_is_there_and_is_put_away_also_after_an_error(how: str):
    before = STATES[how]()
    with pytest.raises(ZeroDivisionError), PLANTINGS[how]():
        assert STATES[how]() != before
        raise ZeroDivisionError
    assert STATES[how]() == before


def test_a_bug_whose_place_is_gone_is_no_survivor():
    with pytest.raises(plant.NotThere, match="plant the bug anew"), plant.text("torch", "§", ""):
        emitted()
    with pytest.raises(KeyError), plant.row(TORCH.operations, "no such function", ""):
        pass
    with pytest.raises(KeyError), plant.member(Adam, "no such method", lambda kept: kept):
        pass
