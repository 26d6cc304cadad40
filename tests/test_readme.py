"""The README says what is so: its spec loads, its excerpts are in what the compiler writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import wellposed
from wellposed.backends.registry import get
from wellposed.cli.app import run
from wellposed.compiler.pipeline import compiled

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_spec_is_the_one_that_init_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init", "ellipses-antisymmetric"]) == 0
    (file,) = tmp_path.iterdir()
    assert [file.read_text(encoding="utf-8")] == blocks("yaml")


def test_the_emitted_excerpt_is_what_is_emitted() -> None:
    excerpt = next(block for block in blocks("python") if block.startswith("def "))
    source = get("jax").emit(compiled(wellposed.load("ellipses-antisymmetric")).module)
    for function in excerpt.strip().split("\n\n\n"):
        assert function in source


def test_the_head_and_the_error_are_what_is_printed(tmp_path: Path) -> None:
    head, error, _ = blocks("text")
    assert head.strip() in get("torch").emit(
        compiled(wellposed.load("ellipses-antisymmetric")).module
    )
    lines = blocks("yaml")[0].splitlines()
    lines[11] = error.splitlines()[1].split("| ", 1)[1]
    file = tmp_path / "m.yaml"
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(wellposed.SpecError) as refused:
        wellposed.load(file)
    assert str(refused.value).replace(str(file), "m.yaml").rstrip() == error.rstrip()


def test_the_lines_of_python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand, one after the other, in a folder of their own with the compiled programs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert run(["compile", "ellipses-antisymmetric"]) == 0
    own, torch_loop, jax_loop = (b for b in blocks("python") if b.startswith("import "))
    known: dict[str, Any] = {}
    exec(own.replace('"train.epochs": 30', '"train.epochs": 2'), known)
    assert known["run"].status == "finished" and known["run"].best["K"].shape == (64, 3, 3)
    for loop in (torch_loop, jax_loop):
        exec(loop, known)
        first = known["net"]
        assert known["loss"].item() < 0.72, "the loss of a network that learns nothing is log 2"
        assert first.FEATURES == 2


def test_a_run_leaves_the_files_that_are_listed(tmp_path: Path) -> None:
    *_, listed = blocks("text")
    spec = wellposed.load("ellipses-antisymmetric", overrides=["train.epochs=1"])
    run = wellposed.train(spec, backend="jax", out=tmp_path / "run").folder
    named = [n for line in listed.splitlines() for n in line.split("  ")[0].split(", ")]
    assert len(named) == 9 and all((run / name).exists() for name in named)


def test_pictures_and_pages_exist() -> None:
    root = Path(__file__).parents[1]
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (root / target).exists(), target
