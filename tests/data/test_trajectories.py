"""Series that are drawn: against torchdiffeq and its examples, closed forms and what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.special import ellipj, ellipk, ellipkinc
from scipy.stats import binomtest, chisquare, kstest
from torchdiffeq import odeint

from wellposed.data import Dataset, Split, load, span
from wellposed.data.systems import solved
from wellposed.spec.data import Data
from wellposed.spec.observations import TimeSeries

RARE = 1e-4
"""A seed is fixed: a probability below this is a law that differs, not chance."""
SIZES: dict[str, tuple[int, int, int, float]] = {
    "cubic-spiral": (1, 0, 1000, 25),
    "lotka-volterra": (8, 2, 100, 10),
    "pendulum": (20, 5, 100, 10),
    "spirals": (800, 200, 100, 99 * 6 * np.pi / 499),
}
"""By default: series to train on and to validate on, observations of each, the last time."""
NAMES = {
    "cubic-spiral": ("y1", "y2"),
    "lotka-volterra": ("x", "y"),
    "pendulum": ("q", "p"),
    "spirals": ("x1", "x2"),
}


def dataset(kind: str, seed: int = 0, /, **keys: Any) -> Dataset:
    return load(Data._choose({"kind": kind} | keys), seed, Path(), lambda *keys: None)


def times(split: Split) -> np.ndarray:
    assert split.targets is not None
    return split.targets


def later(data: Dataset) -> Split:
    assert data.later is not None
    return data.later


# --- what all kinds have in common --------------------------------------------------------------


def test_every_kind_is_tested() -> None:
    assert TimeSeries.members().keys() == SIZES.keys() == NAMES.keys()


@pytest.mark.parametrize("kind", SIZES)
def test_parts_have_their_sizes_and_times(kind: str) -> None:
    usual = SIZES[kind]
    some: list[dict[str, int]] = [
        {},
        {"train": 3, "validation": 2, "points": 7},
        {"train": 1, "validation": 0},
    ]
    for sizes in some:
        data = dataset(kind, **sizes)
        train = sizes.get("train", usual[0])
        validation, points = sizes.get("validation", usual[1]), sizes.get("points", usual[2])
        assert (data.kind, data.features, data.preprocessing.features) == (
            "observations",
            2,
            NAMES[kind],
        )
        assert data.train.x.shape == (train, points, 2)
        assert len(data.validation) == validation
        for part in (data.train, data.validation):
            assert np.isfinite(part.x).all() and len(times(part)) == len(part.x)
        if kind != "spirals" or points == 100:
            rows = times(data.train)
            np.testing.assert_allclose(rows, np.tile(np.linspace(0, usual[3], points), (train, 1)))
        made = data.preprocessing
        assert made.origin is not None and made.horizon is not None
        assert span(Data._choose({"kind": kind} | sizes), 0, Path(), lambda *keys: None) == (
            made.origin,
            made.horizon,
        )


@pytest.mark.parametrize("kind", SIZES)
def test_the_seed_decides(kind: str) -> None:
    keys = {"train": 4, "validation": 4, "noise": 0.01}
    first, again, other = (dataset(kind, seed, **keys) for seed in (5, 5, 6))
    for name in ("train", "validation"):
        ours, same, others = (getattr(data, name).x for data in (first, again, other))
        np.testing.assert_array_equal(ours, same)
        assert (ours != others).all()
    assert (first.train.x[:, 0] != first.validation.x[:, 0]).any()


@pytest.mark.parametrize("kind", SIZES)
def test_noise_is_normal_and_added_to_the_same_solutions(kind: str) -> None:
    keys = {"train": 50, "points": 100, "validation": 3}
    clean, noisy = dataset(kind, noise=0, **keys), dataset(kind, noise=0.25, **keys)
    added = (noisy.train.x - clean.train.x) / 0.25
    for channel in (*added.reshape(-1, 2).T, added.sum(axis=2).ravel() / np.sqrt(2)):
        assert kstest(channel, "norm").pvalue > RARE
    np.testing.assert_array_equal(times(noisy.train), times(clean.train))


@pytest.mark.parametrize("kind", [kind for kind in SIZES if kind != "spirals"])
def test_what_lies_after_until_is_that_of_the_whole(kind: str) -> None:
    keys = {"train": 3, "points": 50, "horizon": 7, "noise": 0.1}
    for validation in (0, 2):
        whole = dataset(kind, validation=validation, **keys)
        cut = dataset(kind, validation=validation, until=4.0, **keys)
        shown = int((times(whole.train)[0] <= 4).sum())
        np.testing.assert_array_equal(cut.train.x, whole.train.x[:, :shown])
        measured = whole.validation if validation else whole.train
        np.testing.assert_array_equal(later(cut).x, measured.x[:, shown:])
        np.testing.assert_array_equal(times(later(cut)), times(measured)[:, shown:])
        assert cut.preprocessing.horizon == times(whole.train)[0, shown - 1]


# --- spirals ------------------------------------------------------------------------------------


def of_torchdiffeq() -> tuple[np.ndarray, list[np.ndarray]]:
    """Grid and curves of examples/latent_ode.py, written out point by point."""
    start, stop, count, a, b = 0.0, 6 * np.pi, 500, 0.0, 0.3
    grid = [start + k * (stop - start) / (count - 1) for k in range(count)]
    clockwise, counter = [], []
    for s in grid:
        z = stop + 1.0 - s
        rw = a + b * 50.0 / z
        clockwise.append((rw * np.cos(z) - 5.0, rw * np.sin(z)))
        r = a + b * s
        counter.append((r * np.cos(s) + 5.0, r * np.sin(s)))
    return np.array(grid), [np.array(clockwise), np.array(counter)]


def found_on(curves: list[np.ndarray], path: np.ndarray) -> tuple[int, int]:
    """The sense of a piece of a curve, and the node that it begins at."""
    for sense, curve in enumerate(curves):
        start = int(np.argmin(np.linalg.norm(curve - path[0], axis=1)))
        piece = curve[start : start + len(path)]
        if piece.shape == path.shape and np.allclose(piece, path, rtol=0, atol=1e-12):
            return sense, start
    raise AssertionError("on no spiral")


def test_spirals_are_pieces_of_those_of_torchdiffeq() -> None:
    data = dataset("spirals", train=3000, validation=1000, noise=0)
    grid, curves = of_torchdiffeq()
    np.testing.assert_allclose(times(data.train), np.tile(grid[:100], (3000, 1)), atol=1e-13)
    found = np.array([found_on(curves, path) for path in data.train.x])
    senses, starts = found.T
    assert binomtest(int(senses.sum()), len(senses)).pvalue > RARE
    assert (starts.min(), starts.max()) == (100, 299)
    for sense in (0, 1):
        counts = np.bincount(starts[senses == sense] - 100, minlength=200)
        assert chisquare(counts.reshape(20, 10).sum(axis=1)).pvalue > RARE


@pytest.mark.parametrize("validation", [0, 40])
def test_the_next_nodes_are_what_extrapolation_is_measured_at(validation: int) -> None:
    data = dataset("spirals", train=60, validation=validation)
    clean = dataset("spirals", train=60, validation=validation, noise=0)
    measured = clean.validation if validation else clean.train
    grid, curves = of_torchdiffeq()
    for path, after in zip(measured.x, later(data).x, strict=True):
        found_on(curves, np.concatenate([path, after]))
    np.testing.assert_allclose(times(later(data)), np.tile(grid[100:200], (len(measured), 1)))


@pytest.mark.parametrize("points", [2, 30, 50])
def test_some_points_of_a_spiral_are_drawn_from_all_of_them(points: int) -> None:
    whole, some = dataset("spirals"), dataset("spirals", points=points)
    origin = some.preprocessing.origin
    assert origin == 0  # of 800 series the first node of one is among them
    for part, of in ((some.train, whole.train), (some.validation, whole.validation)):
        rows = [np.searchsorted(t, own) for t, own in zip(times(of), times(part), strict=True)]
        index = np.array(rows)
        assert index.shape == (len(part), points) and (np.diff(index, axis=1) > 0).all()
        np.testing.assert_array_equal(np.take_along_axis(of.x, index[:, :, None], 1), part.x)
    np.testing.assert_array_equal(later(some).x, later(whole).x)
    nodes = np.concatenate(
        [np.searchsorted(times(whole.train)[0], row) for row in times(some.train)]
    )
    assert chisquare(np.bincount(nodes, minlength=100)).pvalue > RARE


def test_times_of_few_spirals_count_from_the_earliest_that_is_seen() -> None:
    data = dataset("spirals", train=1, validation=1, points=3)
    origin = data.preprocessing.origin
    assert origin is not None and origin > 0 and times(data.train)[0, 0] == 0
    grid, _ = of_torchdiffeq()
    assert np.isclose(grid, origin).any()
    np.testing.assert_allclose(times(later(data))[0], grid[100:200] - origin, atol=1e-12)


# --- solutions ----------------------------------------------------------------------------------


def test_the_cubic_spiral_is_that_of_torchdiffeq() -> None:
    A = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]], dtype=torch.float64)
    grid = torch.linspace(0, 25, 1000, dtype=torch.float64)

    def field(t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.mm(y**3, A)

    data = dataset("cubic-spiral", train=3, validation=2)
    np.testing.assert_allclose(times(data.train)[0], grid.numpy(), rtol=1e-14)
    starts = np.concatenate([data.train.x[:, 0], data.validation.x[:, 0]])
    np.testing.assert_allclose(np.linalg.norm(starts, axis=1), 2, rtol=1e-14)
    np.testing.assert_array_equal(starts[0], [2, 0])
    assert len(np.unique(starts[:, 0])) == 5
    theirs: Any = odeint(field, torch.tensor(starts), grid, rtol=1e-11, atol=1e-13)
    ours = np.concatenate([data.train.x, data.validation.x])
    np.testing.assert_allclose(ours, theirs.numpy().swapaxes(0, 1), rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    "rates", [(1.5, 1, 3, 1), (0.55, 0.028, 0.84, 0.026), (10, 0.01, 0.01, 10)]
)
def test_predators_and_prey_keep_their_invariant(rates: tuple[float, ...]) -> None:
    a, b, c, d = rates
    data = dataset("lotka-volterra", rates=rates, train=6, horizon=12)
    x, y = data.train.x.transpose(2, 0, 1)
    kept = d * x - c * np.log(x) + b * y - a * np.log(y)
    np.testing.assert_allclose(kept, np.tile(kept[:, :1], 100), rtol=1e-9)
    for start, limit in ((x[:, 0], c / d), (y[:, 0], a / b)):
        assert (start > limit / 4).all() and (start < 3 * limit / 4).all()
    grid = times(data.train)[0]
    for k in range(6 if a < 10 else 0):  # without logarithms, where numbers do not get too small

        def field(t: float, z: np.ndarray) -> list[float]:
            return [a * z[0] - b * z[0] * z[1], -c * z[1] + d * z[0] * z[1]]

        theirs = solve_ivp(
            field, (0, 12), [x[k, 0], y[k, 0]], "LSODA", grid, rtol=1e-11, atol=1e-11
        )
        np.testing.assert_allclose([x[k], y[k]], theirs.y, rtol=1e-6)


@pytest.mark.parametrize("frequency", [1.0, 0.3, 7.5])
def test_the_pendulum_swings_by_its_closed_form(frequency: float) -> None:
    """q = 2 asin(k sn(ω t + u₀, k²)), p = 2 ω k cn(ω t + u₀, k²), k = sin(α/2)."""
    data = dataset("pendulum", frequency=frequency, train=200, validation=0, horizon=20)
    q, p = data.train.x.transpose(2, 0, 1)
    energy = p**2 / 2 - frequency**2 * np.cos(q)
    amplitude = np.arccos(-energy[:, 0] / frequency**2)
    assert kstest(amplitude, "uniform", args=(0.5, 2)).pvalue > RARE
    assert binomtest(int((p[:, 0] > 0).sum()), 200).pvalue > RARE
    k = np.sin(amplitude / 2)
    grid = frequency * times(data.train)[0]
    for row in range(0, 200, 20):
        m = k[row] ** 2
        start = ellipkinc(np.arcsin(np.sin(q[row, 0] / 2) / k[row]), m)
        start = start if p[row, 0] > 0 else 2 * ellipk(m) - start
        sn, cn, _, _ = ellipj(grid + start, m)
        np.testing.assert_allclose(q[row], 2 * np.arcsin(k[row] * sn), atol=1e-7)
        np.testing.assert_allclose(p[row], 2 * frequency * k[row] * cn, atol=1e-7 * frequency)


def test_the_pendulum_is_solved_to_ten_digits() -> None:
    """From rest at the amplitude, q = 2 asin(k sn(ω t + K)) without an angle to be found first."""
    amplitude, grid = np.linspace(0.5, 2.5, 30), np.linspace(0, 40, 200)
    found = solved(lambda q, p: (p, -np.sin(q)), np.column_stack([amplitude, 0 * amplitude]), grid)
    k = np.sin(amplitude / 2)[:, None]
    exact = 2 * np.arcsin(k * ellipj(grid + ellipk(k**2), k**2)[0])
    np.testing.assert_allclose(found[:, :, 0], exact, rtol=0, atol=2e-10)


def test_a_flow_that_blows_up_is_no_solution() -> None:
    with pytest.raises(ArithmeticError, match="no solution up to 2"):
        solved(lambda u, v: (u**2, v), np.array([[1.0, 0.0]]), np.array([0.0, 2.0]))
