"""The first bad number: every way to lose one, named by layer, expression, row and spec line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import wellposed
from wellposed import api
from wellposed.backends.optimizers import updater
from wellposed.backends.stepper import Step, Stepper
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.reference.first_bad import BadNumber, Largest
from wellposed.data.dataset import Dataset, Split
from wellposed.data.preprocessing import Preprocessing
from wellposed.data.rng import batches
from wellposed.spec.diagnostics import SpecError
from wellposed.spec.node import Root
from wellposed.training.divergence import Divergence
from wellposed.training.progress import Quiet
from wellposed.training.results import Result
from wellposed.training.train import train

SPEC = """\
wellposed: 1
name: lost
dtype: float32
task: regression
model:
  state: 2
  vector_field: FIELD
  time: {horizon: 4, steps: 8}
  integrator: euler
  initializers:
    K: {kind: values, values: [[1, 0], [0, 2]]}
    W: {kind: constant, value: 1}
  readout: {kind: regression, outputs: 1}
train:
  optimizer: {kind: sgd, lr: 1e-3}
  epochs: 2
  batch: 3
"""
LAYER = "{kind: layer, activation: identity, bias: none}"
CUBIC = "{kind: layer, activation: cubic, bias: none}"
COLUMN = 17
"""Where FIELD begins, on line 7."""
X = np.array([[0.5, 0.25], [0.25, 0.5], [1.0, -0.5], [0.125, 0.5], [-0.5, 0.25]])
TARGETS = np.array([[0.5], [0.25], [0.0], [-0.5], [0.125]])


def custom(equation: str) -> str:
    """A field of one weight K, which starts as diag(1, 2)."""
    weights = "weights: {K: {shape: [y, y]}}"
    return f"{{kind: custom, {weights}, equations: {{y: '{equation}'}}}}"


def dataset(x: np.ndarray = X, targets: np.ndarray = TARGETS) -> Dataset:
    split = Split(np.array(x, float), targets)
    return Dataset(split, split, Preprocessing(("u", "v"), targets=("a",)))


def run(
    folder: Path,
    field: str = LAYER,
    *overrides: str,
    data: Dataset | None = None,
    backend: str = "torch",
) -> Result:
    """Train the spec in `folder` on five examples, in batches of 3 and 2."""
    if backend != "numpy":
        pytest.importorskip(backend)
    (folder / "m.yaml").write_text(SPEC.replace("FIELD", field))
    spec = wellposed.load(folder / "m.yaml", overrides)
    model = wellposed.compile(spec, backend)
    return train(compiled(spec), model, data or dataset(), folder / "run", progress=Quiet())


def lost(folder: Path, *arguments: Any, **options: Any) -> tuple[Divergence, BadNumber]:
    result = run(folder, *arguments, **options)
    assert result.status == "diverged" and result.divergence is not None
    found = result.divergence.found
    assert isinstance(found, BadNumber), result.divergence
    return result.divergence, found


def place(found: Divergence) -> tuple[int, int]:
    assert found.span is not None
    return found.span.line, found.span.column


def rows_of(step: int) -> np.ndarray:
    """The examples of a step of the first epoch."""
    return list(batches(0, 1, 5, 3))[step - 1]


# --- the forward pass ----------------------------------------------------------------------------


def euler_in_float32(power: int, x: np.ndarray) -> tuple[int, int]:
    """The layer (from 1) and the row where y + h (K y)^power overflows first, by plain NumPy."""
    y, K = np.array(x, np.float32), np.diag(np.array([1, 2], np.float32))
    with np.errstate(all="ignore"):
        for layer in range(1, 9):
            product = y @ K.T
            slope = product.copy()
            for _ in range(power - 1):
                slope = slope * product
            y = y + np.float32(0.5) * slope
            bad = ~np.isfinite(slope).all(axis=1)
            if bad.any():
                return layer, int(np.argmax(bad))
    raise AssertionError("nothing overflows")


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_an_overflow_is_found_in_its_layer_and_row(tmp_path: Path, backend: str) -> None:
    found, bad = lost(tmp_path, CUBIC, data=dataset(8 * X), backend=backend)
    layer, row = euler_in_float32(3, 8 * X[rows_of(1)])
    assert (found.epoch, found.step) == (1, 1)
    assert (bad.place.equation, bad.place.layer, bad.row) == ("field y", layer, row)
    assert found.example == rows_of(1)[row]
    assert (bad.expression, bad.part, place(found)) == ("y' = (K y)³", "(K y)³", (7, COLUMN))
    ((operand, value),) = bad.operands
    assert operand == "K y" and abs(value) ** 3 == pytest.approx(abs(bad.exact), rel=1e-6)
    assert 3.4e38 < abs(bad.exact) < np.inf and not np.isfinite(bad.value)


def test_the_message_is_short_and_says_it_all(tmp_path: Path) -> None:
    data = dataset(np.array([[1e12, 0], [0, 0], [0, 0], [0, 0], [0, 0]]))
    found, _ = lost(tmp_path, CUBIC, "train.batch=5", data=data)
    head, said, operands, row, modes, *analysis = str(found).splitlines()
    assert head == "diverged at epoch 1, step 1 (torch: loss nan, gradient norm nan)"
    where = f"{tmp_path / 'm.yaml'}:7:{COLUMN}"
    value = "|(K y)³| = 1.25e107 > 3.4e38, the range of float32"
    assert said == f"  layer 2 of 8, y' = (K y)³: {value} ({where})"
    assert operands == "  K y = 5e35"
    assert row == "  row 0 of the batch, example 0 of the training data"
    assert modes.startswith("  h·|λ| = 3.75e71, Re λ > 0") and "the field itself" in modes
    assert analysis[0].startswith("  the analysis had said: the states leave the range of numbers")
    assert "from x = (1e+12, 0)" in analysis[0]


def test_the_result_has_it_as_data(tmp_path: Path) -> None:
    found, bad = lost(tmp_path, CUBIC, data=dataset(8 * X))
    kept = json.loads((tmp_path / "run/result.json").read_text())["divergence"]
    assert kept == found.to_json() and kept["message"] == str(found)
    first = kept["first_bad"]
    assert first["equation"] == "field y" and first["key"] == "model.vector_field"
    assert (first["layer"], first["layers"], first["gradient_by"]) == (bad.place.layer, 8, None)
    assert (first["line"], first["column"]) == (7, COLUMN)
    assert first["file"].endswith("m.yaml") and first["row"] == bad.row
    assert first["value"] in ("inf", "-inf") and first["magnitude"] == abs(bad.exact)
    assert kept["modes"]["amplification"] > 1 and kept["findings"][0]["code"]
    assert kept["loss"] == "nan" and kept["largest"] is None


DOMAINS = {
    "log of a negative number": ("log(K @ y + 0.5)", "log(K y + 0.5)", "K y + 0.5", -0.5),
    "log of 0": ("log(K @ y - K @ y)", "log(K y − K y)", "K y − K y", 0.0),
    "root of a negative number": ("sqrt(K @ y)", "sqrt(K y)", "K y", -1.0),
    "division by 0": ("y / (K @ y - K @ y)", "y / (K y − K y)", "K y − K y", 0.0),
    "power of a negative number": ("(K @ y) ** 0.5", "(K y)^0.5", "K y", -1.0),
}


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_function_outside_its_domain(tmp_path: Path, name: str, backend: str) -> None:
    equation, part, operand, value = DOMAINS[name]
    data = dataset(np.array([[1.0, 1.0], [1.0, -0.5], [1.0, 1.0]]), np.zeros((3, 1)))
    found, bad = lost(tmp_path, custom(equation), "train.batch=3", data=data, backend=backend)
    assert (bad.place.equation, bad.place.layer, bad.part) == ("field y", 1, part)
    assert dict(bad.operands)[operand] == value
    assert bad.row == (0 if value == 0 else 1) == found.example
    line, column = place(found)
    assert line == 7 and SPEC.replace("FIELD", custom(equation)).splitlines()[6][column - 1] == "'"


def test_what_is_lost_by_underflow_alone(tmp_path: Path) -> None:
    """In float32 y² of 1e-25 is 0 and its logarithm −∞; in float64 nothing is wrong."""
    data = dataset(np.full((5, 2), 1e-25))
    _, bad = lost(tmp_path, custom("log(y ** 2) + K @ y"), data=data)
    assert (bad.part, dict(bad.operands)) == ("log(y²)", {"y²": 0.0})
    assert bad.value == -np.inf
    (tmp_path / "b").mkdir()
    small = ("train.clip=1e-9", "train.epochs=1")
    fine = run(tmp_path / "b", custom("log(y ** 2) + K @ y"), *small, data=data, backend="numpy")
    assert fine.status == "finished"


def test_a_number_of_no_example_has_no_row(tmp_path: Path) -> None:
    """t^(−½) at 0; the operands are what varies, and no constant."""
    found, bad = lost(tmp_path, custom("t ** -0.5 + K @ y"))
    assert (bad.part, dict(bad.operands), bad.row) == ("t^(−0.5)", {"t": 0.0}, None)
    assert "row" not in str(found)


def test_an_overflow_of_a_stage_of_rk4_has_the_equation_of_the_spec(tmp_path: Path) -> None:
    found, bad = lost(tmp_path, CUBIC, "model.integrator=rk4", data=dataset(8 * X))
    assert bad.expression == "y' = (K y)³" and bad.place.layer == 1
    assert place(found) == (7, COLUMN)


def test_a_line_of_the_method_that_overflows(tmp_path: Path) -> None:
    """y + h y with y = 3e38 and h = 1: each of them is in range, their sum is not."""
    data, h = dataset(3e38 * np.sign(X)), "model.time={horizon: 8, steps: 8}"
    found, bad = lost(tmp_path, custom("y"), h, data=data)
    assert (bad.place.equation, bad.place.layer, place(found)) == ("step", 1, (9, 15))
    assert bad.part == "y + h dy_dt(y)" and abs(bad.exact) == pytest.approx(6e38)


def test_a_parametrization_that_overflows(tmp_path: Path) -> None:
    """−Cᵀ C with C = 1e20: the reader is led to the weight, not to what it spoils."""
    more = (
        "model.parametrization=negative-gram",
        "model.initializers={C: {kind: constant, value: 1e20}}",
    )
    _, bad = lost(tmp_path, LAYER, *more)
    assert (bad.place.equation, bad.place.layer) == ("parametrization K", 1)
    assert bad.part == "−Cᵀ C" and bad.exact == pytest.approx(-2e40)
    assert bad.row is None and dict(bad.operands)["|C|"] == pytest.approx(1e20)


def test_a_readout_that_overflows(tmp_path: Path) -> None:
    huge = "model.initializers={W: {kind: constant, value: 1e38}, K: zeros}"
    _, bad = lost(tmp_path, LAYER, huge, data=dataset(10 * X))
    assert (bad.place.equation, bad.place.layer, bad.part) == ("readout", None, "Wᵀ y")


# --- the data ------------------------------------------------------------------------------------


def test_a_feature_that_is_no_number(tmp_path: Path) -> None:
    x = X.copy()
    x[4, 1] = np.nan
    found, bad = lost(tmp_path, LAYER, data=dataset(x), backend="numpy")
    step = 1 if 4 in rows_of(1) else 2
    assert (found.step, bad.place.equation, bad.part) == (step, "data", "v")
    assert found.example == 4 == rows_of(step)[bad.row or 0]
    assert "v = nan" in str(found)


def test_a_target_beyond_the_range_of_the_dtype(tmp_path: Path) -> None:
    targets = TARGETS.copy()
    targets[2] = 1e300
    found, bad = lost(tmp_path, LAYER, data=dataset(X, targets))
    assert (bad.place.equation, bad.part, found.example) == ("data", "a", 2)
    assert bad.exact == 1e300 and "1e300 > 3.4e38, the range of float32" in str(found)


def test_a_number_of_a_file_that_is_none_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("u,v,w\n1,2,3\n4,nan,6\n")
    data = "data={kind: csv, path: table.csv, targets: [w], validation: 1}"
    (tmp_path / "m.yaml").write_text(SPEC.replace("FIELD", LAYER))
    with pytest.raises(SpecError, match=r"E407.*line 3.*v"):
        api.trainable(wellposed.load(tmp_path / "m.yaml", (data,)))


# --- loss, regularizer, gradient, update ---------------------------------------------------------


def test_a_loss_that_overflows(tmp_path: Path) -> None:
    """½ (u − C)² with C = 1e20: logits and targets are fine, the square is not."""
    targets = TARGETS.copy()
    targets[3] = 1e20
    found, bad = lost(tmp_path, LAYER, data=dataset(X, targets))
    assert (bad.place.equation, bad.place.layer, bad.part) == ("loss", None, "(logits − C)²")
    assert found.example == 3 and bad.exact == pytest.approx(1e40)
    assert place(found)[0] == 13


def test_a_mean_of_losses_that_overflows(tmp_path: Path) -> None:
    """Three losses of 1.6e38 each: no example is to blame."""
    _, bad = lost(tmp_path, LAYER, data=dataset(X, np.full((5, 1), 1.8e19)))
    assert (bad.place.equation, bad.part, bad.row) == ("loss", "mean(losses)", None)
    assert bad.value == np.inf and bad.exact == pytest.approx(1.8e19**2 / 2, rel=1e-3)


def test_a_regularizer_that_overflows(tmp_path: Path) -> None:
    """W = 1e20 does no harm to the features 0, but its square does."""
    more = (
        "regularizers=[{kind: smoothness, of: [K], alpha: 0}, "
        "{kind: weight-decay, of: [W], alpha: 1}]",
        "model.initializers={K: zeros, W: {kind: constant, value: 1e20}}",
    )
    _, bad = lost(tmp_path, LAYER, *more, data=dataset(0 * X, 0 * TARGETS))
    assert (bad.place.equation, bad.part, bad.place.layer) == (
        "regularizer weight-decay",
        "W²",
        None,
    )
    assert bad.place.loc == ("regularizers", 1) and bad.row is None
    assert bad.exact == pytest.approx(1e40)


def test_a_regularizer_of_a_path_names_the_layer(tmp_path: Path) -> None:
    values = np.zeros((8, 2, 2))
    values[5:] = 1e20
    more = (
        "regularizers=[{kind: smoothness, of: [K], alpha: 1}]",
        f"model.initializers={{K: {{kind: values, values: {values.tolist()}}}}}",
    )
    _, bad = lost(tmp_path, LAYER.replace("identity", "tanh"), *more)
    assert (bad.place.equation, bad.place.layer) == ("regularizer smoothness", 5)
    assert bad.part == "(Kⱼ₊₁ − Kⱼ)²"


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_gradient_that_is_lost_behind_a_finite_loss(tmp_path: Path, backend: str) -> None:
    """√((K y)²) at K = 0 is 0, and its derivative 0/0."""
    field = custom("sqrt((K @ y) ** 2)")
    found, bad = lost(tmp_path, field, "model.initializers={K: zeros}", backend=backend)
    assert np.isfinite(found.loss) and not np.isfinite(found.gradient_norm)
    assert (bad.place.equation, bad.place.by, bad.place.layer) == ("field y", "y", 8)
    assert bad.expression == "y' = sqrt((K y)²)" and bad.row == 0
    assert 0.0 in dict(bad.operands).values() and place(found)[0] == 7
    assert "gradient by y, layer 8 of 8, y' = sqrt((K y)²): " in str(found)


def test_a_gradient_whose_norm_overflows(tmp_path: Path) -> None:
    """The entries are in range, their squares are not."""
    data = dataset(np.full((5, 2), 10.0), np.full((5, 1), 1e19))
    found, bad = lost(tmp_path, LAYER, data=data)
    assert np.isfinite(found.loss) and found.gradient_norm == np.inf
    assert (bad.place.equation, bad.place.by, bad.part) == ("gradient K", "", "K̄²")
    model = wellposed.compile(wellposed.load(tmp_path / "m.yaml"), "numpy")
    batch = data.train.rows(rows_of(1))
    K = model.gradient(model.init(), batch.x, batch.targets)["K"]
    assert bad.exact == pytest.approx(K[bad.entry] ** 2, rel=1e-5) and bad.exact > 3.4e38
    assert bad.place.layer == bad.entry[0] + 1


@pytest.mark.parametrize("backend", ["torch", "jax", "numpy"])
@pytest.mark.parametrize("batch", [3, 5], ids=["within an epoch", "at its end"])
def test_an_update_that_overflows(tmp_path: Path, backend: str, batch: int) -> None:
    """Loss and gradient are finite, θ − η g is not: the update before the lost one is named."""
    lr = {"numpy": 1e308}.get(backend, 3e38)
    more = (f"train.optimizer.lr={lr}", f"train.batch={batch}", "train.clip=1e3")
    data = dataset(100 * X, 100 * TARGETS)
    found, bad = lost(tmp_path, LAYER, *more, data=data, backend=backend)
    assert (found.epoch, found.step, bad.place.equation) == (1, 1, "optimizer sgd")
    assert np.isfinite(found.loss) and np.isfinite(found.gradient_norm)
    assert bad.expression.startswith("the update of ") and dict(bad.operands)["lr"] == lr
    assert found.span is not None and found.span.source == "command line"  # of the rate
    kept = load_file(tmp_path / "run/weights.safetensors")
    for name, weight in wellposed.compile(wellposed.load(tmp_path / "m.yaml")).init().items():
        np.testing.assert_array_equal(kept[name], weight)


def test_an_update_whose_parts_overflow(tmp_path: Path) -> None:
    """Of Adam's first update η / (1 − β₁) is 10 η; the weight it should make is about η."""
    adam = "train.optimizer={kind: adam, lr: 3e38}"
    found, bad = lost(tmp_path, LAYER, adam)
    assert bad.place.equation == "optimizer adam" and not np.isfinite(bad.value)
    assert abs(bad.exact) < 3.4e38
    assert f"{bad.part} = {'-' * (bad.value < 0)}inf: what it is made of" in str(found)


def test_a_score_that_overflows_is_none(tmp_path: Path) -> None:
    """Finite logits and targets, the square of their difference is not."""
    train, far = Split(X, TARGETS), Split(X[:1], np.array([[1e200]]))
    data = Dataset(train, far, Preprocessing(("u", "v"), targets=("a",)))
    result = run(tmp_path, LAYER, "dtype=float64", data=data, backend="numpy")
    assert result.status == "finished"
    for row in result.metrics:
        assert row["validation_mse"] is None and np.isfinite(row["train_mse"])


def test_the_mean_of_large_losses_is_finite(tmp_path: Path) -> None:
    data = dataset(1e-3 * X, np.full((5, 1), 1e154))
    slow = ("dtype=float64", "train.optimizer.lr=1e-300", "train.clip=1", "train.batch=1")
    result = run(tmp_path, LAYER, *slow, data=data, backend="numpy")
    assert result.metrics[0]["loss"] == pytest.approx(5e307)


def test_a_run_that_diverges_keeps_the_weights_before_the_step(tmp_path: Path) -> None:
    x = X.copy()
    x[rows_of(2)[1]] = np.inf
    found, bad = lost(tmp_path, LAYER, data=dataset(x), backend="numpy")
    assert (found.step, bad.row, found.example) == (2, 1, rows_of(2)[1])
    spec = wellposed.load(tmp_path / "m.yaml")
    assert spec.train is not None
    model = wellposed.compile(spec, "numpy")
    stepper = model.stepper(updater(spec.train), X, TARGETS)
    stepper.load(model.init())
    assert stepper.step(rows_of(1), 1e-3).finite
    kept = load_file(tmp_path / "run/weights.safetensors")
    for name, weight in stepper.weights().items():
        np.testing.assert_array_equal(kept[name], weight)


# --- what is not the reference's -----------------------------------------------------------------


def test_a_backend_that_is_lost_where_the_reference_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stepper, "step", lambda *_: Step(np.nan, 1.0))
    result = run(tmp_path, LAYER, backend="numpy")
    found = result.divergence
    assert found is not None and isinstance(found.found, Largest)
    spec = wellposed.load(tmp_path / "m.yaml")
    model = wellposed.compile(spec, "numpy")
    states = model.trajectory(model.init(), X[rows_of(1)])
    assert found.found.magnitude >= np.abs(states).max()
    assert "stays finite on this batch: its largest number is |" in str(found)
    kept = json.loads((tmp_path / "run/result.json").read_text())["divergence"]
    assert kept["first_bad"] is None and kept["largest"]["magnitude"] == found.found.magnitude


def test_a_spec_without_a_file_is_named_by_its_keys(tmp_path: Path) -> None:
    found, _ = lost(tmp_path, CUBIC, data=dataset(8 * X))
    assert str(replace(found, span=None)).count("(model.vector_field)") == 1
    assert isinstance(wellposed.load(tmp_path / "m.yaml"), Root)
