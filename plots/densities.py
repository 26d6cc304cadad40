"""A density beside its data and its samples, and the flow that carries noise to data."""

import os
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .arrays import principal_plane
from .style import INK, as_png, canvas, caption, headline, house, picture, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
LogDensity = Callable[[Array], Array]
"""Rows (s, n) → log p (s,)."""

RESOLUTION = 160
BINS = 100
PANELS, FRAMES = 6, 32
SECONDS = 0.12  # of a frame; the last one stays
COLOURMAP = "magma"
DATA, MODEL, DRAWN = "#0072b2", INK, "#e69f00"


def box_of(points: Array, pad: float = 0.25) -> tuple[Array, Array]:
    """The lowest and the highest corner around finite points (s, n)."""
    finite = points[np.isfinite(points).all(axis=1)]
    low, high = finite.min(axis=0), finite.max(axis=0)
    room = pad * np.maximum(high - low, 1e-3)
    return low - room, high + room


def density(
    log_density: LogDensity,
    data: Array | None,
    samples: Array,
    path: str | os.PathLike[str],
    title: str,
    names: Sequence[str] = ("$x_1$", "$x_2$"),
    box: tuple[Array, Array] | None = None,
    log_target: LogDensity | None = None,
) -> "Figure":
    """Draw p over the box around data and samples (s, n): on a line with both as histograms, in the
    plane between both, or beside a target. Of more components data and samples alone are drawn,
    along the two leading principal components of the samples. Without data there are none to
    compare with.
    """
    n = samples.shape[1]
    known = samples if data is None else np.concatenate([data, samples])
    box = box_of(known) if box is None else box
    if n == 1:
        return _on_a_line(log_density, data, samples, box, path, title, names[0], log_target)
    if n > 2:
        plane, _ = principal_plane(known[None])
        parts = {} if data is None else {"data": plane[0, : len(data)]}
        parts["samples"] = plane[0, len(parts.get("data", ())) :]
        return _beside(parts, {}, box_of(plane[0]), path, title, ("component 1", "component 2"))
    values = {"density": _on_grid(log_density, box)}
    if log_target is not None:
        values = {"target": _on_grid(log_target, box), **values}
    parts = {} if data is None else {"data": data}
    return _beside({**parts, "samples": samples}, values, box, path, title, names)


def _on_grid(log_density: LogDensity, box: tuple[Array, Array]) -> Array:
    (x, y) = (np.linspace(low, high, RESOLUTION) for low, high in zip(*box, strict=True))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return np.exp(log_density(grid)).reshape(RESOLUTION, RESOLUTION)


def _beside(
    points: dict[str, Array],
    values: dict[str, Array],
    box: tuple[Array, Array],
    path: str | os.PathLike[str],
    title: str,
    names: Sequence[str],
) -> "Figure":
    """Histograms of points, and values on a grid before the last of them."""
    *first, last = points
    panels = [*first, *values, last]
    with picture(path, 2.9 * len(panels) + 0.4, 3.1) as figure:
        all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, what in zip(all_axes, panels, strict=True):
            if what in values:
                _image(axes, values[what], box)
            else:
                _histogram(axes, points[what], box)
            axes.set(title=what, xlabel=names[0])
            axes.tick_params(labelleft=axes is all_axes[0])
        all_axes[0].set_ylabel(names[1])
        headline(figure, title)
        lost = sum(int((~np.isfinite(p).all(axis=1)).sum()) for p in points.values())
        caption(figure, f"{lost} points are not finite" if lost else "")
    return figure


def _on_a_line(
    log_density: LogDensity,
    data: Array | None,
    samples: Array,
    box: tuple[Array, Array],
    path: str | os.PathLike[str],
    title: str,
    name: str,
    log_target: LogDensity | None,
) -> "Figure":
    grid = np.linspace(box[0], box[1], 4 * RESOLUTION)
    with picture(path, 6.4, 3.6) as figure:
        axes = figure.subplots()
        parts = [(data, "data", DATA)] * (data is not None) + [(samples, "samples", DRAWN)]
        for points, label, colour in parts:
            assert points is not None
            looks: dict[str, Any] = {"density": True, "alpha": 0.4, "color": colour}
            axes.hist(points[np.isfinite(points)], bins=BINS, label=label, **looks)
        axes.plot(grid[:, 0], np.exp(log_density(grid)), color=MODEL, label="density")
        if log_target is not None:
            target = np.exp(log_target(grid))
            target /= np.trapezoid(target, grid[:, 0])
            axes.plot(grid[:, 0], target, color=DATA, linestyle="--", label="target")
        axes.set(xlabel=name, ylabel="$p$")
        axes.legend()
        headline(figure, title)
    return figure


def _image(axes: "Axes", values: Array, box: tuple[Array, Array]) -> None:
    axes.imshow(
        values, origin="lower", extent=_extent(box), cmap=COLOURMAP, interpolation="bilinear"
    )
    axes.set_aspect("equal")


def _histogram(axes: "Axes", points: Array, box: tuple[Array, Array]) -> None:
    low, high = box
    found, _, _ = np.histogram2d(*points.T, bins=BINS, range=list(zip(low, high, strict=True)))
    _image(axes, found.T, box)


def _extent(box: tuple[Array, Array]) -> tuple[float, float, float, float]:
    (left, bottom), (right, top) = box
    return float(left), float(right), float(bottom), float(top)


# --- the flow ---------------------------------------------------------------------------------


def flow(states: Array, times: Array, path: str | os.PathLike[str], title: str) -> "Figure":
    """Draw points on their way from noise, at t = T, to data, at t = 0: states (K, s, 2) at times
    (K,) that decrease."""
    chosen = np.linspace(0, len(times) - 1, min(PANELS, len(times))).round().astype(int)
    box = _box(states[chosen])
    with picture(path, 2.0 * len(chosen) + 0.8, 2.9) as figure:
        panels = figure.subplots(1, len(chosen), squeeze=False)[0]
        for axes, i in zip(panels, chosen, strict=True):
            _histogram(axes, states[i], box)
            axes.set(title=f"$t$ = {times[i]:.3g}", xticks=[], yticks=[])
        headline(figure, title)
    return figure


def animation(states: Array, times: Array, path: str | os.PathLike[str], title: str) -> None:
    """The same as frames of a GIF, which stays at the data for a while before it begins anew."""
    from PIL import Image

    box = _box(states)
    frames = [Image.open(file) for file in _frames(states, times, box, title)]
    durations = [int(1000 * SECONDS)] * len(frames)
    durations[-1] = 1500
    file = BytesIO()
    rest: dict[str, Any] = {"append_images": frames[1:], "duration": durations, "loop": 0}
    frames[0].save(file, format="GIF", save_all=True, **rest)
    write(file.getvalue(), path)


def _frames(states: Array, times: Array, box: tuple[Array, Array], title: str) -> Iterator[BytesIO]:
    with house():
        for y, t in zip(states, times, strict=True):
            figure = canvas(3.2, 3.4)
            axes = figure.subplots()
            _histogram(axes, y, box)
            axes.set(xticks=[], yticks=[], title=f"{title}, $t$ = {t:.2f}")
            yield BytesIO(as_png(figure, dpi=90))


def _box(states: Array) -> tuple[Array, Array]:
    points = states.reshape(-1, 2)
    finite = points[np.isfinite(points).all(axis=1)]
    low, high = np.quantile(finite, (0.002, 0.998), axis=0)
    return box_of(np.stack([low, high]), 0.1)
