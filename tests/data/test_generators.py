"""The generated point sets against their closed forms, written here a second time."""

from __future__ import annotations

import cmath
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import wellposed
from wellposed.data import Dataset, Split, load
from wellposed.data.generators import peaks_surface
from wellposed.spec.data import Data, Digits, Points
from wellposed.spec.generated import Ellipses, Flip, NestedSpheres, Peaks, SwissRoll

Generated = Ellipses | SwissRoll | Peaks | NestedSpheres | Digits
GENERATED: list[Generated] = [
    Ellipses(),
    Ellipses(train=31, validation=0, noise=0.1),
    SwissRoll(),
    SwissRoll(train=100, validation=33, noise=0.01),
    Peaks(),
    Peaks(train=11, validation=7, classes=3),
    NestedSpheres(),
    NestedSpheres(train=31, validation=9, dimensions=3, radii=(1.0, 2.0, 4.0)),
    Digits(),
    Digits(validation=0),
]
DETERMINISTIC: list[Generated] = [SwissRoll(), Digits(validation=0)]


def dataset(node: Data, seed: int = 0) -> Dataset:
    return load(node, seed, Path(), lambda *keys: None)


def targets(part: Split) -> np.ndarray:
    """The targets of a part that has some."""
    assert part.targets is not None
    return part.targets


def radii(x: np.ndarray, squeeze: float = 1.0) -> np.ndarray:
    return np.hypot(x[:, 0], x[:, 1] / squeeze)


@pytest.mark.parametrize("node", GENERATED, ids=repr)
def test_sizes_and_types(node: Generated) -> None:
    data = dataset(node)
    train = 1797 - node.validation if isinstance(node, Digits) else node.train
    assert (len(data.train), len(data.validation)) == (train, node.validation)
    assert data.features == node.dimension == len(data.preprocessing.features)
    assert data.classes == node.class_count
    for part in (data.train, data.validation):
        assert part.x.dtype == np.float64
        assert targets(part).dtype == np.int64
        assert part.x.shape == (len(part), data.features)
        assert targets(part).shape == (len(part),)


@pytest.mark.parametrize("node", GENERATED, ids=repr)
def test_the_seed_decides(node: Data) -> None:
    first, again, other = dataset(node, 5), dataset(node, 5), dataset(node, 6)
    np.testing.assert_array_equal(first.train.x, again.train.x)
    np.testing.assert_array_equal(targets(first.validation), targets(again.validation))
    assert np.array_equal(first.train.x, other.train.x) == (node in DETERMINISTIC)


@pytest.mark.parametrize("node", GENERATED[:8], ids=repr)
def test_classes_are_balanced(node: Data) -> None:
    data = dataset(node)
    for part in (data.train, data.validation):
        counts = np.bincount(targets(part), minlength=data.classes or 0)
        assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("node", GENERATED, ids=repr)
def test_no_point_is_in_both_parts(node: Data) -> None:
    data = dataset(node)
    train, validation = (set(map(bytes, part.x)) for part in (data.train, data.validation))
    assert not train & validation


def test_ellipses_lie_in_their_rings_and_fill_them() -> None:
    data = dataset(Ellipses(train=20_000))
    for part in (data.train, data.validation):
        r = radii(part.x, 0.4)
        np.testing.assert_array_equal(np.floor(r).astype(int), targets(part))
    r = radii(data.train.x, 0.4) % 1
    angle = np.arctan2(data.train.x[:, 1] / 0.4, data.train.x[:, 0])
    bound = 5 / math.sqrt(20_000)  # the mean of s uniform draws strays by 0.29 / √s
    assert abs(r.mean() - 0.5) < bound
    assert abs(np.exp(1j * angle).mean()) < bound


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_nested_spheres_fill_a_ball_and_the_shell_around_it(dimensions: int) -> None:
    """The share of a class within radius r is ((r − a)/(b − a))^d, whatever the direction."""
    size, bounds = 20_000, ((0.0, 0.5), (1.0, 1.5))
    data = dataset(NestedSpheres(train=size, dimensions=dimensions))
    assert data.preprocessing.classes == ("inner", "outer")
    for label, (low, high) in enumerate(bounds):
        x = data.train.x[targets(data.train) == label]
        r = np.sqrt(sum(x[:, i] ** 2 for i in range(dimensions)))
        assert low <= r.min() and r.max() <= high
        for share in (0.25, 0.5, 0.75):
            within = np.mean(r <= low + share * (high - low))
            assert abs(within - share**dimensions) < 2.5 / math.sqrt(size)  # 3.5 deviations
        assert np.abs(np.mean(x / r[:, None], axis=0)).max() < 4 / math.sqrt(size * dimensions / 2)


def test_radii_have_to_increase() -> None:
    spec = "{kind: nested-spheres, radii: [1, 1, 2]}"
    with pytest.raises(wellposed.SpecError, match="radii must increase, got 1 after 1"):
        wellposed.load("spheres-augmented", overrides=[f"data={spec}"])


def test_the_flip_is_minus_one_and_one_equally_often_and_its_target_is_minus_x() -> None:
    data = dataset(Flip(train=10_000))
    for part in (data.train, data.validation):
        assert set(part.x.ravel().tolist()) == {-1.0, 1.0}
        assert part.x.shape == targets(part).shape == (len(part), 1)
        np.testing.assert_array_equal(targets(part), -part.x)
    assert abs(data.train.x.mean()) < 0.04  # 4 deviations
    assert (len(data.validation), data.kind, data.features) == (100, "values", 1)
    assert not np.array_equal(data.train.x, dataset(Flip(train=10_000), seed=1).train.x)


def test_noise_has_the_deviation_it_names() -> None:
    clean, noisy = (dataset(SwissRoll(noise=noise)) for noise in (0.0, 0.3))
    difference = noisy.train.x - clean.train.x
    assert abs(difference.std() / 0.3 - 1) < 5 / math.sqrt(2 * difference.size)


def test_the_swiss_roll_is_every_other_point_of_two_spirals() -> None:
    line = []
    for label, (count, offset) in enumerate([(257, 0.0), (256, 0.2)]):
        for i in range(count):
            s = i / (count - 1)
            line.append((cmath.rect(offset + s, 4 * math.pi * s), label))
    data = dataset(SwissRoll())
    for part, expected in ((data.train, line[0::2]), (data.validation, line[1::2])):
        points = np.array([[z.real, z.imag] for z, _ in expected])
        np.testing.assert_allclose(part.x, points, atol=1e-14)
        assert targets(part).tolist() == [label for _, label in expected]


def matlab_peaks(x: float, y: float) -> float:
    return (
        3 * (1 - x) ** 2 * math.exp(-(x**2) - (y + 1) ** 2)
        - 10 * (x / 5 - x**3 - y**5) * math.exp(-(x**2) - y**2)
        - 1 / 3 * math.exp(-((x + 1) ** 2) - y**2)
    )


@pytest.mark.parametrize("classes", [2, 5])
def test_peaks_are_nodes_of_the_grid_and_in_their_level_set(classes: int) -> None:
    axis = [-3 + 6 * i / 255 for i in range(256)]
    heights = [matlab_peaks(x, y) for x in axis for y in axis]
    low, width = min(heights), (max(heights) - min(heights)) / classes
    data = dataset(Peaks(classes=classes))
    for part in (data.train, data.validation):
        steps = (part.x + 3) * 255 / 6
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-10)
        for (x, y), label in zip(part.x, targets(part), strict=True):
            level = (matlab_peaks(x, y) - low) / width
            assert label - 1e-9 <= level <= label + 1 + 1e-9


@pytest.mark.parametrize("x, y, height", [(-0.0093, 1.5814, 8.1062), (0.2283, -1.6255, -6.5511)])
def test_peaks_has_its_known_extrema(x: float, y: float, height: float) -> None:
    surface = peaks_surface(np.array([x]), np.array([y]))
    assert surface[0] == pytest.approx(height, abs=1e-4)


def test_digits_are_read_without_importing_scikit_learn() -> None:
    """Which takes as long as all else that a command does before it says something."""
    asked = (
        "import sys; from wellposed import load; from wellposed.compiler.pipeline import compiled\n"
        "compiled(load('digits-antisymmetric')).dataset; print('sklearn' in sys.modules)"
    )
    command = [sys.executable, "-c", asked]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    x, labels = load_digits(return_X_y=True)
    data = dataset(Digits())
    ours = np.concatenate([data.train.x, data.validation.x]) * 16
    classes = np.concatenate([targets(data.train), targets(data.validation)])
    mine, theirs = np.lexsort(np.c_[ours, classes].T), np.lexsort(np.c_[x, labels].T)
    np.testing.assert_array_equal(ours[mine], x[theirs])
    np.testing.assert_array_equal(classes[mine], labels[theirs])
    share = np.bincount(targets(data.validation)) / np.bincount(labels)
    assert np.ptp(share) < 1 / np.bincount(labels).min() * 2


def test_standardized_digits_have_the_statistics_of_their_training_part() -> None:
    raw, data = dataset(Digits()), dataset(Digits(standardize=True))
    mean, deviation = raw.train.x.mean(axis=0), raw.train.x.std(axis=0)
    deviation[deviation == 0] = 1
    np.testing.assert_allclose(data.validation.x, (raw.validation.x - mean) / deviation, atol=1e-12)
    assert data.preprocessing.scaling is not None


def test_points_by_value() -> None:
    rows = ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0))
    bare, labelled = (
        dataset(Points(features=rows)),
        dataset(Points(features=rows, labels=(0, 2, 0))),
    )
    assert bare.train.x.tolist() == labelled.train.x.tolist() == list(map(list, rows))
    assert (bare.train.targets, bare.kind, bare.preprocessing.classes) == (None, "none", None)
    assert targets(labelled.train).tolist() == [0, 2, 0]
    assert (labelled.classes, len(labelled.validation)) == (3, 0)
