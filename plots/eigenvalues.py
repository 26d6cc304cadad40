"""The eigenvalues of the field's Jacobian along the depth, over the stability region."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import evenly
from .stability import Box, Complex, Interval, Region
from .style import ALARM, DEPTH_COLOURMAP, QUIET, caption, headline, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 4000
# The view reaches this many times the region; an eigenvalue farther out is drawn at the edge.
REACH = 3.0
# Eigenvalues within this share of the region's extent get a panel of their own scale.
SMALL = 0.25


def eigenvalues(
    h_lambda: ArrayLike,
    times: ArrayLike,
    path: str | os.PathLike[str],
    title: str,
    *,
    stability: Callable[[Complex], NDArray] | Sequence[float] | None = None,
    interval: float | None = None,
) -> "Figure":
    """Draw z = hλ, (N, k) or (N, samples, k), coloured by t (N,), over the stability region.

    The region is given by `stability`, z ↦ |R(z)| or the coefficients c₀, c₁, … of R; or, for
    leapfrog and Verlet, by `interval`: the method is stable for hλ = ±ihω, hω ≤ interval (2). There
    λ are the eigenvalues of the first-order field, of y'' = f(y) therefore ±√μ for μ those of
    ∂f/∂y. Eigenvalues outside are counted over all, drawn on red; not finite ones are
    counted apart. Raises ValueError without eigenvalues, or unless exactly one region is given.
    """
    z, t = _checked(h_lambda, times)
    region = _region(stability, interval)
    finite = np.isfinite(z)
    z, t, lost = z[finite], t[finite], int((~finite).sum())
    view = _view(region.box, z)
    detail = _detail(region.box, z)
    with picture(path, 8.6 if detail else 5.2, 4.6) as figure:
        panels = figure.subplots(1, 2 if detail else 1, squeeze=False)[0]
        for axes, box in zip(panels, filter(None, (view, detail)), strict=True):
            _draw(axes, region, box, z, t)
        if detail:
            panels[0].set_title("the region")
            panels[1].set_title("the eigenvalues, enlarged")
        _colourbar(figure, panels, t)
        headline(figure, title)
        caption(figure, *_remarks(region, z, lost, _beyond(z, view)))
    return figure


def _checked(h_lambda: ArrayLike, times: ArrayLike) -> tuple[Complex, NDArray[np.float64]]:
    z, t = np.asarray(h_lambda, dtype=np.complex128), np.asarray(times, dtype=np.float64)
    if z.ndim not in (2, 3) or not z.size:
        raise ValueError(f"eigenvalues have the shape (N, k) or (N, samples, k), got {z.shape}")
    if t.shape != z.shape[:1]:
        raise ValueError(f"eigenvalues at {z.shape[0]} depths, but times of shape {t.shape}")
    flat = z.reshape(len(z), -1)
    return flat.ravel(), np.repeat(t, flat.shape[1])


def _region(
    stability: Callable[[Complex], NDArray] | Sequence[float] | None, interval: float | None
) -> Region | Interval:
    if interval is not None and stability is None:
        return Interval(interval)
    if stability is not None and interval is None:
        return Region.of(stability)
    raise ValueError("give either a stability function or an interval of the imaginary axis")


def _plane(z: Complex) -> NDArray[np.float64]:
    return np.stack([z.real, z.imag], axis=-1)


def _hull(z: Complex, box: Box = (0.0, 0.0, 0.0, 0.0)) -> NDArray[np.float64]:
    """Lower left and upper right corner, (2, 2), of what holds the box and the eigenvalues."""
    corners = np.array(box).reshape(2, 2).T
    points = np.concatenate([corners, _plane(z)])
    return np.stack([points.min(axis=0), points.max(axis=0)])


def _view(box: Box, z: Complex) -> Box:
    """The region and the eigenvalues, these within REACH times the region, with a margin."""
    corners = np.array(box).reshape(2, 2).T
    centre, size = corners.mean(axis=0), np.ptp(corners, axis=0).max()
    limit = REACH * size / 2
    return _padded(np.clip(_hull(z, box), centre - limit, centre + limit), 0.08, slimmest=0.85)


def _detail(box: Box, z: Complex) -> Box | None:
    """A view of eigenvalues that are all small against the region, the origin with them."""
    hull = _hull(z)
    extent, whole = np.ptp(hull, axis=0).max(), max(box[1] - box[0], box[3] - box[2])
    return _padded(hull, 0.12, slimmest=0.85) if 0 < extent < SMALL * whole else None


def _padded(corners: NDArray[np.float64], pad: float, slimmest: float) -> Box:
    """The box with a margin, its shorter side at least `slimmest` of the longer."""
    centre, half = corners.mean(axis=0), np.ptp(corners, axis=0) / 2
    half = np.maximum(half, slimmest * half.max()) + pad * half.max()
    (left, bottom), (right, top) = centre - half, centre + half
    return float(left), float(right), float(bottom), float(top)


def _beyond(z: Complex, view: Box) -> NDArray[np.bool_]:
    left, right, bottom, top = view
    return (z.real < left) | (z.real > right) | (z.imag < bottom) | (z.imag > top)


def _draw(
    axes: "Axes", region: Region | Interval, view: Box, z: Complex, t: NDArray[np.float64]
) -> None:
    axes.axhline(0, color=QUIET, linewidth=0.5, zorder=0.5)
    axes.axvline(0, color=QUIET, linewidth=0.5, zorder=0.5)
    region.draw(axes, view)
    beyond, outside = _beyond(z, view), region.outside(z)
    low, high = np.array(view).reshape(2, 2).T
    places = np.clip(_plane(z), low, high)
    ramp: dict[str, Any] = {
        "vmin": t.min(initial=np.inf),
        "vmax": t.max(initial=-np.inf),
        "cmap": DEPTH_COLOURMAP,
    }
    for marker, where in (("o", ~beyond), ("^", beyond)):
        shape: dict[str, Any] = {"marker": marker, "clip_on": marker == "o"}
        # A halo under the dots, not an edge around each: in a crowd both colours stay visible.
        _scatter(axes, places, where & outside, shape | {"s": 34, "color": ALARM, "zorder": 3})
        for which in (where & ~outside, where & outside):
            _scatter(axes, places, which, shape | ramp | {"s": 13, "c": t, "zorder": 4})
    axes.set(xlim=view[:2], ylim=view[2:], xlabel="Re $h\\lambda$", ylabel="Im $h\\lambda$")
    axes.set_aspect("equal", adjustable="box")
    axes.locator_params(nbins=6)


def _scatter(
    axes: "Axes", places: NDArray, which: NDArray[np.bool_], looks: dict[str, Any]
) -> None:
    """The chosen places, thinned evenly when many; `c` of the looks has a value for every place."""
    indices = np.flatnonzero(which)
    if len(indices):
        shown = indices[evenly(len(indices), MOST_POINTS)]
        values = {"c": looks["c"][shown]} if "c" in looks else {}
        axes.scatter(*places[shown].T, linewidths=0, **looks | values)


def _colourbar(figure: "Figure", panels: NDArray, t: NDArray[np.float64]) -> None:
    """The scale of t, unless all eigenvalues are of one time."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    if len(t) and np.ptp(t) > 0:
        scale = ScalarMappable(Normalize(t.min(), t.max()), DEPTH_COLOURMAP)
        figure.colorbar(scale, ax=list(panels), label="$t$", aspect=30, shrink=0.85)


def _remarks(
    region: Region | Interval, z: Complex, lost: int, beyond: NDArray[np.bool_]
) -> tuple[str, ...]:
    count = int(region.outside(z).sum())
    return (
        f"outside {region.name}: {count} of {len(z)}" + (" (red)" if count else ""),
        region.summary(z),
        f"{beyond.sum()} beyond the frame (▲)" if beyond.any() else "",
        f"{lost} not finite" if lost else "",
    )
