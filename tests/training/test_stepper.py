"""What every stepper shares, on the NumPy one."""

from __future__ import annotations

import numpy as np
import pytest

from wellposed.backends.optimizers import Adam, Sgd, Updater, global_norm
from wellposed.backends.run_numpy import NumpyStepper
from wellposed.data.dataset import Dataset

from .conftest import Tiny


def stepper(model: Tiny, dataset: Dataset, updater: Updater) -> NumpyStepper:
    made = model.stepper(updater, dataset.train.x, dataset.train.targets)
    made.load(model.init(0))
    return made


def test_the_model_of_these_tests_has_the_right_gradient(model: Tiny, dataset: Dataset) -> None:
    w, batch = model.init(0), dataset.train
    for name, leaf in model.gradient(w, batch.x, batch.targets).items():
        for index in np.ndindex(np.shape(leaf)):
            moved = []
            for h in (1e-6, -1e-6):
                other = {**w, name: np.array(w[name])}
                other[name][index] += h
                moved.append(model.loss(other, batch.x, batch.targets))
            assert (moved[0] - moved[1]) / 2e-6 == pytest.approx(np.asarray(leaf)[index], abs=1e-8)


def test_a_step_is_the_update_of_the_batch_gradient(model: Tiny, dataset: Dataset) -> None:
    updater, rows = Updater(Adam(0.9, 0.999, 1e-8), clip=0.1), np.array([3, 1, 4])
    w, batch = model.init(0), dataset.train.rows(rows)
    gradient = model.gradient(w, batch.x, batch.targets)
    expected, state = updater.update(gradient, updater.init(w), w, 0.01)
    made = stepper(model, dataset, updater)
    step = made.step(rows, 0.01)
    assert step.loss == model.loss(w, batch.x, batch.targets)
    assert step.gradient_norm == global_norm(gradient) > 0.1
    for name in w:
        np.testing.assert_array_equal(made.weights()[name], expected[name])
    assert made.state()["count"] == 1 and made.state()["count"].dtype == np.int64
    for name, moment in state.items():
        np.testing.assert_array_equal(made.state()[name], moment)


def test_state_survives_a_round_trip(model: Tiny, dataset: Dataset) -> None:
    updater = Updater(Sgd(0.9, True, 1e-3))
    one, rows = stepper(model, dataset, updater), np.arange(10)
    for _ in range(3):
        one.step(rows, 0.1)
    other = stepper(model, dataset, updater)
    other.load(one.weights(), one.state())
    assert one.step(rows, 0.1) == other.step(rows, 0.1)
    for name, weight in one.weights().items():
        np.testing.assert_array_equal(weight, other.weights()[name])


def test_a_step_that_is_not_finite_leaves_no_trace(model: Tiny, dataset: Dataset) -> None:
    x = dataset.train.x.copy()
    x[5] = np.nan
    made = model.stepper(Updater(Adam(0.9, 0.999, 1e-8)), x, dataset.train.targets)
    made.load(model.init(0))
    made.step(np.arange(5), 0.1)
    weights, state = made.weights(), made.state()
    assert not made.step(np.arange(6), 0.1).finite
    for before, after in ((weights, made.weights()), (state, made.state())):
        assert before.keys() == after.keys()
        for name in before:
            np.testing.assert_array_equal(before[name], after[name])
    assert made.step(np.arange(5), 0.1).finite
