"""What several pictures ask of arrays: classes of labels, an even choice, a plane to look at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def class_indices(labels: ArrayLike, count: int) -> NDArray[np.int64]:
    """Classes (count,) from integers (count,) or (count, 1), or probabilities (count, classes).

    Raises ValueError when the labels are not `count` in number or are no classes.
    """
    array = np.asarray(labels)
    if len(array) != count:
        raise ValueError(f"{len(array)} labels for {count} points")
    if array.ndim == 2 and array.shape[1] > 1:
        return array.argmax(axis=1).astype(np.int64)
    flat = array.reshape(count)
    if not np.array_equal(flat, np.floor(flat)) or np.any(flat < 0):
        raise ValueError("labels must be class indices 0, 1, … or class probabilities")
    return flat.astype(np.int64)


def evenly(count: int, limit: int) -> NDArray[np.int64]:
    """At most `limit` of the indices 0..count−1, first and last included, always the same ones."""
    if not count:
        return np.arange(0)
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(np.int64))


def checked_trajectory(
    trajectory: ArrayLike, times: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Trajectory (N+1, s, n) and times (N+1,) as float64; ValueError on other shapes, no points."""
    y, t = np.asarray(trajectory, dtype=np.float64), np.asarray(times, dtype=np.float64)
    if y.ndim != 3 or y.size == 0:
        raise ValueError(
            f"a trajectory has the shape (N+1, s, n), none of them zero; got {y.shape}"
        )
    if t.shape != y.shape[:1]:
        raise ValueError(f"{y.shape[0]} states along the depth, but times of shape {t.shape}")
    return y, t


def lost_points(trajectory: NDArray[np.float64], times: NDArray[np.float64]) -> str:
    """How many points of (N+1, s, n) become non-finite, and when first; empty if none does."""
    bad = np.any(~np.isfinite(trajectory), axis=2)
    lost, depths = np.flatnonzero(bad.any(axis=0)), np.flatnonzero(bad.any(axis=1))
    if not len(lost):
        return ""
    first = times[depths[0]]
    return f"{len(lost)} of {bad.shape[1]} points not finite, first at t = {first:.4g}"


def principal_plane(
    trajectory: NDArray[np.float64], rows: int = 1024
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates (N+1, s, 2) along the two leading principal components, shares of variance (2,).

    The components come from at most `rows` states, evenly chosen, of those that are finite; each
    points the way of its largest entry.
    """
    states = trajectory.reshape(-1, trajectory.shape[-1])
    finite = states[np.isfinite(states).all(axis=1)]
    if not len(finite):
        return np.full((*trajectory.shape[:2], 2), np.nan), np.zeros(2)
    sample = finite[evenly(len(finite), rows)]
    mean = sample.mean(axis=0)
    _, spread, directions = np.linalg.svd(sample - mean, full_matrices=False)
    plane = np.zeros((2, trajectory.shape[-1]))
    plane[: len(directions[:2])] = directions[:2]
    plane *= np.where(_largest_entries(plane) < 0, -1.0, 1.0)[:, None]
    variance = np.pad((spread / (spread[0] or 1.0)) ** 2, (0, 2))
    with np.errstate(invalid="ignore"):
        return (trajectory - mean) @ plane.T, variance[:2] / (variance.sum() or 1.0)


def _largest_entries(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]


def examples_of(labels: NDArray[np.int64], limit: int) -> Sequence[int]:
    """About `limit` indices, evenly chosen within each class."""
    classes = np.unique(labels)
    share = max(1, limit // len(classes))
    members = (np.flatnonzero(labels == index) for index in classes)
    return [int(i) for indices in members for i in indices[evenly(len(indices), share)]]
