"""Every shell line of the pages runs: those of `sh` blocks, and `wellposed …` within the text.

Each runs as it stands, by a shell, in a folder of its own that has what the page speaks of; only a
training has fewer epochs. Run with -v for the list.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import wellposed

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
EXAMPLE = "ellipses-antisymmetric"
STANDS_FOR = {
    **dict.fromkeys(("SPEC", "NAME"), EXAMPLE),
    "RUN": "runs/before",
    "DENSITY": "runs/density",
    "SERIES": "runs/series",
    "B": "jax",
    "torch|jax": "torch",
}
"""What a page leaves open."""


def lines() -> Iterator[str]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            yield from (line.split("  #")[0].strip() for line in block.splitlines())
        yield from re.findall(r"`(wellposed [a-z][^`]*)`", text)
        yield from re.findall(r"`(pip install [^`]*)`", text)


LINES = [*dict.fromkeys(filter(None, lines()))]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and a program, and `wellposed` on the path."""
    folder = tmp_path_factory.mktemp("before")
    spec = wellposed.load(EXAMPLE, {"train.epochs": 2})
    wellposed.train(spec, backend="numpy", out=folder / "runs" / "before", stop_after=1)
    flow = wellposed.load("ring-planar", {"train.steps": 2, "train.epochs": 1})
    wellposed.train(flow, backend="numpy", out=folder / "runs" / "density")
    swings = wellposed.load("pendulum-mlp", {"train.epochs": 1})
    wellposed.train(swings, backend="numpy", out=folder / "runs" / "series")
    model = wellposed.compile(spec, "torch")
    (folder / "mine.py").write_text(model.source + "\n# tuned\n", encoding="utf-8")
    command = folder / "bin" / "wellposed"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m wellposed "$@"\n')
    command.chmod(0o755)
    return folder


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path}
    how = {"shell": True, "capture_output": True, "text": True, "timeout": 600}
    return subprocess.run(line, cwd=folder, env=env, **how)


def concrete(line: str) -> str:
    words = [STANDS_FOR.get(word, word) for word in line.split(" ")]
    return " ".join([*words, *(["train.epochs=2"] if words[1] == "train" else [])])


def of_the_tree(line: str) -> str:
    """What shows that a line about the clone itself would run, in its root."""
    if line.startswith("make "):
        return line.replace("make ", "make -n ", 1)
    if line.startswith(".venv/bin/pytest "):
        asked = line.removeprefix(".venv/bin/pytest")
        return f"{shlex.quote(sys.executable)} -m pytest --collect-only -qq -p no:xdist {asked}"
    if line.startswith("python "):
        return f"test -f {line.split()[1]}"
    assert line == "pre-commit install", f"nobody knows how to run {line}"
    return "test -f .pre-commit-config.yaml"


@pytest.mark.parametrize("line", LINES)
def test_a_line_runs(line: str, before: Path, tmp_path: Path, all_grids: bool) -> None:
    if line.startswith("pip install "):
        assert_installable(line)
        return
    if not line.startswith("wellposed "):
        done = run(of_the_tree(line), ROOT)
        assert done.returncode == 0, done.stderr
        return
    if "--self-test" in line and not all_grids:
        pytest.skip("three minutes: with --all-grids")
    if "--device cuda" in line:
        pytest.skip("needs a GPU: tests/test_gpu.py")
    shutil.copytree(before, tmp_path, dirs_exist_ok=True)
    done = run(concrete(line), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert line != f"wellposed init {EXAMPLE}" or list(tmp_path.glob("*.yaml"))


def assert_installable(line: str) -> None:
    """It names this folder, not the index, and extras of the package; nothing is fetched here."""
    (what,) = shlex.split(line)[2:]
    folder, extras = re.fullmatch(r"(\.)\[([\w,]+)\]", what).groups()  # type: ignore[union-attr]
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert folder == "." and set(extras.split(",")) <= known.keys()


def test_a_line_that_fails_is_seen(before: Path) -> None:
    assert run("wellposed show ellipses-antisymetric", before).returncode == 2
    assert run(concrete("wellposed train NAME --stop 1"), before).returncode == 2
    with pytest.raises(AssertionError, match="nobody knows"):
        of_the_tree("cargo build")


def test_there_are_lines() -> None:
    assert len(LINES) > 20
