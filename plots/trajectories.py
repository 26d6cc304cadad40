"""The phase portrait: a few trajectories in the plane or in space, with their direction."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import checked_trajectory, class_indices, evenly, examples_of, lost_points
from .paths import draw_path, finite_part
from .style import caption, class_colours, class_legend, frame, headline, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPACES = (2, 3)
MOST_PATHS = 10
MOST_OF_CLASSES = 40
MOST_STEP_MARKS = 40


def trajectories(
    trajectory: ArrayLike,
    times: ArrayLike,
    path: str | os.PathLike[str],
    title: str,
    labels: ArrayLike | None = None,
    class_names: Sequence[str] = (),
) -> "Figure":
    """Draw the paths of a trajectory (N+1, s, n), n = 2 or 3, at times (N+1,): at most ten, evenly
    chosen, or about forty in the colours of their classes where there are labels.

    Each path is cut where it stops being finite, which the caption says. Raises ValueError when the
    state is neither planar nor in space.
    """
    y, t = checked_trajectory(trajectory, times)
    if y.shape[2] not in SPACES:
        raise ValueError(
            f"a phase portrait needs a state in the plane or in space, got n = {y.shape[2]}"
        )
    chosen, colours, classes = _chosen(y.shape[1], labels)
    with picture(path, 5.0 + (classes > 0), 5.0) as figure:
        draw = _in_plane if y.shape[2] == 2 else _in_space
        draw(figure, y[:, chosen], colours, step_marks=not classes and len(t) <= MOST_STEP_MARKS)
        if classes:
            class_legend(figure.axes[0], classes, class_names)
        headline(figure, title)
        shown = "" if len(chosen) == y.shape[1] else f"{len(chosen)} of {y.shape[1]} paths shown"
        ends = f"○ t = {t[0]:.4g}, ● t = {t[-1]:.4g}"
        caption(figure, ends, f"{len(t) - 1} steps", shown, lost_points(y, t))
    return figure


def _chosen(count: int, labels: ArrayLike | None) -> tuple[Sequence[int], Sequence[Any], int]:
    """The points that are drawn, a colour for each, and the number of classes (0: no labels)."""
    if labels is None:
        chosen = evenly(count, MOST_PATHS).tolist()
        return chosen, class_colours(max(len(chosen), 1)), 0
    classes = class_indices(labels, count)
    chosen, known = examples_of(classes, MOST_OF_CLASSES), int(classes.max()) + 1
    palette = class_colours(known)
    return chosen, [palette[classes[i]] for i in chosen], known


def _in_plane(
    figure: "Figure", y: NDArray[np.float64], colours: Sequence[Any], *, step_marks: bool
) -> None:
    axes = figure.subplots()
    axes.grid(True)
    for way, colour in zip(y.transpose(1, 0, 2), colours, strict=True):
        draw_path(axes, way, colour, step_marks=step_marks)
    frame(axes, y)
    axes.set(xlabel="$y_1$", ylabel="$y_2$")


def _in_space(
    figure: "Figure", y: NDArray[np.float64], colours: Sequence[Any], *, step_marks: bool
) -> None:
    """As in the plane, seen from above the first two axes; no arrowheads and no step marks."""
    axes: Any = figure.subplots(subplot_kw={"projection": "3d"})
    for way, colour in zip(y.transpose(1, 0, 2), colours, strict=True):
        finite = finite_part(way)
        looks: dict[str, Any] = {"linestyle": "", "marker": "o", "color": colour, "markersize": 4}
        axes.plot(*finite.T, color=colour, linewidth=0.8, alpha=0.6)
        axes.plot(*finite[:1].T, markerfacecolor="white", **looks)
        axes.plot(*finite[-1:].T, **looks)
    axes.set(xlabel="$y_1$", ylabel="$y_2$", zlabel="$y_3$")
    axes.set_aspect("equal")
    axes.view_init(elev=14, azim=-62)
