"""Series from the command line: trained, resumed, measured, predicted, drawn, checked."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wellposed
from wellposed.backends.model import ArgumentError

from .conftest import Cli

HEAD = """\
wellposed: 1
name: swings
task: dynamics
model:
  state: 2
  vector_field: {kind: mlp, hidden: [6], activation: tanh}
  time: {steps: 12}
  integrator: rk4
train: {optimizer: {kind: adam, lr: 1e-2}, epochs: 4, batch: 8, window: 5}
"""
DRAWN = HEAD + "data: {kind: pendulum, train: 6, validation: 2, points: 21, horizon: 4, until: 3}\n"
TABLE = HEAD + (
    "data: {kind: csv, path: clinic.csv, id: who, time: hours, channels: [pulse, pressure], "
    "validation: 2, until: 13, standardize: true}\n"
)
SCALES, SHIFTS, BEGIN = np.array([20.0, 3.0]), np.array([70.0, 12.0]), 10.0


def rows(count: int = 6) -> list[list[str]]:
    """Pendulums in other units at random times from 10 o'clock on, cells empty here and there."""
    random, found = np.random.default_rng(0), []
    for i in range(count):
        times = np.sort(random.uniform(0, 5, 14))
        phase, size = random.uniform(0, 6), random.uniform(0.3, 1)
        values = size * np.column_stack([np.cos(times + phase), -np.sin(times + phase)])
        for k, (t, v) in enumerate(zip(times, values * SCALES + SHIFTS, strict=True)):
            cells = [f"{x:.6f}" for x in v]
            if k in (0, 5):  # the first observation is of one channel
                cells[(i + k) % 2] = ""
            found.append([f"p{i}", f"{t + BEGIN:.6f}", *cells])
    return found


def write(path: Path, lines: list[list[str]]) -> None:
    text = [["who", "hours", "pulse", "pressure"], *lines]
    path.write_text("".join(",".join(line) + "\n" for line in text))


@pytest.fixture
def specs(folder: Path) -> Path:
    """drawn.yaml and table.yaml with its file."""
    write(folder / "clinic.csv", rows())
    (folder / "drawn.yaml").write_text(DRAWN)
    (folder / "table.yaml").write_text(TABLE)
    return folder


def losses(name: str) -> list[float]:
    return [row["loss"] for row in wellposed.open(name).metrics]


def test_a_run_is_trained_stopped_and_resumed_in_either_backend(cli: Cli, specs: Path) -> None:
    assert cli("train", "drawn.yaml", "--out", "whole", "--no-plots").code == 0
    cli("train", "drawn.yaml", "--out", "parts", "--no-plots", "--stop-after", "2")
    assert len(losses("parts")) == 2
    assert cli("resume", "parts", "--no-plots").code == 0
    assert losses("parts") == losses("whole")
    for name, weight in wellposed.open("whole").weights.items():
        np.testing.assert_array_equal(weight, wellposed.open("parts").weights[name])
    cli("train", "drawn.yaml", "--out", "other", "--no-plots", "--stop-after", "2")
    assert cli("resume", "other", "--backend", "jax", "--no-plots").code == 0
    np.testing.assert_allclose(losses("other"), losses("whole"), rtol=1e-4)
    assert losses("whole")[-1] < losses("whole")[0]
    assert "finished" in cli("resume", "whole").out
    row = wellposed.open("whole").metrics[-1]
    assert {"train_rmse", "validation_rmse"} <= row.keys()


def test_extrapolation_is_measured_behind_until(cli: Cli, specs: Path) -> None:
    """By hand from `predict`, of the series that were held out; null where there is no until."""
    cli("train", "drawn.yaml", "--out", "r", "--no-plots")
    found = cli("evaluate", "r", "--json").json
    run = wellposed.open("r")
    assert run.evaluate() == found
    whole = wellposed.load("drawn.yaml", {"data.until": None})
    from wellposed.data.of_spec import dataset_of

    held = dataset_of(whole, 2)
    assert held is not None
    values, times = held.validation.x.copy(), np.asarray(held.validation.targets)
    later = times[0] > 3
    truth = values[:, later].copy()
    values[:, later] = np.nan
    predicted = run.predict(values, times)
    error = np.sqrt(np.mean((predicted[:, later] - truth) ** 2))
    assert found["extrapolation_rmse"] == pytest.approx(error, rel=1e-4)
    seen = np.sqrt(np.mean((predicted - values)[:, ~later] ** 2))
    assert found["rmse"] == found["validation_rmse"] == pytest.approx(seen, rel=1e-4)
    cli("train", "drawn.yaml", "data.until=null", "--out", "all", "--no-plots")
    assert cli("evaluate", "all", "--json").json["extrapolation_rmse"] is None
    said = cli("evaluate", "r").out
    assert "extrapolation rmse" in said.replace("_", " ")


def test_one_series_alone_is_measured_on_itself(cli: Cli, specs: Path) -> None:
    cli("train", "drawn.yaml", "data.train=1", "data.validation=0", "--out", "r", "--no-plots")
    found = cli("evaluate", "r", "--json").json
    assert found["validation_rmse"] is None and found["rmse"] > 0
    assert found["extrapolation_rmse"] > 0


def test_a_table_is_in_its_own_units_and_times(cli: Cli, specs: Path) -> None:
    """rmse, predictions and times are those of the file, whatever the network is given."""
    assert cli("train", "table.yaml", "--out", "r", "--no-plots").code == 0
    run, found = wellposed.open("r"), cli("evaluate", "r", "--json").json
    assert 0 < found["rmse"] < 60 and found["extrapolation_rmse"] > 0
    table = list(csv.DictReader(io.StringIO(cli("predict", "r", "clinic.csv").out)))
    given = rows()
    assert len(table) == len(given)
    assert list(table[0]) == ["id", "time", "pulse", "pressure"]
    assert [line["id"] for line in table] == [line[0] for line in given]
    assert [float(line["time"]) for line in table] == [float(line[1]) for line in given]
    states = np.array(
        [[float(line[name] or "nan") for name in ("pulse", "pressure")] for line in table]
    )
    assert np.isnan(states[::14]).all(), "before its first complete observation"
    first = np.array(given[1][2:], float)
    np.testing.assert_allclose(states[1], first, rtol=1e-5)
    values = np.array([[float(c or "nan") for c in line[2:]] for line in given]).reshape(6, 14, 2)
    times = np.array([float(line[1]) for line in given]).reshape(6, 14)
    np.testing.assert_allclose(run.predict(values, times).reshape(-1, 2), states, rtol=1e-4)
    error = cli("evaluate", "r", "clinic.csv", "--json").json
    compared = np.isfinite(values) & np.isfinite(states.reshape(values.shape))
    expected = np.sqrt(np.mean((states.reshape(values.shape) - values)[compared] ** 2))
    assert error["rmse"] == pytest.approx(expected, rel=1e-4)


def test_a_time_without_a_value_asks_for_the_state(cli: Cli, specs: Path) -> None:
    cli("train", "table.yaml", "--out", "r", "--no-plots")
    lines = rows(1)
    write(specs / "ask.csv", [*lines, ["p0", "99.5", "", ""]])
    *_, last = cli("predict", "r", "ask.csv").out.split()
    name, time, pulse, pressure = last.split(",")
    assert (name, float(time)) == ("p0", 99.5)
    assert np.isfinite([float(pulse), float(pressure)]).all()


def test_a_run_needs_nothing_outside_its_folder(cli: Cli, specs: Path) -> None:
    cli("train", "table.yaml", "--out", "r", "--no-plots")
    before = wellposed.open("r").predict(np.array([[[75.0, 12]] * 3]), np.array([10, 11, 12.0]))
    (specs / "elsewhere").mkdir()
    shutil.move("r", "elsewhere/moved")
    (specs / "clinic.csv").rename(specs / "elsewhere" / "new.csv")
    run = wellposed.open("elsewhere/moved")
    after = run.predict(np.array([[[75.0, 12]] * 3]), np.array([10, 11, 12.0]))
    np.testing.assert_array_equal(before, after)
    assert cli("predict", "elsewhere/moved", "elsewhere/new.csv").code == 0
    assert cli("show", "elsewhere/moved").code == 0
    called = cli("evaluate", "elsewhere/moved")
    assert called.code == 2 and "clinic.csv" in called.err


def test_a_run_as_an_object(cli: Cli, specs: Path) -> None:
    cli("train", "drawn.yaml", "--out", "r", "--no-plots")
    run = wellposed.open("r")
    values, times = np.zeros((2, 3, 2)), np.array([0, 0.5, 2.0])
    values[:, 1:] = np.nan
    found = run.predict(values, times)
    assert found.shape == (2, 3, 2) and np.isfinite(found).all()
    np.testing.assert_array_equal(found[:, 0], 0)
    model: Any = run.model("jax")
    np.testing.assert_allclose(model.forward(run.weights, values, times), found, atol=1e-5)
    for wrong, words in (
        ((values,), "series have times"),
        ((values, times[::-1]), "not later"),
        ((values[0], times), "not \\(s, L, 2\\)"),
    ):
        with pytest.raises(ArgumentError, match=words):
            run.predict(*wrong)


def test_a_spec_with_overrides_is_trained_from_python(specs: Path) -> None:
    """What a run keeps of it says the horizon of the data, and how a start fills two blocks."""
    text = (specs / "drawn.yaml").read_text()
    energy = '{kind: custom, weights: {k: {shape: []}}, hamiltonian: "k * p[0] ** 2 + q[0] ** 2"}'
    text = text.replace("state: 2", "state: {q: 1, p: 1}")
    text = text.replace("{kind: mlp, hidden: [6], activation: tanh}", energy)
    (specs / "two.yaml").write_text(text)
    for name in ("drawn", "two"):
        spec = wellposed.load(f"{name}.yaml", {"train.epochs": 1})
        run = wellposed.train(spec, backend="torch", out=f"r-{name}")
        assert run.resume(epochs=2).epoch == 2
        assert run.spec.model.time.horizon == pytest.approx(3)
        assert run.spec.model.lift.kind == "blocks"


def test_the_pictures_of_series(cli: Cli, specs: Path) -> None:
    assert cli("train", "drawn.yaml", "--out", "r").code == 0
    files = {path.name for path in (specs / "r" / "plots").iterdir()}
    assert {"metrics.png", "fit.png", "field.png", "trajectories.png"} <= files
    assert cli("plot", "table.yaml", "--out", "p").code == 0
    assert (specs / "p" / "fit.png").exists()


def test_a_spec_of_series_is_checked(cli: Cli, specs: Path) -> None:
    found = cli("check", "table.yaml", "--backend", "torch", "--json").json
    assert found["passed"], found
    assert {r["rung"] for r in found["rungs"]} >= {"L0", "L1", "L2", "L3", "L4", "L5", "L6"}


# --- what goes wrong -----------------------------------------------------------------------------

BLOWS_UP = DRAWN.replace(
    "{kind: mlp, hidden: [6], activation: tanh}",
    '{kind: custom, weights: {a: {shape: [], value: 3}}, equations: {y: "a * y ** 3"}}',
).replace("window: 5", "window: 21")


@pytest.mark.parametrize("window", [21, 5])
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_field_that_blows_up_is_told_with_epoch_step_and_row(
    backend: str, window: int, cli: Cli, specs: Path
) -> None:
    """Whether or not pieces end before others do: what is missing there is no bad number."""
    text = BLOWS_UP.replace("window: 21", f"window: {window}").replace("value: 3", "value: 300")
    (specs / "up.yaml").write_text(text)
    called = cli("train", "up.yaml", "--out", "r", "--no-plots", "--backend", backend)
    assert called.code == 1
    assert f"diverged at epoch 1, step 1 ({backend}: " in called.err, called.err
    assert "of the batch, example" in called.err and "of the training data" in called.err
    kept = json.loads((specs / "r" / "result.json").read_text())["divergence"]
    assert (kept["epoch"], kept["step"], kept["first_bad"]["part"]) == (1, 1, "y³")


def test_a_solve_that_fails_names_its_series(cli: Cli, specs: Path) -> None:
    text = BLOWS_UP.replace("  integrator: rk4", "  integrator: dopri5")
    (specs / "up.yaml").write_text(text)
    called = cli("train", "up.yaml", "--out", "r", "--no-plots")
    assert called.code == 1
    assert "the solve fails (up.yaml:8:" in called.err, called.err
    assert "underflows at t = " in called.err and "of the training data" in called.err


def bad(change: dict[str, str], lines: list[list[str]]) -> tuple[str, list[list[str]]]:
    text = TABLE
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    return text, lines


ROWS = rows()
NEVER = [line if line[0] != "p1" else [*line[:3], ""] for line in ROWS]
SWAPPED = [ROWS[1], ROWS[0], *ROWS[2:]]
LONE = [*ROWS, ["p9", "12", "70", "12"]]
ALL_LATE = [*ROWS, *([["p9", f"{t}", "70", "12"] for t in (14, 15)])]
BAD: dict[str, tuple[tuple[str, list[list[str]]], str]] = {
    "times that fall": (bad({}, SWAPPED), "E414"),
    "one observation": (bad({}, LONE), "E415"),
    "none until then": (bad({}, ALL_LATE), "E415"),
    "never all channels": (bad({"validation: 2": "validation: 0"}, NEVER), "E415"),
    "nothing later": (bad({"until: 13": "until: 99"}, ROWS), "until"),
    "a missing column": (bad({"pressure]": "weight]"}, ROWS), "weight"),
    "no number": (bad({}, [["p0", "9", "high", "1"], *ROWS]), "high"),
    "a third channel": (bad({"state: 2": "state: 1"}, ROWS), "E201"),
    "a window of one": (bad({"window: 5": "window: 1"}, ROWS), "window"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_data_is_refused_and_nothing_is_written(what: str, cli: Cli, specs: Path) -> None:
    (text, lines), words = BAD[what]
    write(specs / "clinic.csv", lines)
    (specs / "bad.yaml").write_text(text)
    called = cli("train", "bad.yaml", "--out", "r")
    assert called.code == 2 and words in called.err and "bad.yaml:" in called.err, called.err
    assert not (specs / "r").exists()


def test_a_bad_file_to_predict_for_is_refused(cli: Cli, specs: Path) -> None:
    cli("train", "table.yaml", "--out", "r", "--no-plots")
    for lines, words in (
        (SWAPPED, "does not come after"),
        ([["p0", "11", "70", ""]], "no observation of all"),
    ):
        write(specs / "ask.csv", lines)
        called = cli("predict", "r", "ask.csv", "--out", "states.csv")
        assert called.code == 2 and words in called.err, called.err
        assert not (specs / "states.csv").exists()
