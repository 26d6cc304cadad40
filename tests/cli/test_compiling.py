"""compile: which files, which bytes, and that nothing is overwritten."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import wellposed

from .conftest import Cli

FILES = ["tiny_net.safetensors", "tiny_net_jax.py", "tiny_net_torch.py"]


def test_all_backends_and_the_weights(cli: Cli, folder: Path) -> None:
    assert cli("compile", "tiny.yaml", "--out", "made/here").code == 0
    assert sorted(p.name for p in (folder / "made/here").iterdir()) == FILES
    weights = load_file(folder / "made/here/tiny_net.safetensors")
    drawn = wellposed.compile(wellposed.load("tiny.yaml"), "numpy").init()
    assert weights.keys() == drawn.keys()
    assert all(np.array_equal(weights[name], drawn[name]) for name in drawn)
    assert weights["K"].dtype == np.float32


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_one_backend_is_the_text_that_runs(cli: Cli, folder: Path, backend: str) -> None:
    pytest.importorskip(backend)
    assert cli("compile", "tiny.yaml", "--backend", backend).code == 0
    assert sorted(folder.glob("*.py")) == [folder / f"tiny_net_{backend}.py"]
    model = wellposed.compile(wellposed.load("tiny.yaml"), backend)
    assert (folder / f"tiny_net_{backend}.py").read_text() == model.source


def test_a_written_program_runs_alone(cli: Cli, folder: Path) -> None:
    pytest.importorskip("torch")
    cli("compile", "tiny.yaml", "--backend", "torch")
    command = [sys.executable, "-I", "tiny_net_torch.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "30 weights" in done.stdout


def test_files_that_differ_are_kept_unless_forced(cli: Cli, folder: Path) -> None:
    cli("compile", "tiny.yaml")
    again = cli("compile", "tiny.yaml")
    assert again.code == 0 and again.out.count("(unchanged)") == 3
    mine = folder / "tiny_net_jax.py"
    mine.write_text("# edited\n")
    torch_before = (folder / "tiny_net_torch.py").read_bytes()
    refused = cli("compile", "tiny.yaml", "model.time.steps=5")
    assert refused.code == 2 and "tiny_net_jax.py" in refused.err and "--force" in refused.err
    assert mine.read_text() == "# edited\n"
    assert (folder / "tiny_net_torch.py").read_bytes() == torch_before
    assert cli("compile", "tiny.yaml", "--force").code == 0
    assert mine.read_text() != "# edited\n"
    assert [p.name for p in folder.iterdir() if p.name.startswith(".")] == []


def test_the_reference_has_no_program(cli: Cli, folder: Path) -> None:
    called = cli("compile", "tiny.yaml", "--backend", "numpy")
    assert called.code == 2 and "reference" in called.err
    assert [p.name for p in folder.iterdir()] == ["tiny.yaml"]
