"""Everything that can be wrong with observations is an error at the key to blame.

Each case is the `data` node of a spec; `^` in it stands for nothing and marks where the error has
to be.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellposed.data import Preprocessing, features, load, read_observations
from wellposed.spec.data import Csv, Data, Npz
from wellposed.spec.diagnostics import Diagnostic, Span, SpecError
from wellposed.spec.node import Root
from wellposed.spec.observations import Spirals
from wellposed.spec.source import read_text


class Spec(Root):
    """As much of a spec as data need."""

    data: Data


@dataclass(frozen=True)
class Case:
    """A node, the content of d.csv or d.npz, and what has to be said at the mark."""

    node: str
    content: str | bytes | None
    code: str
    says: str
    dtype: str = "float64"
    channels: int | None = None


def csv(keys: str, lines: str, code: str, says: str, **expected: Any) -> Case:
    """A table with the columns i, t, u and v, whose lines are parted by blanks."""
    node = f"{{kind: csv, id: i, time: t, channels: [u, v], validation: 0, {keys}}}"
    return Case(node, "i,t,u,v\n" + "\n".join(lines.split()), code, says, **expected)


def arrays(**named: Any) -> bytes:
    file = io.BytesIO()
    keywords: dict[str, Any] = {name: np.asarray(array) for name, array in named.items()}
    np.savez(file, **keywords)
    return file.getvalue()


def npz(keys: str, code: str, says: str, t: Any, v: Any, **expected: Any) -> Case:
    node = f"{{kind: npz, validation: 0, {keys}}}"
    return Case(node, arrays(t=t, v=v), code, says, **expected)


TWO = "a,1,1,1 b,1,1,1 a,2,1,1 b,2,1,1"
NPZ = "path: ^d.npz, times: t, values: v"
V = np.ones((2, 3, 1))
T = [0.0, 1.0, 2.0]

CSV = [
    csv("path: ^d.csv", "a,1,1,1 a,1,1,1", "E414", "line 3: time 1 of series 'a' does not come"),
    csv("path: ^d.csv", "a,2,1,1 b,1,1,1 a,1,1,1", "E414", "line 4: time 1 of series 'a' does not"),
    csv("path: ^d.csv", "a,3,1,1 b,1,1,1 b,0,1,1 a,2,1,1", "E414", "line 4: time 0 of series 'b'"),
    csv("path: ^d.csv", "a,2,, a,1,1,1 a,3,1,1", "E414", "after 2, line 2"),  # of no value, too
    csv("path: ^d.csv", "a,,1,1 a,1,1,1", "E407", "line 2, column 't': an empty cell"),
    csv("path: ^d.csv", "a,noon,1,1 a,1,1,1", "E407", "line 2, column 't': 'noon'"),
    csv("path: ^d.csv", "a,inf,1,1 a,1,1,1", "E407", "line 2, column 't': 'inf'"),
    csv("path: ^d.csv", "a,0,1,x a,1,1,1", "E407", "line 2, column 'v': 'x'"),
    csv("path: ^d.csv", "a,0,1,1 a,1,nan,1", "E407", "line 3, column 'u': 'nan'"),
    csv("path: ^d.csv", "a,0,1,1 a,1,-inf,1", "E407", "line 3, column 'u': '-inf'"),
    csv("path: ^d.csv", "a,0,1,1 ,1,1,1", "E403", "line 3, column 'i': the id is missing"),
    csv("path: ^d.csv", "a,0,1,1 a,1,1", "E403", "line 3 has 3 cells"),
    csv("path: ^d.csv", "", "E404", "no rows"),
    csv("path: ^d.csv", "a,0,1,1", "E415", "line 2: series 'a' has one observation"),
    csv("path: ^d.csv", TWO + " c,1,1,1", "E415", "line 6: series 'c' has one"),
    csv("path: ^d.csv", TWO + " c,1,1,1 c,2,,", "E415", "line 6: series 'c' has one"),
    csv("path: ^d.csv", "c,1,, " + TWO, "E415", "line 2: series 'c' has no observation"),
    csv("path: ^d.csv", "a,0,1,1e39 a,1,1,1", "E407", "line 2, channel 'v'", dtype="float32"),
    csv("path: ^d.csv", "a,0,1,1 a,1e39,1,1", "E407", "line 3, time: 1e+39", dtype="float32"),
    csv("path: ^d.csv", "a,-1e308,1,1 a,1.5e308,1,1", "E407", "line 3, time: 1.5e+308"),
    csv(
        "path: ^d.csv",
        "a,0,1,1 a,1e9,1,1 a,1000000001,1,1",
        "E414",
        "line 4: time 1000000001 of series 'a' does not come after 1000000000, line 3, in float32",
        dtype="float32",
    ),
    csv("path: d.csv, until: ^1", TWO, "E415", "line 2: series 'a' has one observation until 1"),
    csv("path: d.csv, until: ^0", TWO, "E415", "series 'a' has no observation until 0, as have 1"),
    csv("path: d.csv, until: ^2", TWO, "E410", "nothing is observed later than 2 in the series to"),
    csv("path: d.csv, until: ^1e300", TWO, "E410", "later than 1e+300"),
    csv("path: ^d.csv", TWO, "E409", "channels of the data: 2, of the model: 3", channels=3),
    Case(
        "{kind: csv, path: d.csv, id: i, time: t, channels: [u, v], validation: ^2}",
        "i,t,u,v\n" + TWO.replace(" ", "\n"),
        "E410",
        "has 2 series, of which validation takes 2",
    ),
    Case(
        "{kind: csv, path: d.csv, id: i, time: t, channels: [u, v], validation: ^0.9}",
        "i,t,u,v\n" + TWO.replace(" ", "\n"),
        "E410",
        "takes 2",
    ),
    Case(
        "{kind: csv, path: d.csv, id: ^who, time: t, channels: [u, v]}",
        "i,t,u,v\n",
        "E406",
        "has no column 'who'",
    ),
    Case(
        "{kind: csv, path: d.csv, time: ^when, channels: [u, v]}",
        "i,t,u,v\n",
        "E406",
        "has no column 'when'",
    ),
    Case(
        "{kind: csv, path: d.csv, time: t, channels: [u, ^w]}",
        "i,t,u,v\n",
        "E406",
        "has no column 'w'",
    ),
    Case(
        "{kind: csv, path: d.csv, time: t, channels: [u, ^4]}",
        "i,t,u,v\n",
        "E406",
        "no column 4: it has 4",
    ),
    Case(
        "{kind: csv, path: ^d.csv, time: t, channels: [u, 1]}",
        "i,t,u,v\n",
        "E109",
        "column 1, 't', is used twice",
    ),
    Case("{kind: csv, path: ^d.csv, time: t, channels: [u]}", None, "E401", "no such file"),
    Case(
        "{kind: csv, path: d.csv, id: i, time: t, channels: [u, ^v], validation: 0}",
        "i,t,u,v\na,1,1,\na,2,1,\n",
        "E415",
        "channel 'v' has no value in the series to train on",
    ),
    Case(
        "{kind: csv, path: d.csv, id: i, time: t, channels: [u, ^v], validation: 0, until: 2}",
        "i,t,u,v\na,1,1,\na,2,1,\na,3,1,4",
        "E415",
        "channel 'v' has no value",
    ),
]

ARRAYS = [
    npz("path: d.npz, times: ^z, values: v", "E406", "has no array 'z'", T, V),
    npz("path: d.npz, times: t, values: ^z", "E406", "has no array 'z'", T, V),
    npz("path: d.npz, times: t, values: ^v", "E411", "(3,) are not (s, L, c)", T, V[0, :, 0]),
    npz("path: d.npz, times: t, values: ^v", "E411", "(2, 0, 1) are not", [], V[:, :0]),
    npz("path: d.npz, times: t, values: ^v", "E411", "complex128 is not real", T, V * 1j),
    npz("path: d.npz, times: ^t, values: v", "E411", "is not real", ["a", "b", "c"], V),
    npz("path: d.npz, times: ^t, values: v", "E405", "'v' is (2, 3, 1), 't' is (2,)", [0, 1], V),
    npz("path: d.npz, times: ^t, values: v", "E405", "'v' is (3, 1), 't' is (2, 3)", [T, T], V[0]),
    npz("path: d.npz, times: ^t, values: v", "E405", "'t' is ()", 3.0, V),
    npz("path: d.npz, times: ^t, values: v", "E407", "t[1, 2] is nan, and", [T, [0, 1, np.nan]], V),
    npz("path: d.npz, times: ^t, values: v", "E407", "t[2] is inf", [0, 1, np.inf], V[0]),
    npz("path: d.npz, times: t, values: ^v", "E407", "v[0, 0, 0] is inf", T, V * np.inf),
    npz("path: d.npz, times: ^t, values: v", "E404", "no observations", [np.nan] * 3, V * np.nan),
    npz(NPZ, "E414", "row 1, observation 2: time 1 of series '1'", [T, [0, 1, 1]], V),
    npz(NPZ, "E414", "row 2: time 1 of series '0' does not come after 1, row 1", [0, 1, 1], V[0]),
    npz(NPZ, "E415", "row 1, observation 0: series '1' has no", T, V * [[[1]], [[np.nan]]]),
    npz(NPZ, "E415", "row 0: series '0' has one observation", [0.0], V[0, :1]),
    npz(NPZ, "E407", "row 0, observation 0, channel 'v': 1e+39", T, V * 1e39, dtype="float32"),
]

DRAWN = [
    Case("{kind: spirals, noise: ^1e300}", None, "E407", "channel 'x1'", "float32"),
    Case("{kind: pendulum, noise: ^1e308}", None, "E407", "no number of float64"),
    Case(
        "{kind: pendulum, until: ^10}", None, "E410", "later than 10 in the series to validate on"
    ),
    Case("{kind: pendulum, validation: 0, until: ^11}", None, "E410", "in the series to train on"),
    Case("{kind: lotka-volterra, until: ^0.1}", None, "E415", "'0' has one observation until 0.1"),
    Case("{kind: cubic-spiral, until: ^-1}", None, "E415", "'0' has no observation until -1"),
]


def refusal(case: Case, base: Path) -> Diagnostic:
    """The one diagnostic of a case."""
    spec = read_text(f"wellposed: 1\ndata: {case.node.replace('^', '')}\n", "m.yaml")

    def place(*keys: str | int) -> Span:
        return spec.span(("data", *keys))

    node = Spec.model_validate({"data": spec.value["data"]}).data
    with pytest.raises(SpecError) as caught:
        load(node, 0, base, place, case.channels, dtype=case.dtype)
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize("case", CSV + ARRAYS + DRAWN, ids=lambda case: f"{case.says[:40]}")
def test_the_error_is_at_the_key_to_blame(case: Case, tmp_path: Path) -> None:
    if case.content is not None:
        content = case.content if isinstance(case.content, bytes) else case.content.encode()
        (tmp_path / ("d.csv" if "d.csv" in case.node else "d.npz")).write_bytes(content)
    found = refusal(case, tmp_path)
    assert found.span is not None
    assert (found.code, found.span.line) == (case.code, 2), found.render()
    assert found.span.column == len("data: ") + case.node.index("^") + 1, found.render()
    assert case.says in found.message, found.render()


def test_all_columns_that_are_missing_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("patient,hours,pulse\n")
    node = Csv(path="d.csv", id="pateint", time="hour", channels=("puls", "hours"))
    with pytest.raises(SpecError) as caught:
        load(node, 0, tmp_path, lambda *keys: None)
    hints = [diagnostic.label for diagnostic in caught.value.diagnostics]
    assert hints == [f"did you mean {word}?" for word in ("patient", "hours", "pulse")]


def test_bad_cells_are_counted_and_say_what_is_no_bad_one(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("t,u\n0,NA\n1,NA\n2,\n3,5\n")
    with pytest.raises(SpecError) as caught:
        load(Csv(path="d.csv", time="t", channels=("u",)), 0, tmp_path, lambda *keys: None)
    (found,) = caught.value.diagnostics
    assert "line 2, column 'u': 'NA' is not a finite number, nor are 1 more cell" in found.message
    assert "a missing value is an empty cell" in found.help


def test_channels_of_an_archive_are_refused_without_its_rows(tmp_path: Path) -> None:
    (tmp_path / "d.npz").write_bytes(arrays(t=T, v=V[0, :, 0]))
    with pytest.raises(SpecError, match="E411"):
        features(Npz(path="d.npz", times="t", values="v"), tmp_path, lambda *keys: None)


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_a_second_file_is_held_to_the_first(tmp_path: Path, kind: str) -> None:
    (tmp_path / "d.csv").write_text("t,u,v\n0,1,1\n1,1,1\n")
    (tmp_path / "e.csv").write_text("t,u\n0,1\n1,1\n")
    (tmp_path / "d.npz").write_bytes(arrays(t=T, v=V))
    (tmp_path / "e.npz").write_bytes(arrays(t=T, v=np.ones((2, 3, 2))))
    keys = {"csv": "time: t, channels: [u, v]", "npz": "times: t, values: v"}[kind]
    node = f"{{kind: {kind}, path: d.{kind}, validation: ^e.{kind}, {keys}}}"
    found = refusal(Case(node, None, "", ""), tmp_path)
    assert found.code == {"csv": "E406", "npz": "E409"}[kind]
    assert found.span and found.span.column == 7 + node.index("^")
    (tmp_path / "e.csv").write_text("t,u,v\n0,1,1\n0,1,1\n")
    (tmp_path / "e.npz").write_bytes(arrays(t=[0, 1, 0], v=V))
    found = refusal(Case(node, None, "", ""), tmp_path)
    assert found.span and (found.code, found.span.column) == ("E414", 7 + node.index("^"))
    (tmp_path / "e.csv").write_text("t,u,v\n0,1,1\n")
    (tmp_path / "e.npz").write_bytes(arrays(t=[0], v=V[:, :1]))
    found = refusal(Case(node, None, "", ""), tmp_path)
    assert found.span and (found.code, found.span.column) == ("E415", 7 + node.index("^"))


@pytest.mark.parametrize(
    ("name", "content", "code", "says"),
    [
        ("new.csv", "time,x1\n1,2\n", "E406", "has no column 'x2'"),
        ("new.csv", "t,x1,x2\n1,2,3\n", "E406", "has no column 'time'"),
        ("new.csv", "time,x1,x2\n1,2,3\n1,2,3\n", "E414", "line 3: time 1 of series '0'"),
        ("new.csv", "time,x1,x2\n1,,\n2,,\n", "E415", "line 2: series '0' has no observation"),
        ("new.csv", "time,x1,x2\n1,1e39,\n", "E407", "line 2, channel 'x1': 1e+39"),
        ("new.csv", "", "E404", "is empty"),
        ("new.npz", arrays(times=T, values=V), "E409", "has 1 channel, the first file 2"),
        ("new.npz", arrays(values=V), "E406", "has no array 'times'"),
        ("none.csv", None, "E401", "no such file"),
    ],
)
def test_series_to_predict_for(
    tmp_path: Path, name: str, content: str | bytes | None, code: str, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    where = Span("command line", 1, 1, 1, 5, name)
    known = Preprocessing(("x1", "x2"), origin=0.0, horizon=1.0)
    with pytest.raises(SpecError) as caught:
        read_observations(tmp_path / name, Spirals(), known, "float32", where)
    found = caught.value.diagnostics[0]
    assert (found.code, found.span) == (code, where)
    assert says in found.message


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text("a1,.\n\"'; -eninf\0é", max_size=60).map(str.encode))
def test_no_bytes_whatever_give_a_traceback(tmp_path_factory: Any, content: bytes) -> None:
    base = tmp_path_factory.getbasetemp()
    (base / "fuzz").write_bytes(b"t,u\n" + content)
    try:
        data = load(Csv(path="fuzz", time="t", channels=("u",)), 0, base, lambda *keys: None)
        assert np.isfinite(data.train.x).any()
    except SpecError as error:
        assert error.diagnostics


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 500), st.integers(0, 255))
def test_no_damaged_archive_gives_a_traceback(tmp_path_factory: Any, at: int, byte: int) -> None:
    base = tmp_path_factory.getbasetemp()
    content = bytearray(arrays(t=T, v=V))
    content[at] = byte
    (base / "fuzz.npz").write_bytes(content)
    try:
        load(Npz(path="fuzz.npz", times="t", values="v"), 0, base, lambda *keys: None)
    except SpecError as error:
        assert error.diagnostics
