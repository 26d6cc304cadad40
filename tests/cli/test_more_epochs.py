"""A run that is given other epochs than its spec had."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

import wellposed
from wellposed.training.checkpoint import RunError
from wellposed.training.run import Run as Folder

from .conftest import Cli


def train(out: str, epochs: int, **overrides: object) -> wellposed.Run:
    spec = wellposed.load("tiny.yaml", {"train.epochs": epochs, "train.batch": 7, **overrides})
    return wellposed.train(spec, backend="numpy", out=out)


def assert_same(run: wellposed.Run, other: wellposed.Run) -> None:
    numbers = ([{**row, "seconds": 0} for row in r.metrics] for r in (run, other))
    assert next(numbers) == next(numbers)
    for weights, expected in ((run.weights, other.weights), (run.best, other.best)):
        assert weights.keys() == expected.keys()
        assert all(np.array_equal(weights[name], expected[name]) for name in weights)


def test_it_is_the_run_that_had_them_from_the_beginning(cli: Cli, folder: Path) -> None:
    """Where the learning rate does not depend on how many there are."""
    whole = train("whole", 5)
    assert (train("a", 3).epoch, train("b", 3).epoch) == (3, 3)
    assert cli("resume", "a", "--epochs", 5, "--no-plots").code == 0
    assert_same(wellposed.open("a"), whole)
    assert_same(wellposed.open("b").resume(epochs=4).resume(epochs=5), whole)


def test_the_run_is_one_of_so_many_epochs_from_then_on(cli: Cli, folder: Path) -> None:
    train("a", 2)
    run = wellposed.open("a").resume(epochs=4)
    assert repr(run) == "Run('a', finished, epoch 4 of 4)"
    assert run.spec == wellposed.load("tiny.yaml", {"train.epochs": 4, "train.batch": 7})
    assert yaml.safe_load(Path("a/resolved.yaml").read_text())["train"]["epochs"] == 4
    assert "finished already" in cli("resume", "a").out
    for verb in ("show", "evaluate", "plot", "compile", "validate"):
        assert cli(verb, "a").code == 0, verb


def test_a_cosine_is_one_over_all_of_them(folder: Path) -> None:
    schedule = {"train.schedule": {"kind": "cosine"}}
    rates = [row["lr"] for row in train("whole", 6, **schedule).metrics]
    train("a", 3, **schedule)
    more = wellposed.open("a").resume(epochs=6).metrics
    assert [row["lr"] for row in more[3:]] == rates[3:]


def test_a_run_may_end_earlier_but_not_before_what_it_has_trained(cli: Cli, folder: Path) -> None:
    spec = wellposed.load("tiny.yaml", {"train.epochs": 6})
    wellposed.train(spec, backend="numpy", out="a", stop_after=3)
    before = Path("a/run.json").read_bytes()
    said = cli("resume", "a", "--epochs", 2)
    assert said.code == 2 and "has trained 3 epochs" in said.err
    assert Path("a/run.json").read_bytes() == before
    assert (wellposed.open("a").resume(epochs=4).epoch, wellposed.open("a").epochs) == (4, 4)


def test_epochs_that_the_spec_does_not_allow_are_located(cli: Cli, folder: Path) -> None:
    train("a", 3, **{"train.schedule": {"kind": "cosine", "warmup": 2}})
    before = Path("a/run.json").read_bytes()
    said = cli("resume", "a", "--epochs", 2)
    assert said.code == 2 and "error[E102]: warmup must be < epochs, 2" in said.err
    for count, words in ((0, "must be ≥ 1, got 0"), ("x", "must be an integer, got x")):
        said = cli("resume", "a", "--epochs", count)
        assert said.code == 2 and f"error: --epochs {words}" in said.err
    with pytest.raises(wellposed.SpecError, match="epochs must be ≥ 1"):
        wellposed.open("a").resume(epochs=0)
    assert Path("a/run.json").read_bytes() == before


def test_a_kill_once_the_epochs_are_noted_leaves_a_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train("whole", 5)
    train("a", 3)
    noted = Folder.extended

    def killed(*arguments: object) -> Folder:
        noted(*arguments)  # type: ignore[arg-type]
        raise RunError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "extended", killed)
        with pytest.raises(RunError, match="killed"):
            wellposed.open("a").resume(epochs=5)
    assert json.loads(Path("a/run.json").read_text())["epochs"] == 5
    assert wellposed.open("a").epoch == 3
    assert_same(wellposed.open("a").resume(), whole)
