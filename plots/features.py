"""The features moving through the layers: states at a few depths, the way of a few points."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import (
    checked_trajectory,
    class_indices,
    evenly,
    examples_of,
    lost_points,
    principal_plane,
)
from .paths import draw_path, finite_part
from .style import INK, caption, class_colours, class_legend, frame, headline, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = 6
MOST_POINTS = 1200
MOST_LINES = 150
MOST_COMPONENTS = 3
FEW_POINTS = 10
# Beyond this ratio of the widest panel to the narrowest, one scale would make some a dot.
ONE_SCALE = 8.0


@dataclass(frozen=True)
class Features:
    """States (N+1, s, n), times (N+1,), classes (s,) and their number (0: no labels), remarks."""

    states: NDArray[np.float64]
    times: NDArray[np.float64]
    classes: NDArray[np.int64]
    class_count: int
    remarks: tuple[str, ...]
    class_names: tuple[str, ...] = ()
    goals: NDArray[np.float64] | None = None
    """What the first k components are to be at the end, (s, k)."""

    @property
    def few(self) -> bool:
        return len(self.classes) <= FEW_POINTS

    @property
    def colours(self) -> NDArray[np.float64]:
        """One RGB row per point: its class, or its own colour when few points have no classes."""
        if self.class_count:
            return np.array(class_colours(self.class_count))[self.classes]
        one_each = np.arange(len(self.classes)) if self.few else self.classes
        return np.array(class_colours(FEW_POINTS))[one_each]


def features_through_layers(
    trajectory: ArrayLike,
    labels: ArrayLike | None,
    times: ArrayLike,
    path: str | os.PathLike[str],
    title: str,
    class_names: Sequence[str] = (),
    *,
    over_time: bool = False,
    goals: ArrayLike | None = None,
) -> "Figure":
    """Draw a trajectory (N+1, s, n) at times (N+1,), coloured by class.

    Labels are (s,), probabilities (s, classes) or None. n = 1 is drawn over time, and so is each of
    a few components if asked for; n = 2 as it is, in a row of panels from t = 0 to T; n > 2 along
    the two leading principal components of all states of the trajectory, as the axes say. At most
    1200 points are shown, evenly chosen; ten or fewer are drawn as paths. Goals (s, k) are what the
    first k components are to be at the end. Raises ValueError on shapes that do not fit.
    """
    y, t = checked_trajectory(trajectory, times)
    is_over_time = y.shape[2] == 1 or (over_time and y.shape[2] <= MOST_COMPONENTS)
    chosen = evenly(y.shape[1], MOST_LINES if is_over_time else MOST_POINTS)
    features = _features(y, labels, t, chosen)
    found = None if goals is None else np.asarray(goals, np.float64)[chosen]
    draw = _over_time if is_over_time else _through_panels
    return draw(replace(features, class_names=tuple(class_names), goals=found), path, title)


def _features(
    y: NDArray[np.float64],
    labels: ArrayLike | None,
    t: NDArray[np.float64],
    chosen: NDArray[np.int64],
) -> Features:
    count = y.shape[1]
    classes = np.zeros(count, np.int64) if labels is None else class_indices(labels, count)
    shown = "" if len(chosen) == count else f"{len(chosen)} of {count} points shown"
    class_count = 0 if labels is None else int(classes.max()) + 1
    return Features(y[:, chosen], t, classes[chosen], class_count, (shown, lost_points(y, t)))


def _over_time(features: Features, path: str | os.PathLike[str], title: str) -> "Figure":
    """A panel for each component: y₁ first, which starts at x, then those that were added."""
    n = features.states.shape[2]
    with picture(path, 6.4 if n == 1 else 3.4 * n + 0.8, 3.6) as figure:
        panels = figure.subplots(1, n, squeeze=False)[0]
        for i, axes in enumerate(panels):
            _component(axes, features, i)
            axes.set(xlabel="$t$", ylabel="$y$" if n == 1 else f"$y_{i + 1}$")
        goal = "" if features.goals is None else "□ target"
        _dress(figure, features, title, goal)
    return figure


def _component(axes: "Axes", features: Features, index: int) -> None:
    axes.grid(True)
    axes.margins(x=0.04)
    states = np.where(np.isfinite(features.states), features.states, np.nan)[..., index]
    for values, colour in zip(states.T, features.colours, strict=True):
        axes.plot(features.times, values, color=colour, linewidth=1.4 if features.few else 0.6)
    if features.goals is not None and index < features.goals.shape[1]:
        goals, ends = features.goals[:, index], np.full(len(features.classes), features.times[-1])
        looks: dict[str, Any] = {"marker": "s", "s": 34, "facecolors": "none", "clip_on": False}
        axes.scatter(ends, goals, edgecolors=features.colours.tolist(), zorder=3, **looks)


def _through_panels(features: Features, path: str | os.PathLike[str], title: str) -> "Figure":
    plane, names, meaning = _plane(features.states)
    depths = _depths(features.times)
    shared = _one_scale(plane[depths])
    tails = [0, *depths[:-1]] if not features.few else [0] * len(depths)
    with picture(path, 2.0 * len(depths) + 1.0, 3.0) as figure:
        panels = figure.subplots(1, len(depths), squeeze=False)[0]
        for axes, tail, depth in zip(panels, tails, depths, strict=True):
            way = plane[tail : depth + 1]
            _panel(axes, way, features)
            frame(axes, plane if shared else way if features.few else way[-1])
            axes.set(title=f"$t$ = {features.times[depth]:.3g}", xlabel=names[0])
            axes.tick_params(labelleft=not shared or axes is panels[0])
        panels[0].set_ylabel(names[1])
        own = "" if shared else "each panel has its own scale"
        _dress(figure, features, title, _way_remark(features), meaning, own)
    return figure


def _plane(states: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, str], str]:
    """Planar coordinates (N+1, s, 2), the names of the axes, and what these names mean."""
    if states.shape[2] == 2:
        return states, ("$y_1$", "$y_2$"), ""
    plane, share = principal_plane(states)
    names = (f"PC 1 ({share[0]:.0%})", f"PC 2 ({share[1]:.0%})")
    space = f"$\\mathbb{{R}}^{{{states.shape[2]}}}$"
    meaning = f"PC: principal components of y(t) ∈ {space} over all t (share of variance)"
    return plane, names, meaning


def _depths(times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of the times nearest to six even ones from the first to the last."""
    wanted = np.linspace(times[0], times[-1], PANELS)
    return np.unique(np.abs(times[:, None] - wanted).argmin(axis=0)).astype(np.int64)


def _one_scale(panels: NDArray[np.float64]) -> bool:
    """Whether the panels (p, s, 2) are of like extent, so that one scale serves all."""
    start = panels[0][np.isfinite(panels[0]).all(axis=1)]
    centre = start.mean(axis=0) if len(start) else np.zeros(2)
    with np.errstate(invalid="ignore", over="ignore"):
        distances = np.linalg.norm(panels - centre, axis=2)
    extents = np.array([np.max(row[np.isfinite(row)], initial=0.0) for row in distances])
    moved = extents[extents > 0]
    return bool(extents.max() <= ONE_SCALE * np.min(moved, initial=extents.max()))


def _panel(axes: "Axes", way: NDArray[np.float64], features: Features) -> None:
    """The points at the last of the states (m, s, 2), with the way of a few of them to it."""
    if features.few:
        for index, colour in enumerate(features.colours):
            draw_path(axes, way[:, index], colour, step_marks=False)
        return
    size = float(np.clip(3000 / len(features.classes), 3, 14))
    axes.scatter(*way[-1].T, s=size, c=features.colours, linewidths=0, alpha=0.8, zorder=2)
    followed = examples_of(features.classes, FEW_POINTS)
    for index in followed:
        axes.plot(*finite_part(way[:, index]).T, color=INK, linewidth=0.5, zorder=3)
    looks: dict[str, Any] = {"s": 12, "c": features.colours[followed], "edgecolors": INK}
    axes.scatter(*way[-1, followed].T, linewidths=0.5, zorder=4, **looks)


def _dress(figure: "Figure", features: Features, title: str, *remarks: str) -> None:
    headline(figure, title)
    caption(figure, *remarks, *features.remarks)
    if features.class_count:
        class_legend(figure.axes[-1], features.class_count, features.class_names)


def _way_remark(features: Features) -> str:
    if features.few:
        return f"○ t = {features.times[0]:.3g}, ● the panel's t"
    return "lines: the way of a few points since the panel before"
