"""The Python API: what the command line does, for notebooks and scripts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import wellposed
from wellposed import api

from .conftest import Cli


def test_train_leaves_what_the_command_line_leaves(cli: Cli, folder: Path) -> None:
    spec = wellposed.load("tiny.yaml")
    result = wellposed.train(spec, backend="numpy", out="a", stop_after=2)
    assert (result.status, result.epoch) == ("stopped", 2)
    assert (folder / "a/spec.yaml").read_bytes() == (folder / "tiny.yaml").read_bytes()
    assert (folder / "a/plots/metrics.png").exists()
    cli("train", "tiny.yaml", "--backend", "numpy", "--no-plots", "--out", "b", "--stop-after", "2")
    one, other = (load_file(folder / run / "weights.safetensors") for run in "ab")
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert cli("resume", "a", "--no-plots").code == 0


def test_train_is_quiet_unless_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = wellposed.load("tiny.yaml", overrides=["train.epochs=1"])
    wellposed.train(spec, backend="numpy")
    assert capsys.readouterr().out == ""
    wellposed.train(spec, backend="numpy", quiet=False)
    assert "epoch 1/1" in capsys.readouterr().out
    assert sorted(p.name for p in (folder / "runs").iterdir()) == ["tiny-net-1", "tiny-net-2"]


def test_a_spec_under_overrides_is_kept_as_what_it_says(cli: Cli, folder: Path) -> None:
    spec = wellposed.load("tiny.yaml", overrides=["train.epochs=3"])
    wellposed.train(spec, backend="numpy", out="a", stop_after=1)
    assert api.open_problem("a")[1].spec == spec
    assert cli("resume", "a", "--no-plots").code == 0
    assert json.loads((folder / "a/result.json").read_text())["epoch"] == 3


def test_data_files_are_found_from_where_the_spec_was(cli: Cli, folder: Path) -> None:
    (folder / "specs").mkdir()
    rows = "".join(f"{a},{a * a},{int(a > 4)}\n" for a in range(9))
    (folder / "specs/t.csv").write_text("u,v,k\n" + rows)
    text = (folder / "tiny.yaml").read_text()
    data = "data: {kind: csv, path: t.csv, label: k, standardize: true}\n"
    lines = [data if line.startswith("data:") else line for line in text.splitlines(True)]
    (folder / "specs/t.yaml").write_text("".join(lines))
    spec = wellposed.load("specs/t.yaml", overrides=["train.epochs=2"])
    wellposed.train(spec, backend="numpy", out="deep/a", stop_after=1)
    assert cli("resume", "deep/a", "--no-plots").code == 0
    cli("train", "specs/t.yaml", "--backend", "numpy", "--no-plots", "--out", "b")
    assert cli("evaluate", "b", "--json").json["epoch"] == 4


def test_a_spec_that_cannot_be_trained_is_a_located_error(folder: Path) -> None:
    with pytest.raises(wellposed.SpecError) as caught:
        wellposed.train(wellposed.load("stability-plus"), backend="numpy")
    found = caught.value.diagnostics
    assert {d.code for d in found} == {"E208"} and len(found) == 3
    assert all(d.span is not None for d in found)


def test_check_reports(folder: Path) -> None:
    pytest.importorskip("torch")
    spec = wellposed.load("tiny.yaml")
    report = wellposed.check(spec, backends=["torch"])
    assert report.passed and report.to_json()["passed"]
    (folder / "broken.py").write_text("raise SystemExit\n")
    broken = wellposed.check(spec, backends=["torch"], programs={"torch": "broken.py"})
    assert not broken.passed and broken.message
