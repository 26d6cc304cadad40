"""The curves of a run: the numbers drawn, the axes chosen, the epochs marked."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from figure_reading import assert_sensible, said

from wellposed.plots.metrics import metrics


def lines(axes):
    return {str(line.get_label()).split(" (")[0]: line for line in axes.lines}


def crosses(axes) -> list[float]:
    return [float(x) for line in axes.lines if line.get_marker() == "x" for x in line.get_xdata()]


def run(epochs: int) -> list[dict[str, float]]:
    return [
        {
            "epoch": k,
            "loss": 2.0 * 0.9**k,
            "train_accuracy": 1 - 0.5**k,
            "validation_accuracy": 1 - 0.6**k,
            "lr": 1e-2,
        }
        for k in range(1, epochs + 1)
    ]


def test_draws_the_numbers_it_was_given(tmp_path: Path) -> None:
    rows = run(60)
    figure = metrics(rows, tmp_path / "m.png", "ellipses")
    loss, accuracy, rate = figure.axes
    np.testing.assert_array_equal(lines(loss)["training"].get_xdata(), range(1, 61))
    np.testing.assert_array_equal(
        lines(loss)["training"].get_ydata(), [row["loss"] for row in rows]
    )
    for label, key in (("training", "train_accuracy"), ("validation", "validation_accuracy")):
        drawn = lines(accuracy)[label].get_ydata()
        np.testing.assert_array_equal(drawn, [row[key] for row in rows])
    np.testing.assert_array_equal(lines(rate)["learning rate"].get_ydata(), [1e-2] * 60)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy", "rate"]
    assert rate.get_xlabel() == "epoch"
    assert rate.get_position().height < loss.get_position().height / 2
    assert figure.get_suptitle() == "ellipses" and said(figure) == ""
    assert_sensible(tmp_path / "m.png")


def test_loss_axis_is_logarithmic_only_over_a_decade_of_positive_values(tmp_path: Path) -> None:
    def scale(*losses: float) -> str:
        rows = [{"loss": loss} for loss in losses]
        return metrics(rows, tmp_path / "m.png", "t").axes[0].get_yscale()

    assert scale(1.0, 0.05) == "log"
    assert scale(1.0, 0.5) == "linear"
    assert scale(1.0, -20.0) == "linear"
    assert scale(1.0, 0.0, 0.5) == "linear"
    assert scale(1.0, 0.05, math.nan) == "log"


def test_accuracy_axis_stays_linear(tmp_path: Path) -> None:
    rows = [{"loss": 1.0, "validation_accuracy": value} for value in (0.01, 0.9)]
    assert metrics(rows, tmp_path / "m.png", "t").axes[1].get_yscale() == "linear"


def test_one_epoch_is_a_visible_mark_at_a_whole_epoch(tmp_path: Path) -> None:
    figure = metrics(run(1), tmp_path / "m.png", "t")
    assert lines(figure.axes[0])["training"].get_marker() == "o"
    low, high = figure.axes[-1].get_xlim()
    assert low < 1 < high
    assert list(figure.axes[-1].get_xticks()) == [1]
    assert_sensible(tmp_path / "m.png")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, None])
def test_a_diverged_run_is_marked_where_it_diverged(tmp_path: Path, bad: float | None) -> None:
    rows = [{"epoch": 5, "loss": 1.0}, {"epoch": 6, "loss": 1e9}, {"epoch": 7, "loss": bad}]
    figure = metrics(rows, tmp_path / "m.png", "t")
    axes = figure.axes[0]
    assert crosses(axes) == [7.0]
    assert axes.get_xlim()[1] >= 7
    np.testing.assert_array_equal(lines(axes)["training"].get_xdata(), [5, 6])
    assert "not finite (1 " in said(figure)


def test_a_run_without_any_finite_loss_is_still_drawn(tmp_path: Path) -> None:
    figure = metrics([{"loss": math.nan}, {"loss": math.inf}], tmp_path / "m.png", "t")
    assert crosses(figure.axes[0]) == [1.0, 2.0]
    assert_sensible(tmp_path / "m.png")


def test_missing_keys_are_not_measured_and_not_marked(tmp_path: Path) -> None:
    rows = [{"loss": 1.0}, {"loss": 0.9, "validation_accuracy": 0.5}]
    rows += [{"loss": 0.8, "validation_accuracy": None}, {"loss": 0.7, "validation_accuracy": 0.6}]
    figure = metrics(rows, tmp_path / "m.png", "t")
    accuracy = figure.axes[1]
    assert set(lines(accuracy)) == {"validation"}
    np.testing.assert_array_equal(lines(accuracy)["validation"].get_xdata(), [2, 4])
    assert crosses(accuracy) == [] and said(figure) == ""


def test_regression_has_an_error_panel(tmp_path: Path) -> None:
    rows = [{"loss": 1.0, "validation_mse": 2.0}, {"loss": 0.5, "validation_mse": 1.5}]
    _, error = metrics(rows, tmp_path / "m.png", "t").axes
    assert error.get_ylabel() == "mean squared error"
    np.testing.assert_array_equal(lines(error)["validation"].get_ydata(), [2.0, 1.5])


@pytest.mark.parametrize("rows", [[], [{"epoch": 1}], [{"epoch": 1, "lr": 0.1}]])
def test_nothing_to_draw_is_an_error(tmp_path: Path, rows: list[dict[str, float]]) -> None:
    with pytest.raises(ValueError, match="at least one epoch with a loss"):
        metrics(rows, tmp_path / "m.png", "t")
    assert not list(tmp_path.iterdir())
