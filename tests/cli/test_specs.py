"""ls, init, validate, show, schema."""

from __future__ import annotations

import json
from pathlib import Path

from wellposed.compiler.front.load import examples

from .conftest import Cli

NAMES = [path.stem for path in examples()]


def test_ls_lists_every_example(cli: Cli) -> None:
    called = cli("ls")
    assert called.code == 0
    assert [line.split()[0] for line in called.out.splitlines()] == NAMES


def test_ls_json_has_a_name_and_a_word_about_each(cli: Cli) -> None:
    listed = cli("ls", "--json").json
    assert [each["name"] for each in listed] == NAMES
    assert all(each["about"] and Path(each["file"]).is_file() for each in listed)


def test_init_copies_an_example_and_never_overwrites(cli: Cli, folder: Path) -> None:
    assert cli("init", "ellipses-resnet").code == 0
    copy = folder / "ellipses-resnet.yaml"
    original = next(path for path in examples() if path.stem == "ellipses-resnet")
    assert copy.read_bytes() == original.read_bytes()
    copy.write_text("mine")
    again = cli("init", "ellipses-resnet")
    assert again.code == 2 and "not overwritten" in again.err
    assert copy.read_text() == "mine"
    assert cli("init", "ellipses-resnet", "--to", "other.yaml").code == 0
    assert cli("validate", "other.yaml").code == 0


def test_validate_says_ok_and_what_it_is(cli: Cli) -> None:
    called = cli("validate", "tiny.yaml", "model.time.steps=8")
    assert called.code == 0 and called.err == ""
    assert called.out.startswith("ok  tiny-net")
    assert "8 steps" in called.out and called.out.count("\n") == 1


def test_validate_takes_every_shipped_example_by_name(cli: Cli) -> None:
    assert [name for name in NAMES if cli("validate", name).code != 0] == []


def test_validate_json(cli: Cli) -> None:
    assert cli("validate", "tiny.yaml", "--json").json["valid"] is True
    called = cli("validate", "tiny.yaml", "model.time.stepz=3", "model.sate=2", "--json")
    assert called.code == 2 and called.err == ""
    errors = called.json["errors"]
    labels = {(e["code"], e["label"]) for e in errors}
    assert labels == {("E103", "did you mean steps?"), ("E103", "did you mean state?")}
    assert {e["file"] for e in errors} == {"command line"}


def test_options_may_stand_before_the_spec(cli: Cli) -> None:
    before = cli("show", "--json", "tiny.yaml", "model.state=3")
    after = cli("show", "tiny.yaml", "model.state=3", "--json")
    assert before.json == after.json != cli("show", "tiny.yaml", "--json").json


def test_show_prints_all_of_it(cli: Cli) -> None:
    called = cli("show", "tiny.yaml")
    assert called.code == 0
    for part in ("Equations", "Weights", "Integrator", "Cost", "Stability", "Flow"):
        assert f"\n{part}\n" in called.out
    assert "y' = tanh(K y + b)" in called.out
    assert "(4, 2, 2)" in called.out and "forward Euler" in called.out
    assert "tiny.yaml:8:20: note[N201]" in called.out
    for part in ("= assumes: ", "= evidence: "):
        assert part in called.out
    assert "tiny.yaml:6:10: note[N207]" in called.out and "= cure: state: 3 with" in called.out
    assert "\x1b" not in called.out
    assert "\nFlow\n" not in cli("show", "tiny.yaml", "model.state=3").out


def test_show_warns_of_forward_euler_on_oscillations_and_names_a_cure(cli: Cli) -> None:
    called = cli("show", "tiny.yaml", "model.parametrization.gamma=0")
    assert "warning[W201]" in called.out and "= cure: " in called.out
    found = cli("show", "tiny.yaml", "model.parametrization.gamma=0", "--json").json["findings"]
    warning = next(each for each in found if each["code"] == "W201")
    assert warning["line"] and all(warning[key] for key in ("claim", "evidence", "cure"))


def test_show_json_is_the_network_in_numbers(cli: Cli) -> None:
    shown = cli("show", "tiny.yaml", "--json").json
    assert {w["name"]: w["shape"] for w in shown["weights"]} == {
        "K": [4, 2, 2],
        "b": [4, 2],
        "W": [2, 2],
        "mu": [2],
    }
    assert shown["cost"]["field_evaluations"] == 4


def test_schema_is_the_json_schema_of_the_language(cli: Cli) -> None:
    schema = json.loads(cli("schema").out)
    assert schema["$schema"].startswith("https://json-schema.org")
    assert {"wellposed", "model", "train"} <= schema["properties"].keys()
