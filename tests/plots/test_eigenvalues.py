"""Eigenvalues over the stability region: counts, limits, the region itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from figure_reading import assert_sensible, clouds, holds, said
from matplotlib.colors import to_hex
from matplotlib.contour import QuadContourSet

from wellposed.plots.eigenvalues import eigenvalues
from wellposed.plots.stability import Interval, Region
from wellposed.plots.style import ALARM

EULER = [1.0, 1.0]
HEUN = [1.0, 1.0, 1 / 2]
RK4 = [1.0, 1.0, 1 / 2, 1 / 6, 1 / 24]
SLIDES = {
    "plus": np.array([[2.0, -2.0], [0.0, 2.0]]),
    "minus": np.array([[-2.0, 0.0], [2.0, -1.0]]),
    "zero": np.array([[0.0, -1.0], [1.0, 0.0]]),
}


def constant(z: list[complex], steps: int = 4) -> tuple[np.ndarray, np.ndarray]:
    return np.tile(np.array(z, complex), (steps, 1)), np.arange(steps) / steps


def plane(z: np.ndarray) -> np.ndarray:
    return np.stack([np.real(z), np.imag(z)], axis=-1)


def dots(axes) -> np.ndarray:
    """All eigenvalues drawn (those with a colour scale), the halos left out."""
    found = [np.asarray(c.get_offsets()) for c in clouds(axes) if c.get_array() is not None]
    return np.concatenate(found)


@pytest.mark.parametrize(("name", "outside"), [("plus", 20), ("minus", 0), ("zero", 20)])
def test_the_slides_example_under_forward_euler(tmp_path: Path, name: str, outside: int) -> None:
    """At y = 0: h λ = 0.2, 0.2 | −0.2, −0.1 | ±0.1 i, so that |1 + hλ| > 1, < 1, > 1."""
    z, t = constant(list(0.1 * np.linalg.eigvals(SLIDES[name])), steps=10)
    figure = eigenvalues(z, t, tmp_path / "e.png", name, stability=EULER)
    largest = np.abs(1 + z).max()
    assert f": {outside} of 20" in said(figure)
    assert f"= {largest:.6g}" in said(figure)
    assert_sensible(tmp_path / "e.png")


def test_draws_every_eigenvalue_at_its_place_with_its_time(tmp_path: Path) -> None:
    z, t = constant([-1 + 0.5j, -1 - 0.5j], steps=8)
    z = z * np.linspace(0.5, 1.2, 8)[:, None]
    figure = eigenvalues(z, t, tmp_path / "e.png", "t", stability=EULER)
    axes, bar = figure.axes
    (inside,) = clouds(axes)
    np.testing.assert_allclose(inside.get_offsets(), plane(z.ravel()))
    np.testing.assert_array_equal(inside.get_array(), np.repeat(t, 2))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Re $h\\lambda$", "Im $h\\lambda$")
    assert axes.get_aspect() == 1.0 and bar.get_ylabel() == "$t$"


def test_samples_are_flattened_with_the_time_of_their_step(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    z = -1 + 0.3 * (rng.normal(size=(5, 3, 2)) + 1j * rng.normal(size=(5, 3, 2)))
    t = np.arange(5.0)
    figure = eigenvalues(z, t, tmp_path / "e.png", "t", stability=RK4)
    (inside,) = clouds(figure.axes[0])
    np.testing.assert_array_equal(inside.get_array(), np.repeat(t, 6))


def test_those_outside_have_a_red_halo(tmp_path: Path) -> None:
    z, t = constant([-0.5, -3.0, 1.0 + 1.0j])
    figure = eigenvalues(z, t, tmp_path / "e.png", "t", stability=EULER)
    halos = [c for c in clouds(figure.axes[0]) if to_hex(c.get_facecolors()[0]) == ALARM]
    (halo,) = halos
    assert {tuple(p) for p in np.asarray(halo.get_offsets())} == {(-3.0, 0.0), (1.0, 1.0)}
    assert ": 8 of 12 (red)" in said(figure)


@pytest.mark.parametrize("coefficients", [EULER, HEUN, RK4])
def test_region_from_coefficients_or_from_a_function(coefficients: list[float]) -> None:
    """The known ends on the axes, and one region either way."""
    real = {2: -2.0, 3: -2.0, 5: -2.785293563405282}[len(coefficients)]
    region = Region.of(coefficients)
    ends = np.array([real + 1e-6, real - 1e-6, 1e-6], dtype=complex)
    np.testing.assert_array_equal(region.outside(ends), [False, True, True])
    other = Region.of(lambda z: np.abs(np.polyval(coefficients[::-1], z)))
    x, y = np.random.default_rng(0).normal(size=(2, 500))
    z = 2 * x + 2j * y
    assert z.dtype == np.complex128
    np.testing.assert_array_equal(region.outside(z), other.outside(z))
    assert region.box[0] == pytest.approx(real, abs=0.03)


def test_the_imaginary_axis_is_outside_for_euler_and_inside_for_rk4_up_to_root_8() -> None:
    z = 1j * np.array([1e-3, 0.5, 2.82, 2.84])
    np.testing.assert_array_equal(Region.of(EULER).outside(z), [True] * 4)
    np.testing.assert_array_equal(Region.of(RK4).outside(z), [False, False, False, True])


def test_zero_and_rounding_on_the_boundary_are_not_outside() -> None:
    assert not Region.of(EULER).outside(np.array([0j, 1e-15 + 0j, -2 - 1e-15])).any()


def test_the_shaded_area_is_the_region(tmp_path: Path) -> None:
    """The boundary line of Euler is the unit circle about −1."""
    z, t = constant([-1.0 + 0.1j])
    figure = eigenvalues(z, t, tmp_path / "e.png", "t", stability=EULER)
    fill, line = (c for c in figure.axes[0].collections if isinstance(c, QuadContourSet))
    vertices = np.concatenate([path.vertices for path in line.get_paths()])
    np.testing.assert_allclose(np.hypot(vertices[:, 0] + 1, vertices[:, 1]), 1.0, atol=1e-3)
    assert fill.filled and not line.filled


def test_both_region_and_eigenvalues_are_in_view(tmp_path: Path) -> None:
    z, t = constant([-0.2 + 2.0j, -0.2 - 2.0j])
    axes = eigenvalues(z, t, tmp_path / "e.png", "t", stability=EULER).axes[0]
    assert holds(axes, plane(z)) and holds(axes, np.array([[-2.0, -1.0], [0.0, 1.0]]))


def test_tiny_eigenvalues_get_a_panel_of_their_own_scale(tmp_path: Path) -> None:
    z, t = constant([-1e-4 + 2e-3j, -1e-4 - 2e-3j])
    figure = eigenvalues(z, t, tmp_path / "e.png", "t", stability=EULER)
    region, detail = figure.axes[:2]
    assert holds(region, np.array([[-2.0, -1.0], [0.0, 1.0]])) and holds(detail, plane(z))
    assert np.ptp(detail.get_ylim()) < 0.01
    np.testing.assert_allclose(dots(detail), plane(z.ravel()))


def test_huge_eigenvalues_stand_at_the_edge_and_do_not_shrink_the_region(tmp_path: Path) -> None:
    z, t = constant([-0.5, -1e6, 1e200j])
    figure = eigenvalues(z, t, tmp_path / "e.png", "t", stability=RK4)
    axes = figure.axes[0]
    assert np.ptp(axes.get_xlim()) < 25
    assert holds(axes, dots(axes))
    assert "8 beyond the frame" in said(figure) and ": 8 of 12 (red)" in said(figure)
    assert_sensible(tmp_path / "e.png")


def test_those_not_finite_are_counted_and_said(tmp_path: Path) -> None:
    z, t = constant([-0.5, -0.7])
    z[1] = np.nan
    z[2, 0] = complex(np.inf, 0)
    figure = eigenvalues(z, t, tmp_path / "e.png", "t", stability=EULER)
    assert ": 0 of 5" in said(figure) and "3 not finite" in said(figure)
    assert len(dots(figure.axes[0])) == 5


def test_none_finite_still_shows_the_region(tmp_path: Path) -> None:
    z, t = constant([complex(np.nan, np.nan)])
    figure = eigenvalues(z, t, tmp_path / "e.png", "t", stability=EULER)
    assert ": 0 of 0" in said(figure) and "4 not finite" in said(figure)
    assert holds(figure.axes[0], np.array([[-2.0, -1.0], [0.0, 1.0]]))


def test_an_unbounded_region_has_a_window(tmp_path: Path) -> None:
    """Backward Euler, R(z) = 1/(1 − z): stable outside the unit circle about 1."""
    z, t = constant([-1.0, 0.5])
    figure = eigenvalues(z, t, tmp_path / "e.png", "t", stability=lambda z: 1 / np.abs(1 - z))
    assert ": 4 of 8" in said(figure)


def test_verlet_has_a_segment_of_the_imaginary_axis(tmp_path: Path) -> None:
    z, t = constant([1.9j, -1.9j, 2.1j, 0.1 + 0.5j])
    figure = eigenvalues(z, t, tmp_path / "e.png", "t", interval=2.0)
    axes = figure.axes[0]
    segments = [line.get_xydata() for line in axes.lines if line.get_linewidth() > 5]
    np.testing.assert_array_equal(segments, [[[0, -2], [0, 2]]])
    assert ": 8 of 16 (red)" in said(figure) and "= 2.1" in said(figure)
    assert holds(axes, plane(z))


def test_the_interval_is_closed_and_forgives_the_rounding_of_the_axis() -> None:
    z = np.array([2j, -2j, 1e-8 + 1j, 0, 2.001j, 1e-3 + 0j])
    np.testing.assert_array_equal(Interval(2.0).outside(z), [False] * 4 + [True] * 2)


def test_many_eigenvalues_are_thinned_but_all_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    z = -1 + 0.4 * (rng.uniform(-1, 1, (300, 100)) + 1j * rng.uniform(-1, 1, (300, 100)))
    z[17, 3] = 2.0
    figure = eigenvalues(z, np.arange(300), tmp_path / "e.png", "t", stability=EULER)
    assert ": 1 of 30000 (red)" in said(figure)
    assert [2.0, 0.0] in dots(figure.axes[0]).tolist(), "the one outside is never thinned away"
    assert len(dots(figure.axes[0])) <= 4001


@pytest.mark.parametrize(
    ("z", "times", "region", "message"),
    [
        (np.zeros((0, 2)), 0, {"stability": EULER}, "eigenvalues have the shape"),
        (np.zeros(3), 3, {"stability": EULER}, "eigenvalues have the shape"),
        (np.zeros((3, 2)), 4, {"stability": EULER}, "at 3 depths, but times"),
        (np.zeros((3, 2)), 3, {}, "either a stability function or an interval"),
        (np.zeros((3, 2)), 3, {"stability": EULER, "interval": 2.0}, "either a stability"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(tmp_path, z, times, region, message) -> None:
    with pytest.raises(ValueError, match=message):
        eigenvalues(z, np.arange(times), tmp_path / "e.png", "t", **region)
