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
    called = cli("check", "tiny.yaml", "-b", "jax", "--program", f"jax={program.name}")
    assert called.code == 1
    assert "FAILED" in called.out and "vector field" in called.out.splitlines()[-1]


def test_check_fails_a_program_that_is_not_there(cli: Cli) -> None:
    called = cli("check", "tiny.yaml", "-b", "jax", "--program", "jax=nowhere.py", "--json")
    assert called.code == 1 and called.err == ""
    assert called.json["passed"] is False


def test_doctor_says_what_there_is(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from wellposed.cli import doctor

    found = doctor.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "jax" else found(name))
    called = cli("doctor")
    assert called.code == 0
    assert "pip install 'wellposed[jax]'" in called.out
    assert "numpy" in called.out and "float64" in called.out
