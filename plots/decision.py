"""The decision regions of a classifier of the plane, with its training and validation data."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import class_indices, evenly
from .style import INK, caption, class_colours, class_legend, headline, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RESOLUTION = 240
MOST_TRAINING_POINTS = 5000
MOST_VALIDATION_POINTS = 1000

Predict = Callable[[NDArray[np.float64]], ArrayLike]
Split = tuple[ArrayLike, ArrayLike]
Classes = NDArray[np.int64]
Points = tuple[NDArray[np.float64], Classes]


def decision_regions(
    predict: Predict,
    training: Split,
    validation: Split,
    path: str | os.PathLike[str],
    title: str,
    axes_names: tuple[str, str] = ("$x_1$", "$x_2$"),
    class_names: Sequence[str] = (),
) -> "Figure":
    """Draw the class that `predict` ((s, 2) → (s, classes) probabilities or logits) decides for.

    A split is points (s, 2) and their labels, (s,) or probabilities (s, classes). A prediction that
    is not finite is of no class: it counts as wrong, and its region stays grey. Raises ValueError
    for an empty split or one that is not planar.
    """
    train, held_out = _split(training, "training"), _split(validation, "validation")
    probabilities = _probabilities(predict(held_out[0]))
    guess = _decided(probabilities)
    box = _box(np.concatenate([train[0], held_out[0]]))
    classes = max(
        probabilities.shape[1], *(int(labels.max()) + 1 for _, labels in (train, held_out))
    )
    aspect = (box[3] - box[2]) / (box[1] - box[0])
    with picture(path, 6.4, float(np.clip(4.4 * aspect, 1.6, 5.6)) + 1.0) as figure:
        axes = figure.subplots()
        undecided = _draw_regions(axes, predict, box, classes)
        _draw_training(axes, train, classes)
        _draw_validation(axes, held_out, guess, classes)
        axes.set(xlim=box[:2], ylim=box[2:], xlabel=axes_names[0], ylabel=axes_names[1])
        axes.set_aspect("equal", adjustable="box")
        class_legend(axes, classes, class_names, _marks())
        headline(figure, f"{title}\n{_accuracy(guess == held_out[1])}")
        caption(figure, *_remarks(train, held_out, undecided))
    return figure


def _split(split: Split, name: str) -> Points:
    points = np.asarray(split[0], dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(
            f"decision regions need {name} points in the plane, got shape {points.shape}"
        )
    if not len(points):
        raise ValueError(f"the {name} split is empty")
    if not np.isfinite(points).all():
        raise ValueError(f"the {name} points are not all finite")
    return points, class_indices(split[1], len(points))


def _probabilities(outputs: ArrayLike) -> NDArray[np.float64]:
    """Rows that are distributions stay; others are logits, and softmax makes them so."""
    rows = np.asarray(outputs, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise ValueError(
            f"predictions must be of shape (s, classes) with two classes or more, got {rows.shape}"
        )
    known = rows[np.isfinite(rows).all(axis=1)]
    if np.all(known >= 0) and np.allclose(known.sum(axis=1), 1.0, atol=1e-4):
        return rows
    with np.errstate(invalid="ignore"):
        powers = np.exp(rows - rows.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def _decided(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """The class of each row, −1 where the row is not finite."""
    finite = np.isfinite(probabilities).all(axis=1)
    return np.where(finite, probabilities.argmax(axis=1), -1)


def _box(points: NDArray[np.float64]) -> tuple[float, float, float, float]:
    low, high = points.min(axis=0), points.max(axis=0)
    pad = 0.06 * ((high - low).max() or 1.0)
    (left, bottom), (right, top) = low - pad, high + pad
    return float(left), float(right), float(bottom), float(top)


def _draw_regions(
    axes: "Axes", predict: Predict, box: tuple[float, float, float, float], classes: int
) -> float:
    """Soft class colours, lines where the class changes; returns the share of area without one."""
    xs, ys = np.linspace(*box[:2], RESOLUTION), np.linspace(*box[2:], RESOLUTION)
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    probabilities = _probabilities(predict(grid))
    finite = np.isfinite(probabilities).all(axis=1)
    palette = np.array(class_colours(classes))[: probabilities.shape[1]]
    tint = 1 - 0.38 * (1 - probabilities @ palette)
    tint[~finite] = 0.8
    axes.imshow(
        tint.reshape(RESOLUTION, RESOLUTION, 3),
        origin="lower",
        extent=box,
        interpolation="bilinear",
    )
    _draw_boundaries(axes, xs, ys, probabilities)
    return float(1 - finite.mean())


def _draw_boundaries(axes: "Axes", xs: NDArray, ys: NDArray, probabilities: NDArray) -> None:
    """The zero lines of p_k − max_{j≠k} p_j; of two classes those of one are those of the other."""
    for k in range(probabilities.shape[1] - (probabilities.shape[1] == 2)):
        margin = probabilities[:, k] - np.delete(probabilities, k, axis=1).max(axis=1)
        if np.nanmin(margin, initial=0.0) < 0 < np.nanmax(margin, initial=0.0):
            surface = np.ma.masked_invalid(margin).reshape(len(ys), len(xs))
            axes.contour(xs, ys, surface, levels=[0.0], colors=INK, linewidths=0.7)


def _draw_training(axes: "Axes", train: Points, classes: int) -> None:
    chosen = evenly(len(train[0]), MOST_TRAINING_POINTS)
    colours = np.array(class_colours(classes))[train[1][chosen]]
    axes.scatter(
        *train[0][chosen].T, s=4, c=colours, linewidths=0, alpha=0.75, zorder=2, label="training"
    )


def _draw_validation(axes: "Axes", held_out: Points, guess: Classes, classes: int) -> None:
    """Right ones, evenly chosen when they are many; wrong ones all, with a cross."""
    points, labels = held_out
    wrong, right = np.flatnonzero(guess != labels), np.flatnonzero(guess == labels)
    chosen = np.concatenate([right[evenly(len(right), MOST_VALIDATION_POINTS)], wrong])
    colours = np.array(class_colours(classes))[labels[chosen]]
    size = float(np.clip(5000 / len(chosen), 9, 20))
    looks: dict[str, Any] = {"s": size, "edgecolors": INK, "linewidths": 0.5}
    axes.scatter(*points[chosen].T, c=colours, zorder=3, label="validation", **looks)
    cross: dict[str, Any] = {"s": 1.8 * size, "marker": "x", "c": INK, "linewidths": 1.2}
    axes.scatter(*points[wrong].T, zorder=4, label="misclassified", **cross)


def _marks() -> tuple[Any, ...]:
    from matplotlib.lines import Line2D

    grey: dict[str, Any] = {"linestyle": "", "color": "#9a9a9a"}
    return (
        Line2D([], [], marker="o", markersize=2.2, label="training", **grey),
        Line2D([], [], marker="o", markersize=4.5, markeredgecolor=INK, label="validation", **grey),
        Line2D([], [], marker="x", linestyle="", color=INK, label="misclassified\n(validation)"),
    )


def _accuracy(right: NDArray[np.bool_]) -> str:
    return f"validation accuracy {right.mean():.1%} ({right.sum()} of {len(right)})"


def _remarks(train: Points, held_out: Points, undecided: float) -> tuple[str, str]:
    hidden = len(train[0]) > MOST_TRAINING_POINTS or len(held_out[0]) > MOST_VALIDATION_POINTS
    thinned = "points thinned evenly, wrong ones all shown" if hidden else ""
    return (
        thinned,
        f"grey: prediction not finite ({undecided:.1%} of the area)" if undecided else "",
    )
