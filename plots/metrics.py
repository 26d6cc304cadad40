"""Loss, accuracy or mean squared error, and learning rate over the epochs of a run."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .style import ALARM, QUIET, caption, headline, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAINING, VALIDATION = "#0072b2", "#d55e00"
FEW_EPOCHS = 30


@dataclass(frozen=True)
class Series:
    """One key of the metrics, and how its line looks."""

    key: str
    label: str
    colour: str


@dataclass(frozen=True)
class Panel:
    """The series that share one axis, and how that axis behaves."""

    ylabel: str
    series: tuple[Series, ...]
    height: float = 3.0
    may_be_log: bool = True


def _pair(training: str, validation: str) -> tuple[Series, Series]:
    return Series(training, "training", TRAINING), Series(validation, "validation", VALIDATION)


LOSS = Panel("loss", _pair("loss", "validation_loss"))
ACCURACY = Panel("accuracy", _pair("train_accuracy", "validation_accuracy"), may_be_log=False)
LIKELIHOOD = Panel(
    "−log p, nats", _pair("train_nll", "validation_nll"), height=2.0, may_be_log=False
)
ERROR = Panel("mean squared error", _pair("train_mse", "validation_mse"))
EVALUATIONS = Panel(
    "evaluations of the field",
    (Series("nfe", "forward", TRAINING), Series("nfe_backward", "backward", VALIDATION)),
    height=2.0,
    may_be_log=False,
)
RATE = Panel("rate", (Series("lr", "learning rate", QUIET),), height=1.0)


def metrics(
    rows: Sequence[Mapping[str, Any]], path: str | os.PathLike[str], title: str
) -> "Figure":
    """Draw the rows of a run, one per epoch: loss, accuracy or error, how often an adaptive solver
    evaluates the field, learning rate.

    Read are `loss` and, where present, `validation_loss`, `train_accuracy`, `validation_accuracy`,
    `train_mse`, `validation_mse`, `train_nll`, `validation_nll`, `nfe`,
    `nfe_backward`, `lr`, over `epoch` (else 1, 2, …).

    A key absent or None was not measured; a `loss` of None, NaN or ±inf, and any other value not
    finite, is marked at its epoch. An axis is logarithmic when its values are positive and span a
    decade. Raises ValueError without rows or loss.
    """
    if not any("loss" in row for row in rows):
        raise ValueError("metrics need at least one epoch with a loss")
    epochs = np.array([row.get("epoch", index) for index, row in enumerate(rows, 1)], dtype=float)
    panels = [
        LOSS,
        *(
            panel
            for panel in (ACCURACY, ERROR, LIKELIHOOD, EVALUATIONS, RATE)
            if _measured(panel, rows)
        ),
    ]
    heights = [panel.height for panel in panels]
    with picture(path, 6.4, 0.8 + 0.72 * sum(heights)) as figure:
        grid = figure.subplots(len(panels), squeeze=False, sharex=True, height_ratios=heights)
        bad = 0
        for axes, panel in zip(grid[:, 0], panels, strict=True):
            bad += _draw(axes, panel, epochs, rows)
        _epoch_axis(grid[-1, 0], epochs)
        headline(figure, title)
        caption(figure, f"× not finite ({bad} values)" if bad else "")
    return figure


def _measured(panel: Panel, rows: Sequence[Mapping[str, Any]]) -> bool:
    return any(row.get(series.key) is not None for series in panel.series for row in rows)


def _values(series: Series, rows: Sequence[Mapping[str, Any]]) -> tuple[NDArray, NDArray[np.bool_]]:
    """The values, NaN where there is none, and where a value stands that is not finite."""
    found = [row.get(series.key) for row in rows]
    values = np.array([math.nan if value is None else float(value) for value in found])
    null_counts = series.key == "loss"
    stands = [row.get(series.key) is not None or (null_counts and "loss" in row) for row in rows]
    return values, np.array(stands) & ~np.isfinite(values)


def _draw(axes: "Axes", panel: Panel, epochs: NDArray, rows: Sequence[Mapping[str, Any]]) -> int:
    """One panel; returns how many of its values are not finite."""
    columns = [(series, *_values(series, rows)) for series in panel.series]
    for series, values, bad in columns:
        if bad.any() or np.isfinite(values).any():
            _line(axes, series, epochs, values)
        if bad.any():
            _mark_bad(axes, epochs[bad])
    axes.grid(True)
    axes.set_ylabel(panel.ylabel)
    if panel.may_be_log and _spans_a_decade(np.concatenate([values for _, values, _ in columns])):
        axes.set_yscale("log")
    if len(panel.series) > 1:
        axes.legend(loc="best")
    return sum(int(bad.sum()) for *_, bad in columns)


def _line(axes: "Axes", series: Series, epochs: NDArray, values: NDArray) -> None:
    """The finite values joined, measured at every epoch or not; the last of them in the legend."""
    seen = np.isfinite(values)
    last = f" (last {values[seen][-1]:.4g})" if seen.any() else ""
    looks: dict[str, Any] = {
        "color": series.colour,
        "marker": "o" if len(epochs) <= FEW_EPOCHS else "",
    }
    axes.plot(epochs[seen], values[seen], markersize=3.5, label=series.label + last, **looks)


def _mark_bad(axes: "Axes", epochs: NDArray) -> None:
    """Crosses at the top of the panel: a value that is not finite has an epoch but no height."""
    top, across = np.full(len(epochs), 0.96), axes.get_xaxis_transform()
    looks: dict[str, Any] = {"linestyle": "", "marker": "x", "color": ALARM, "markeredgewidth": 1.6}
    axes.plot(epochs, top, transform=across, markersize=6, **looks)


def _spans_a_decade(values: NDArray) -> bool:
    finite = values[np.isfinite(values)]
    return len(finite) > 0 and finite.min() > 0 and bool(finite.max() >= 10 * finite.min())


def _epoch_axis(axes: "Axes", epochs: NDArray) -> None:
    from matplotlib.ticker import FixedLocator, MaxNLocator

    pad = 0.5 if len(epochs) == 1 else 0.02 * float(np.ptp(epochs))
    axes.set(xlabel="epoch", xlim=(epochs.min() - pad, epochs.max() + pad))
    few = FixedLocator(epochs.tolist()) if len(epochs) <= 10 else None
    axes.xaxis.set_major_locator(few or MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
