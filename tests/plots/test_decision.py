"""Decision regions: what is shaded, what is drawn, what is called wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from figure_reading import assert_sensible, cloud, clouds, colours, holds, said
from matplotlib.colors import to_hex
from matplotlib.contour import QuadContourSet

from wellposed.plots.decision import decision_regions
from wellposed.plots.style import CLASS_COLOURS

RNG = np.random.default_rng(7)
X = RNG.uniform(-1, 1, (80, 2))
HELD = RNG.uniform(-1, 1, (40, 2))


def half_plane(x: np.ndarray) -> np.ndarray:
    """Logits of the classes x₁ < 0.25 and x₁ > 0.25."""
    return np.stack([-(x[:, 0] - 0.25), x[:, 0] - 0.25], axis=1) * 8


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def sign(x: np.ndarray) -> np.ndarray:
    return (x[:, 0] > 0).astype(int)


def image(figure) -> tuple[np.ndarray, tuple[float, ...]]:
    (background,) = figure.axes[0].images
    return np.asarray(background.get_array()), background.get_extent()


def test_marks_exactly_the_misclassified_and_states_the_accuracy(tmp_path: Path) -> None:
    labels = sign(HELD)
    wrong = (HELD[:, 0] > 0) & (HELD[:, 0] < 0.25)
    assert 0 < wrong.sum() < len(HELD)
    figure = decision_regions(half_plane, (X, sign(X)), (HELD, labels), tmp_path / "d.png", "net")
    axes = figure.axes[0]
    key = np.lexsort
    marked, expected = cloud(axes, "misclassified"), HELD[wrong]
    np.testing.assert_array_equal(marked[key(marked.T)], expected[key(expected.T)])
    right = len(HELD) - wrong.sum()
    assert figure.get_suptitle().splitlines()[0] == "net"
    assert f"{right / len(HELD):.1%} ({right} of {len(HELD)})" in figure.get_suptitle()
    assert len(cloud(axes, "training")) == 80 and len(cloud(axes, "validation")) == 40
    assert_sensible(tmp_path / "d.png")


def test_points_have_their_class_colours_and_lie_in_view(tmp_path: Path) -> None:
    figure = decision_regions(half_plane, (X, sign(X)), (HELD, sign(HELD)), tmp_path / "d.png", "t")
    axes = figure.axes[0]
    training = next(c for c in clouds(axes) if c.get_label() == "training")
    for point, colour in zip(X, training.get_facecolors(), strict=True):
        assert to_hex(colour[:3]) == CLASS_COLOURS[int(point[0] > 0)]
    validation = next(c for c in clouds(axes) if c.get_label() == "validation")
    assert colours(validation) == set(CLASS_COLOURS[:2])
    assert holds(axes, X) and holds(axes, HELD)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$x_1$", "$x_2$")
    assert axes.get_aspect() == 1.0


def test_regions_are_where_the_prediction_says(tmp_path: Path) -> None:
    """An up-and-down flip, or x₁ for x₂, would show: the class depends on both coordinates."""

    def corner(x: np.ndarray) -> np.ndarray:
        inside = (x[:, 0] > 0) & (x[:, 1] > 0.5)
        return np.stack([~inside, inside], axis=1).astype(float)

    figure = decision_regions(corner, (X, sign(X)), (HELD, sign(HELD)), tmp_path / "d.png", "t")
    pixels, (left, right, bottom, top) = image(figure)
    assert figure.axes[0].images[0].origin == "lower"

    def pixel(x: float, y: float) -> np.ndarray:
        row = round((y - bottom) / (top - bottom) * (len(pixels) - 1))
        return pixels[row, round((x - left) / (right - left) * (len(pixels) - 1))]

    blueish, orangeish = pixel(-0.5, 0.8), pixel(0.5, 0.8)
    assert blueish[2] > blueish[0] and orangeish[0] > orangeish[2]
    np.testing.assert_allclose(pixel(0.5, -0.8), blueish)
    assert pixels.min() > 0.5, "the background is soft"


def test_the_boundary_is_where_the_classes_tie(tmp_path: Path) -> None:
    figure = decision_regions(half_plane, (X, sign(X)), (HELD, sign(HELD)), tmp_path / "d.png", "t")
    (contour,) = [c for c in figure.axes[0].collections if isinstance(c, QuadContourSet)]
    vertices = np.concatenate([path.vertices for path in contour.get_paths()])
    np.testing.assert_allclose(vertices[:, 0], 0.25, atol=1e-3)


def test_logits_and_their_probabilities_give_the_same_regions(tmp_path: Path) -> None:
    splits = (X, sign(X)), (HELD, sign(HELD))
    a = decision_regions(half_plane, *splits, tmp_path / "a.png", "t")
    b = decision_regions(lambda x: softmax(half_plane(x)), *splits, tmp_path / "b.png", "t")
    np.testing.assert_allclose(image(a)[0], image(b)[0], atol=1e-12)


def test_a_prediction_that_is_not_finite_is_wrong_and_grey(tmp_path: Path) -> None:
    """argmax of a NaN row is 0, so that class 0 must not get the credit."""

    def broken(x: np.ndarray) -> np.ndarray:
        return np.where(x[:, :1] < 0, np.nan, softmax(half_plane(x)))

    zeros = np.zeros(40, int)
    figure = decision_regions(broken, (X, sign(X)), (HELD, zeros), tmp_path / "d.png", "t")
    right = int(((HELD[:, 0] > 0) & (HELD[:, 0] < 0.25)).sum())
    assert f"({right} of 40)" in figure.get_suptitle()
    pixels, _ = image(figure)
    np.testing.assert_allclose(pixels[:, 0], 0.8)
    assert not np.allclose(pixels[:, -1], 0.8)
    assert "not finite" in said(figure)
    sound = decision_regions(half_plane, (X, sign(X)), (HELD, sign(HELD)), tmp_path / "s.png", "t")
    np.testing.assert_allclose(pixels[:, -1], image(sound)[0][:, -1], atol=0.02)


def test_likelihoods_are_labels_too_and_five_classes_have_five_colours(tmp_path: Path) -> None:
    angle = np.arctan2(X[:, 1], X[:, 0])
    labels = ((angle + np.pi) / (2 * np.pi) * 5).astype(int).clip(0, 4)
    centres = np.stack([X[labels == k].mean(axis=0) for k in range(5)])

    def nearest(x: np.ndarray) -> np.ndarray:
        return -20 * np.linalg.norm(x[:, None] - centres, axis=2)

    figure = decision_regions(
        nearest, (X, np.eye(5)[labels]), (X[:30], labels[:30]), tmp_path / "d.png", "t"
    )
    training = next(c for c in clouds(figure.axes[0]) if c.get_label() == "training")
    assert colours(training) == set(CLASS_COLOURS[:5])
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()][:5] == [f"class {k}" for k in range(5)]


def test_many_points_are_thinned_but_no_wrong_one_is_hidden(tmp_path: Path) -> None:
    many = RNG.uniform(-1, 1, (4000, 2))
    wrong = (many[:, 0] > 0) & (many[:, 0] < 0.25)
    figure = decision_regions(half_plane, (X, sign(X)), (many, sign(many)), tmp_path / "d.png", "t")
    assert len(cloud(figure.axes[0], "misclassified")) == wrong.sum()
    assert len(cloud(figure.axes[0], "validation")) == 1000 + wrong.sum()
    assert f"of {len(many)})" in figure.get_suptitle() and "thinned" in said(figure)


EMPTY = (np.zeros((0, 2)), np.zeros(0, int))


@pytest.mark.parametrize(
    ("training", "validation", "message"),
    [
        (EMPTY, (HELD, sign(HELD)), "training split is empty"),
        ((X, sign(X)), EMPTY, "validation split is empty"),
        ((X, sign(X)), (HELD, sign(X)), "80 labels for 40 points"),
        ((np.zeros((3, 3)), np.zeros(3)), (HELD, sign(HELD)), r"in the plane, got shape \(3, 3\)"),
        ((X, X[:, 0]), (HELD, sign(HELD)), "class indices"),
        ((np.full((2, 2), np.nan), np.zeros(2)), (HELD, sign(HELD)), "not all finite"),
    ],
)
def test_splits_that_cannot_be_drawn_are_errors(tmp_path, training, validation, message) -> None:
    with pytest.raises(ValueError, match=message):
        decision_regions(half_plane, training, validation, tmp_path / "d.png", "t")
    assert not list(tmp_path.iterdir())


def test_one_column_of_predictions_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two classes or more"):
        decision_regions(
            lambda x: x[:, :1], (X, sign(X)), (HELD, sign(HELD)), tmp_path / "d.png", "t"
        )


def test_columns_and_classes_keep_the_names_of_the_data(tmp_path: Path) -> None:
    names = ("rose", "_$odd$")
    splits = (X, sign(X)), (HELD, sign(HELD))
    axes_names = ("length, cm", "$x_2$")
    figure = decision_regions(half_plane, *splits, tmp_path / "d.png", "t", axes_names, names)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == axes_names
    legend = axes.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[:2] == ["rose", r"class _\$odd\$"]
