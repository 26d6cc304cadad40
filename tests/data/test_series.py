"""Observations read from csv and npz files, against a small reader of their own kind."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellposed.data import (
    Dataset,
    Preprocessing,
    Split,
    features,
    load,
    read_observations,
    span,
)
from wellposed.spec.data import Csv, Data, Npz
from wellposed.spec.generated import Standardized
from wellposed.spec.observations import Spirals

Rows = list[tuple[str, float, list[float | None]]]
"""Observations in the order of a file: id, time, values."""


def nowhere(*keys: str | int) -> None:
    """The place of a key in a spec that was made in Python."""


def dataset(node: Data, base: Path, **expected: Any) -> Dataset:
    return load(node, 0, base, nowhere, **expected)


def table(text: str, base: Path, /, **keys: Any) -> Dataset:
    """The data of a table whose columns are i, t, u and v, all of it for training."""
    (base / "t.csv").write_text(text)
    usual: dict[str, Any] = {"id": "i", "time": "t", "channels": ("u", "v"), "validation": 0}
    return dataset(Csv(path="t.csv", **(usual | keys)), base)


def arrays(base: Path, /, times: object, values: object, **keys: Any) -> Dataset:
    np.savez(base / "t.npz", t=np.asarray(times), v=np.asarray(values))
    usual: dict[str, Any] = {"times": "t", "values": "v", "validation": 0}
    return dataset(Npz(path="t.npz", **(usual | keys)), base)


def by_id(rows: Iterable[tuple[str, float, list[float | None]]]) -> dict[str, list[list[float]]]:
    """The lines [time, value, …] of every series that have a value, in the order of the file."""
    found: dict[str, list[list[float]]] = {}
    for id, time, values in rows:
        series = found.setdefault(id, [])
        if any(value is not None for value in values):
            series.append([time, *(np.nan if v is None else v for v in values)])
    return found


def unpadded(split: Split) -> list[np.ndarray]:
    """The observations of every row, [time, value, …], without what fills it up."""
    assert split.targets is not None
    rows = []
    for times, values in zip(split.targets, split.x, strict=True):
        length = int(np.isfinite(times).sum())
        assert np.isfinite(times[:length]).all() and np.isnan(values[length:]).all()
        rows.append(np.column_stack([times, values])[:length])
    return rows


# --- csv --------------------------------------------------------------------------------------


@st.composite
def files(draw: st.DrawFn) -> Rows:
    """Interleaved series of increasing times, with two observations of every channel or more."""
    number = st.floats(-1e6, 1e6, width=32)
    time = st.integers(-1000, 1000).map(lambda k: k / 8)  # the origin is subtracted without a rest
    value = st.none() | number
    lines: list[list[tuple[str, float, list[float | None]]]] = []
    for id in draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=4, unique=True)):
        times = sorted(draw(st.sets(time, min_size=2, max_size=6)))
        values = [[draw(number), draw(number)] for _ in times[:2]]
        values += [[draw(value), draw(value)] for _ in times[2:]]
        order = draw(st.permutations(range(len(times))))
        lines.append([(id, t, list(values[k])) for t, k in zip(times, order, strict=True)])
    turns = draw(st.permutations([k for k, series in enumerate(lines) for _ in series]))
    queues = [iter(series) for series in lines]
    return [next(queues[k]) for k in turns]


@settings(max_examples=150, deadline=None)
@given(files())
def test_a_table_is_read_as_a_small_reader_reads_it(tmp_path_factory: Any, rows: Rows) -> None:
    base = tmp_path_factory.getbasetemp()
    with (base / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["u", "when", "note", "v", "who"])
        for id, time, (u, v) in rows:
            cells = ["" if cell is None else repr(cell) for cell in (u, v)]
            writer.writerow([cells[0], repr(time), "words", cells[1], id])
    node = Csv(path="rows.csv", id="who", time="when", channels=("v", "u"), validation=0)
    data = dataset(node, base)
    with (base / "rows.csv").open(newline="") as file:
        again = [
            (r["who"], float(r["when"]), [float(r[c]) if r[c] else None for c in "vu"])
            for r in csv.DictReader(file)
        ]
    expected = by_id(again)
    origin = min(line[0] for series in expected.values() for line in series)
    last = max(line[0] for series in expected.values() for line in series)
    assert data.preprocessing == Preprocessing(("v", "u"), origin=origin, horizon=last - origin)
    assert (data.kind, data.features, data.classes, data.later) == ("observations", 2, None, None)
    found = unpadded(data.train)
    assert data.train.x.shape[1] == max(map(len, found))
    for series, made in zip(expected.values(), found, strict=True):
        np.testing.assert_array_equal(made, np.array(series) - [origin, 0, 0])


def test_without_an_id_all_lines_are_of_one_series(tmp_path: Path) -> None:
    data = table("t,u,v\n5,1,\n7.5, ,2\n9,,\n", tmp_path, id=None)
    (only,) = unpadded(data.train)
    np.testing.assert_array_equal(only, [[0, 1, np.nan], [2.5, np.nan, 2]])
    assert data.preprocessing.origin == 5 and data.preprocessing.horizon == 2.5


def test_columns_go_by_position_and_numbers_by_the_marks_of_the_file(tmp_path: Path) -> None:
    keys = {"header": False, "delimiter": ";", "decimal": ",", "id": 2, "time": 0}
    data = table("0,5;1,25;a\n1,5;;a\n2;-1,5;a\n", tmp_path, channels=(1,), **keys)
    np.testing.assert_array_equal(unpadded(data.train)[0], [[0, 1.25], [1.5, -1.5]])
    assert data.preprocessing.features == ("1",)


def test_a_time_keeps_what_float32_would_lose_before_the_origin_is_subtracted(
    tmp_path: Path,
) -> None:
    text = "i,t,u,v\na,1700000000.25,1,1\na,1700000000.5,1,1\nb,1700000001,1,1\nb,1700000002,1,1\n"
    (tmp_path / "t.csv").write_text(text)
    node = Csv(path="t.csv", id="i", time="t", channels=("u", "v"), validation=0)
    data = dataset(node, tmp_path, dtype="float32")
    np.testing.assert_array_equal(data.train.targets, [[0, 0.25], [0.75, 1.75]])
    assert data.preprocessing.origin == 1700000000.25


# --- npz --------------------------------------------------------------------------------------


def test_arrays_of_series_with_times_of_their_own(tmp_path: Path) -> None:
    times = [[1.0, 2, 4], [0.5, 3, np.nan]]
    values = np.arange(12.0).reshape(2, 3, 2)
    values[0, 1, 0] = values[1, 2] = np.nan
    data = arrays(tmp_path, times, values)
    np.testing.assert_array_equal(data.train.x, values)
    np.testing.assert_array_equal(data.train.targets, np.array(times) - 0.5)
    assert data.preprocessing.features == ("v1", "v2")


def test_one_array_of_times_is_that_of_all_series(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 1)).astype(np.float32)
    data = arrays(tmp_path, [0, 1, 2, 5], values)
    np.testing.assert_array_equal(data.train.x, values)
    np.testing.assert_array_equal(data.train.targets, [[0, 1, 2, 5]] * 3)
    assert data.preprocessing.features == ("v",)
    single = arrays(tmp_path, [0, 1, 2, 5], values[0])
    np.testing.assert_array_equal(single.train.x, values[:1])


def test_an_observation_of_nothing_is_none(tmp_path: Path) -> None:
    values = np.array([[[np.nan], [1], [np.nan], [3]], [[4], [5], [6], [7.0]]])
    data = arrays(tmp_path, [0, 1, 2, 5], values)
    first, second = unpadded(data.train)
    np.testing.assert_array_equal(first, [[1, 1], [5, 3]])
    assert len(second) == 4


# --- parts ------------------------------------------------------------------------------------


def of_sizes(base: Path, count: int, **keys: Any) -> Dataset:
    """Series k has the values k and the times k, k + 1, k + 2."""
    values = np.tile(np.arange(count, dtype=float)[:, None, None], (1, 3, 1))
    return arrays(base, np.arange(count)[:, None] + np.arange(3.0), values, **keys)


@pytest.mark.parametrize(("share", "held"), [(0.3, 6), (7, 7), (0.0, 0), (0, 0), (0.02, 0)])
def test_validation_counts_series(tmp_path: Path, share: float, held: int) -> None:
    data = of_sizes(tmp_path, 20, validation=share)
    train, validation = (part.x[:, 0, 0] for part in (data.train, data.validation))
    assert (len(train), len(validation)) == (20 - held, held)
    assert sorted([*train, *validation]) == list(range(20))
    assert [*train] == sorted(train) and [*validation] == sorted(validation)
    origin = float(train.min())
    assert data.preprocessing.origin == origin
    assert data.preprocessing.horizon == train.max() + 2 - origin
    for part, names in ((data.train, train), (data.validation, validation)):
        for row, name in zip(unpadded(part), names, strict=True):
            np.testing.assert_array_equal(row[:, 0], name + np.arange(3) - origin)


def test_the_seed_decides_who_validates(tmp_path: Path) -> None:
    of_sizes(tmp_path, 40)
    node = Npz(path="t.npz", times="t", values="v", validation=10)
    first, again, other = (load(node, s, tmp_path, nowhere).validation.x for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_second_file_is_counted_from_the_origin_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("v,i,u,t\n2,x,1,-3\n4,x,3,-1\n")
    data = table("i,t,u,v\na,1,5,6\na,2,7,8\n", tmp_path, validation="more.csv")
    np.testing.assert_array_equal(unpadded(data.validation)[0], [[-4, 1, 2], [-2, 3, 4]])
    assert (data.preprocessing.origin, data.preprocessing.horizon) == (1, 1)


def test_what_lies_after_until_is_kept_from_training(tmp_path: Path) -> None:
    lines = [f"{i},{t},{t + 10 * k},7" for t in range(5) for k, i in enumerate("abc")]
    data = table("\n".join(["i,t,u,v", *lines, "c,5,,7"]), tmp_path, channels=("u",), until=2)
    for k, row in enumerate(unpadded(data.train)):
        np.testing.assert_array_equal(row, [[t, t + 10 * k] for t in (0, 1, 2)])
    assert data.later is not None and data.preprocessing.horizon == 2
    for k, row in enumerate(unpadded(data.later)):
        np.testing.assert_array_equal(row, [[t, t + 10 * k] for t in (3, 4)])


def test_later_is_of_the_validation_series_in_their_order(tmp_path: Path) -> None:
    values = np.tile(np.arange(12.0)[:, None, None], (1, 4, 1))
    values[3, 3] = np.nan
    data = arrays(tmp_path, [10, 11, 12, 13], values, validation=6, until=12)
    assert data.later is not None and data.later.targets is not None
    last = data.later.x[:, 0, 0]
    expected = data.validation.x[:, 0, 0]
    np.testing.assert_array_equal(last[expected != 3], expected[expected != 3])
    assert np.isnan(last[expected == 3]).all()
    np.testing.assert_array_equal(data.later.targets[expected != 3], 3.0)
    np.testing.assert_array_equal(data.train.targets, [[0, 1, 2]] * 6)


def test_channels_are_standardized_over_what_is_seen_in_training(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    values = random.normal(5, 3, size=(6, 8, 2))
    values[random.random(values.shape) < 0.3] = np.nan
    values[:, :2] = random.normal(size=(6, 2, 2))
    raw = arrays(tmp_path, np.arange(8.0), values, validation=2, until=5)
    for standardize in (True, Standardized(features=True)):
        data = arrays(
            tmp_path, np.arange(8.0), values, validation=2, until=5, standardize=standardize
        )
        scaling = data.preprocessing.scaling
        assert scaling is not None and raw.preprocessing.scaling is None
        seen = raw.train.x.reshape(-1, 2)
        np.testing.assert_allclose(scaling.mean, np.nanmean(seen, axis=0), rtol=1e-13)
        np.testing.assert_allclose(scaling.deviation, np.nanstd(seen, axis=0), rtol=1e-13)
        for ours, theirs in zip(
            (data.train, data.validation, data.later),
            (raw.train, raw.validation, raw.later),
            strict=True,
        ):
            assert ours is not None and theirs is not None
            np.testing.assert_allclose(scaling.undone(ours.x), theirs.x, rtol=1e-12, atol=1e-12)
            np.testing.assert_array_equal(ours.targets, theirs.targets)
    off = arrays(tmp_path, np.arange(8.0), values, standardize=Standardized(features=False))
    assert off.preprocessing.scaling is None


# --- what else is known, and what is to be predicted ---------------------------------------------


def test_channels_are_counted_without_the_rows(tmp_path: Path) -> None:
    of_sizes(tmp_path, 3)
    node = Csv(path="no.csv", time="t", channels=("a", "b", "c"))
    assert features(node, tmp_path, nowhere) == 3
    npz = Npz(path="t.npz", times="t", values="v", validation=0)
    assert features(npz, tmp_path, nowhere) == 1
    assert span(npz, 0, tmp_path, nowhere) == (0, 4)
    assert span(Data._choose("ellipses"), 0, tmp_path, nowhere) is None


@pytest.mark.parametrize("standardize", [False, True])
def test_what_is_known_survives_as_plain_data(tmp_path: Path, standardize: bool) -> None:
    known = table(
        "i,t,u,v\na,0.1,1,2\na,0.7,3,5\n", tmp_path, standardize=standardize
    ).preprocessing
    again = Preprocessing.of_plain(known.to_plain())
    assert (again.origin, again.horizon, again.features) == (0.1, 0.7 - 0.1, ("u", "v"))
    assert again.to_plain() == known.to_plain()
    with pytest.raises(ValueError, match="origin is not finite"):
        Preprocessing.of_plain(known.to_plain() | {"origin": float("nan")})
    assert "origin" not in Preprocessing(("a",)).to_plain()


def test_a_file_to_predict_for_keeps_the_times_that_are_asked_for(tmp_path: Path) -> None:
    data = table("i,t,u,v\na,4,1,2\na,6,3,8\n", tmp_path, standardize=True)
    (tmp_path / "new.csv").write_text("v,t,i,u\n2,5,z,1\n,6,z,\n,1,y,3\n,7,z,\n")
    node = Csv(path="t.csv", id="i", time="t", channels=(2, 3))  # of that file, by its positions
    found = read_observations(tmp_path / "new.csv", node, data.preprocessing, "float32", None)
    assert found.ids == ("z", "y")
    np.testing.assert_array_equal(found.own_times, [[5, 6, 7], [1, np.nan, np.nan]])
    np.testing.assert_array_equal(found.split.targets, [[1, 2, 3], [-3, np.nan, np.nan]])
    expected = np.full((2, 3, 2), np.nan)
    expected[0, 0], expected[1, 0, 0] = [-1, -1], 1
    np.testing.assert_array_equal(found.split.x, expected)


@pytest.mark.parametrize("text", ["time,x1,x2\n3,1,2\n", "x2,id,x1,time\n2,w,1,3\n"])
def test_a_file_to_predict_for_where_the_spec_draws_its_series(tmp_path: Path, text: str) -> None:
    (tmp_path / "new.csv").write_text(text)
    known = Preprocessing(("x1", "x2"), origin=1.0, horizon=2.0)
    found = read_observations(tmp_path / "new.csv", Spirals(), known, "float64", None)
    assert found.ids == (("w",) if "id" in text else ("0",))
    assert found.split.x.tolist() == [[[1, 2]]]
    assert found.split.targets is not None and found.split.targets.tolist() == [[2]]
    np.savez(tmp_path / "new.npz", times=[3.0], values=[[1.0, 2.0]])
    again = read_observations(tmp_path / "new.npz", Spirals(), known, "float64", None)
    np.testing.assert_array_equal(again.split.x, found.split.x)


def test_the_largest_and_the_smallest_series_are_told_apart_where_values_are_missing() -> None:
    x = np.array([[[1.0], [np.nan]], [[1e20], [1e20]], [[np.nan], [0.5]]])
    assert Split(x, np.zeros((3, 2))).ends == (1, 2)
