"""check and doctor."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Cli


def test_check_passes_what_agrees(cli: Cli) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("jax")
    report = cli("check", "tiny.yaml", "--json")
    assert report.code == 0
    assert report.json["passed"] is True
    assert {rung["backend"] for rung in report.json["rungs"]} == {"torch", "jax"}
    for rung in report.json["rungs"]:
        assert {"rung", "backend", "passed", "worst", "tolerance"} <= rung.keys()


def test_check_fails_a_program_that_computes_something_else(cli: Cli, folder: Path) -> None:
    pytest.importorskip("jax")
    cli("compile", "tiny.yaml", "--backend", "jax")
    program = folder / "tiny_net_jax.py"
    program.write_text(program.read_text().replace("jnp.tanh", "jnp.sin"))
    called = cli(
        "check", "tiny.yaml", "-b", "jax", "--to", "L1", "--program", f"jax={program.name}"
    )
    assert called.code == 1
    assert "FAILED" in called.out and "L1 vector field of JAX" in called.out


@pytest.mark.parametrize(
    ("text", "place"), [(None, "mine.py:1:1: error[E001]"), ("x = (", "mine.py:1:5: error[E016]")]
)
def test_what_is_no_program_is_an_error_with_its_place(
    cli: Cli, folder: Path, text: str | None, place: str
) -> None:
    if text is not None:
        (folder / "mine.py").write_text(text)
    call = ("check", "tiny.yaml", "--program", "jax=mine.py")
    called = cli(*call)
    assert called.code == 2 and called.out == "" and called.err.startswith(place)
    called = cli(*call, "--json")
    assert called.code == 2 and called.err == ""
    assert called.json["passed"] is False
    assert [rung["passed"] for rung in called.json["rungs"]] == [False]
    assert called.json["errors"][0]["file"] == "mine.py"


def test_a_failed_check_shows_where_and_writes_a_pair(cli: Cli, folder: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("jax")
    cli("compile", "tiny.yaml", "--backend", "torch")
    program = folder / "tiny_net_torch.py"
    program.write_text(program.read_text().replace("K.mT - GAMMA", "K.mT + GAMMA"))
    called = cli("check", "tiny.yaml", "--to", "L1", "--program", f"torch={program.name}")
    assert called.code == 1 and called.err == ""
    head, _, *table = called.out.splitlines()
    assert head.split() == ["rung", "quantity", "dtype", "PyTorch", "tolerance", "verdict"]
    failed = next(i for i, line in enumerate(table) if line.endswith("FAILED"))
    assert table[failed].startswith("L1     vector field     float64")
    assert " weights, t = " in table[failed + 1] and ", not " in table[failed + 1]
    assert "Equation: parametrization K" in called.out
    assert "tiny.yaml:8:20" in called.out  # the spec's line
    assert "+ GAMMA" in called.out and "- GAMMA" in called.out
    pair = sorted((folder / "repro").iterdir())
    assert [path.name for path in pair] == ["tiny_net_repro_jax.py", "tiny_net_repro_torch.py"]
    for path in pair:
        text = path.read_text()
        assert len(text.splitlines()) <= 40 and "wellposed" not in text


def test_a_pair_that_cannot_be_written_loses_nothing(cli: Cli, folder: Path) -> None:
    pytest.importorskip("torch")
    cli("compile", "tiny.yaml", "--backend", "torch")
    program = folder / "tiny_net_torch.py"
    program.write_text(program.read_text().replace("K.mT - GAMMA", "K.mT + GAMMA"))
    wrong = ("--program", f"torch={program.name}", "--to", "L1", "--repro", "tiny.yaml")
    called = cli("check", "tiny.yaml", "-b", "torch", *wrong)
    assert called.code == 1 and "Equation: parametrization K" in called.out
    assert called.out.splitlines()[-1].startswith("No standalone pair: tiny.yaml cannot be written")


def test_rungs_can_be_left_out(cli: Cli) -> None:
    pytest.importorskip("jax")
    called = cli("check", "tiny.yaml", "-b", "jax", "--to", "L1", "--json")
    assert called.code == 0
    assert {rung["rung"] for rung in called.json["rungs"]} == {"L0", "L1"}


def test_every_comparison_is_shown_on_demand(cli: Cli) -> None:
    pytest.importorskip("torch")
    short = cli("check", "tiny.yaml", "-b", "torch", "--to", "L3").out
    long = cli("check", "tiny.yaml", "-b", "torch", "--to", "L3", "--verbose").out
    assert "gradient W" in long and "gradient W" not in short


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "check needs a SPEC"),
        (("tiny.yaml", "--to", "L9"), "there is no such rung"),
        (("tiny.yaml", "--to", ""), "there is no such rung"),
        (("tiny.yaml", "--updates", "0"), "--updates"),
        (("tiny.yaml", "--program", "torch"), "not of the form BACKEND=FILE"),
        (("tiny.yaml", "--program", "numpy=a.py"), "the reference itself"),
        (("tiny.yaml", "--program", "troch=a.py"), "there is no backend troch"),
        (("tiny.yaml", "-b", "jax", "--program", "torch=a.py"), "a program is given for torch"),
        (("tiny.yaml", "-b", "jaxx"), "there is no backend jaxx"),
        (("gone.yaml", "--matrix"), "gone.yaml cannot be read"),
        (("tiny.yaml", "--matrix", "-b", "numpy"), "the reference itself"),
        (("tiny.yaml", "--self-test"), "brings its own specs"),
        (("tiny.yaml", "--matrix", "--program", "torch=a.py"), "makes no use of --program"),
        (("tiny.yaml", "--matrix", "--device", "mars"), "makes no use of --device"),
        (("--self-test", "--to", "L1"), "makes no use of --to"),
        (("--self-test", "-b", "numpy"), "the reference itself"),
    ],
)
def test_a_wrong_call_of_check_is_refused(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    called = cli("check", *arguments)
    assert called.code == 2
    assert said in called.err and "Traceback" not in called.err


def test_doctor_says_what_there_is(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from wellposed.cli import doctor

    found = doctor.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "jax" else found(name))
    called = cli("doctor")
    assert called.code == 0
    assert "pip install 'wellposed[jax]'" in called.out
    assert "numpy" in called.out and "float64" in called.out
