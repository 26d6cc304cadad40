"""Tables as people have them: read right, or told what they are and which key says it."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellposed.data import Preprocessing, Scaling, Split, fast_table, load
from wellposed.data.files import read_examples
from wellposed.data.standardize import applied, standardized
from wellposed.spec.data import Csv, Npz, Points, Standardized
from wellposed.spec.diagnostics import Diagnostic, SpecError

IRIS = "5.1,3.5,a\n4.9,3.0,b\n6.2,3.4,a\n5.9,3.0,b\n5.5,2.4,a\n"
"""A table without header, as those of the UCI repository."""


def place(*keys: str | int) -> None:
    """The place of a key in a spec that was made in Python."""


def read(folder: Path, content: str | bytes, expected: int | None = None, **keys: Any) -> Any:
    text = content if isinstance(content, bytes) else content.encode()
    (folder / "t.csv").write_bytes(text)
    node = Csv.model_validate({"path": "t.csv", "validation": 0} | keys)
    return load(node, 0, folder, place, expected_classes=expected, dtype="float32")


def refused(folder: Path, content: str | bytes, **keys: Any) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        read(folder, content, **keys)
    (found,) = caught.value.diagnostics
    return found


def assert_same(found: Split, expected: Split) -> None:
    assert found.targets is not None and expected.targets is not None
    assert np.array_equal(found.x, expected.x)
    assert np.array_equal(found.targets, expected.targets)


# --- headers -------------------------------------------------------------------------------------


def test_a_first_line_of_numbers_is_not_lost_in_silence(tmp_path: Path) -> None:
    found = refused(tmp_path, IRIS, label=2)
    assert found.code == "E413" and "line 1 looks like an example" in found.message
    assert "'5.1', '3.5'" in found.message and "header: false" in found.help
    assert len(read(tmp_path, IRIS, label=2, header=False).train) == 5


@pytest.mark.parametrize("keys", [{"header": True, "label": 2}, {"label": "a"}])
def test_a_header_of_numbers_is_one_where_that_is_said(tmp_path: Path, keys: Any) -> None:
    """By the key, or by a name that is in it."""
    found = read(tmp_path, IRIS, **keys)
    assert found.preprocessing.features == ("5.1", "3.5") and len(found.train) == 4


INDEX = ",a,b,kind\n0,1,2,u\n1,3,4,v\n2,5,6,u\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (INDEX, "column 0 has no name"),
        (INDEX.replace(",a", "Unnamed: 0,a", 1), "column 0 has no name"),
        ("a,b,kind,,\n1,2,u,,\n", "columns 3, 4 have no name"),
    ],
)
def test_a_column_without_a_name_is_no_feature_unless_it_is_listed(
    tmp_path: Path, text: str, says: str
) -> None:
    found = refused(tmp_path, text, label="kind")
    assert found.code == "E413" and says in found.message
    assert "features: [a, b]" in found.help
    taken = read(tmp_path, text, label="kind", features=("a", "b"))
    assert taken.preprocessing.features == ("a", "b")
    if text == INDEX:
        by_position = read(tmp_path, text, label="kind", features=(0, "a"))
        assert by_position.train.x.tolist() == [[0, 1], [1, 3], [2, 5]]


# --- conventions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "given", "says", "key"),
    [
        ("a;b;c\n1;2;x\n3;4;y\n", ",", "looks separated by ';'", 'delimiter: ";"'),
        ('"a";"b";"c"\n1;2;"x"\n', ",", "looks separated by ';'", 'delimiter: ";"'),
        ("a\tb\tc\n1\t2\tx\n", ",", "looks separated by tabs", 'delimiter: "\\t"'),
        ("a,b,c\n1,2,x\n", ";", "looks separated by ','", 'delimiter: ","'),
        ("a|b|c\n1|2|x\n", ",", "looks separated by '|'", 'delimiter: "|"'),
    ],
)
def test_another_separator_is_told(
    tmp_path: Path, text: str, given: str, says: str, key: str
) -> None:
    found = refused(tmp_path, text, label="c", delimiter=given)
    assert (found.code, found.help) == ("E403", key) and says in found.message


EUROPEAN = "a;b;kind\n1,5;-2e1;x\n.25;3,0e2;y\n".replace(".25", "0,25")


def test_a_decimal_comma_is_told_and_read(tmp_path: Path) -> None:
    found = refused(tmp_path, EUROPEAN, delimiter=";", label="kind")
    assert found.code == "E407" and 'decimal: ","' in found.help
    data = read(tmp_path, EUROPEAN, delimiter=";", decimal=",", label="kind")
    assert data.train.x.tolist() == [[1.5, -20], [0.25, 300]]
    mixed = refused(tmp_path, "a;b\n1,5;2.5\n", delimiter=";", decimal=",")
    assert "line 2, column 'b': '2.5'" in mixed.message
    with pytest.raises(ValueError, match="delimiter and decimal are both ','"):
        Csv(path="t.csv", decimal=",")


def workbook() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "says", "help"),
    [
        (gzip.compress(b"a,b\n1,2\n"), "is compressed by gzip", "gunzip"),
        (workbook(), "is an Excel workbook", "csv"),
        ("a,b\n1,2\n".encode("utf-16"), "is text in UTF-16", "encoding: utf-16"),
        ("abcdefgh,b\n1,2\n3,4\n5,6\n".encode("utf-16-le"), "text in UTF-16", "encoding: utf-16"),
        ("a,b\n1,größe\n".encode("latin-1"), "line 2 is not text in UTF-8", "encoding: latin-1"),
        (b"PAR1\0\0", "is a Parquet file", "csv"),
    ],
    ids=["gzip", "xlsx", "utf-16", "utf-16 without mark", "latin-1", "parquet"],
)
def test_what_is_no_text_in_utf8_is_recognised(
    tmp_path: Path, content: bytes, says: str, help: str
) -> None:
    found = refused(tmp_path, content)
    assert found.code == "E403" and says in found.message and help in found.help


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_text_is_read_in_its_encoding(tmp_path: Path, encoding: str) -> None:
    data = read(tmp_path, "größe,b\n1,2\n".encode(encoding), encoding=encoding)
    assert data.preprocessing.features == ("größe", "b") and data.train.x.tolist() == [[1, 2]]


# --- cells ---------------------------------------------------------------------------------------


def test_all_bad_cells_are_counted_and_the_first_located(tmp_path: Path) -> None:
    rows = "".join(f"{i},{'?' if i % 3 == 0 else i}\n" for i in range(9000))
    found = refused(tmp_path, f"a,b\n{rows}")
    assert "line 2, column 'b': '?' is not a finite number, nor are 2,999 more" in found.message
    assert "line 5, column 'b': '?'; line 8" in found.help and "missing values" in found.help


def test_missing_labels_are_counted(tmp_path: Path) -> None:
    found = refused(tmp_path, "a,k\n1,u\n2,\n3,v\n4,\n5, \n", label="k")
    assert "line 3: the label is missing, as in 2 more rows" in found.message
    assert "classes" not in found.help


@pytest.mark.parametrize(("value", "count"), [("1e39", 1), ("-3.5e38", 2)])
def test_numbers_beyond_the_dtype_are_located_before_anything_is_trained(
    tmp_path: Path, value: str, count: int
) -> None:
    rows = f"1,2,3\n4,{value},6\n" + f"7,8,{value}\n" * (count - 1)
    found = refused(tmp_path, f"a,b,c\n{rows}")
    assert found.code == "E407" and "line 3, column 'b'" in found.message
    assert "no number of float32" in found.message and found.help == "dtype: float64"
    assert ("nor are 1 more cell" in found.message) == (count == 2)
    np.savez(tmp_path / "t.npz", x=[[1.0], [1e39]])
    with pytest.raises(SpecError, match="row 1, column 'x1'"):
        load(Npz(path="t.npz", validation=0), 0, tmp_path, place, dtype="float32")
    with pytest.raises(SpecError, match="1e\\+39 is no number of float32"):
        load(Points(features=((1e39,),)), 0, tmp_path, place, dtype="float32")


def test_a_target_beyond_the_dtype_is_located(tmp_path: Path) -> None:
    found = refused(tmp_path, "a,u\n1,2\n3,1e300\n", targets=("u",))
    assert "line 3, column 'u': 1e+300 is no number of float32" in found.message


def test_large_numbers_are_standardized(tmp_path: Path) -> None:
    """Their squares are no numbers; the column became zeros."""
    data = read(tmp_path, "a,b\n1e200,1e308\n-1e200,-1e308\n", standardize=True)
    assert data.train.x.tolist() == [[1, 1], [-1, -1]]
    scaling = Scaling.of(np.array([[1e200], [-3e200], [5e200]]))
    assert scaling.deviation[0] == pytest.approx(np.std([1.0, -3, 5]) * 1e200, rel=1e-15)
    small = np.random.default_rng(0).normal(size=(100, 3)) * [1e-300, 1, 1e100]
    assert (Scaling.of(small).mean == small.mean(axis=0)).all()


# --- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "classes", "says", "help"),
    [
        ("1 2 3", 3, "the labels are 1, 2, 3, not 0 to 2, and the model has 3 classes",
         "classes: [1, 2, 3]"),
        ("0 5 5", 2, "the labels are 0, 5, not 0 to 1", "classes: [0, 5]"),
        ("a B b", 2, "3 classes in the data, the model has 2 classes: B, a, b", ""),
        ("0 1 2", 2, "3 classes in the data, the model has 2 classes: 0, 1, 2", ""),
    ],
)  # fmt: skip
def test_labels_that_do_not_count_from_0(
    tmp_path: Path, labels: str, classes: int, says: str, help: str
) -> None:
    table = "a,k\n" + "".join(f"1,{label}\n" for label in labels.split())
    found = refused(tmp_path, table, label="k", expected=classes)
    assert found.code == "E409" and says in found.message and found.help.startswith(help)
    if help:
        listed = tuple(map(int, help.split("[")[1].rstrip("]").split(", ")))
        data = read(tmp_path, table, label="k", classes=listed, expected=classes)
        assert sorted(set(data.train.targets.tolist())) == list(range(classes))
        assert data.preprocessing.classes == tuple(map(str, listed))


# --- regression ----------------------------------------------------------------------------------


@pytest.mark.parametrize("features", [True, False])
@pytest.mark.parametrize("targets", [True, False])
def test_features_and_targets_are_standardized_as_is_said(
    tmp_path: Path, features: bool, targets: bool
) -> None:
    rows = np.random.default_rng(1).normal(size=(20, 3)) * [10, 1, 1000] + [5, 0, 300]
    text = "a,b,u\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist())
    what = Standardized(features=features, targets=targets)
    data = read(tmp_path, text, targets=("u",), validation=5, standardize=what)
    raw = read(tmp_path, text, targets=("u",), validation=5)
    known = data.preprocessing
    assert (known.scaling is not None, known.target_scaling is not None) == (features, targets)
    for found, own, is_standardized in (
        (data.train.x, raw.train.x, features),
        (data.train.targets, raw.train.targets, targets),
    ):
        expected = (own - own.mean(axis=0)) / own.std(axis=0) if is_standardized else own
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    if targets:
        back = known.target_scaling.undone(data.validation.targets)
        np.testing.assert_allclose(back, raw.validation.targets, rtol=1e-13)
    again = Preprocessing.of_plain(known.to_plain())
    for part, other in ((data.train, raw.train), (data.validation, raw.validation)):
        made = applied(again, other)
        assert_same(made, part)
    (tmp_path / "more.csv").write_text(text)
    node = Csv(path="t.csv", targets=("u",), standardize=what)
    split = read_examples(tmp_path / "more.csv", node, known, "float32", None)
    whole = applied(known, Split(rows[:, :2], rows[:, 2:]))
    assert_same(split, whole)


def test_classes_are_never_standardized(tmp_path: Path) -> None:
    data = read(tmp_path, "a,k\n1,0\n5,1\n", label="k", standardize=True)
    assert data.train.targets.tolist() == [0, 1]
    assert standardized(data, Standardized()).preprocessing.target_scaling is None


# --- the reader of large tables ------------------------------------------------------------------

CELLS = st.sampled_from(["1", "-2.5", " 3e-4", "0.1 ", "1e400", "", "x", "nan", "1_0", "é", "5,5"])


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=6),
    header=st.booleans(),
    blanks=st.integers(0, 2),
)
def test_the_fast_reader_reads_what_the_slow_one_does(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, ...]],
    header: bool,
    blanks: int,
) -> None:
    base = tmp_path_factory.getbasetemp()
    lines = [*(["a,b,k"] if header else []), *(",".join(row) for row in rows)]
    (base / "t.csv").write_text("\n" * blanks + "\n".join(lines) + "\n", encoding="utf-8")
    node = Csv(path="t.csv", header=header, label=2, validation=0)
    found = []
    for least in (0, 2**20):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fast_table, "LARGE", least)
            try:
                data = load(node, 0, base, place)
                found.append((data.train.x.tobytes(), str(data.train.targets), str(data)))
            except SpecError as error:
                found.append(str(error))
    assert found[0] == found[1]


def test_the_fast_reader_is_taken_and_knows_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_table, "LARGE", 0)
    read_fast = []
    real = fast_table.np.loadtxt
    monkeypatch.setattr(
        fast_table.np, "loadtxt", lambda *a, **k: read_fast.append(1) or real(*a, **k)
    )
    text = "\na,k\n1,0\n\n2,1\n3,7\n"
    found = refused(tmp_path, text, label="k", classes=(0, 1))
    assert read_fast and "line 6: label '7' is no class" in found.message
    assert len(read(tmp_path, text, label="k").train) == 3
