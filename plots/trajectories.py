"""The phase portrait: a few planar trajectories with their direction."""

import os
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from .arrays import checked_trajectory, evenly, lost_points
from .paths import draw_path
from .style import caption, class_colours, frame, headline, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PATHS = 10
MOST_STEP_MARKS = 40


def trajectories(
    trajectory: ArrayLike, times: ArrayLike, path: str | os.PathLike[str], title: str
) -> "Figure":
    """Draw the paths of a trajectory (N+1, s, 2) at times (N+1,): at most ten, evenly chosen.

    Each path is cut where it stops being finite, which the caption says. Raises ValueError when the
    state is not planar.
    """
    y, t = checked_trajectory(trajectory, times)
    if y.shape[2] != 2:
        raise ValueError(f"a phase portrait needs states in the plane, got n = {y.shape[2]}")
    chosen = evenly(y.shape[1], MOST_PATHS)
    colours = class_colours(max(len(chosen), 1))
    with picture(path, 5.0, 5.0) as figure:
        axes = figure.subplots()
        axes.grid(True)
        for index, colour in zip(chosen, colours, strict=True):
            draw_path(axes, y[:, index], colour, step_marks=len(t) <= MOST_STEP_MARKS)
        frame(axes, y[:, chosen])
        axes.set(xlabel="$y_1$", ylabel="$y_2$")
        headline(figure, title)
        shown = "" if len(chosen) == y.shape[1] else f"{len(chosen)} of {y.shape[1]} paths shown"
        ends = f"○ t = {t[0]:.4g}, ● t = {t[-1]:.4g}"
        caption(figure, ends, f"{len(t) - 1} steps", shown, lost_points(y, t))
    return figure
