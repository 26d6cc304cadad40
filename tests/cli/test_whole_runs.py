"""A run is whole: what the folder holds is enough to use it, and its programs use it."""

from __future__ import annotations

import csv
import importlib.util
import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import wellposed
from wellposed import api
from wellposed.data.preprocessing import Preprocessing
from wellposed.training import examples
from wellposed.training.examples import read_kept, to_keep
from wellposed.training.run import Run
from wellposed.training.weights_file import FORMAT

from .conftest import Cli

DATA = "data={kind: csv, path: t.csv, label: kind, standardize: true, validation: 8}"
NUMPY = ("--backend", "numpy", "--no-plots")
NAMES = ("rose", 'so "called"', "it's")


@pytest.fixture
def table(folder: Path) -> np.ndarray:
    """t.csv: 40 rows of two features far from scale 1, with names that must be quoted."""
    random = np.random.default_rng(0)
    kinds = np.arange(40) % 3
    x = random.normal(size=(40, 2)) * [100.0, 0.1] + np.column_stack([80.0 * kinds, 3 + 0 * kinds])
    with (folder / "t.csv").open("w", newline="") as file:
        written = csv.writer(file)
        written.writerow(["length, cm", "width", "kind"])
        written.writerows([*row, NAMES[k]] for row, k in zip(x.tolist(), kinds, strict=True))
    return x


def train(cli: Cli, *more: str) -> None:
    given = ("train", "tiny.yaml", "model.readout.classes=3", DATA, *more)
    called = cli(*given, "--out", "a")
    assert called.code == 0, called.err


def away(folder: Path) -> None:
    """The run alone, in a folder where nothing else is."""
    (folder / "elsewhere").mkdir()
    shutil.move(folder / "a", folder / "elsewhere/b")
    shutil.move(folder / "t.csv", folder / "gone.csv")


def metadata(file: Path) -> dict[str, Any]:
    with safe_open(file, framework="numpy") as opened:
        return json.loads(opened.metadata()[FORMAT])


def test_a_moved_run_does_all_that_it_did(cli: Cli, folder: Path, table: np.ndarray) -> None:
    """Its training data are gone; answers are those of before, to the byte."""
    train(cli, "--backend", "torch", "--no-plots")
    (folder / "new.csv").write_text('width,"length, cm"\n3.1,40\n2.9,200\n')
    calls = (
        ("predict", "new.csv", "--backend", "jax"),
        ("show", "--json"),
        ("check", "--json", "--to", "L2", "--backend", "torch"),
        ("compile", "--out", "o", "--force"),
        ("plot", "--out", "p"),
    )
    before = [cli(verb, "a", *rest) for verb, *rest in calls]
    assert [called.code for called in before] == [0] * 5
    files = {p: p.read_bytes() for name in "op" for p in Path(name).iterdir()}
    away(folder)
    shutil.rmtree("o")
    shutil.rmtree("p")
    moved = [cli(verb, "elsewhere/b", *rest) for verb, *rest in calls]
    assert [called.code for called in moved] == [0] * 5
    for one, other in zip(before[:3], moved, strict=False):
        assert one.out == other.out.replace("elsewhere/b", "a")
    for path, content in files.items():
        now = path.read_bytes()
        assert now == content or b"elsewhere/b" in now  # a head names the run
    gone = cli("evaluate", "elsewhere/b")
    assert gone.code == 2 and "error[E401]" in gone.err


def test_weights_files_carry_what_the_network_knows_of_its_data(
    cli: Cli, folder: Path, table: np.ndarray
) -> None:
    train(cli, *NUMPY)
    problem = api.trainable(api.open_problem("a")[1].spec)
    assert problem.dataset is not None
    known = problem.dataset.preprocessing
    assert known.scaling is not None
    assert cli("compile", "a", "--backend", "torch", "--out", "o").code == 0
    given = ("tiny.yaml", "model.readout.classes=3", DATA)
    assert cli("compile", *given, "--out", "fresh").code == 0
    files = (
        "a/weights.safetensors",
        "a/best.safetensors",
        "o/tiny_net.safetensors",
        "fresh/tiny_net.safetensors",
    )
    for file in files:
        said = metadata(folder / file)
        assert said["features"] == ["length, cm", "width"] and said["classes"] == sorted(NAMES)
        assert said["mean"] == known.scaling.mean.tolist()
        assert said["deviation"] == known.scaling.deviation.tolist()
    assert [metadata(folder / file)["epoch"] for file in files[:4:3]] == [4, 0]
    raw = table[: len(problem.dataset.train)]
    assert np.allclose(known.scaling.undone(known.scaling(raw)), raw, rtol=1e-14)
    assert Preprocessing.of_plain(known.to_plain()).to_plain() == known.to_plain()


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_the_program_of_a_run_loads_its_weights_and_says_so(
    cli: Cli, folder: Path, table: np.ndarray, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    train(cli, "--backend", backend, "--no-plots")
    program = folder / f"a/tiny_net_{backend}.py"
    capsys.readouterr()
    runpy.run_path(str(program), run_name="__main__")
    said = capsys.readouterr().out
    count = sum(w.size for w in load_file(folder / "a/weights.safetensors").values())
    assert f"{count} weights of weights.safetensors:" in said
    (folder / "a/weights.safetensors").unlink()
    runpy.run_path(str(program), run_name="__main__")
    drawn = capsys.readouterr().out
    assert "weights of init(), as there is no weights.safetensors here:" in drawn
    assert said.splitlines()[-1] != drawn.splitlines()[-1]


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_program_standardizes_as_the_training_did(
    cli: Cli, folder: Path, table: np.ndarray, backend: str
) -> None:
    """The program alone classifies rows as the table has them, as `predict` does."""
    train(cli, "--backend", backend, "--no-plots")
    spec = importlib.util.spec_from_file_location("own", folder / f"a/tiny_net_{backend}.py")
    assert spec is not None and spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    assert tuple(sorted(NAMES)) == program.CLASSES
    weights = load_file(folder / "a/weights.safetensors")
    x = program.features(table)
    logits = program.Network(weights)(x) if backend == "torch" else program.forward(weights, x)
    chosen = [program.CLASSES[int(k)] for k in logits.argmax(-1)]
    rows = csv.DictReader(cli("predict", "a", "t.csv").out.splitlines())
    assert chosen == [row["class"] for row in rows]
    known = api.open_run(folder / "a").preprocessing
    assert known is not None and known.scaling is not None
    assert (tuple(known.scaling.mean), tuple(known.scaling.deviation)) == (
        program.MEAN,
        program.DEVIATION,
    )


def test_a_program_of_other_means_is_caught(cli: Cli, folder: Path, table: np.ndarray) -> None:
    given = ("tiny.yaml", "model.readout.classes=3", DATA)
    assert cli("compile", *given, "--out", "o").code == 0
    program = folder / "o/tiny_net_jax.py"
    text = program.read_text()
    line = next(each for each in text.splitlines() if each.startswith("DEVIATION"))
    program.write_text(text.replace(line, "DEVIATION = (100.0, 0.1)"))
    to = ("--backend", "jax", "--to", "L0", "--json")
    found = cli("check", *given, "--program", f"jax={program}", *to)
    failed = [rung["quantity"] for rung in found.json["rungs"] if not rung["passed"]]
    assert (found.code, failed) == (1, ["features"])
    assert found.json["difference"]["equation"] == "features"
    assert cli("check", *given, *to).code == 0


def test_the_best_weights_are_those_of_the_best_epoch(cli: Cli, folder: Path) -> None:
    given = ("train", "tiny.yaml", *NUMPY, "train.epochs=12", "train.optimizer.lr=0.2")
    assert cli(*given, "--out", "a").code == 0
    rows = [json.loads(line) for line in (folder / "a/metrics.jsonl").read_text().splitlines()]
    best = max(rows, key=lambda row: (row["validation_accuracy"], -row["validation_loss"]))
    assert 1 < best["epoch"] < 12, "the case is to tell best from first and last"
    assert cli(*given, "--out", "b", "--stop-after", str(best["epoch"])).code == 0
    at_best, kept = (load_file(folder / f) for f in ("b/weights.safetensors", "a/best.safetensors"))
    assert all(np.array_equal(at_best[name], kept[name]) for name in at_best)
    for which, row in (("best", best), ("last", rows[-1])):
        found = cli("evaluate", "a", "--weights", which, "--json").json
        measured = {key: row[key] for key in found if key.startswith(("train_", "validation_"))}
        assert measured == {key: found[key] for key in measured} and len(measured) == 4
        assert found["epoch"] == row["epoch"]
    result = json.loads((folder / "a/result.json").read_text())
    assert (result["metrics"], result["best"]) == (rows[-1], best)
    (folder / "new.csv").write_text("x1,x2\n0.5,0.1\n1.4,0.3\n")
    of_best, of_last = (
        cli("predict", "a", "new.csv", "--weights", which).out for which in ("best", "last")
    )
    assert of_best != of_last
    assert cli("plot", "a", "--weights", "best", "--out", "p").code == 0


def test_a_run_without_validation_has_no_best_weights(cli: Cli, folder: Path) -> None:
    given = ("data.validation=0", "train.epochs=1")
    assert cli("train", "tiny.yaml", *NUMPY, *given, "--out", "a").code == 0
    called = cli("evaluate", "a", "--weights", "best")
    assert called.code == 2 and "a has no best weights" in called.err
    found = cli("evaluate", "a", "--json").json
    assert found["validation_loss"] is found["validation_accuracy"] is None


def test_a_kill_before_the_best_weights_are_written_costs_none(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("train", "tiny.yaml", *NUMPY, "--out", "whole").code == 0

    class Killed(BaseException):
        """Stands for a SIGKILL: nobody catches it."""

    def killed(run: Run, weights: object, epoch: int, which: str = "last") -> None:
        if which == "best":
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Run, "export", killed)
        api.train(wellposed.load("tiny.yaml"), "numpy", out="a", plots=False)
    assert not (folder / "a/best.safetensors").exists()
    (folder / "a/best.safetensors").write_bytes(b"of an earlier epoch")
    assert cli("resume", "a", "--no-plots").code == 0
    one, other = (folder / f"{run}/best.safetensors" for run in ("whole", "a"))
    assert one.read_bytes() == other.read_bytes()


DAMAGED = ["", "what", '{"features": 7}', '{"features": ["a"], "epoch": 1}']


@pytest.mark.parametrize("metadata", DAMAGED)
def test_weights_whose_metadata_are_damaged_are_refused(
    cli: Cli, folder: Path, table: np.ndarray, metadata: str
) -> None:
    train(cli, *NUMPY)
    file = folder / "a/weights.safetensors"
    save_file(load_file(file), file, {FORMAT: metadata})
    called = cli("predict", "a", "t.csv")
    assert called.code == 2 and "Traceback" not in called.err


def test_of_large_data_some_examples_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = wellposed.load("ellipses-antisymmetric")
    dataset = api.trainable(spec).dataset
    assert dataset is not None
    monkeypatch.setattr(examples, "NUMBERS", 60)
    (tmp_path / "e").write_bytes(to_keep(dataset))
    kept = read_kept(tmp_path / "e", dataset.preprocessing)
    sizes = np.linalg.norm(dataset.train.x, axis=1)
    assert 25 <= len(kept.train) <= 30 and 25 <= len(kept.validation) <= 30
    assert {sizes.max(), sizes.min()} <= set(np.linalg.norm(kept.train.x, axis=1))
    given, found = (
        {(*x, k) for x, k in zip(part.x.tolist(), np.asarray(part.targets), strict=True)}
        for part in (dataset.train, kept.train)
    )
    assert found <= given and len(found) == len(kept.train)
