"""Errors that follow from another error are false, and are not told: each file has one error."""

from __future__ import annotations

from pathlib import Path

import pytest

import wellposed

DATA = "{kind: points, features: [[1, 2], [2, 1], [0, 1]], labels: [0, 1, 0]}"
ADAM = "{kind: adam, lr: 1e-2}"
BASE = f"""wellposed: 1
name: m
data: {DATA}
model:
  state: 2
  vector_field: {{kind: layer, activation: tanh}}
  time: {{horizon: 1, steps: 4}}
  readout: {{kind: classifier, classes: 2}}
regularizers:
  - {{kind: smoothness, of: [K], alpha: 1e-3}}
train: {{optimizer: {ADAM}, epochs: 2}}
"""
LAYER = "{kind: layer, activation: tanh}"
CUSTOM = "{{kind: custom, weights: {{K: {0}}}, equations: {1}}}"
TABLE = "{{kind: csv, path: gone.csv, label: c, {0}}}"
EQUATION = '{y: "K @ y"}'

ONE_ERROR = {
    "bad widths": (LAYER, '{kind: mlp, hidden: ["16"]}', "E101", "hidden[0]"),
    "bad names": ("of: [K]", "of: [1]", "E101", "of[0]"),
    "bad rows": ("[[1, 2], [2, 1], [0, 1]]", "[[a]]", "E101", "features[0][0]"),
    "bad classes": (DATA, TABLE.format("classes: [False]"), "E101", "classes[0]"),
    "bad features": (DATA, TABLE.format("features: [true]"), "E101", "features[0]"),
    "a bad delimiter": (DATA, TABLE.format("delimiter: tab"), "E102", "delimiter"),
    "an unknown key of data": (DATA, TABLE.format("seperate: 1"), "E103", "'seperate'"),
    "a weight that is a list": (LAYER, CUSTOM.format("[y, y]", EQUATION), "E101", "K must be"),
    "a bad shape": (LAYER, CUSTOM.format("{shape: y}", EQUATION), "E101", "shape must be"),
    "no such block": (LAYER, CUSTOM.format("{shape: [q, y]}", EQUATION), "E210", "'q'"),
    "a bare equation": (
        LAYER,
        CUSTOM.format("{shape: [y, y]}", '"K @ y"'),
        "E101",
        "equations must be",
    ),
    "a block that is no number": ("state: 2", 'state: {y: 2, z: "2"}', "E101", "z must be"),
    "a block that equations name": (
        f"state: 2\n  vector_field: {LAYER}",
        'state: {y: 2, z: "2"}\n  vector_field: {kind: custom, equations: {y: "z", z: "-y"}}',
        "E101",
        "z must be",
    ),
    "a bad lift": ("state: 2", "state: 1\n  lift: [linear]", "E101", "lift must be"),
    "a bad parametrization": (
        "of: [K]",
        "of: [C]",
        "E101",
        "parametrization must be",
    ),
    "a merge key": (ADAM, "{<<: {kind: adam}, lr: 1e-2}", "E010", "merge keys"),
    "a colon without a space": (ADAM, "{kind:adam, lr: 1e-2}", "E103", "one word"),
    "a glued size": ("state: 2", "state: {y:2}", "E103", "one word"),
    "an equation lost": (LAYER, CUSTOM.format("{shape: [y, y]}", "{1: 2}"), "E008", "not a string"),
    "steps beside time": (
        "time: {horizon: 1, steps: 4}",
        "steps: 4\n  time: {horizon: 1}",
        "E103",
        "steps belongs in model.time",
    ),
    "no time at all": (
        "time: {horizon: 1, steps: 4}",
        "steps: 4\n  horizon: 1",
        "E103",
        "horizon belongs in model.time",
    ),
}


def errors(text: str, folder: Path, *overrides: str) -> wellposed.SpecError:
    file = folder / "m.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(wellposed.SpecError) as caught:
        wellposed.load(file, overrides)
    return caught.value


@pytest.mark.parametrize(("old", "new", "code", "said"), ONE_ERROR.values(), ids=ONE_ERROR)
def test_only_the_error_itself_is_told(old: str, new: str, code: str, said: str, tmp_path: Path):
    assert BASE.count(old) == 1
    text = BASE.replace(old, new)
    if "parametrization" in said:
        text = text.replace("  readout", "  parametrization: [negative-gram]\n  readout")
    error = errors(text, tmp_path)
    assert {d.code for d in error.diagnostics} == {code}, str(error)
    assert said in str(error)


def test_what_does_not_follow_is_told_with_it(tmp_path: Path):
    """A bad weight hides no syntax error, bad data no error of the model."""
    field = CUSTOM.format("{shape: y}", '{y: "K @ (y"}')
    found = errors(BASE.replace(LAYER, field), tmp_path).diagnostics
    assert [d.code for d in found] == ["E101", "E301"]
    text = BASE.replace(DATA, TABLE.format("delimiter: tab")).replace("of: [K]", "of: [Q]")
    assert [d.code for d in errors(text, tmp_path).diagnostics] == ["E102", "E204"]


@pytest.mark.parametrize("name", ["t", "pi", "W", "mu", "L", "y", "tanh"])
def test_a_taken_name_is_one_error_and_lists_what_is_taken(name: str, tmp_path: Path):
    field = CUSTOM.format("{shape: [y, y]}", EQUATION).replace("K", name)
    (found,) = errors(BASE.replace(LAYER, field), tmp_path).diagnostics
    assert found.code == "E207"
    assert "the blocks, t, pi, W, mu, L, tanh" in found.help


PLACES = {
    "lr=0.1": "train.optimizer.lr=0.1",
    "model.steps=64": "model.time.steps=64",
    "optimizer.lr=0.1": "train.optimizer.lr=0.1",
    "alpha=3": "regularizers.0.alpha=3",
    "model.seed=2": "seed=2",
}


@pytest.mark.parametrize(("given", "pasted"), PLACES.items())
def test_an_override_in_the_wrong_place_is_answered_by_the_right_one(
    given: str, pasted: str, tmp_path: Path
):
    (found,) = errors(BASE, tmp_path, given).diagnostics
    assert (found.code, found.help) == ("E103", pasted)
    assert wellposed.load(tmp_path / "m.yaml", [pasted])


@pytest.mark.parametrize(
    ("at", "line", "label"),
    [
        ("model:\n", "  activation: relu", "activation belongs in model.vector_field"),
        ("name: m\n", "gamma: 1", "gamma belongs in model.parametrization, of antisymmetric"),
        ("name: m\n", "delimiter: tab", "delimiter belongs in data, of csv"),
        ("name: m\n", "sede: 1", "did you mean seed?"),
        ("model:\n", "  sede: 1", ""),
    ],
)
def test_a_key_is_looked_up_in_the_whole_language(at: str, line: str, label: str, tmp_path: Path):
    found = errors(BASE.replace(at, f"{at}{line}\n"), tmp_path).diagnostics
    assert [(d.code, d.label) for d in found] == [("E103", label)]


def test_a_key_of_another_kind_names_the_kind(tmp_path: Path):
    found = errors(BASE.replace("labels", "delimiter: tab, labels"), tmp_path).diagnostics
    assert [(d.code, d.label) for d in found] == [("E103", "delimiter is a key of csv")]


def test_an_item_of_a_list_is_overridden_by_its_number(tmp_path: Path):
    file = tmp_path / "m.yaml"
    file.write_text(BASE, encoding="utf-8")
    assert wellposed.load(file, ["regularizers.0.alpha=3"]).regularizers[0].alpha == 3
    bare = BASE[: BASE.index("regularizers")]
    (found,) = errors(bare, tmp_path, "regularizers.0.alpha=3").diagnostics
    assert (found.code, found.message) == ("E014", "there is no list of which this is item 0")


@pytest.mark.parametrize("value", ["1a b", '"a b"', "-x"])
def test_a_name_is_refused_in_words(value: str, tmp_path: Path):
    text = str(errors(BASE.replace("name: m", f"name: {value}"), tmp_path))
    assert "letters, digits, - and _, a letter first" in text and "^[" not in text


def test_an_infinite_rate_is_not_called_negative(tmp_path: Path):
    (found,) = errors(BASE.replace("lr: 1e-2", "lr: .inf"), tmp_path).diagnostics
    assert (found.message, found.label) == ("lr must be finite, got .inf", "")
