"""A run as an object, and what the Python API says of what it cannot use."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import wellposed

from .conftest import Cli

SMALL = {"train.epochs": 3}


@pytest.fixture
def run(folder: Path) -> wellposed.Run:
    spec = wellposed.load("tiny.yaml", overrides=SMALL)
    return wellposed.train(spec, backend="numpy", out="a")


def test_train_and_open_give_the_same_run(cli: Cli, run: wellposed.Run) -> None:
    opened = wellposed.open("a")
    assert repr(opened) == repr(run) == "Run('a', finished, epoch 3 of 3)"
    assert opened.spec == run.spec == wellposed.load("tiny.yaml", overrides=SMALL)
    assert [row["epoch"] for row in opened.metrics] == [1, 2, 3]
    for name, weights in (("weights", opened.weights), ("best", opened.best)):
        kept = load_file(f"a/{name}.safetensors")
        assert weights.keys() == kept.keys()
        assert all(np.array_equal(weights[w], kept[w]) for w in kept)
    as_json = cli("evaluate", "a", "--json").json
    assert opened.evaluate() == as_json
    best = cli("evaluate", "a", "--weights", "best", "--json").json
    assert opened.evaluate(weights="best")["train_loss"] == best["train_loss"]
    assert "metrics.png" in [path.name for path in opened.plot("p")]


def test_predictions_are_those_of_the_command_line(
    cli: Cli, folder: Path, run: wellposed.Run
) -> None:
    x = np.random.default_rng(0).normal(size=(5, 2))
    (folder / "x.csv").write_text("x1,x2\n" + "".join(f"{u!r},{v!r}\n" for u, v in x.tolist()))
    rows = list(csv.reader(cli("predict", "a", "x.csv").out.splitlines()))
    expected = np.array([row[1:] for row in rows[1:]], float)
    np.testing.assert_allclose(run.predict(x.tolist()), expected, rtol=1e-8)
    assert run.classes == ("0", "1") and rows[0] == ["class", "p_0", "p_1"]
    logits = run.model().forward(run.weights, x)
    assert (run.predict(x).argmax(axis=1) == logits.argmax(axis=1)).all()


def test_a_run_of_a_standardized_table_takes_rows_as_the_data_have_them(folder: Path) -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(30, 2)) * [100.0, 0.1]
    u = 1000 + 3 * x[:, 0]
    table = np.column_stack([x, u]).tolist()
    text = "".join(",".join(map(repr, row)) + "\n" for row in table)
    (folder / "t.csv").write_text("p,q,u\n" + text)
    data = {"kind": "csv", "path": "t.csv", "targets": ["u"], "standardize": True}
    readout = {"kind": "regression", "outputs": 1}
    changes = {"data": data, "task": "regression", "model.readout": readout, "train.epochs": 60}
    run = wellposed.train(wellposed.load("tiny.yaml", changes), backend="numpy", out="a")
    predicted = run.predict(x)
    assert predicted.shape == (30, 1)
    mse = run.evaluate("t.csv")["mse"]
    assert mse == pytest.approx(float(np.mean((predicted[:, 0] - u) ** 2)), rel=1e-9)
    assert mse < u.var()


def test_a_stopped_run_goes_on(folder: Path) -> None:
    spec = wellposed.load("tiny.yaml")
    stopped = wellposed.train(spec, backend="numpy", out="a", stop_after=1)
    assert (stopped.status, stopped.epoch, stopped.epochs) == ("stopped", 1, 4)
    assert (stopped.resume().status, wellposed.open("a").epoch) == ("finished", 4)


def test_ctrl_c_saves_and_raises(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wellposed.training.loop import Loop

    epoch = Loop.epoch

    def interrupted(self: Loop, number: int, *rest: Any) -> Any:
        if number == 3:
            raise KeyboardInterrupt
        return epoch(self, number, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match="saved in a"):
        patch.setattr(Loop, "epoch", interrupted)
        wellposed.train(wellposed.load("tiny.yaml"), backend="numpy", out="a")
    run = wellposed.open("a")
    assert (run.status, run.epoch) == ("interrupted", 2)
    assert run.resume().status == "finished"


def test_overrides_are_a_dict_or_a_list(folder: Path) -> None:
    listed = wellposed.load("tiny.yaml", ["train.epochs=7", "model.time={horizon: 1, steps: 3}"])
    given = {"train.epochs": 7, "model.time": {"horizon": 1, "steps": 3}}
    assert wellposed.load("tiny.yaml", given) == listed
    assert wellposed.load("tiny.yaml", {"name": "on"}).name == "on"  # a text stays one
    with pytest.raises(wellposed.SpecError, match="epochs must be an integer"):
        wellposed.load("tiny.yaml", {"train.epochs": "7"})


WRONG: dict[str, tuple[Any, str]] = {
    "overrides as a text": (
        lambda: wellposed.load("tiny.yaml", "train.epochs=1"),
        "overrides are a dict or a list",
    ),
    "overrides of numbers": (lambda: wellposed.load("tiny.yaml", [3]), "an override is a text"),  # type: ignore
    "an object": (lambda: wellposed.load("tiny.yaml", {"name": object()}), "is plain data"),
    "a dict": (lambda: wellposed.load({"name": 1}), "a path is a text, not a dict"),  # type: ignore
    "the text of a spec": (lambda: wellposed.load("a: 1\nb: 2"), "a path is one line"),
    "a path for a spec": (lambda: wellposed.compile("tiny.yaml"), "takes a spec"),  # type: ignore
    "train a path": (lambda: wellposed.train("tiny.yaml"), "takes a spec"),  # type: ignore
    "no run": (lambda: wellposed.open("nowhere"), "nowhere is no run"),
    "a seed": (
        lambda: wellposed.compile(wellposed.load("tiny.yaml"), "numpy").init(-1),
        "a seed is an integer from 0",
    ),
    "a backend": (
        lambda: wellposed.compile(wellposed.load("tiny.yaml"), "theano"),
        "there is no backend theano",
    ),
}


@pytest.mark.parametrize(("call", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_meant_is_an_error_of_one_base(folder: Path, call: Any, says: str) -> None:
    with pytest.raises(wellposed.Error, match=says):
        call()


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_a_seed_beyond_those_of_specs_is_one(folder: Path, backend: str) -> None:
    """`check` asks for init(seed + 1), of the largest seed too; found by the fuzzer."""
    model = wellposed.compile(wellposed.load("tiny.yaml"), backend)
    drawn = [model.init(seed)["K"] for seed in (2**32 - 1, 2**32)]
    assert not np.array_equal(drawn[0], drawn[1])


def test_wrong_arguments_of_a_run(run: wellposed.Run) -> None:
    for call, says in (
        (lambda: run.predict([[1.0]]), "x is"),
        (lambda: run.predict("what"), "x holds"),
        (lambda: run.predict([[1.0, 2.0]], weights="first"), "'last' or 'best'"),
    ):
        with pytest.raises(wellposed.ArgumentError, match=says):
            call()


def test_names_are_the_public_ones_and_reprs_are_short(run: wellposed.Run) -> None:
    assert dir(wellposed) == sorted(wellposed.__all__)
    assert all(hasattr(wellposed, name) for name in wellposed.__all__)
    errors = ("SpecError", "RunError", "BackendError", "NoDevice", "ArgumentError")
    assert all(issubclass(getattr(wellposed, name), wellposed.Error) for name in errors)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        wellposed.nothing  # noqa: B018
    assert repr(run.spec) == "Spec(tiny-net)"
    assert repr(run.model()).endswith("(tiny-net, float64, cpu)")
