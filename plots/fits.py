"""Series and what is predicted of them, over time and in the plane."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .paths import draw_path
from .style import INK, QUIET, REGION, caption, class_colours, frame, headline, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Slopes = Callable[[Array], Array]
"""States (s, n) → f(t, y), (s, n)."""

MOST_SERIES, MOST_CHANNELS = 3, 4
DENSE = 400
"""Times at which a prediction is drawn, besides those of the observations."""
ARROWS = 19
"""Along each axis of the plane."""


@dataclass(frozen=True)
class Fitted:
    """One series: what was observed at times (L,), values (L, c), NaN where nothing was; what came
    later; and the prediction (K, c) at times (K,)."""

    times: Array
    values: Array
    at: Array
    predicted: Array
    later_times: Array
    later_values: Array


def at_all_times(times: Array, values: Array, until: float) -> tuple[Array, Array]:
    """A series (L,), (L, c) with DENSE more times, up to another one, at which nothing was
    observed."""
    known = np.isfinite(times)
    dense = np.linspace(times[known][0], max(until, times[known][-1]), DENSE)
    every = np.unique(np.concatenate([times[known], dense]))
    found = np.full((len(every), values.shape[1]), np.nan)
    found[np.searchsorted(every, times[known])] = values[known]
    return every, found


def fits(
    series: Sequence[Fitted],
    path: str | os.PathLike[str],
    title: str,
    names: Sequence[str],
    count: int,
) -> "Figure":
    """Draw the channels of some of `count` series over time: what was observed as dots, what was
    predicted as lines; what came later on a shaded ground, with the truth in grey."""
    channels = list(names[:MOST_CHANNELS])
    width = 6.4 if len(series) == 1 else 3.1 * len(series)
    with picture(path, width, 1.0 + 1.7 * len(channels)) as figure:
        shape = len(channels), len(series)
        grid = figure.subplots(*shape, sharex="col", sharey="row", squeeze=False)
        for column, each in zip(grid.T, series, strict=True):
            for k, axes in enumerate(column):
                _channel(axes, each, k)
            column[-1].set_xlabel("time")
        for k, name in enumerate(channels):
            grid[k, 0].set_ylabel(name)
        headline(figure, title)
        shown = f"{len(series)} of {count} series" if len(series) < count else ""
        more = len(names) - len(channels)
        has_later = any(len(s.later_times) for s in series)
        later = "shaded: later than the training, truth in grey" if has_later else ""
        others = f"{more} more channels" if more > 0 else ""
        caption(figure, "● observed, — predicted", later, shown, others)
    return figure


def _channel(axes: "Axes", series: Fitted, k: int) -> None:
    colour = class_colours(MOST_CHANNELS)[k]
    axes.grid(True)
    if len(series.later_times):
        last, truth = series.times[np.isfinite(series.times)][-1], series.later_values[:, k]
        axes.axvspan(last, series.at[-1], color=REGION, zorder=0)
        axes.plot(series.later_times, truth, color=QUIET, linewidth=2.4, zorder=1)
    size = 3.4 if len(series.times) <= 120 else 1.6
    looks: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": size, "alpha": 0.75}
    axes.plot(series.times, series.values[:, k], color=colour, **looks, zorder=2)
    axes.plot(series.at, series.predicted[:, k], color=INK, linewidth=1.2, zorder=3)


def field(
    slopes: Slopes,
    series: Sequence[Fitted],
    path: str | os.PathLike[str],
    title: str,
    names: Sequence[str],
) -> "Figure":
    """Draw a field in the plane as arrows, with the series as dots and their predictions as
    paths."""
    with picture(path, 5.0, 5.0) as figure:
        axes = figure.subplots()
        known = np.concatenate([s.values for s in series] + [s.later_values for s in series])
        frame(axes, known[np.isfinite(known).all(axis=1)][None])
        sides = (np.linspace(*ends, ARROWS) for ends in (axes.get_xlim(), axes.get_ylim()))
        grid = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
        f = slopes(grid)
        size = np.linalg.norm(f, axis=1, keepdims=True)
        way = f / np.where(size > 0, size, 1.0) * np.sqrt(size / (size.max() or 1.0))
        looks: dict[str, Any] = {"angles": "xy", "pivot": "mid", "width": 0.0028}
        # the longest arrow reaches to its neighbour
        axes.quiver(*grid.T, *way.T, color=QUIET, scale=ARROWS, scale_units="width", **looks)
        for colour, each in zip(class_colours(max(len(series), 1)), series, strict=False):
            axes.plot(*each.values.T, ".", color=colour, markersize=3, alpha=0.6, zorder=2)
            draw_path(axes, each.predicted, colour, step_marks=False)
        axes.set(xlabel=names[0], ylabel=names[1])
        headline(figure, title)
        caption(figure, "arrows: the field, of length √|f|; dots observed, lines predicted")
    return figure
