"""What a user sees: lines, a bar, or nothing; and the measures that are shown."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from wellposed.backends.optimizers import Sgd, Updater
from wellposed.compiler.pipeline import compiled
from wellposed.data.dataset import Dataset, Split
from wellposed.training.progress import Bar, Lines, Quiet, progress_on
from wellposed.training.scores import (
    ACCURACY,
    MSE,
    Objective,
    accuracy,
    evaluate,
    mean_squared_error,
)
from wellposed.training.train import train

from .conftest import Tiny, make_spec


def row(epoch: int, **more: Any) -> dict[str, Any]:
    return {"epoch": epoch, "loss": 0.5 / epoch, "lr": 0.01, **more}


def show(epochs: int, done: int = 0, **console: Any) -> str:
    file = io.StringIO()
    shown = progress_on(Console(file=file, width=100, **console))
    with shown.of(done, epochs):
        for epoch in range(done + 1, epochs + 1):
            shown.epoch(row(epoch, validation_accuracy=0.985))
    return file.getvalue()


def test_a_terminal_gets_a_bar_and_a_file_lines() -> None:
    assert isinstance(progress_on(Console(file=io.StringIO())), Lines)
    terminal = Console(file=io.StringIO(), force_terminal=True)
    assert isinstance(progress_on(terminal), Bar)
    assert isinstance(progress_on(terminal, quiet=True), Quiet)


@pytest.mark.parametrize("epochs", [1, 5, 20, 21, 39, 100, 1000, 1001])
@pytest.mark.parametrize("done", [0, 7])
def test_lines_are_few_and_have_the_first_and_the_last(epochs: int, done: int) -> None:
    lines = show(done + epochs, done).splitlines()
    assert min(epochs, 10) <= len(lines) <= 22
    assert f"{done + 1}/{done + epochs}" in lines[0]
    assert f"{done + epochs}/{done + epochs}" in lines[-1]


def test_a_line_says_what_matters() -> None:
    assert show(1) == "epoch 1/1  loss 5.0000e-01  validation accuracy  98.5 %  lr 1.00e-02\n"


def test_a_line_is_plain_and_unbroken_however_narrow_the_console() -> None:
    file = io.StringIO()
    shown = Lines(Console(file=file, width=20))
    with shown.of(0, 1):
        shown.epoch(row(1, validation_mse=0.25))
    assert file.getvalue() == "epoch 1/1  loss 5.0000e-01  validation mse 2.5000e-01  lr 1.00e-02\n"


def test_the_bar_shows_the_epoch_and_its_numbers() -> None:
    text = show(3, force_terminal=True)
    assert "epoch 3/3" in text and "98.5 %" in text and "lr 1.00e-02" in text


def test_a_training_tells_its_progress(tmp_path: Path, model: Tiny, dataset: Dataset) -> None:
    file = io.StringIO()
    shown = progress_on(Console(file=file, width=100))
    train(compiled(make_spec()), model, dataset, tmp_path / "a", progress=shown)
    assert len(file.getvalue().splitlines()) == 6


def test_accuracy_takes_classes_or_likelihoods() -> None:
    logits = np.array([[1.0, 2.0], [3.0, 1.0], [0.0, 5.0]])
    assert accuracy(logits, np.array([1, 1, 1])) == pytest.approx(2 / 3)
    assert accuracy(logits, np.array([[0.1, 0.9], [0.6, 0.4], [0.8, 0.2]])) == pytest.approx(2 / 3)


def test_mean_squared_error_takes_columns_or_one_number() -> None:
    assert mean_squared_error(np.array([[1.0], [3.0]]), np.array([1.0, 1.0])) == 2.0
    assert mean_squared_error(np.ones((2, 2)), np.zeros((2, 2))) == 1.0


def test_evaluation_parts_the_splits_where_they_meet(
    model: Tiny, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepper = _stepper(model, dataset)
    expected: dict[str, Any] = {
        "train_accuracy": accuracy(stepper.outputs(dataset.train.x), _targets(dataset.train)),
        "validation_accuracy": accuracy(
            stepper.outputs(dataset.validation.x), _targets(dataset.validation)
        ),
    }
    for name, split in (("train", dataset.train), ("validation", dataset.validation)):
        weights = stepper.weights()
        loss = model.loss(weights, split.x, split.targets) - model.regularizer(weights)
        expected[f"{name}_loss"] = pytest.approx(loss, rel=1e-13)
    objective = Objective(compiled(make_spec()))
    assert evaluate(ACCURACY, objective, stepper, dataset) == expected
    monkeypatch.setattr("wellposed.training.scores.CHUNK", 7)
    assert evaluate(ACCURACY, objective, stepper, dataset) == expected


def test_a_split_without_rows_has_no_score(model: Tiny, dataset: Dataset) -> None:
    nothing = Split(np.zeros((0, 2)), np.zeros(0, np.int64))
    alone = Dataset(dataset.train, nothing, dataset.preprocessing)
    found = evaluate(ACCURACY, Objective(compiled(make_spec())), _stepper(model, alone), alone)
    assert found["validation_accuracy"] is found["validation_loss"] is None
    assert MSE.sign == -1


def _stepper(model: Tiny, dataset: Dataset) -> Any:
    stepper = model.stepper(Updater(Sgd(0.0, False, 0.0)), *_both(dataset.train))
    stepper.load({**model.init(0), "W": np.array([[0.0, 1.0, -1.0], [1.0, -1.0, -1.0]])})
    return stepper


def _both(split: Split) -> tuple[np.ndarray, Any]:
    return split.x, split.targets


def _targets(split: Split) -> np.ndarray:
    assert split.targets is not None
    return split.targets
