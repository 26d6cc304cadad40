"""Which keys make a file one of observations, and which go with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from wellposed.spec.data import Csv, Data, Npz
from wellposed.spec.diagnostics import Diagnostic, SpecError
from wellposed.spec.load import validate
from wellposed.spec.node import Root, content_hash
from wellposed.spec.observations import Spirals, TimeSeries, Trajectories
from wellposed.spec.source import read_text

HEAD = "wellposed: 1\ndata: "
CSV, NPZ = "kind: csv, path: a.csv", "kind: npz, path: a.npz"
BOTH = {CSV: "time: t, channels: [u, v]", NPZ: "times: t, values: v"}


class Spec(Root):
    """As much of a spec as data need."""

    wellposed: int
    data: Data


def spec(node: str) -> Spec:
    return validate(read_text(f"{HEAD}{node}\n", "m.yaml"), Spec)


def refused(node: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(SpecError) as caught:
        spec(node.replace("^", ""))
    return caught.value.diagnostics


@pytest.mark.parametrize(
    ("node", "code", "says"),
    [
        (f"{{{CSV}, time: ^t}}", "E104", "time without channels"),
        (f"{{{CSV}, channels: ^[u]}}", "E104", "channels without time"),
        (f"{{{CSV}, id: ^who}}", "E104", "id without time"),
        (f"{{{CSV}, id: who, channels: ^[u]}}", "E104", "channels without time"),
        (f"{{{CSV}, until: ^3}}", "E104", "until without time"),
        (f"{{{NPZ}, times: ^t}}", "E104", "times without values"),
        (f"{{{NPZ}, values: ^v}}", "E104", "values without times"),
        (f"{{{NPZ}, until: ^3}}", "E104", "until without times and values"),
        (f"{{{NPZ}, id: who}}", "E103", "unknown key 'id'"),
        *(
            (f"{{{kind}, {BOTH[kind]}, {key}: ^{value}}}", "E109", f"{key} and")
            for kind, keys in (
                (CSV, {"features": "[x]", "label": "y", "targets": "[y]", "classes": "[a, b]"}),
                (NPZ, {"features": "x", "label": "y", "targets": "y", "classes": "[a, b]"}),
            )
            for key, value in keys.items()
        ),
        (f"{{{CSV}, time: t, channels: [u, ^u]}}", "E109", "column 'u' is used twice"),
        (f"{{{CSV}, time: t, channels: [u, ^t]}}", "E109", "column 't' is used twice"),
        (f"{{{CSV}, id: t, time: ^t, channels: [u]}}", "E109", "column 't' is used twice"),
        (f"{{{CSV}, time: ^-1, channels: [0]}}", "E102", "columns count from 0, got -1"),
        (f"{{{CSV}, time: 0, channels: [^u], header: false}}", "E109", "has no name in a file"),
        (f"{{{CSV}, time: t, channels: ^[]}}", "E102", "at least 1 item"),
        (f"{{{CSV}, time: t, channels: [u], until: ^.inf}}", "E108", "finite"),
        (
            f"{{{CSV}, time: t, channels: [u], standardize: {{targets: ^false}}}}",
            "E109",
            "no targets to standardize",
        ),
        ("{kind: spirals, points: ^101}", "E102", "points must be ≤ 100"),
        ("{kind: spirals, points: ^1}", "E102", "points must be ≥ 2"),
        ("{kind: spirals, train: ^0}", "E102", "train must be ≥ 1"),
        ("{kind: pendulum, noise: ^-1}", "E102", "noise must be ≥ 0"),
        ("{kind: pendulum, frequency: ^0}", "E102", "frequency must be > 0"),
        ("{kind: lotka-volterra, rates: [1, 1, 1, ^0]}", "E102", "rates[3] must be ≥ 0.01"),
        ("{kind: lotka-volterra, rates: ^[1, 1, 1]}", "E102", "at least 4 items"),
        ("{kind: cubic-spiral, horizon: ^0}", "E102", "horizon must be ≥ 0.001"),
        ("{kind: cubic-spiral, train: 1000, points: ^1001}", "E102", "got 1,001,000"),
    ],
)
def test_what_does_not_go_together_is_refused_in_its_place(node: str, code: str, says: str) -> None:
    (found,) = refused(node)
    assert (found.code, says in found.message) == (code, True), found.render()
    if "^" in node:
        assert found.span and found.span.column == len("data: ") + node.index("^") + 1


def test_a_key_that_is_wrong_itself_is_not_told_to_be_missing() -> None:
    (found,) = refused(f"{{{CSV}, time: t, channels: 3.5}}")
    assert found.code == "E101"
    (found,) = refused(f"{{{NPZ}, times: [1], values: v}}")
    assert found.code == "E101"


@pytest.mark.parametrize("kind", [CSV, NPZ])
def test_a_file_of_observations_says_so(kind: str) -> None:
    data = spec(f"{{{kind}, {BOTH[kind]}, standardize: true, until: 3}}").data
    assert data.target_kind == "observations"
    assert data.dimension == (2 if kind == CSV else None)
    assert data.standardized.features and not data.standardized.targets
    assert (data.class_count, data.target_count) == (None, None)


def test_a_table_is_what_it_was() -> None:
    """Its hash is that of before there were observations, so that runs and programs go on."""
    table = Csv(path="t.csv", label="y")
    assert not table.has_observations and table.target_kind == "classes"
    keys = {"kind", "path", "validation", "standardize", "classes", "features", "label", "targets"}
    assert table.to_plain(whole=False).keys() == keys | {"delimiter", "header"}
    assert content_hash(table) == content_hash(Csv(path="t.csv", label="y", until=None))
    assert not Npz(path="t.npz").has_observations and Npz(path="t.npz").target_kind == "none"
    assert content_hash(Npz(path="a", times="t", values="v")) != content_hash(Npz(path="a"))


@pytest.mark.parametrize("kind", TimeSeries.members())
def test_series_that_are_drawn_have_two_channels(kind: str) -> None:
    node = spec(kind).data
    assert isinstance(node, TimeSeries)
    assert (node.target_kind, node.dimension, len(node.channels)) == ("observations", 2, 2)
    assert node.files == {} and bool(node.standardized) is False
    assert isinstance(node, Spirals) is not isinstance(node, Trajectories)


def test_paths_of_series_are_files_like_those_of_tables(tmp_path: Path) -> None:
    data = spec(f"{{{CSV}, {BOTH[CSV]}, validation: more.csv}}").data
    assert data.files == {"path": "a.csv", "validation": "more.csv"}
