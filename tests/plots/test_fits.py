"""Series over time and in the plane: what was observed, what was predicted, what came later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figure_reading import assert_sensible, holds, said
from matplotlib.patches import Rectangle
from matplotlib.quiver import Quiver

from wellposed.plots.fits import ARROWS, DENSE, MOST_CHANNELS, Fitted, at_all_times, field, fits

NONE = np.zeros(0), np.zeros((0, 2))


def turning(x: np.ndarray) -> np.ndarray:
    """y1' = −y2, y2' = y1."""
    return np.column_stack([-x[:, 1], x[:, 0]])


def circle(times: np.ndarray, phase: float = 0.0) -> np.ndarray:
    return np.column_stack([np.cos(times + phase), np.sin(times + phase)])


def turn(phase: float = 0.0, *, later: bool = False) -> Fitted:
    """A series on the circle with a value missing and the end of a longer row behind it."""
    times = np.append(np.linspace(0, 3, 9), np.nan)
    values = circle(times, phase)
    values[4, 1] = np.nan
    at = np.linspace(0, 5 if later else 3, 50)
    after = (np.linspace(3.5, 5, 4), 9 + circle(np.linspace(3.5, 5, 4), phase)) if later else NONE
    return Fitted(times, values, at, circle(at, phase) + 0.1, *after)


def lines(axes: Any) -> dict[str, list[np.ndarray]]:
    """Points of dots and of lines."""
    found: dict[str, list[np.ndarray]] = {"dots": [], "lines": []}
    for line in axes.lines:
        is_dots = line.get_linestyle() == "None"
        found["dots" if is_dots else "lines"].append(np.column_stack(line.get_data()))
    return found


def test_dots_are_what_was_observed_and_lines_what_was_predicted(tmp_path: Path) -> None:
    some = [turn(), turn(1.0)]
    figure = fits(some, tmp_path / "f.png", "net", ["u", "v"], 7)
    assert len(figure.axes) == 4, "a row for each channel, a column for each series"
    grid = np.array(figure.axes).reshape(2, 2)
    for k, row in enumerate(grid):
        for series, axes in zip(some, row, strict=True):
            found = lines(axes)
            (dots,), (line,) = found["dots"], found["lines"]
            np.testing.assert_array_equal(
                dots, np.column_stack([series.times, series.values[:, k]])
            )
            np.testing.assert_array_equal(
                line, np.column_stack([series.at, series.predicted[:, k]])
            )
    assert [row[0].get_ylabel() for row in grid] == ["u", "v"]
    assert grid[1, 0].get_xlabel() == "time"
    assert figure.get_suptitle() == "net"
    assert "2 of 7 series" in said(figure) and "shaded" not in said(figure)
    assert_sensible(tmp_path / "f.png")


def test_what_came_later_lies_on_a_shaded_ground(tmp_path: Path) -> None:
    series = turn(later=True)
    figure = fits([series], tmp_path / "f.png", "net", ["u", "v"], 1)
    for k, axes in enumerate(figure.axes):
        (ground,) = axes.patches
        assert isinstance(ground, Rectangle)
        left, right = ground.get_x(), ground.get_x() + ground.get_width()
        assert (left, right) == pytest.approx((3, 5)), "from the last observation to the end"
        truth = np.column_stack([series.later_times, series.later_values[:, k]])
        assert any(np.array_equal(line, truth) for line in lines(axes)["lines"])
        assert holds(axes, truth)
    assert "shaded: later than the training" in said(figure)
    assert " of 1 series" not in said(figure)


def test_more_channels_than_fit_are_counted(tmp_path: Path) -> None:
    times, count = np.linspace(0, 1, 5), MOST_CHANNELS + 2
    values = np.random.default_rng(0).normal(size=(5, count))
    series = Fitted(times, values, times, values, np.zeros(0), np.zeros((0, count)))
    figure = fits([series], tmp_path / "f.png", "net", list("abcdef"), 1)
    assert len(figure.axes) == MOST_CHANNELS
    assert "2 more channels" in said(figure)


def test_what_is_not_finite_is_left_out_without_a_word(tmp_path: Path) -> None:
    series = turn()
    series.predicted[20:] = np.nan
    fits([series], tmp_path / "f.png", "net $x", ["u", "$v"], 1)
    assert_sensible(tmp_path / "f.png")


def test_a_prediction_is_drawn_at_the_observations_and_between_them() -> None:
    times = np.array([1.0, 1.5, 3, np.nan])
    values = np.array([[1.0], [2], [3], [np.nan]])
    every, given = at_all_times(times, values, 4.0)
    assert (every[0], every[-1]) == (1, 4) and (np.diff(every) > 0).all()
    assert DENSE <= len(every) <= DENSE + 3
    known = np.isfinite(given[:, 0])
    np.testing.assert_array_equal(every[known], times[:3])
    np.testing.assert_array_equal(given[known], values[:3])
    assert at_all_times(times, values, -np.inf)[0][-1] == 3, "nothing is asked for later"


def test_arrows_point_as_the_field_does(tmp_path: Path) -> None:
    series = turn()
    figure = field(turning, [series], tmp_path / "f.png", "net", ["u", "v"])
    (axes,) = figure.axes
    (arrows,) = [c for c in axes.collections if isinstance(c, Quiver)]
    at = np.column_stack([arrows.X, arrows.Y])
    way = np.column_stack([np.asarray(arrows.U), np.asarray(arrows.V)])
    assert len(at) == ARROWS**2
    np.testing.assert_allclose((way * at).sum(axis=1), 0, atol=1e-12)
    assert (way[:, 1] * at[:, 0] - way[:, 0] * at[:, 1] >= 0).all(), "against the clock"
    sizes, radii = np.linalg.norm(way, axis=1) ** 2, np.linalg.norm(at, axis=1)
    np.testing.assert_allclose(sizes, radii / radii.max(), atol=1e-12)
    dots = [line.get_xydata() for line in axes.lines if line.get_linestyle() == "None"]
    assert any(np.array_equal(d, series.values, equal_nan=True) for d in dots)
    assert holds(axes, series.values[np.isfinite(series.values).all(axis=1)])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("u", "v")
    assert_sensible(tmp_path / "f.png")


def test_a_field_of_nothing_has_no_arrows_and_no_warning(tmp_path: Path) -> None:
    field(lambda x: 0 * x, [turn()], tmp_path / "f.png", "net", ["u", "v"])
    assert_sensible(tmp_path / "f.png")
