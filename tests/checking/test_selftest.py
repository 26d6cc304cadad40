"""The self-test of `check`: every planted bug is caught where it should be, and put away again."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import nullcontext
from functools import partial

import pytest

from wellposed.backends import registry
from wellposed.backends.optimizers import Adam
from wellposed.backends.torch_dialect import TORCH
from wellposed.checking.checks import RUNGS
from wellposed.checking.selftest import matrix, plant
from wellposed.checking.selftest.matrix import BUGS, LOCATED, Matrix, Trial, run_matrix
from wellposed.checking.selftest.plant import Bug
from wellposed.checking.selftest.planted import PLANTED
from wellposed.checking.selftest.specs import specs
from wellposed.compiler.pipeline import compiled
from wellposed.data.rng import batches

FIELD = "L1 vector field"
PLACES = {
    *("derivative rule", "pass", "builder", "tableau", "catalogue", "initial weights"),
    *("dialect", "printer", "emitted text", "weights", "module"),
    *("optimizer", "schedule", "data order", "stepper"),
}
SAMPLE = 45
"""So many mutations of modules in the suite; all of them under --all-grids."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" not in metafunc.fixturenames:
        return
    numbers = list(range(len(BUGS)))
    if not metafunc.config.getoption("--all-grids"):
        mutants = numbers[len(PLANTED) :]
        numbers = [*numbers[: len(PLANTED)], *sorted(random.Random(1).sample(mutants, SAMPLE))]
    metafunc.parametrize("number", numbers, ids=[BUGS[i].name for i in numbers])


def test_a_planted_bug_is_caught_at_its_rung_and_located(number: int):
    trial = Trial(BUGS[number], *matrix.tried(number))
    assert f"{trial.caught} ".startswith(f"{trial.bug.caught} ")
    assert trial.is_located, trial.located


def test_there_are_bugs_in_every_part_and_on_every_rung():
    assert len(BUGS) >= 140 and len(PLANTED) >= 40
    assert {bug.place for bug in BUGS} == PLACES
    assert max(Counter(bug.name for bug in BUGS).values()) == 1
    assert {bug.rung for bug in BUGS} == {*RUNGS}


# --- the matrix --------------------------------------------------------------------------------

HARMLESS = Bug("harmless", "printer", "shared", nullcontext, FIELD, "field y")
SQUARED = Bug(
    "tanh is squared",
    "dialect",
    "shared",
    partial(plant.text_of_row, TORCH.rows, "tanh", "torch.tanh({0}) ** 2"),
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
    located, lost = (Trial(SQUARED, FIELD, equation, 0.0) for equation in ("field y", "step"))
    assert Matrix((located,) * 19 + (lost,)).located >= 20 * LOCATED
    assert Matrix((located,) * 19 + (lost,)).passed
    assert not Matrix((located,) * 18 + (lost,)).passed
    assert not Matrix(()).passed


def test_bugs_of_a_backend_that_is_not_asked_are_left_out(monkeypatch: pytest.MonkeyPatch):
    other = Bug("in JAX", "dialect", "shared", nullcontext, FIELD, "field y", ("jax",))
    assert [t.bug for t in run_on((SQUARED, other), monkeypatch).trials] == [SQUARED]


# --- planting ----------------------------------------------------------------------------------


def emitted() -> str:
    return registry.get("torch").emit(compiled(specs()["shared"]).module)


STATES = {
    "row": lambda: TORCH.rows["tanh"],
    "member": lambda: Adam.leaf,
    "body": lambda: batches.__code__,
    "text": emitted,
}
PLANTINGS = {
    "row": partial(plant.text_of_row, TORCH.rows, "tanh", "torch.sin({0})"),
    "member": partial(plant.member, Adam, "leaf", lambda *given: given),
    "body": partial(plant.edited, "data.rng:batches", "permutation(size)", "integers(size)"),
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
    with pytest.raises(KeyError), plant.text_of_row(TORCH.rows, "no such function", ""):
        pass
    with pytest.raises(KeyError), plant.member(Adam, "no such method", lambda kept: kept):
        pass
    gone = plant.edited("data.rng:batches", "no such line", "")
    with pytest.raises(plant.NotThere), gone:
        pass
