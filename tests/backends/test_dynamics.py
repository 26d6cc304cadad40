"""Programs of series in both frameworks: the ladder, hand-written solves, grids, planted bugs."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from series import SERIES, observed, series
from torchdiffeq import odeint

import wellposed
from wellposed.backends.model import ArgumentError
from wellposed.backends.optimizers import Adam, Updater
from wellposed.backends.registry import get
from wellposed.checking.inline import run_fast
from wellposed.checking.ladder import check
from wellposed.checking.selftest.plant import replaced
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.reference.observations import grid_of
from wellposed.spec.model import Spec

Array = np.ndarray
BACKENDS = ("torch", "jax")
RUNGS = ("L0", "L1", "L2", "L3")
ADAPTIVE = ("series-solve", "series-adjoint")


def some(model: Any, seed: int = 3) -> dict[str, Array]:
    """Weights that are all different."""
    random = np.random.default_rng(seed)
    return {n: w + 0.4 * random.normal(size=w.shape) for n, w in model.init().items()}


def data(name: str, **changes: Any) -> tuple[Array, Array]:
    return observed(3 if name == "series-adjoint" else 2, **changes)


@pytest.mark.covers("torch", "jax", "float64", "gradient", "awkward inputs", by="given")
@pytest.mark.parametrize("given", [*map(series, SERIES)], ids=SERIES)
def test_programs_are_the_dynamics(given: Spec, all_grids: bool) -> None:
    """JAX takes half a minute to compile the solves of one spec."""
    is_slow = given.name in ADAPTIVE and not all_grids
    report = check(given, backends=BACKENDS[: 1 if is_slow else 2], rungs=RUNGS, run=run_fast)
    assert report.passed, report.message
    assert {"predictions", "loss", "awkward inputs"} <= {rung.quantity for rung in report.rungs}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", SERIES)
def test_predictions_loss_and_gradient_are_the_references(name: str, backend: str) -> None:
    """Batches whose grids are of other lengths are one program's."""
    tight = {"kind": "dopri5", "rtol": 1e-10, "atol": 1e-11}
    spec = series(name, **({"model": {"integrator": tight}} if name in ADAPTIVE else {}))
    ours, right = (wellposed.compile(spec, b) for b in (backend, "numpy"))
    weights, near = some(right), 1e-8 if name in ADAPTIVE else 1e-12
    for length in (7, 3) if backend == "torch" or name not in ADAPTIVE else (4,):
        values, times = data(name, length=length + 2, rows=4)
        found, expected = (m.forward(weights, values, times) for m in (ours, right))
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        np.testing.assert_allclose(found, expected, rtol=near, atol=near)
        losses = [m.loss(weights, values, times) for m in (ours, right)]
        assert losses[0] == pytest.approx(losses[1], rel=near)
        gradients = [m.gradient(weights, values, times) for m in (ours, right)]
        for n, g in gradients[1].items():
            size = float(np.abs(g).max())
            np.testing.assert_allclose(gradients[0][n], g, atol=10 * near * size, err_msg=n)


@pytest.mark.filterwarnings("ignore:Converting a tensor")  # torchdiffeq, of its error norm
def test_a_fit_is_that_of_torchdiffeq_and_autograd() -> None:
    """The loss and its gradient, every row solved by hand from its own first time."""
    tight = {"kind": "dopri5", "rtol": 1e-10, "atol": 1e-12}
    ours: Any = wellposed.compile(series("series-solve", model={"integrator": tight}), "torch")
    weights = some(ours)
    values, times = data("series-solve")
    held = {n: torch.tensor(w, requires_grad=True) for n, w in weights.items()}

    def f(t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        u = torch.cat([y, t.expand(1, 1)], 1)
        return torch.tanh(u @ held["W1"].T + held["b1"]) @ held["W2"].T + held["b2"]

    squares = []
    for row in range(len(values)):
        start = int(np.isfinite(values[row]).all(axis=1).argmax())
        at = torch.tensor(times[row, start:][np.isfinite(times[row, start:])])
        seen = torch.tensor(values[row, start : start + len(at)])
        first = torch.cat([seen[0], torch.zeros(1)])[None]
        path: Any = odeint(f, first, at, rtol=1e-10, atol=1e-12)
        y = path[:, 0]
        predicted = torch.stack([y[:, 0] + y[:, 2], y[:, 1]], dim=1)
        squares.append((predicted - seen)[~seen.isnan()] ** 2)
    loss = torch.cat(squares).mean() / 2
    loss.backward()
    assert ours.loss(weights, values, times) == pytest.approx(float(loss), rel=1e-8)
    for name, g in ours.gradient(weights, values, times).items():
        by_hand = held[name].grad
        assert by_hand is not None
        np.testing.assert_allclose(g, by_hand.numpy(), rtol=1e-6, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("backend", BACKENDS)
def test_far_from_the_origin_times_are_no_coarser(backend: str) -> None:
    """A field that does not know of t is given the time since the start of each series: in float32
    a million has no sixteenths."""
    ours = wellposed.compile(series("series", dtype="float32"), backend)
    weights = ours.init()
    values, times = data("series")
    times = np.round(times * 64) / 64
    here, there = (ours.forward(weights, values, times + dt) for dt in (0, 2.0**24))
    np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["series-time", "series-solve"])
def test_steps_of_a_training_are_those_of_the_loss(name: str, backend: str) -> None:
    """Batches of other rows and lengths, one after the other; the grid of each is its own or that
    of all, and either is right."""
    model: Any = wellposed.compile(series(name), backend)
    weights = model.init()
    values, times = data(name, rows=6)
    stepper = model.stepper(Updater(Adam(0.9, 0.999, 1e-8)), values, times)
    stepper.load(weights, None)
    for rows in (np.array([0, 2]), np.array([5, 1]), np.array([3, 4])):
        held = {n: np.array(w) for n, w in stepper.weights().items()}
        step = stepper.step(rows, 0.01)
        expected = model.loss(held, values[rows], times[rows])
        near = 1e-3 if name in ADAPTIVE else 1e-12
        assert step.loss == pytest.approx(expected, rel=near)


def test_statistics_are_of_the_observations_or_of_the_horizon() -> None:
    for name, per_step in (("series-time", 4), ("series-blocks", 2)):
        for backend in ("torch", "jax", "numpy"):
            model = wellposed.compile(series(name), backend)
            values, times = data(name)
            whole = model.statistics(model.init(), np.ones((3, 2)))
            assert whole["accepted"] == 10 and whole["rejected"] == 0
            assert whole["nfe"] == 10 * per_step + 2, "two slopes of every piece of the cubic"
            longest = np.nanmax(times - times[:, :1])
            found = model.statistics(model.init(), values, times)
            assert found["accepted"] == np.ceil(longest / 0.2)
    solved = wellposed.compile(series("series-solve"), "torch")
    values, times = data("series-solve")
    found = solved.statistics(solved.init(), values, times)
    assert found["nfe"] >= 6 * found["accepted"] > 0 and found["nfe_backward"] > 0


# --- programs by themselves ----------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["series-time", "series-solve"])
def test_a_program_runs_alone(name: str, backend: str, tmp_path: Path) -> None:
    """And its `grid_of` is the compiler's."""
    module = compiled(series(name)).module
    file = tmp_path / "program.py"
    file.write_text(get(backend).emit(module))
    command = [sys.executable, "-I", "-W", "error", str(file)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{name}: " in done.stdout and "gradient norm" in done.stdout
    grid = runpy.run_path(str(file))["grid_of"]
    for seed in range(3):
        _, times = observed(2, seed=seed)
        times = np.nan_to_num(times[[0, 1, 3]].T)
        np.testing.assert_allclose(grid(times), grid_of(module, times), rtol=1e-14)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_program_refuses_arrays_of_other_shapes(backend: str, tmp_path: Path) -> None:
    text = get(backend).emit(compiled(series("series")).module)
    (tmp_path / "p.py").write_text(text)
    names = runpy.run_path(str(tmp_path / "p.py"))
    array: Any = torch.tensor if backend == "torch" else np.asarray
    weights = names["init"](0)
    values, times, grid = np.ones((3, 4, 2)), np.ones((3, 4)), np.arange(2.0)
    for wrong in ((values[..., :1], times), (values[0], times), (values, times[:2])):
        given = [array(a) for a in (*wrong, grid)]
        with pytest.raises(ValueError, match="not"):
            if backend == "torch":
                names["Network"](weights).forward(*given)
            else:
                names["forward"](weights, *given)


BUGS: dict[str, tuple[str, str, str, str]] = {
    "an end for a start": ("series", "torch", "values[0]", "values[-1]"),
    "the time of day forgotten": ("series-time", "jax", "start + ", "0 * start + "),
    "a cubic that is none": ("series", "torch", "1 - 2 * theta", "1 - theta"),
    "a step too far": ("series-blocks", "jax", "j + 1", "j"),
    "a mean over what is missing": ("series", "jax", "2 * known.sum()", "2 * known.size"),
    "no half": ("series-time", "torch", "(2 * known.sum())", "known.sum()"),
    "what is missing is 0": ("series-observed", "torch", "known * (", "(1 + 0 * known) * ("),
    "the place before": ("series-solve", "torch", "(grid[1:] + grid[:-1]) / 2", "grid[1:]"),
    "another observation": ("series-observed", "jax", "z[1:2]", "z[0:1]"),
    "observations in another order": (
        *("series", "torch"),
        *(".flatten(0, 1)", ".transpose(0, 1).flatten(0, 1)"),
    ),
}
"""By name: a spec, a backend, a text that is there, and another."""


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str, tmp_path: Path) -> None:
    which, backend, old, new = BUGS[name]
    path = tmp_path / "program.py"
    path.write_text(replaced(get(backend).emit(compiled(series(which)).program), old, new))
    given = {"programs": {backend: path}, "dtypes": ("float64",), "run": run_fast}
    assert not check(series(which), rungs=RUNGS, **given).passed


@pytest.mark.parametrize("backend", ["numpy", *BACKENDS])
def test_wrong_arguments_are_refused_in_every_backend(backend: str) -> None:
    model = wellposed.compile(series("series"), backend)
    values, times = np.ones((2, 3, 2)), np.arange(3.0)
    for wrong, words in (
        ((values[..., :1], times), "not \\(s, L, 2\\)"),
        ((values, times[::-1]), "not later than the last"),
        ((values * np.nan, times), "no complete observation"),
        ((values, None), "needs the times"),
    ):
        with pytest.raises(ArgumentError, match=words):
            model.forward(model.init(), *wrong)
