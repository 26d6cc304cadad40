"""Everything that can be wrong with a data file is an error at the key to blame, never a traceback.

Each case is the `data` node of a spec, from its second line on; `^` in it stands for nothing and
marks where the error has to be.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellposed.data import Preprocessing, features, load, npz_file, read_features, text_file
from wellposed.spec.data import Csv, Data, Npz
from wellposed.spec.diagnostics import Diagnostic, Span, SpecError
from wellposed.spec.generated import Ellipses
from wellposed.spec.node import Root
from wellposed.spec.source import Document, read_text

TABLE = "a,b,y\n1,2,0\n3,4,1\n5,6,0\n"
WORDS = "a,b,y\n1,2,u\n3,4,v\n"


class Spec(Root):
    """As much of a spec as data need."""

    data: Data


@dataclass(frozen=True)
class Case:
    """A node, the bytes of d.csv or d.npz, and what has to be said of it at the mark."""

    node: str
    content: bytes | str | None
    code: str
    says: str
    expected: dict[str, Any]


def case(node: str, content: bytes | str | None, code: str, says: str, **expected: int) -> Case:
    return Case(node, content, code, says, expected)


def csv(keys: str, content: bytes | str | None, code: str, says: str, **expected: int) -> Case:
    return case(f"{{kind: csv, {keys}}}", content, code, says, **expected)


def npz(keys: str, content: bytes | str | None, code: str, says: str) -> Case:
    return case(f"{{kind: npz, {keys}}}", content, code, says)


def arrays(**named: object) -> bytes:
    file = io.BytesIO()
    keywords: dict[str, Any] = {name: np.asarray(array) for name, array in named.items()}
    np.savez(file, **keywords)
    return file.getvalue()


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for name, content in members.items():
            target.writestr(f"{name}.npy", content)
    return file.getvalue()


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


class Bomb:
    """Unpickling it would make a file."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("exploded",)


OBJECTS = npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1)}", pickle.dumps(Bomb()))
HUGE = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000000000)}")
SHORT = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (100, 2)}", b"few bytes")
UNCLOSED = npy("{'descr': '<f8', 'shape': (((")
NEGATIVE = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3, -2)}")
X = np.arange(6.0).reshape(3, 2)

CSV = [
    csv("path: ^d.csv", None, "E401", "no such file"),
    csv("path: ^.", None, "E401", "not a regular file"),
    csv("path: ^/dev/zero", None, "E401", "not a regular file"),
    csv("path: ^" + "long" * 2000, None, "E401", "name too long"),
    csv('path: ^"nul\\0"', None, "E401", "null"),
    csv("path: ^d.csv", "", "E404", "is empty"),
    csv("path: ^d.csv", "\n \n", "E404", "is empty"),
    csv("path: ^d.csv", "a,b\n", "E404", "no rows"),
    csv("path: ^d.csv", b"a,b\n1,2\n\xff,3\n", "E403", "not text in UTF-8"),
    csv("path: ^d.csv", 'a,b\n"1,2\n', "E403", "line 2: unexpected end of data"),
    csv("path: ^d.csv", "a\n" + "1" * 200_000, "E403", "line 2: field larger"),
    csv("path: ^d.csv", "a,b\n1,2\n\n3\n", "E403", "line 4 has 1 cell, line 1 has 2"),
    csv("path: ^d.csv", "a,a\n1,2\n", "E403", "line 1 names two columns 'a'"),
    csv("path: ^d.csv", "a,b\n1,2\n3,\n", "E407", "line 3, column 'b': an empty cell"),
    csv("path: ^d.csv", "a,b\n1,nan\n", "E407", "line 2, column 'b': 'nan'"),
    csv("path: ^d.csv", "a,b\n-inf,1\n", "E407", "line 2, column 'a': '-inf'"),
    csv("path: ^d.csv", "a,b\n1,1e999\n", "E407", "line 2, column 'b': '1e999'"),
    csv("path: ^d.csv", "a,b\n1,2\n1_000,2\n", "E407", "line 3, column 'a': '1_000'"),
    csv("path: ^d.csv", '"a\nz",b\n1,2\n3,x\n', "E407", "line 4, column 'b': 'x'"),
    csv("path: ^d.csv, header: false", "a,b\n1,2\n", "E407", "line 1, column '0': 'a'"),
    csv("path: ^d.csv, targets: [y]", "y\n1\n", "E406", "no feature column"),
    csv("path: d.csv, label: ^z", TABLE, "E406", "has no column 'z'"),
    csv("path: d.csv, targets: [a, ^z]", TABLE, "E406", "has no column 'z'"),
    csv("path: d.csv, features: [a, ^3]", TABLE, "E406", "no column 3: it has 3"),
    csv("path: ^d.csv, features: [a, 0]", TABLE, "E109", "'a', is used twice"),
    csv("path: d.csv, label: ^y", "a,y\n1,0\n2,0.5\n", "E408", "line 3: label '0.5'"),
    csv("path: d.csv, label: ^y", "a,y\n1,0\n2,-1\n", "E408", "line 3: label '-1'"),
    csv("path: d.csv, label: ^y", "a,y\n1,0\n2,inf\n", "E408", "line 3: label 'inf'"),
    csv("path: d.csv, label: ^y", "a,y\n1,u\n2,\n", "E408", "line 3: the label is miss"),
    csv("path: d.csv, label: ^y", "a,y\n1,u\n2,7\n", "E408", "line 3: label '7' is a num"),
    csv("path: d.csv, label: ^y", "a,y\n1,9999999999\n", "E408", "0 to 9999"),
    csv("path: d.csv, label: ^y, classes: [0]", TABLE, "E408", "line 3: label '1'"),
    csv("path: d.csv, validation: ^3", TABLE, "E410", "has 3 rows, of which valid"),
    csv("path: d.csv, validation: ^0.9", TABLE, "E410", "takes 3"),
    csv("path: d.csv, validation: ^e.csv", TABLE, "E401", "no such file"),
    csv("path: ^d.csv", TABLE, "E409", "data: 3, of the model: 2", expected_features=2),
    csv("path: d.csv, label: ^y", TABLE, "E409", "2 classes in the data", expected_classes=1),
    csv("path: d.csv, label: ^y", WORDS, "E409", "model has 1 class: u, v", expected_classes=1),
]

NPZ = [
    npz("path: ^d.npz", None, "E401", "no such file"),
    npz("path: ^d.npz", "", "E403", "no sound npz file"),
    npz("path: ^d.npz", arrays(x=X)[:-30], "E403", "no sound npz file"),
    npz("path: d.npz, features: ^z", arrays(x=X), "E406", "has no array 'z'"),
    npz("path: d.npz, label: ^z", arrays(x=X), "E406", "has no array 'z'"),
    npz("path: d.npz, features: ^x", arrays(x=X[0]), "E411", "(2,) are not (s, d)"),
    npz("path: d.npz, features: ^x", arrays(x=X[:, :0]), "E411", "(3, 0) are not (s, d)"),
    npz("path: d.npz, features: ^x", arrays(x=X[:0]), "E404", "no rows"),
    npz("path: d.npz, features: ^x", arrays(x=X + 1j), "E411", "complex128 is not real"),
    npz("path: d.npz, features: ^x", arrays(x=[["a"]]), "E411", "is not real"),
    npz("path: d.npz, features: ^x", arrays(x=X * np.nan), "E407", "x[0, 0] is nan"),
    npz("path: d.npz, features: ^x", archive(x=OBJECTS), "E411", "pickled objects"),
    npz("path: d.npz, features: ^x", archive(x=HUGE), "E402", "at most"),
    npz("path: ^d.npz", archive(x=SHORT), "E403", "no sound npz file"),
    npz("path: ^d.npz", archive(x=b"no array"), "E403", "no sound npz file"),
    npz("path: ^d.npz", archive(x=UNCLOSED), "E403", "no sound npz file"),
    npz("path: d.npz, features: ^x", archive(x=NEGATIVE), "E403", "negative size"),
    npz("path: ^d.npz, label: y", arrays(x=X, y=[0, 1]), "E405", "3 rows, 'y' has 2"),
    npz("path: d.npz, label: ^y", arrays(x=X, y=X), "E411", "are not (s,) integers"),
    npz("path: d.npz, label: ^y", arrays(x=X, y=[0, 1, 0.5]), "E408", "row 2: label '0.5'"),
    npz("path: d.npz, label: ^y", arrays(x=X, y=[0, 1, -7]), "E408", "row 2: label '-7'"),
    npz("path: d.npz, targets: ^y", arrays(x=X, y=3.0), "E411", "are not (s, k)"),
    npz("path: d.npz, targets: ^y", arrays(x=X, y=[1, np.inf, 0]), "E407", "y[1, 0] is inf"),
    npz("path: d.npz, validation: ^3", arrays(x=X), "E410", "has 3 rows"),
    npz("path: d.npz, validation: ^0.99", arrays(x=X), "E410", "takes 3"),
]

OTHER = [
    case("{kind: peaks, train: ^9000}", None, "E412", "1798 grid points for each of 5 classes"),
    case("{kind: peaks, train: ^8000, classes: 20}", None, "E412", "379 grid points"),
]


def document(node: str) -> Document:
    return read_text(f"wellposed: 1\ndata: {node}\n", "m.yaml")


def refusal(case: Case, base: Path) -> Diagnostic:
    """The one diagnostic of a case."""
    spec = document(case.node.replace("^", ""))

    def place(*keys: str | int) -> Span:
        return spec.span(("data", *keys))

    node = Spec.model_validate({"data": spec.value["data"]}).data
    with pytest.raises(SpecError) as caught:
        load(node, 0, base, place, **case.expected)
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize("case", CSV + NPZ + OTHER, ids=lambda case: f"{case.says[:30]}")
def test_the_error_is_at_the_key_to_blame(case: Case, tmp_path: Path) -> None:
    if case.content is not None:
        content = case.content if isinstance(case.content, bytes) else case.content.encode()
        (tmp_path / ("d.csv" if "d.csv" in case.node else "d.npz")).write_bytes(content)
    found = refusal(case, tmp_path)
    assert found.span is not None
    assert (found.code, found.span.line) == (case.code, 2), found.render()
    assert found.span.column == len("data: ") + case.node.index("^") + 1, found.render()
    assert case.says in found.message, found.render()
    assert not (tmp_path / "exploded").exists() and not Path("exploded").exists()


def test_a_misspelt_column_gets_a_hint_and_all_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("width,height,kind\n1,2,0\n")
    spec = document("{kind: csv, path: d.csv, features: [widht, heigth], label: kin}")
    node = Spec.model_validate({"data": spec.value["data"]}).data

    def place(*keys: str | int) -> Span:
        return spec.span(("data", *keys))

    with pytest.raises(SpecError) as caught:
        load(node, 0, tmp_path, place)
    found = caught.value.diagnostics
    hints = [diagnostic.label for diagnostic in found]
    assert hints == [f"did you mean {word}?" for word in ("width", "height", "kind")]
    assert [d.span and d.span.column for d in found] == [43, 50, 66]


def test_the_number_of_features_is_found_without_the_rows(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("width,height,kind\nno number at all\n")
    (tmp_path / "d.npz").write_bytes(archive(x=SHORT))
    for node in (Csv(path="d.csv", label="kind"), Npz(path="d.npz"), Ellipses()):
        assert features(node, tmp_path, lambda *keys: None) == 2
    for node in (Csv(path="d.csv", label="kin"), Npz(path="d.npz", features="y")):
        with pytest.raises(SpecError, match="E406"):
            features(node, tmp_path, lambda *keys: None)


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_a_second_file_is_held_to_the_first(tmp_path: Path, kind: str) -> None:
    (tmp_path / "d.csv").write_text(TABLE)
    (tmp_path / "e.csv").write_text("a,y\n1,0\n")
    (tmp_path / "d.npz").write_bytes(arrays(x=X, y=[0, 1, 1]))
    (tmp_path / "e.npz").write_bytes(arrays(x=X[:, :1], y=[0, 1, 1]))
    node = f"{{kind: {kind}, path: d.{kind}, validation: ^e.{kind}, label: y}}"
    found = refusal(case(node, None, "", ""), tmp_path)
    assert found.code == {"csv": "E406", "npz": "E409"}[kind]
    assert found.span and found.span.column == 7 + node.index("^")
    (tmp_path / "e.csv").write_text("a,b,y\n1,0,1\n1,0,2\n")
    (tmp_path / "e.npz").write_bytes(arrays(x=X, y=[0, 1, 2]))
    found = refusal(case(node, None, "", ""), tmp_path)
    assert found.span and (found.code, found.span.column) == ("E408", 7 + node.index("^"))
    assert "label '2' is no class" in found.message


def test_a_file_beyond_the_limit_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_file, "LIMIT", 20)
    monkeypatch.setattr(npz_file, "LIMIT", 20)
    (tmp_path / "d.csv").write_text(TABLE)
    (tmp_path / "d.npz").write_bytes(arrays(x=X))
    for node in ("{kind: csv, path: ^d.csv}", "{kind: npz, path: d.npz, features: ^x}"):
        assert refusal(case(node, None, "", ""), tmp_path).code == "E402"


@pytest.mark.parametrize(
    ("name", "content", "code", "says"),
    [
        ("new.csv", "1,2,3\n", "E409", "has 3 features, the network was trained on 2"),
        ("new.csv", "x1,x2\n1,nan\n", "E407", "line 2, column 'x2'"),
        ("new.npz", arrays(a=X, b=X), "E406", "has no array 'x'"),
        ("new.npz", arrays(X=X[:, :1]), "E409", "has 1 feature"),
        ("none.csv", None, "E401", "no such file"),
    ],
)
def test_features_to_predict_for(
    tmp_path: Path, name: str, content: str | bytes | None, code: str, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    where = Span("command line", 1, 1, 1, 5, name)
    with pytest.raises(SpecError) as caught:
        read_features(tmp_path / name, Ellipses(), Preprocessing(("x1", "x2")), where)
    (found,) = caught.value.diagnostics
    assert (found.code, found.span) == (code, where)
    assert says in found.message


def test_a_predicted_table_lacks_a_column(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("width,higth\n1,2\n")
    with pytest.raises(SpecError) as caught:
        read_features(
            tmp_path / "new.csv", Csv(path="d.csv"), Preprocessing(("width", "height")), None
        )
    assert caught.value.diagnostics[0].label == "did you mean higth?"


def test_generated_data_are_held_to_the_model_too(tmp_path: Path) -> None:
    found = refusal(case("ellipses", None, "", "", expected_classes=1), tmp_path)
    assert found.message == "classes of the data: 2, of the model: 1"
    assert found.span == document("ellipses").span(("data",), key=True)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text("a1,.\n\"'; -eninf\0é", max_size=60).map(str.encode))
def test_no_bytes_whatever_give_a_traceback(tmp_path_factory, content: bytes) -> None:
    base = tmp_path_factory.getbasetemp()
    (base / "fuzz").write_bytes(content)
    for node in (Csv(path="fuzz", validation=0), Npz(path="fuzz", validation=0)):
        try:
            assert np.isfinite(load(node, 0, base, lambda *keys: None).train.x).all()
        except SpecError as error:
            assert error.diagnostics


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 400), st.integers(0, 255))
def test_no_damaged_archive_gives_a_traceback(tmp_path_factory, at: int, byte: int) -> None:
    base = tmp_path_factory.getbasetemp()
    content = bytearray(arrays(x=X, y=[0, 1, 0]))
    content[at] = byte
    (base / "fuzz.npz").write_bytes(content)
    try:
        load(Npz(path="fuzz.npz", label="y"), 0, base, lambda *keys: None)
    except SpecError as error:
        assert error.diagnostics
