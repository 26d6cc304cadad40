"""Densities from the command line: trained, measured in the units of the data, sampled, drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import wellposed

from .conftest import Cli

HEAD = """\
wellposed: 1
name: flow
model:
  state: 2
  vector_field: {kind: mlp, hidden: [8], time_input: true}
  time: {horizon: 1, steps: 3, weights: shared}
  integrator: rk4
train: {optimizer: {kind: adam, lr: 2e-2}, epochs: 3"""
OF_DATA = """, batch: 50}
task: density
data: {kind: csv, path: FILE, features: [a, b], standardize: true}
"""
OF_TARGET = """, steps: 4}
task: {kind: density, target: potential-1, samples: 60}
"""
SCALES = np.array([100.0, 0.5])


def table(path: Path, rows: np.ndarray) -> None:
    path.write_text("a,b\n" + "".join(f"{u!r},{v!r}\n" for u, v in rows.tolist()))


@pytest.fixture
def rows(folder: Path) -> np.ndarray:
    """Rows of a table, the same in other units, and specs of both."""
    found = np.random.default_rng(0).normal(size=(200, 2)) @ np.array([[1.0, 0.4], [0.0, 0.3]])
    table(folder / "plain.csv", found)
    table(folder / "scaled.csv", found * SCALES + 7)
    for name in ("plain", "scaled"):
        text = (HEAD + OF_DATA).replace("FILE", f"{name}.csv")
        (folder / f"{name}.yaml").write_text(text)
    (folder / "target.yaml").write_text(HEAD + OF_TARGET)
    return found


def test_a_likelihood_is_of_the_data_as_they_are_given(cli: Cli, rows: np.ndarray) -> None:
    """In other units the density is divided by them; on a grid it integrates to 1."""
    for name in ("plain", "scaled"):
        assert cli("train", f"{name}.yaml", "--out", name, "--no-plots").code == 0
    plain, scaled = (wellposed.open(name) for name in ("plain", "scaled"))
    more = np.log(SCALES).sum()
    one, other = (run.evaluate()["nll"] for run in (plain, scaled))
    assert other == pytest.approx(one + more, rel=1e-4)
    there = plain.predict(rows[:20])
    np.testing.assert_allclose(scaled.predict(rows[:20] * SCALES + 7), there - more, rtol=1e-3)
    axis = np.linspace(-6, 6, 300)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    mass = np.exp(plain.predict(grid)).sum() * (axis[1] - axis[0]) ** 2
    assert mass == pytest.approx(1, abs=1e-3)
    found = cli("evaluate", "plain", "plain.csv", "--json").json
    assert found["nll"] == pytest.approx(-float(plain.predict(rows).mean()), rel=1e-6)
    lines = cli("predict", "plain", "plain.csv").out.split()
    assert lines[0] == "log_density"
    np.testing.assert_allclose(np.array(lines[1:21], float), there, rtol=1e-6)


def test_samples_are_rows_like_the_data(cli: Cli, folder: Path, rows: np.ndarray) -> None:
    cli("train", "scaled.yaml", "train.epochs=40", "--out", "r", "--no-plots")
    for backend in ("torch", "jax"):
        out = f"{backend}.npz"
        options = ("--count", "4000", "--seed", "3", "--backend", backend)
        assert cli("sample", "r", *options, "--out", out).code == 0
    x, other = (np.load(f"{backend}.npz")["x"] for backend in ("torch", "jax"))
    assert x.shape == (4000, 2)
    np.testing.assert_allclose(x, other, rtol=1e-4, atol=1e-2)
    data = rows * SCALES + 7
    np.testing.assert_allclose(x.mean(axis=0), data.mean(axis=0), atol=0.3 * data.std(axis=0).max())
    np.testing.assert_allclose(x.std(axis=0), data.std(axis=0), rtol=0.3)
    np.testing.assert_array_equal(wellposed.open("r").sample(4000, 3), x)
    assert cli("sample", "r", "--count", "9", "--out", "torch.npz").code == 2, "nothing is lost"
    assert np.load("torch.npz")["x"].shape == (4000, 2)
    assert "no npz file" in cli("sample", "r", "--count", "9", "--out", "x.csv").err


def test_a_target_is_trained_without_data_and_resumed(cli: Cli, rows: np.ndarray) -> None:
    """Every step draws rows of its own: a run that was stopped goes on with those it would have
    had, in either backend."""
    cli("train", "target.yaml", "--out", "whole", "--no-plots")
    cli("train", "target.yaml", "--out", "parts", "--no-plots", "--stop-after", "1")
    cli("resume", "parts", "--no-plots")
    whole, parts = (wellposed.open(name) for name in ("whole", "parts"))
    assert [row["loss"] for row in whole.metrics] == [row["loss"] for row in parts.metrics]
    for name, weight in whole.weights.items():
        np.testing.assert_array_equal(weight, parts.weights[name])
    cli("train", "target.yaml", "--out", "jax", "--no-plots", "--backend", "jax")
    losses = [[row["loss"] for row in wellposed.open(n).metrics] for n in ("whole", "jax")]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    found = whole.evaluate()
    assert found["kl"] == found["validation_kl"] > 0
    assert whole.metrics[-1]["validation_kl"] == pytest.approx(found["kl"], rel=1e-5)
    of_file = whole.evaluate("plain.csv")
    assert of_file["nll"] == pytest.approx(-float(whole.predict(rows).mean()), rel=1e-6)
    assert "kl" not in of_file, "which is of rows of the base"
    assert "each of 4 steps" in cli("train", "target.yaml", "--dry-run").out


def test_the_pictures_of_a_density(cli: Cli, folder: Path, rows: np.ndarray) -> None:
    cli("train", "target.yaml", "--out", "r")
    files = {path.name for path in (folder / "r" / "plots").iterdir()}
    assert {"metrics.png", "density.png", "flow.png", "flow.gif"} <= files
    with Image.open(folder / "r" / "plots" / "flow.gif") as movie:
        assert getattr(movie, "n_frames", 1) == 4, "a frame for every state of three steps"
    assert cli("plot", "plain.yaml", "--out", "p").code == 0
    assert (folder / "p" / "density.png").exists()


WRONG = {
    "a target beside data": ((HEAD + OF_TARGET), "data: ellipses\n", "not from both"),
    "a box of no width": (HEAD + OF_TARGET.replace("60", "60, box: [2, 1]"), "", "a box is"),
    "a box without a target": (
        HEAD + OF_DATA.replace("task: density", "task: {kind: density, box: [0, 1]}"),
        "",
        "with a target",
    ),
    "an energy that is no expression": (
        HEAD + OF_TARGET.replace("potential-1", '{energy: "sum(y) +"}'),
        "",
        "error[E301]",
    ),
    "an energy of another name": (
        HEAD + OF_TARGET.replace("potential-1", '{energy: "sum(q)"}'),
        "",
        "error[E302]",
    ),
    "a target that there is not": (
        HEAD + OF_TARGET.replace("potential-1", "potential-5"),
        "",
        "potential-4",
    ),
    "a batch of a target": (HEAD + OF_TARGET.replace("steps: 4", "batch: 4"), "", "task: {samples"),
    "three features for two components": (
        HEAD + OF_DATA.replace("[a, b]", "[a, b, a2]").replace("FILE", "wide.csv"),
        "",
        "as many components as the data has features",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_bad_input_is_refused_in_place(what: str, cli: Cli, folder: Path) -> None:
    text, more, words = WRONG[what]
    (folder / "wide.csv").write_text("a,b,a2\n1,2,3\n2,3,4\n")
    table(folder / "FILE", np.ones((3, 2)))
    (folder / "bad.yaml").write_text(text + more)
    called = cli("train", "bad.yaml", "--out", "r")
    assert called.code == 2 and words in called.err and "bad.yaml:" in called.err, called.err
    assert not (folder / "r").exists()


def test_a_classifier_has_no_samples(cli: Cli, folder: Path) -> None:
    cli("train", "tiny.yaml", "--out", "r", "--no-plots")
    called = cli("sample", "r", "--count", "3", "--out", "x.npz")
    assert called.code == 2 and "only a run of task: density has samples" in called.err
    assert not (folder / "x.npz").exists()
