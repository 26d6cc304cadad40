"""A path in the plane: line, direction, start and end."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def finite_part(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """The states (m, 2) before the first that is not finite."""
    bad = ~np.isfinite(path).all(axis=1)
    return path[: bad.argmax()] if bad.any() else path


def draw_path(axes: "Axes", path: NDArray[np.float64], colour: Any, *, step_marks: bool) -> None:
    """A path (m, 2): ○ at the start, ● at the end, arrowhead halfway; a dot per step if asked."""
    path = finite_part(path)
    if not len(path):
        return
    axes.plot(*path.T, color=colour, linewidth=1.3, zorder=2)
    if step_marks:
        axes.plot(*path[1:-1].T, linestyle="", marker=".", markersize=4, color=colour, zorder=3)
    ends: dict[str, Any] = {
        "linestyle": "",
        "marker": "o",
        "markersize": 6,
        "color": colour,
        "zorder": 4,
    }
    axes.plot(*path[:1].T, markerfacecolor="white", **ends)
    if len(path) > 1:
        axes.plot(*path[-1:].T, **ends)
        draw_arrow(axes, path, colour)


def draw_arrow(axes: "Axes", path: NDArray[np.float64], colour: Any) -> None:
    """An arrowhead on the step that holds half of the path's length; none where nothing moves."""
    with np.errstate(over="ignore"):
        length = np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))
    if not length[-1] > 0:
        return
    step = int(np.searchsorted(length, length[-1] / 2))
    middle = (path[step] + path[step + 1]) / 2
    arrow: dict[str, Any] = {"arrowstyle": "-|>,head_length=0.55,head_width=0.28", "color": colour}
    arrow |= {"shrinkA": 0, "shrinkB": 0, "linewidth": 1.0}
    axes.annotate("", xy=tuple(middle), xytext=tuple(path[step]), arrowprops=arrow, zorder=3)
