"""Features through the layers: which states stand in which panel, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from figure_reading import arrows, assert_sensible, clouds, holds, said, starts, ways
from matplotlib.colors import to_hex
from sklearn.decomposition import PCA

from wellposed.plots.arrays import principal_plane
from wellposed.plots.features import features_through_layers
from wellposed.plots.style import CLASS_COLOURS

RNG = np.random.default_rng(11)


def rotation(steps: int, points: np.ndarray, horizon: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Exact states (N+1, s, 2) of y' = K₀ y, K₀ = [[0, −1], [1, 0]]."""
    t = np.linspace(0, horizon, steps + 1)
    c, s = np.cos(t), np.sin(t)
    return np.einsum("ijt,sj->tsi", np.array([[c, -s], [s, c]]), points), t


def test_each_panel_holds_the_states_of_its_time(tmp_path: Path) -> None:
    points, labels = RNG.normal(size=(50, 2)), RNG.integers(0, 3, 50)
    y, t = rotation(100, points)
    figure = features_through_layers(y, labels, t, tmp_path / "f.png", "net")
    assert [axes.get_title() for axes in figure.axes] == [
        f"$t$ = {value:.3g}" for value in (0, 0.4, 0.8, 1.2, 1.6, 2)
    ]
    for axes, depth in zip(figure.axes, (0, 20, 40, 60, 80, 100), strict=True):
        states = clouds(axes)[0]
        np.testing.assert_allclose(states.get_offsets(), y[depth])
        drawn = [to_hex(colour[:3]) for colour in states.get_facecolors()]
        assert drawn == [CLASS_COLOURS[label] for label in labels]
        assert holds(axes, y[depth]) and axes.get_aspect() == 1.0
    assert figure.axes[0].get_xlabel() == "$y_1$" and figure.axes[0].get_ylabel() == "$y_2$"
    assert len({axes.get_xlim() for axes in figure.axes}) == 1, "one scale for all panels"
    assert_sensible(tmp_path / "f.png")


def test_lines_lead_from_the_panel_before_to_a_point_of_this_one(tmp_path: Path) -> None:
    y, t = rotation(100, RNG.normal(size=(50, 2)))
    figure = features_through_layers(y, np.zeros(50, int), t, tmp_path / "f.png", "t")
    drawn = ways(figure.axes[2])
    assert 5 <= len(drawn) <= 10
    for way in drawn:
        index = int(np.abs(y[40] - way[-1]).sum(axis=1).argmin())
        np.testing.assert_array_equal(way, y[20:41, index])


def test_three_points_are_paths_with_start_end_and_direction(tmp_path: Path) -> None:
    """The stability example: counter-clockwise about the origin."""
    points = np.array([[1.0, 0.0], [0.0, 2.0], [-1.5, 0.0]])
    y, t = rotation(10, points, horizon=1.0)
    figure = features_through_layers(y, None, t, tmp_path / "f.png", "t")
    last = figure.axes[-1]
    np.testing.assert_array_equal(ways(last), y.transpose(1, 0, 2))
    assert len({to_hex(line.get_color()) for line in last.lines}) == 3
    np.testing.assert_allclose(starts(last), points)
    assert len(arrows(last)) == 3
    for tail, tip in arrows(last):
        assert tail[0] * tip[1] - tail[1] * tip[0] > 0, "against the clock"
    assert holds(last, y) and last.get_legend() is None
    assert "○ t = 0" in said(figure)


def test_many_points_are_thinned_the_same_way_each_time(tmp_path: Path) -> None:
    y, t = rotation(12, RNG.normal(size=(4000, 2)))
    labels = RNG.integers(0, 2, 4000)
    first = features_through_layers(y, labels, t, tmp_path / "a.png", "t")
    features_through_layers(y, labels, t, tmp_path / "b.png", "t")
    assert len(clouds(first.axes[0])[0].get_offsets()) == 1200
    assert "1200 of 4000 points shown" in said(first)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert_sensible(tmp_path / "a.png")


def test_one_dimension_is_drawn_over_time(tmp_path: Path) -> None:
    t = np.linspace(0, 3, 31)
    y = np.exp(-t)[:, None, None] * RNG.normal(size=(20, 1))
    figure = features_through_layers(y, np.arange(20) % 2, t, tmp_path / "f.png", "t")
    (axes,) = figure.axes
    assert len(axes.lines) == 20 and axes.get_xlabel() == "$t$"
    for index, line in enumerate(axes.lines):
        np.testing.assert_array_equal(line.get_xdata(), t)
        np.testing.assert_array_equal(line.get_ydata(), y[:, index, 0])
        assert to_hex(line.get_color()) == CLASS_COLOURS[index % 2]


def test_principal_plane_is_that_of_scikit_learn() -> None:
    y = RNG.normal(size=(5, 40, 6)) @ np.diag([4.0, 2.0, 1.0, 0.5, 0.3, 0.1]) + 3.0
    plane, share = principal_plane(y)
    pca = PCA(2).fit(y.reshape(-1, 6))
    expected = pca.transform(y.reshape(-1, 6)).reshape(5, 40, 2)
    signs = np.sign(np.sum(plane * expected, axis=(0, 1)))
    np.testing.assert_allclose(plane, expected * signs, atol=1e-10)
    np.testing.assert_allclose(share, pca.explained_variance_ratio_, atol=1e-12)


def test_higher_dimensions_say_that_they_are_projected(tmp_path: Path) -> None:
    y = RNG.normal(size=(7, 40, 5)) * [3.0, 2.0, 0.1, 0.1, 0.1]
    figure = features_through_layers(y, RNG.integers(0, 2, 40), np.arange(7), tmp_path / "f", "t")
    plane, share = principal_plane(y)
    assert figure.axes[0].get_xlabel() == f"PC 1 ({share[0]:.0%})"
    assert figure.axes[0].get_ylabel() == f"PC 2 ({share[1]:.0%})"
    assert "principal components" in said(figure)
    np.testing.assert_allclose(clouds(figure.axes[0])[0].get_offsets(), plane[0])


def test_states_that_grow_far_get_a_scale_per_panel(tmp_path: Path) -> None:
    t = np.linspace(0, 5, 26)
    y = np.exp(t)[:, None, None] * RNG.normal(size=(30, 2))
    figure = features_through_layers(y, None, t, tmp_path / "f.png", "t")
    widths = [np.ptp(axes.get_xlim()) for axes in figure.axes]
    np.testing.assert_allclose(widths[-1] / widths[0], np.exp(5), rtol=1e-6)
    assert "own scale" in said(figure)


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("s", [3, 40])
def test_states_that_are_not_finite_are_counted_and_left_out(
    tmp_path: Path, n: int, s: int
) -> None:
    y, t = RNG.normal(size=(11, s, n)), np.linspace(0, 1, 11)
    y[4:, 1] = np.nan
    y[6:, 2] = np.inf
    figure = features_through_layers(y, None, t, tmp_path / "f.png", "t")
    assert f"2 of {s} points not finite, first at t = 0.4" in said(figure)
    assert all(np.isfinite([*axes.get_xlim(), *axes.get_ylim()]).all() for axes in figure.axes)
    assert_sensible(tmp_path / "f.png")


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.filterwarnings("error")
def test_a_trajectory_without_one_finite_state_is_still_a_picture(tmp_path: Path, n: int) -> None:
    figure = features_through_layers(
        np.full((5, 3, n), np.nan), None, np.arange(5), tmp_path / "f.png", "t"
    )
    assert "3 of 3 points not finite" in said(figure)


def test_fewer_times_than_panels_and_few_labelled_points(tmp_path: Path) -> None:
    y, t = rotation(1, RNG.normal(size=(4, 2)))
    figure = features_through_layers(y, [0, 1, 1, 0], t, tmp_path / "f.png", "t")
    assert len(figure.axes) == 2
    paths = [line for line in figure.axes[1].lines if line.get_linestyle() == "-"]
    assert [to_hex(line.get_color()) for line in paths] == [CLASS_COLOURS[k] for k in (0, 1, 1, 0)]


@pytest.mark.parametrize(
    ("shape", "labels", "times", "message"),
    [
        ((5, 0, 2), None, 5, r"none of them zero; got \(5, 0, 2\)"),
        ((5, 2), None, 5, r"shape \(N\+1, s, n\)"),
        ((5, 3, 2), None, 4, r"5 states along the depth, but times of shape \(4,\)"),
        ((5, 3, 2), [0, 1], 5, "2 labels for 3 points"),
        ((5, 3, 2), [0, 1, -1], 5, "class indices"),
    ],
)
def test_shapes_that_do_not_fit_are_errors(tmp_path, shape, labels, times, message) -> None:
    with pytest.raises(ValueError, match=message):
        features_through_layers(np.zeros(shape), labels, np.arange(times), tmp_path / "f", "t")


def test_of_a_number_each_component_is_drawn_over_time_with_its_goal(tmp_path: Path) -> None:
    """The half turn that takes ±1 to ∓1: y₁ crosses in time, and y₂ says why it may."""
    t = np.linspace(0, np.pi, 21)
    y = np.stack([np.column_stack([s * np.cos(t), s * np.sin(t)]) for s in (1, -1)], axis=1)
    goals = np.array([[-1.0], [1.0]])
    given = {"over_time": True, "goals": goals}
    figure = features_through_layers(y, None, t, tmp_path / "f.png", "flip", **given)
    assert [axes.get_ylabel() for axes in figure.axes] == ["$y_1$", "$y_2$"]
    for i, axes in enumerate(figure.axes):
        for way, values in zip(ways(axes), y[..., i].T, strict=True):
            np.testing.assert_array_equal(way, np.column_stack([t, values]))
        assert len({to_hex(line.get_color()) for line in axes.lines}) == 2
    (marks,) = clouds(figure.axes[0])
    np.testing.assert_array_equal(marks.get_offsets(), [[t[-1], -1], [t[-1], 1]])
    colours = [to_hex(colour[:3]) for colour in marks.get_edgecolors()]
    assert colours == [to_hex(line.get_color()) for line in figure.axes[0].lines]
    assert clouds(figure.axes[1]) == [] and "□ target" in said(figure)
    assert_sensible(tmp_path / "f.png")


def test_many_components_are_not_drawn_one_by_one(tmp_path: Path) -> None:
    y = RNG.normal(size=(5, 3, 4))
    figure = features_through_layers(y, None, np.arange(5), tmp_path / "f.png", "t", over_time=True)
    assert figure.axes[0].get_xlabel().startswith("PC 1")
