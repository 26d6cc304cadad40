"""What is read from csv and npz files, against pandas-free NumPy readings of the same files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wellposed.data import Dataset, Preprocessing, Scaling, Split, features, load, read_features
from wellposed.spec.data import Csv, Data, Npz
from wellposed.spec.generated import Ellipses

FLOWERS = """\
width,height,species,price
1.0, 2.5,setosa,10
2e0,3.5,virginica,20

3.0,4.5,setosa,30
4.0,5.5,virginica,40
"""


def nowhere(*keys: str | int) -> None:
    """The place of a key in a spec that was made in Python."""


def dataset(node: Data, base: Path, **expected: Any) -> Dataset:
    return load(node, 0, base, nowhere, **expected)


def targets(part: Split) -> np.ndarray:
    """The targets of a part that has some."""
    assert part.targets is not None
    return part.targets


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    (tmp_path / "flowers.csv").write_text(FLOWERS, encoding="utf-8")
    return tmp_path


def test_features_default_to_all_but_the_label(flowers: Path) -> None:
    node = Csv(path="flowers.csv", label="species", validation=0)
    data = dataset(node, flowers)
    assert data.preprocessing.features == ("width", "height", "price")
    assert data.preprocessing.classes == ("setosa", "virginica")
    assert data.train.x.tolist() == [[1, 2.5, 10], [2, 3.5, 20], [3, 4.5, 30], [4, 5.5, 40]]
    assert targets(data.train).tolist() == [0, 1, 0, 1]
    assert features(node, flowers, nowhere) == 3


def test_columns_are_in_the_order_of_the_spec(flowers: Path) -> None:
    node = Csv(path="flowers.csv", features=("height", 0), targets=("price",), validation=0)
    data = dataset(node, flowers)
    assert data.train.x[1].tolist() == [3.5, 2]
    assert targets(data.train).tolist() == [[10], [20], [30], [40]]
    assert (data.kind, data.preprocessing.classes, data.preprocessing.features) == (
        "values",
        None,
        ("height", "width"),
    )


def test_declared_classes_fix_the_order(flowers: Path) -> None:
    order = ("virginica", "setosa", "versicolor")
    data = dataset(Csv(path="flowers.csv", label="species", classes=order, validation=0), flowers)
    assert targets(data.train).tolist() == [1, 0, 1, 0]
    assert data.preprocessing.classes == order


def test_words_are_classes_in_sorted_order(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,kind\n1,rose\n2,iris\n3,rose\n4,aster\n")
    data = dataset(Csv(path="t.csv", label="kind", validation=0), tmp_path)
    assert data.preprocessing.classes == ("aster", "iris", "rose")
    assert targets(data.train).tolist() == [2, 1, 2, 0]


@pytest.mark.parametrize(
    ("labels", "least", "codes", "names"),
    [
        ("0 2 0", 0, [0, 2, 0], 3),
        ("0 1.0 2e0", 0, [0, 1, 2], 3),
        ("1 0 1", 4, [1, 0, 1], 4),
    ],
)
def test_integer_labels_stand_for_themselves(
    tmp_path: Path, labels: str, least: int, codes: list[int], names: int
) -> None:
    rows = "\n".join(f"{i};{label}" for i, label in enumerate(labels.split()))
    (tmp_path / "t.csv").write_text(rows)
    node = Csv(path="t.csv", header=False, delimiter=";", label=1, validation=0)
    data = dataset(node, tmp_path, **({"expected_classes": least} if least else {}))
    assert targets(data.train).tolist() == codes
    assert data.preprocessing.classes == tuple(map(str, range(names)))


def test_a_table_that_numpy_wrote_comes_back_bit_by_bit(tmp_path: Path) -> None:
    table = np.random.default_rng(0).standard_normal((50, 4)) * 10.0 ** np.arange(-200, 200, 100)
    np.savetxt(tmp_path / "t.csv", table, delimiter=",", header="a,b,c,d", comments="", fmt="%.17g")
    data = dataset(Csv(path="t.csv", targets=("d", "b"), validation=0), tmp_path)
    np.testing.assert_array_equal(data.train.x, table[:, [0, 2]])
    np.testing.assert_array_equal(targets(data.train), table[:, [3, 1]])


@pytest.mark.parametrize(("share", "held"), [(0.3, 6), (7, 7), (0.0, 0), (0, 0)])
def test_the_share_of_validation(tmp_path: Path, share: float, held: int) -> None:
    x, labels = np.arange(40.0).reshape(20, 2), np.repeat([0, 1], 10)
    np.savez(tmp_path / "t.npz", x=x, y=labels)
    data = dataset(Npz(path="t.npz", label="y", validation=share), tmp_path)
    assert (len(data.train), len(data.validation)) == (20 - held, held)
    joined = np.concatenate([data.train.x, data.validation.x])
    np.testing.assert_array_equal(joined[np.argsort(joined[:, 0])], x)
    counts = np.bincount(targets(data.validation), minlength=2)
    assert abs(counts[0] - counts[1]) <= held % 2


def test_a_second_file_is_read_with_the_classes_of_the_first(flowers: Path) -> None:
    (flowers / "more.csv").write_text("species,height,width,price\nvirginica,8,9,7\n")
    node = Csv(path="flowers.csv", label="species", validation="more.csv")
    data = dataset(node, flowers)
    assert len(data.train) == 4
    assert targets(data.validation).tolist() == [1]
    assert data.validation.x.tolist() == [[9, 8, 7]]


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "float32", "bool"])
def test_npz_labels_of_every_type(tmp_path: Path, dtype: str) -> None:
    labels = np.array([1, 0, 1]).astype(dtype)
    np.savez_compressed(tmp_path / "t.npz", points=np.eye(3, dtype="f4"), y=labels)
    node = Npz(path="t.npz", features="points", label="y", validation=0)
    assert targets(dataset(node, tmp_path).train).tolist() == [1, 0, 1]
    assert features(node, tmp_path, nowhere) == 3


def test_npz_words_and_targets(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", x=np.eye(2), y=np.array(["b", "a"]), v=np.array([1.5, 2.5]))
    words = dataset(Npz(path="t.npz", label="y", validation=0), tmp_path)
    values = dataset(Npz(path="t.npz", targets="v", validation=0), tmp_path)
    assert (targets(words.train).tolist(), words.preprocessing.classes) == ([1, 0], ("a", "b"))
    assert targets(values.train).tolist() == [[1.5], [2.5]]


def test_standardization_uses_the_training_part_only(tmp_path: Path) -> None:
    x = np.column_stack([np.arange(30.0) ** 2, np.full(30, 0.1)])
    np.savez(tmp_path / "t.npz", x=x)
    raw = dataset(Npz(path="t.npz", validation=10), tmp_path)
    data = dataset(Npz(path="t.npz", validation=10, standardize=True), tmp_path)
    mean, deviation = raw.train.x[:, 0].mean(), raw.train.x[:, 0].std(ddof=0)
    expected = (raw.validation.x[:, 0] - mean) / deviation
    np.testing.assert_allclose(data.validation.x[:, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(data.train.x[:, 1], 0, atol=1e-15)


def test_features_to_predict_for_go_by_name_and_through_the_scaling(flowers: Path) -> None:
    node = Csv(path="flowers.csv", label="species", standardize=True, validation=0)
    data = dataset(node, flowers)
    (flowers / "new.csv").write_text("price,note,width,height\n10,7,1,2.5\n40,7,4,5.5\n")
    x = read_features(flowers / "new.csv", node, data.preprocessing, None)
    np.testing.assert_array_equal(x, data.train.x[[0, 3]])


@pytest.mark.parametrize("text", ["1,2\n3,4\n", "x1,x2\n1,2\n3,4\n", "u,v\n1,2\n3,4\n"])
def test_features_to_predict_for_generated_data(tmp_path: Path, text: str) -> None:
    (tmp_path / "new.csv").write_text(text)
    x = read_features(tmp_path / "new.csv", Ellipses(), Preprocessing(("x1", "x2")), None)
    assert x.tolist() == [[1, 2], [3, 4]]


def test_an_archive_with_one_array_needs_no_key(tmp_path: Path) -> None:
    np.savez(tmp_path / "new.npz", np.eye(2))
    x = read_features(tmp_path / "new.npz", Npz(path="t.npz"), Preprocessing(("x1", "x2")), None)
    np.testing.assert_array_equal(x, np.eye(2))


def test_a_column_whose_squares_overflow_is_standardized() -> None:
    x = np.array([[1e200, 3.0], [-1e200, 4.0], [1e200, 5.0], [-1e200, 6.0]])
    scaled = Scaling.of(x)(x)
    np.testing.assert_allclose(scaled[:, 0], [1, -1, 1, -1])
    np.testing.assert_array_equal(Scaling.of(x).deviation[1], x[:, 1].std())
