"""A table from the command line to predictions: names, units, files to evaluate."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import wellposed
from wellposed.spec.diagnostics import SpecError

from .conftest import Cli

REGRESSION = (
    "task=regression",
    "model.readout={kind: regression, outputs: 2}",
    "data={kind: csv, path: r.csv, targets: [force, heat], standardize: true, validation: 6}",
)
NUMPY = ("--backend", "numpy", "--no-plots")


@pytest.fixture
def rows(folder: Path) -> np.ndarray:
    """r.csv: p, q, force, heat, far from scale 1."""
    random = np.random.default_rng(3)
    p, q = random.normal(size=(2, 30)) * [[40.0], [0.01]] + [[100.0], [7.0]]
    table = np.column_stack([p, q, 1e4 + 30 * p, -5 + 1e-3 * p + q])
    lines = (",".join(map(repr, row)) for row in table.tolist())
    (folder / "r.csv").write_text("p,q,force,heat\n" + "\n".join(lines) + "\n")
    return table


def test_a_regression_is_in_the_units_of_the_data(cli: Cli, folder: Path, rows: np.ndarray) -> None:
    called = cli("train", "tiny.yaml", *REGRESSION, *NUMPY, "train.epochs=30", "--out", "a")
    assert called.code == 0, called.err
    predicted = list(csv.DictReader(cli("predict", "a", "r.csv").out.splitlines()))
    assert list(predicted[0]) == ["force", "heat"]
    values = np.array([[float(row["force"]), float(row["heat"])] for row in predicted])
    mse = np.mean((values - rows[:, 2:]) ** 2)
    assert mse < np.var(rows[:, 2:], axis=0).mean(), "predictions are near the data"
    of_file = cli("evaluate", "a", "r.csv", "--json").json
    assert of_file["mse"] == pytest.approx(mse, rel=1e-5) and of_file["examples"] == 30
    both, last = cli("evaluate", "a", "--json").json, (folder / "a/metrics.jsonl").read_text()
    weighted = (24 * both["train_mse"] + 6 * both["validation_mse"]) / 30
    assert of_file["mse"] == pytest.approx(weighted, rel=1e-9)
    assert json.loads(last.splitlines()[-1])["train_mse"] == both["train_mse"]


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_program_gives_values_in_the_units_of_the_data(
    cli: Cli, folder: Path, rows: np.ndarray, backend: str
) -> None:
    given = (*REGRESSION, "--backend", backend, "--no-plots")
    assert cli("train", "tiny.yaml", *given, "--out", "a").code == 0
    file = folder / f"a/tiny_net_{backend}.py"
    spec = importlib.util.spec_from_file_location("own", file)
    assert spec is not None and spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    assert program.TARGETS == ("force", "heat")
    weights, x = load_file(folder / "a/weights.safetensors"), program.features(rows[:, :2])
    outputs = program.Network(weights)(x) if backend == "torch" else program.forward(weights, x)
    predicted = csv.reader(cli("predict", "a", "r.csv").out.splitlines()[1:])
    expected = np.array([list(map(float, row)) for row in predicted])
    np.testing.assert_allclose(program.values(outputs), expected, rtol=1e-6)


def test_a_file_is_evaluated_without_the_training_data(
    cli: Cli, folder: Path, rows: np.ndarray
) -> None:
    assert cli("train", "tiny.yaml", *REGRESSION, *NUMPY, "--out", "a").code == 0
    (folder / "r.csv").rename(folder / "new.csv")
    called = cli("evaluate", "a", "new.csv")
    assert called.code == 0 and "examples  30" in called.out and "new.csv" in called.out
    (folder / "bad.csv").write_text("p,q,force\n1,2,3\n")
    refused = cli("evaluate", "a", "bad.csv")
    assert refused.code == 2 and "has no column 'heat'" in refused.err
    assert cli("train", "tiny.yaml", *NUMPY, "--out", "b", "train.epochs=1").code == 0
    generated = cli("evaluate", "b", "new.csv")
    assert generated.code == 2 and "ellipses names no column" in generated.err


def test_classes_of_a_file_to_evaluate_are_those_of_the_training(cli: Cli, folder: Path) -> None:
    text = "u,v,kind\n" + "".join(f"{i % 5},{i % 3},{'ab'[i % 2]}\n" for i in range(20))
    (folder / "t.csv").write_text(text)
    data = "data={kind: csv, path: t.csv, label: kind}"
    assert cli("train", "tiny.yaml", data, *NUMPY, "--out", "a").code == 0
    (folder / "one.csv").write_text("kind,v,u\nb,1,2\nb,2,3\n")
    found = cli("evaluate", "a", "one.csv", "--json").json
    predicted = csv.DictReader(cli("predict", "a", "one.csv").out.splitlines())
    chosen = [row["class"] for row in predicted]
    assert found["accuracy"] == chosen.count("b") / 2
    (folder / "one.csv").write_text("kind,v,u\nc,1,2\n")
    refused = cli("evaluate", "a", "one.csv")
    assert refused.code == 2 and "label 'c' is no class" in refused.err


@pytest.mark.parametrize(
    ("override", "code", "says"),
    [
        (
            "data={kind: csv, path: r.csv, targets: [force]}",
            "E206",
            "the data has 1 target, the readout predicts 2",
        ),
        ("data={kind: npz, path: r.npz, targets: u}", "E206", "the data has 3 targets"),
    ],
)
def test_what_a_spec_contradicts_is_told_by_validate(
    cli: Cli, folder: Path, rows: np.ndarray, override: str, code: str, says: str
) -> None:
    np.savez(folder / "r.npz", x=rows[:, :2], u=rows[:, 1:])
    called = cli("validate", "tiny.yaml", *REGRESSION[:2], override)
    assert called.code == 2 and f"error[{code}]" in called.err and says in called.err
    unlabelled = "data={kind: csv, path: r.csv, features: [p, q]}"
    warned = cli("validate", "tiny.yaml", *REGRESSION[:2], unlabelled)
    assert warned.code == 0 and "warning[W306]" in warned.out and "targets: [COLUMN]" in warned.out
    assert cli("train", "tiny.yaml", *REGRESSION[:2], unlabelled, *NUMPY).code == 2


def test_a_run_of_before_targets_were_standardized_is_not_taken_for_one_of_now(
    cli: Cli, folder: Path, rows: np.ndarray
) -> None:
    """Its weights say nothing of the data: an older version wrote them."""
    assert cli("train", "tiny.yaml", *REGRESSION, *NUMPY, "--out", "a").code == 0
    for name in ("weights", "best"):
        file = folder / f"a/{name}.safetensors"
        save_file(load_file(file), file)
    for verb in (("resume", "a"), ("predict", "a", "r.csv")):
        called = cli(*verb)
        assert called.code == 2 and "was begun by an older version" in called.err


def test_a_table_is_refused_before_a_run_is_made(cli: Cli, folder: Path) -> None:
    (folder / "t.csv").write_text("u,v,kind\n1,2,0\n1e39,4,1\n")
    data = "data={kind: csv, path: t.csv, label: kind, validation: 0}"
    for more in ((), ("--dry-run",)):
        called = cli("train", "tiny.yaml", data, "--backend", "numpy", *more)
        assert called.code == 2 and "line 3, column 'u': 1e+39" in called.err
        assert called.out == "" and "Warning" not in called.err
    assert not (folder / "runs").exists()
    with pytest.raises(SpecError):
        wellposed.train(wellposed.load("tiny.yaml", overrides=[data]), backend="numpy")
