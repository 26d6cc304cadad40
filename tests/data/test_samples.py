"""Samples of densities in the plane: against scikit-learn, closed forms of supports and moments."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chisquare, kstest
from sklearn.datasets import make_circles, make_moons

import wellposed
from wellposed.data import Dataset, load
from wellposed.data.samples import DENSITIES
from wellposed.spec.data import Data
from wellposed.spec.generated import PlanarDensity

SIZE = 20_000
RARE = 1e-4
"""A seed is fixed: a probability below this is a law that differs, not chance."""

SCALES = {
    "two-moons": 2,
    "two-circles": 3,
    "checkerboard": 1,
    "eight-gaussians": 1 / 1.414,
    "two-spirals": 1,
}
"""What a deviation of 1 is in the points, where noise is normal in all directions."""

DEFAULTS = {
    "two-moons": 0.1,
    "two-circles": 0.08,
    "checkerboard": 0,
    "eight-gaussians": 0.5,
    "pinwheel": 0.1,
    "two-spirals": 0.1,
}


def dataset(kind: str, seed: int = 0, /, **keys: float) -> Dataset:
    return load(Data._choose({"kind": kind} | keys), seed, Path(), lambda *keys: None)


def points(kind: str, size: int = SIZE, **keys: float) -> np.ndarray:
    return dataset(kind, 0, train=size, **keys).train.x


def is_law(values: np.ndarray, law: str | np.ndarray) -> bool:
    """Are they drawn from a law, or from that which others are drawn from (Kolmogorov, Smirnov)?"""
    return kstest(values, law).pvalue > RARE


@pytest.mark.parametrize("kind", DEFAULTS)
def test_parts_have_their_sizes_no_targets_and_no_point_in_common(kind: str) -> None:
    for sizes in ({}, {"train": 31, "validation": 13}, {"train": 1, "validation": 0}):
        data = dataset(kind, 0, **sizes)
        expected = (sizes.get("train", 2000), sizes.get("validation", 500))
        assert (len(data.train), len(data.validation)) == expected
        assert (data.kind, data.classes, data.train.targets) == ("none", None, None)
        for part in (data.train, data.validation):
            assert part.x.shape == (len(part), 2) and part.x.dtype == np.float64
        assert not set(map(bytes, data.train.x)) & set(map(bytes, data.validation.x))


@pytest.mark.parametrize("kind", DEFAULTS)
def test_the_seed_decides(kind: str) -> None:
    first, again, other = dataset(kind, 5), dataset(kind, 5), dataset(kind, 6)
    np.testing.assert_array_equal(first.train.x, again.train.x)
    np.testing.assert_array_equal(first.validation.x, again.validation.x)
    assert not np.isin(other.train.x[:, 0], first.train.x[:, 0]).any()
    halves = dataset(kind, train=1000, validation=1000)
    for axis in range(2):  # both parts follow one law
        assert is_law(halves.train.x[:, axis], halves.validation.x[:, axis])


def test_every_kind_has_its_generator() -> None:
    assert PlanarDensity.members().keys() == DENSITIES.keys() == DEFAULTS.keys()


@pytest.mark.parametrize("kind", SCALES)
def test_noise_is_normal_with_the_deviation_it_names(kind: str) -> None:
    clean, noisy = points(kind, noise=0.0), points(kind, noise=0.3)
    found = (noisy - clean) / (0.3 * SCALES[kind])
    for column in (*found.T, found.sum(axis=1) / math.sqrt(2)):
        assert is_law(column, "norm")
    usual = points(kind) - clean
    np.testing.assert_allclose(usual, found * SCALES[kind] * DEFAULTS[kind], atol=1e-13)


@pytest.mark.parametrize("kind", ["two-moons", "two-circles"])
@pytest.mark.parametrize("noise", [None, 0.0])
def test_moons_and_circles_are_those_of_scikit_learn(kind: str, noise: float | None) -> None:
    deviation = DEFAULTS[kind] if noise is None else noise
    if kind == "two-moons":
        x, _ = make_moons(SIZE, noise=deviation, random_state=1)
        theirs = 2 * np.asarray(x) + [-1, -0.2]
    else:
        x, _ = make_circles(SIZE, factor=0.5, noise=deviation, random_state=1)
        theirs = 3 * np.asarray(x)
    ours = points(kind) if noise is None else points(kind, noise=noise)
    for towards in ([1, 0], [0, 1], [1, 1], [1, -1], [2, 1]):
        assert is_law(ours @ towards, theirs @ towards)
    for centre in ([0, 0], [-1, -0.2], [1, 0.8]):
        distances = [np.linalg.norm(x - centre, axis=1).round(9) for x in (ours, theirs)]
        assert is_law(*distances)


def test_moons_without_noise_lie_on_two_half_circles() -> None:
    x = points("two-moons", noise=0.0)
    upper, lower = x - [-1, -0.2], x - [1, 0.8]
    on_upper = np.isclose(np.linalg.norm(upper, axis=1), 2) & (upper[:, 1] >= 0)
    on_lower = np.isclose(np.linalg.norm(lower, axis=1), 2) & (lower[:, 1] <= 0)
    assert np.all(on_upper | on_lower)
    assert on_upper.sum() == on_lower.sum() == SIZE // 2


def test_the_checkerboard_is_uniform_on_its_squares() -> None:
    x = points("checkerboard")
    squares = np.floor(x / 2).astype(int)
    assert np.all(np.abs(squares + 0.5) < 2)
    assert np.all(squares.sum(axis=1) % 2 == 0)  # [0, 2]² is one of them
    _, counts = np.unique(squares, axis=0, return_counts=True)
    assert len(counts) == 8 and chisquare(counts).pvalue > RARE
    within = x / 2 - squares
    for column in (*within.T, within.sum(axis=1) % 1):
        assert is_law(column, "uniform")


def test_gaussians_have_the_moments_of_eight() -> None:
    """Centres (c, s) of norm r: E x = 0, E xxᵀ = (r²/2 + σ²) I, E Re (x₁ + i x₂)⁸ = r⁸."""
    x, r, sigma = points("eight-gaussians"), 4 / 1.414, 0.5 / 1.414
    assert np.abs(x.mean(axis=0)).max() < 5 * math.sqrt((r**2 / 2 + sigma**2) / SIZE)
    np.testing.assert_allclose(np.cov(x.T), (r**2 / 2 + sigma**2) * np.eye(2), atol=0.15)
    eighth = (x[:, 0] + 1j * x[:, 1]) ** 8
    assert abs(eighth.mean() / r**8 - 1) < 0.05
    centres, counts = np.unique(
        points("eight-gaussians", noise=0.0).round(9), axis=0, return_counts=True
    )
    assert len(centres) == 8 and chisquare(counts).pvalue > RARE
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), r, atol=1e-8)
    assert [0, round(r, 9)] in centres.tolist()


def test_arms_of_the_pinwheel_turn_with_their_radius() -> None:
    """Along an arm z = 2 ρ e^(−i α), α = 2πk/5 + ¼ e^ρ, ρ ~ N(1, 0.3²), which may be below 0."""
    clean = points("pinwheel", noise=0.0) @ [1, 1j]
    radius = np.abs(clean) / 2

    def turns(rho: np.ndarray) -> np.ndarray:
        """(arg z + ¼ e^ρ) 5/2π: −k where ρ is right."""
        return (np.angle(clean * np.sign(rho)) + np.exp(rho) / 4) * 5 / (2 * np.pi)

    fits = [np.abs(t - t.round()) < 1e-9 for t in (turns(radius), turns(-radius))]
    assert np.all(fits[0] ^ fits[1])
    rho = np.where(fits[0], radius, -radius)
    assert is_law((rho - 1) / 0.3, "norm")
    assert np.bincount(turns(rho).round().astype(int) % 5).tolist() == [SIZE // 5] * 5
    across = (points("pinwheel") @ [1, 1j] - clean) / (clean / rho)  # in units of 2 e^(−i α)
    np.testing.assert_allclose(across.real, 0, atol=1e-12)
    assert is_law(across.imag / 0.1, "norm")


def test_spirals_are_smeared_squares_along_two_arms() -> None:
    """± 3 x − ½ U = n (−cos n, sin n), n = 3π √u; E of the squared norm in closed form."""
    x = points("two-spirals", noise=0.0)
    n = np.linspace(0, 3 * np.pi, 2000)
    curve = np.column_stack([-n * np.cos(n), n * np.sin(n)])
    for some in np.array_split(x[:2000], 10):
        gaps = [
            np.abs(sign * 3 * some[:, None] - curve - 0.25).max(axis=2).min(axis=1)
            for sign in (1, -1)
        ]
        assert np.minimum(*gaps).max() < 0.25 + 0.03  # half a square, half a step of the curve
        assert abs(np.mean(gaps[0] < gaps[1]) - 0.5) < 0.05
    density = 2 / (3 * np.pi) ** 2
    cross, _ = quad(lambda n: density * n**2 * (np.sin(n) - np.cos(n)), 0, 3 * np.pi)
    expected = (3 * np.pi) ** 2 / 2 + 0.5 * cross + 2 * 0.25 / 3
    squared = 9 * np.sum(x**2, axis=1)
    assert abs(squared.mean() - expected) < 4 * squared.std() / math.sqrt(SIZE)
    assert np.abs(x.mean(axis=0)).max() < 4 * x.std() / math.sqrt(SIZE)


SPEC = """wellposed: 1
name: moons
model: {state: 2, vector_field: {kind: layer, activation: tanh}, time: {horizon: 1, steps: 2}}
data: two-moons
train: {optimizer: adam, epochs: 1}
"""


def test_a_readout_beside_a_density_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "moons.yaml"
    path.write_text(SPEC, encoding="utf-8")
    spec = wellposed.load(path)  # without one it is legal
    assert spec.data is not None and spec.data.target_kind == "none"
    readouts = {
        "classes": "{kind: classifier, classes: 2, hypothesis: softmax, loss: cross-entropy}",
        "values": "state",
    }
    for what, readout in readouts.items():
        with pytest.raises(wellposed.SpecError) as caught:
            wellposed.load(path, overrides=[f"model.readout={readout}"])
        (found,) = caught.value.diagnostics
        said = f"the readout predicts {what}, two-moons has samples of a density alone"
        assert (found.code, found.message) == ("E206", said)
        assert found.span is not None
