"""Divergence: the first bad quantity by name, and a run folder that keeps the last good weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from wellposed.backends.optimizers import updater
from wellposed.data.dataset import Dataset, Split
from wellposed.data.streams import batches
from wellposed.training.divergence import Divergence, first_bad_quantity
from wellposed.training.progress import Quiet
from wellposed.training.train import train

from .conftest import Tiny, make_spec

FINDINGS = ("forward Euler on a growing mode: |1 + g| > 1 (line 7)",)


def name_it(model: Tiny, dataset: Dataset, **weights: Any) -> str:
    batch = dataset.train
    return first_bad_quantity(model, {**model.init(0), **weights}, batch.x, batch.targets)


def test_a_bad_example_is_named(model: Tiny, dataset: Dataset) -> None:
    dataset.train.x[7] = np.inf
    text = "the state at time step 0 of 4 is not finite (example 7 of the batch)"
    assert name_it(model, dataset) == text


def test_the_time_step_is_the_first_one(model: Tiny, dataset: Dataset) -> None:
    """(1 + g)^j x with g = 1e100 passes 1e308 at j = 4; with g = 1e120 at j = 3."""
    assert "time step 4 of 4" in name_it(model, dataset, g=np.array(1e100))
    assert "time step 3 of 4" in name_it(model, dataset, g=np.array(1e120))


def test_a_weight_comes_before_all_else(model: Tiny, dataset: Dataset) -> None:
    bad = np.zeros((2, 3))
    bad[1, 2] = np.nan
    text = "after the last update the weight W is nan at index [1, 2]"
    assert name_it(model, dataset, W=bad, g=np.array(1e200)) == text


def test_logits_loss_regularizer_and_gradient_come_in_this_order(
    model: Tiny, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name_it(model, dataset, W=np.full((2, 3), 1.7e308)).startswith("a logit is")
    leaf = {**model.gradient(model.init(0), dataset.train.x, dataset.train.targets)}
    leaf["mu"] = np.array([0.0, np.inf, 0.0])
    monkeypatch.setattr(model, "gradient", lambda *args: leaf)
    assert name_it(model, dataset) == "the gradient of mu is inf at index [1]"
    loss = model.loss
    monkeypatch.setattr(model, "loss", lambda *args: float("inf"))
    assert name_it(model, dataset) == "the data loss is inf, at finite logits"
    monkeypatch.setattr(model, "loss", loss)
    assert name_it(model, dataset, W=np.full((2, 3), 1e160)) == "the regularizer is inf"


def test_a_norm_may_overflow_without_an_entry(
    model: Tiny, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "every quantity of the step is finite" in name_it(model, dataset)
    monkeypatch.setattr(model, "gradient", lambda *args: {"mu": np.full(3, 1e200)})
    assert "norm is beyond the range" in name_it(model, dataset)


def poisoned(dataset: Dataset) -> Dataset:
    """The same data with one infinite example, the 31st."""
    x = dataset.train.x.copy()
    x[30] = np.inf
    return Dataset(
        Split(x, dataset.train.targets), dataset.validation, ("x1", "x2"), None, "classes"
    )


def test_a_run_that_diverges_keeps_the_weights_before_the_step(
    tmp_path: Path, model: Tiny, dataset: Dataset
) -> None:
    spec, out = make_spec(batch=10), tmp_path / "a"
    result = train(spec, model, poisoned(dataset), out, progress=Quiet(), findings=FINDINGS)
    assert (result.status, result.exit_code, result.epoch) == ("diverged", 1, 0)
    found = result.divergence
    assert found is not None and found.epoch == 1 and found.findings == FINDINGS
    assert found.quantity.startswith("the state at time step 0 of 4")
    assert json.loads((out / "result.json").read_text()) == {
        "status": "diverged",
        "epoch": 0,
        "epochs": 6,
        "divergence": {**found.to_json(), "findings": list(FINDINGS)},
    }
    assert (out / "metrics.jsonl").read_text() == ""
    saved = load_file(out / "weights.safetensors")
    stepper = _replay(model, poisoned(dataset), found)
    for name, weight in stepper.items():
        np.testing.assert_array_equal(saved[name], weight)
        np.testing.assert_array_equal(result.weights[name], weight)


def _replay(model: Tiny, dataset: Dataset, found: Divergence) -> dict[str, np.ndarray]:
    """The weights after the steps before the one that was named."""
    spec = make_spec(batch=10)
    assert spec.train is not None
    stepper = model.stepper(updater(spec.train), dataset.train.x, dataset.train.targets)
    stepper.load(model.init(3))
    for number, rows in enumerate(batches(3, 1, 45, 10), start=1):
        if number == found.step:
            assert 30 in rows
            return stepper.weights()
        assert stepper.step(rows, 0.05).finite
    raise AssertionError("the step that was named is not in the epoch")


def test_an_update_that_overflows_keeps_the_last_whole_epoch(
    tmp_path: Path, model: Tiny, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step of epoch 2 makes a weight infinite, and no step comes after it to notice."""
    spec, out, calls = make_spec(batch=None), tmp_path / "a", iter(range(10))
    gradient = model.gradient
    start = train(spec, model, dataset, tmp_path / "b", progress=Quiet(), stop_after=1)

    def rates(self: Any, count: int, lr: float) -> tuple[float, ...]:
        return (lr, 1.0, 1.0) if next(calls) == 0 else (1e309, 1.0, 1.0)

    with monkeypatch.context() as patch:
        patch.setattr("wellposed.backends.optimizers.Adam.rates", rates)
        result = train(spec, model, dataset, out, progress=Quiet())
    assert (result.status, result.epoch, len(result.metrics)) == ("diverged", 1, 1)
    assert result.divergence is not None
    assert (result.divergence.epoch, result.divergence.step) == (2, 1)
    assert result.divergence.quantity.startswith("after the last update the weight")
    saved = load_file(out / "weights.safetensors")
    assert all(np.isfinite(weight).all() for weight in saved.values())
    assert gradient(saved, dataset.train.x, dataset.train.targets).keys() == start.weights.keys()


def test_the_message_repeats_what_the_analysis_had_said() -> None:
    text = str(Divergence(3, 7, "a logit is inf at index [0, 1]", FINDINGS))
    assert text.splitlines() == [
        "diverged at epoch 3, step 7: a logit is inf at index [0, 1]",
        f"  the analysis had said: {FINDINGS[0]}",
    ]
