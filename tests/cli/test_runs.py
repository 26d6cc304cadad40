"""train, resume, evaluate, predict, plot: a run from the first epoch to its pictures."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import wellposed
from wellposed import api
from wellposed.data import batches
from wellposed.training.checkpoint import RunError
from wellposed.training.lock import locked

from .conftest import Cli

NUMPY = ("--backend", "numpy", "--no-plots")
PICTURES = ["decision.png", "eigenvalues.png", "features.png", "metrics.png", "trajectories.png"]


def lines(run: Path) -> list[dict[str, Any]]:
    """The metrics without the time they took."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def assert_same_run(a: Path, b: Path) -> None:
    assert lines(a) == lines(b)
    assert (a / "weights.safetensors").read_bytes() == (b / "weights.safetensors").read_bytes()


def test_train_keeps_the_run_and_draws_it(cli: Cli, folder: Path) -> None:
    called = cli("train", "tiny.yaml", "--backend", "numpy", "--out", "runs/a")
    assert called.code == 0, called.err
    run = folder / "runs/a"
    assert (run / "spec.yaml").read_bytes() == (folder / "tiny.yaml").read_bytes()
    assert [row["epoch"] for row in lines(run)] == [1, 2, 3, 4]
    assert sorted(p.name for p in (run / "plots").iterdir()) == PICTURES
    assert "finished" in called.out and "validation accuracy" in called.out
    assert "epoch 4/4" in called.out and "\x1b" not in called.out


def test_weights_of_another_network_are_refused(cli: Cli, folder: Path) -> None:
    cli("train", "tiny.yaml", *NUMPY, "--out", "a", "train.epochs=1")
    cli("train", "tiny.yaml", *NUMPY, "--out", "b", "train.epochs=1", "model.state=3")
    (folder / "b/weights.safetensors").replace(folder / "a/weights.safetensors")
    for backend in ("numpy", "torch"):
        called = cli("evaluate", "a", "--backend", backend)
        assert called.code == 2
        assert "weight K is (4, 3, 3), not (4, 2, 2)" in called.err


def test_runs_without_a_name_are_numbered_and_never_reused(cli: Cli, folder: Path) -> None:
    (folder / "runs/tiny-net-7").mkdir(parents=True)
    for number in (8, 9):
        called = cli("train", "tiny.yaml", *NUMPY, "--quiet", "train.epochs=1")
        assert called.out == f"runs/tiny-net-{number}\n"
        assert lines(folder / called.out.strip())


def test_a_training_that_cannot_begin_leaves_no_folder(cli: Cli, folder: Path) -> None:
    assert cli("train", "stability-zero", "--backend", "numpy").code == 2
    assert cli("train", "tiny.yaml", "--backend", "numpy", "--device", "cuda").code == 2
    assert not (folder / "runs").exists()
    with pytest.raises(RunError):
        api.train(wellposed.load("tiny.yaml"), "numpy", stop_after=0)
    assert list((folder / "runs").iterdir()) == []


def test_stopping_and_resuming_is_training(cli: Cli, folder: Path) -> None:
    assert cli("train", "tiny.yaml", *NUMPY, "--out", "whole").code == 0
    stopped = cli("train", "tiny.yaml", *NUMPY, "--out", "parts", "--stop-after", "1")
    assert stopped.code == 0 and "stopped" in stopped.out
    assert "wellposed resume parts" in stopped.out
    assert len(lines(folder / "parts")) == 1
    assert cli("resume", "parts", "--no-plots").code == 0
    assert_same_run(folder / "whole", folder / "parts")
    assert "finished already" not in cli("resume", "parts", "--no-plots", "--quiet").out
    again = cli("resume", "parts", "--no-plots")
    assert again.code == 0
    assert "parts was finished already: all of its 4 epochs are done" in again.out
    assert_same_run(folder / "whole", folder / "parts")


def test_a_run_that_another_process_trains_is_refused(cli: Cli, folder: Path) -> None:
    cli("train", "tiny.yaml", *NUMPY, "--out", "a", "--stop-after", "1")
    with locked(folder / "a"):
        called = cli("resume", "a", "--no-plots")
    assert called.code == 2
    assert called.err.startswith("error: a is being trained by process ")
    assert len(lines(folder / "a")) == 1
    assert cli("resume", "a", "--no-plots").code == 0


def test_a_run_of_torch_goes_on_in_jax(cli: Cli, folder: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("jax")
    spec = ("train", "tiny.yaml", "dtype=float64", "--no-plots")
    assert cli(*spec, "--backend", "torch", "--out", "torch").code == 0
    assert cli(*spec, "--backend", "torch", "--out", "both", "--stop-after", "2").code == 0
    assert cli("resume", "both", "--backend", "jax", "--no-plots").code == 0
    one, other = (load_file(folder / run / "weights.safetensors") for run in ("torch", "both"))
    assert all(np.allclose(one[name], other[name], rtol=1e-9, atol=1e-12) for name in one)
    assert (folder / "both/tiny_net_torch.py").exists()
    assert (folder / "both/tiny_net_jax.py").exists()


def test_overrides_belong_to_the_run(cli: Cli, folder: Path) -> None:
    given = ("train.epochs=3", "model.integrator=rk4")
    cli("train", "tiny.yaml", *given, *NUMPY, "--out", "a", "--stop-after", "2")
    assert cli("resume", "a", "--no-plots").code == 0
    assert [row["epoch"] for row in lines(folder / "a")] == [1, 2, 3]


def test_a_run_whose_spec_was_changed_is_refused(cli: Cli, folder: Path) -> None:
    cli("train", "tiny.yaml", *NUMPY, "--out", "a", "--stop-after", "1")
    (folder / "a/spec.yaml").write_text((folder / "a/spec.yaml").read_text() + "# more\n")
    for verb in ("resume", "evaluate", "plot"):
        called = cli(verb, "a")
        assert called.code == 2 and "changed" in called.err


def test_dry_run_does_all_but_train(cli: Cli, folder: Path) -> None:
    called = cli("train", "tiny.yaml", "--backend", "numpy", "--dry-run")
    assert called.code == 0
    shown = dict(line.strip().split("  ", 1) for line in called.out.splitlines())
    spec = wellposed.load("tiny.yaml")
    model = wellposed.compile(spec, "numpy")
    dataset = api.trainable(spec).dataset
    assert dataset is not None
    data = dataset.train.rows(next(batches(1, 1, 40, 16)))
    w = model.init()
    norm = np.sqrt(sum((g**2).sum() for g in model.gradient(w, data.x, data.targets).values()))
    assert float(shown["first loss"]) == pytest.approx(model.loss(w, data.x, data.targets), 1e-5)
    assert float(shown["gradient norm"]) == pytest.approx(norm, 1e-5)
    assert shown["epochs"].strip() == "4, each of 3 steps" and "about" in shown["time estimate"]
    assert [p.name for p in folder.iterdir()] == ["tiny.yaml"]


DIVERGING = (
    "train.optimizer={kind: sgd, lr: 1e200}",
    "model.vector_field.activation=identity",
    "train.batch=40",
)


def test_divergence_exits_1_and_says_where_and_what_the_analysis_had_said(
    cli: Cli, folder: Path
) -> None:
    called = cli("train", "tiny.yaml", *DIVERGING, "--backend", "numpy", "--out", "a")
    assert called.code == 1
    head, said, *more = called.err.splitlines()
    assert head.startswith(
        "error: diverged at epoch 2, step 1 (numpy: loss nan, gradient norm nan)"
    )
    assert said.startswith("  layer ") and " of 4, y' = K y + b: " in said
    assert said.endswith("(command line:1:31)")  # the activation, which is overridden
    assert more[-1].startswith("  the analysis had said: ")
    kept = json.loads((folder / "a/result.json").read_text())
    assert kept["divergence"]["first_bad"]["file"] == "command line"
    assert "diverged" in called.out and (folder / "a/plots/eigenvalues.png").exists()
    assert cli("evaluate", "a", "--json").code == 0


def test_evaluate_measures_both_splits(cli: Cli, folder: Path) -> None:
    cli("train", "tiny.yaml", *NUMPY, "--out", "a")
    found = cli("evaluate", "a", "--json").json
    last = lines(folder / "a")[-1]
    assert found["epoch"] == 4
    for key in ("train_accuracy", "validation_accuracy"):
        assert found[key] == last[key]
    problem = api.trainable(wellposed.load("tiny.yaml"))
    model, w = wellposed.compile(problem.spec, "numpy"), load_file(folder / "a/weights.safetensors")
    for part in ("train", "validation"):
        split = getattr(problem.dataset, part)
        assert found[f"{part}_loss"] == pytest.approx(model.loss(w, split.x, split.targets), 1e-9)
    assert "validation accuracy" in cli("evaluate", "a").out


CSV_DATA = "data={kind: csv, path: table.csv, label: kind, standardize: true, validation: 4}"


@pytest.fixture
def table(folder: Path) -> np.ndarray:
    """table.csv: two features of unlike scale, classes a and b."""
    random = np.random.default_rng(0)
    x = random.normal(size=(24, 2)) * [100.0, 0.1] + [50.0, 3.0]
    rows = [f"{u},{v},{'ab'[int(u > 50)]}" for u, v in x.tolist()]
    (folder / "table.csv").write_text("\n".join(["u,v,kind", *rows]) + "\n")
    return x


def test_predict_reads_features_by_name_and_scales_them(
    cli: Cli, folder: Path, table: np.ndarray
) -> None:
    assert cli("train", "tiny.yaml", CSV_DATA, *NUMPY, "--out", "deep/run").code == 0
    (folder / "new.csv").write_text(
        "id,v,u\n" + "".join(f"{i},{v},{u}\n" for i, (u, v) in enumerate(table.tolist()))
    )
    rows = list(csv.DictReader(cli("predict", "deep/run", "new.csv").out.splitlines()))
    run, problem = api.open_problem(folder / "deep/run")
    assert run.preprocessing is not None and run.preprocessing.scaling is not None
    model = wellposed.compile(problem.spec, "numpy")
    weights = load_file(folder / "deep/run/weights.safetensors")
    logits = model.forward(weights, run.preprocessing.scaling(table))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose([[float(r["p_a"]), float(r["p_b"])] for r in rows], p, atol=1e-7)
    assert [row["class"] for row in rows] == ["ab"[k] for k in logits.argmax(axis=1)]


def test_data_that_are_not_those_of_the_run_are_refused(
    cli: Cli, folder: Path, table: np.ndarray
) -> None:
    cli("train", "tiny.yaml", CSV_DATA, *NUMPY, "--out", "a", "--stop-after", "1")
    file, text = folder / "table.csv", (folder / "table.csv").read_text()
    file.write_text(text.replace("a\n", "b\n", 1))
    for call in (("resume", "a"), ("evaluate", "a")):
        called = cli(*call)
        assert called.code == 2 and "table.csv is not the data that a was begun with" in called.err
    file.unlink()
    gone = cli("resume", "a")
    assert gone.code == 2 and "[E401]" in gone.err
    file.write_text(text)
    assert cli("resume", "a", "--no-plots").code == 0


def test_predict_writes_a_new_file_only(cli: Cli, folder: Path, table: np.ndarray) -> None:
    cli("train", "tiny.yaml", CSV_DATA, *NUMPY, "--out", "a")
    assert cli("predict", "a", "table.csv", "--out", "p.csv").code == 0
    assert (folder / "p.csv").read_text() == cli("predict", "a", "table.csv").out
    before = (folder / "table.csv").read_bytes()
    refused = cli("predict", "a", "table.csv", "--out", "table.csv")
    assert refused.code == 2
    assert "--out FILE" in refused.err and "--force" not in refused.err
    assert (folder / "table.csv").read_bytes() == before


def test_predict_values_of_a_regression(cli: Cli, folder: Path) -> None:
    x = np.linspace(-1, 1, 12)
    rows = "".join(f"{a},{b},{a * b}\n" for a, b in zip(x, x[::-1], strict=True))
    (folder / "r.csv").write_text("p,q,r\n" + rows)
    regression = (
        "task=regression",
        "model.readout={kind: regression, outputs: 1}",
        "data={kind: csv, path: r.csv, targets: [r], validation: 3}",
    )
    assert cli("train", "tiny.yaml", *regression, "--backend", "numpy", "--out", "a").code == 0
    assert not (folder / "a/plots/decision.png").exists()
    predicted = cli("predict", "a", "r.csv").out.splitlines()
    assert predicted[0] == "r" and len(predicted) == 13
    assert {"train_mse", "validation_mse"} <= cli("evaluate", "a", "--json").json.keys()


def test_plot_redraws_a_run(cli: Cli, folder: Path) -> None:
    cli("train", "tiny.yaml", *NUMPY, "--out", "a")
    called = cli("plot", "a")
    assert called.code == 0
    assert sorted(Path(line).name for line in called.out.splitlines()) == PICTURES
    assert sorted(p.name for p in (folder / "a/plots").iterdir()) == PICTURES


def test_a_spec_is_drawn_by_the_reference_alone(cli: Cli, folder: Path) -> None:
    called = cli("plot", "stability-zero", "--out", "p", "--backend", "jax")
    assert called.code == 2 and "are of a run" in called.err
    assert not (folder / "p").exists()


def test_plot_draws_a_spec_that_has_nothing_to_train(cli: Cli, folder: Path) -> None:
    assert cli("plot", "stability-zero", "--out", "p").code == 0
    names = sorted(p.name for p in (folder / "p").iterdir())
    assert names == ["eigenvalues.png", "features.png", "trajectories.png"]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in (folder / "p").iterdir())


# --- a run where a spec may stand -----------------------------------------------------------------


@pytest.fixture
def trained(cli: Cli, folder: Path) -> str:
    assert cli("train", "tiny.yaml", *NUMPY, "--quiet", "--out", "a").code == 0
    return "a"


def test_show_speaks_of_the_weights_of_a_run(cli: Cli, trained: str) -> None:
    of_spec, of_run = (cli("show", what, "--json").json for what in ("tiny.yaml", trained))
    evidence = [[f["evidence"] for f in each["findings"]] for each in (of_spec, of_run)]
    assert all("at the initial weights, 8 rows of the training data" in e for e in evidence[0])
    assert all("at the weights of a, 8 rows of the training data" in e for e in evidence[1])
    assert evidence[0] != [e.replace("weights of a", "initial weights") for e in evidence[1]]


def test_compile_writes_the_weights_of_a_run_and_says_what_holds_there(
    cli: Cli, trained: str, folder: Path
) -> None:
    assert cli("compile", trained, "--backend", "torch", "--out", "o").code == 0
    written, kept = (
        load_file(folder / f"{name}.safetensors") for name in ("o/tiny_net", "a/weights")
    )
    assert written.keys() == kept.keys()
    assert all(np.allclose(written[name], kept[name], rtol=1e-6) for name in kept)
    head = " ".join((folder / "o/tiny_net_torch.py").read_text().split('"""')[1].split())
    assert "for all weights and states" in head
    assert "at the weights of a, 8 rows of the training data, 4 steps: Re λ in [" in head
    assert "h λ lie outside the method's region" in head


def test_check_takes_the_weights_of_a_run(cli: Cli, trained: str) -> None:
    called = cli("check", trained, "--backend", "torch", "--to", "L3", "--verbose")
    assert called.code == 0 and "trained weights" in called.out


@pytest.mark.parametrize("verb", ["show", "check", "compile"])
def test_a_run_is_taken_as_it_is(cli: Cli, trained: str, verb: str) -> None:
    called = cli(verb, trained, "seed=3")
    assert called.code == 2 and "a run is taken as it is: seed=3 cannot override it" in called.err


@pytest.mark.parametrize("verb", ["show", "check", "compile"])
def test_a_folder_that_is_no_run_is_said_to_be_none(cli: Cli, folder: Path, verb: str) -> None:
    (folder / "empty").mkdir()
    called = cli(verb, "empty")
    assert called.code == 2 and "empty is no run" in called.err


def test_oddities_are_told_by_validate_show_and_train(cli: Cli, folder: Path) -> None:
    """Features a million times too large; a classifier that learns nothing from them."""
    points = "features: [[1000000, 1], [2000000, 2], [3000000, 1]], labels: [1, 1, 1]"
    given = ("tiny.yaml", f"data={{kind: points, {points}}}", "train.epochs=1")
    shown = cli("show", *given)
    assert "warning[W303]" in shown.out and "warning[W304]" in shown.out
    as_json = cli("show", *given, "--json").json["warnings"]
    assert [each["code"] for each in as_json] == ["W303", "W304"]
    weights = "model.vector_field={kind: custom, weights: {a: {shape: []}}, equations: {y: '-y'}}"
    called = cli("validate", "tiny.yaml", weights, "model.parametrization=free", "--json")
    assert [each["code"] for each in called.json["warnings"]] == ["W301"] and called.code == 0
    flat = ("train.optimizer.lr=1e-9", "model.initializers={mu: {kind: values, values: [0, 9]}}")
    trained = cli("train", *given, *NUMPY, *flat, "--out", "a")
    assert trained.code == 0 and "W303" in trained.out and "W304" in trained.out
    quiet = cli("train", *given, *NUMPY, "--out", "b", "--quiet")
    assert quiet.out == "b\n"
