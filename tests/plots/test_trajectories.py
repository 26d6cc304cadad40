"""The phase portrait of the stability example, drawn as its states say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figure_reading import arrows, assert_sensible, holds, said, starts, ways
from matplotlib.colors import to_hex

from wellposed.plots.style import CLASS_COLOURS
from wellposed.plots.trajectories import trajectories

START = np.array([[0.1, 0.1], [-0.6, 0.3], [0.5, -0.8]])
K0 = np.array([[0.0, -1.0], [1.0, 0.0]])


def euler(matrix: np.ndarray, steps: int = 10, h: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    states = [START]
    for _ in range(steps):
        states.append(states[-1] + h * np.tanh(states[-1] @ matrix.T))
    return np.array(states), h * np.arange(steps + 1)


def test_draws_paths_starts_steps_and_direction(tmp_path: Path) -> None:
    y, t = euler(K0)
    figure = trajectories(y, t, tmp_path / "p.png", "K₀")
    (axes,) = figure.axes
    np.testing.assert_array_equal(ways(axes), y.transpose(1, 0, 2))
    np.testing.assert_array_equal(starts(axes), START)
    steps = [np.asarray(line.get_xydata()) for line in axes.lines if line.get_marker() == "."]
    np.testing.assert_array_equal(steps, y[1:-1].transpose(1, 0, 2))
    assert len(arrows(axes)) == 3
    for tail, tip in arrows(axes):
        assert (tip - tail) @ (K0 @ tail) > 0, "along the field"
    assert holds(axes, y) and axes.get_aspect() == 1.0
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$y_1$", "$y_2$")
    assert "○ t = 0, ● t = 1" in said(figure) and "10 steps" in said(figure)
    assert_sensible(tmp_path / "p.png")


def test_a_path_is_cut_where_it_stops_being_finite(tmp_path: Path) -> None:
    y, t = euler(K0)
    y[6, 1] = np.nan
    figure = trajectories(y, t, tmp_path / "p.png", "t")
    np.testing.assert_array_equal(ways(figure.axes[0])[1], y[:6, 1])
    assert "1 of 3 points not finite, first at t = 0.6" in said(figure)


def test_a_point_at_rest_has_a_place_but_no_arrow(tmp_path: Path) -> None:
    figure = trajectories(np.ones((5, 1, 2)), np.arange(5), tmp_path / "p.png", "t")
    assert not figure.axes[0].texts and holds(figure.axes[0], np.ones(2))


def test_many_points_are_thinned(tmp_path: Path) -> None:
    y = np.random.default_rng(0).normal(size=(5, 64, 2))
    figure = trajectories(y, np.arange(5), tmp_path / "p.png", "t")
    assert "10 of 64 paths shown" in said(figure)
    assert len(ways(figure.axes[0])) == 10


def test_the_paths_of_classes_have_their_colours(tmp_path: Path) -> None:
    """Without marks of steps; half of the paths that are shown are of either class."""
    y = np.random.default_rng(0).normal(size=(5, 100, 2))
    labels = np.arange(100) % 2
    figure = trajectories(y, np.arange(5), tmp_path / "p.png", "t", labels, ("inner", "outer"))
    (axes,) = figure.axes
    drawn = [line for line in axes.lines if line.get_linestyle() == "-"]
    for line in drawn:
        index = int(np.abs(y[0] - np.asarray(line.get_xydata())[0]).sum(axis=1).argmin())
        assert to_hex(line.get_color()) == CLASS_COLOURS[labels[index]]
    assert len(drawn) == 40 and len({to_hex(line.get_color()) for line in drawn}) == 2
    assert not [line for line in axes.lines if line.get_marker() == "."]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["inner", "outer"]
    assert "40 of 100 paths shown" in said(figure)


def test_in_space_a_path_is_drawn_in_space(tmp_path: Path) -> None:
    y = np.random.default_rng(0).normal(size=(5, 3, 3))
    y[3:, 2] = np.nan
    figure = trajectories(y, np.arange(5), tmp_path / "p.png", "t", np.array([0, 1, 1]))
    axes: Any = figure.axes[0]
    ways = [line for line in axes.lines if line.get_linestyle() == "-"]
    for i, (line, last) in enumerate(zip(ways, (5, 5, 3), strict=True)):
        np.testing.assert_array_equal(np.transpose(line.get_data_3d()), y[:last, i])
        assert to_hex(line.get_color()) == CLASS_COLOURS[min(i, 1)]
    marks = [np.transpose(line.get_data_3d())[0] for line in axes.lines if line not in ways]
    wanted = [state for i, last in enumerate((5, 5, 3)) for state in (y[0, i], y[last - 1, i])]
    np.testing.assert_array_equal(marks, wanted)
    assert axes.get_zlabel() == "$y_3$"
    assert_sensible(tmp_path / "p.png")


@pytest.mark.parametrize("n", [1, 4])
def test_only_the_plane_and_space_have_a_phase_portrait(n: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"got n = {n}"):
        trajectories(np.zeros((5, 2, n)), np.arange(5), tmp_path / "p.png", "t")
