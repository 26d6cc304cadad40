"""Calls that are wrong: exit code 2, words that help, a place where there is one, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Cli

BAD_CALLS = {
    "no verb": ((), ""),
    "a verb that is misspelt": (("trian", "tiny.yaml"), "did you mean train?"),
    "a verb that there is not": (("fly",), "verbs: ls, init"),
    "no spec": (("train",), "missing argument 'SPEC'"),
    "an option that is misspelt": (("train", "tiny.yaml", "--bakcend", "jax"), "--backend?"),
    "an option that there is not": (("show", "tiny.yaml", "--zzz"), "no such option: --zzz"),
    "an option without a value": (("train", "tiny.yaml", "--backend"), "--backend"),
    "a number that is none": (
        ("train", "tiny.yaml", "--stop-after", "x"),
        "--stop-after must be an integer, got x",
    ),
    "a number out of range": (
        ("train", "tiny.yaml", "--stop-after", "0"),
        "--stop-after must be ≥ 1, got 0",
    ),
    "a backend that is misspelt": (("train", "tiny.yaml", "-b", "torhc"), "did you mean torch?"),
    "a device that is not there": (("train", "tiny.yaml", "-b", "numpy", "-d", "tpu"), "tpu"),
    "a spec that is not there": (("show", "nope.yaml"), "nope.yaml:1:1: error[E001]"),
    "an example that is misspelt": (("show", "elipses-resnet"), "did you mean ellipses-resnet?"),
    "a spec that is a folder": (("train", "."), "error[E001]"),
    "a folder that is no run": (("validate", "."), "error: . is no run"),
    "an override without =": (("show", "tiny.yaml", "seed"), "command line:1:1: error[E014]"),
    "an override without a value": (
        ("show", "tiny.yaml", "seed="),
        "command line:1:6: error[E014]",
    ),
    "an override of a key that there is not": (
        ("show", "tiny.yaml", "model.time.stepz=3"),
        "command line:1:12: error[E103]",
    ),
    "an override out of range": (
        ("show", "tiny.yaml", "model.parametrization.gamma=-1"),
        "command line:1:29: error[E102]",
    ),
    "a first weight beyond its dtype": (
        ("show", "tiny.yaml", "model.initializers.K={kind: constant, value: 1e300}"),
        "command line:1:46: error[E102]: value is beyond the range of float32",
    ),
    "an interval that is none": (
        ("show", "tiny.yaml", "model.initializers.K={kind: uniform, high: -2}"),
        "command line:1:44: error[E102]: high must be ≥ low, -1, got -2",
    ),
    "an interval beyond all numbers": (
        ("show", "tiny.yaml", "model.initializers.K={kind: uniform, low: -1e308, high: 1e308}"),
        "error[E102]: high − low is beyond the range of numbers",
    ),
    "numbers that make no number": (
        (
            *("show", "tiny.yaml", "model.parametrization=free"),
            'model.vector_field={kind: custom, equations: {y: "y * relu(1 / 0)"}}',
        ),
        "command line:1:51: error[E301]: 1 / 0 is not a finite number",
    ),
    "nothing to train": (("train", "stability-plus"), "error[E208]"),
    "a run that is none": (("resume", "."), "is no run"),
    "a run that is a file": (("evaluate", "tiny.yaml"), "is no run"),
    "a run that is not there": (("predict", "nowhere", "x.csv"), "is no run"),
    "a run folder that is taken": (
        ("train", "tiny.yaml", "-b", "numpy", "--out", "."),
        "is never overwritten",
    ),
    "a run folder below a file": (
        ("train", "tiny.yaml", "-b", "numpy", "--out", "tiny.yaml/a"),
        "cannot be made",
    ),
    "programs below a file": (("compile", "tiny.yaml", "--out", "tiny.yaml"), "tiny.yaml"),
    "an example to copy that there is not": (("init", "tiny.yaml"), "there is no example"),
    "a copy into no folder": (("init", "ellipses-resnet", "--to", "no/x.yaml"), "no/x.yaml"),
    "pictures of a spec without a folder": (("plot", "tiny.yaml"), "--out DIR"),
    "pictures of a run under an override": (("plot", ".", "seed=1"), "seed=1"),
    "a program without a backend": (("check", "tiny.yaml", "--program", "x.py"), "BACKEND=FILE"),
    "a program of a backend that there is not": (
        ("check", "tiny.yaml", "--program", "torhc=x.py"),
        "did you mean torch?",
    ),
    "a check of the reference by itself": (("check", "tiny.yaml", "-b", "numpy"), "reference"),
    "an argument too many": (("resume", ".", "seed=1"), "seed=1"),
}


@pytest.mark.parametrize(("arguments", "said"), BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_a_wrong_call_exits_2_and_says_why(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    called = cli(*arguments)
    assert called.code == 2
    assert said in called.err
    assert "Traceback" not in called.err + called.out
    assert called.out == "" or not arguments


WITH_JSON = [
    pytest.param(("validate", "tiny.yaml", "model.integrator=rk5", "--json"), "E105", id="spec"),
    pytest.param(("validate", "nope", "--json"), "E001", id="file"),
    pytest.param(("show", "--json"), None, id="argument"),
    pytest.param(("ls", "--json", "--jsno"), None, id="option"),
    pytest.param(("evaluate", ".", "--json"), None, id="run"),
    pytest.param(("check", "tiny.yaml", "-b", "torhc", "--json"), None, id="backend"),
]


@pytest.mark.parametrize(("arguments", "code"), WITH_JSON)
def test_errors_are_json_where_json_was_asked_for(
    cli: Cli, arguments: tuple[str, ...], code: str | None
) -> None:
    called = cli(*arguments)
    assert called.code == 2 and called.err == ""
    (error,) = called.json["errors"]
    assert error["code"] == code and error["message"] and error["severity"] == "error"
    assert error.keys() == {
        *("code", "severity", "message", "file", "line", "column"),
        *("end_line", "end_column", "label", "help"),
    }


def test_all_errors_of_file_and_overrides_come_at_once_in_order(cli: Cli, folder: Path) -> None:
    text = (folder / "tiny.yaml").read_text()
    (folder / "bad.yaml").write_text(text.replace("state: 2", "sate: 2").replace("batch", "bach"))
    err = cli("train", "bad.yaml", "seed=-1").err
    places = [line.split(": ")[0] for line in err.splitlines() if ": error[" in line]
    assert places == ["bad.yaml:6:3", "bad.yaml:14:3", "command line:1:6"]


def test_what_a_user_wrote_is_printed_harmless(cli: Cli) -> None:
    err = cli("\x1b[31mred").err
    assert "\x1b" not in err and "there is no verb" in err


def test_an_error_of_ours_is_no_users_error(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr("wellposed.compiler.analysis.describe.describe", broken)
    with pytest.raises(AssertionError, match="a bug"):
        cli("show", "tiny.yaml")
