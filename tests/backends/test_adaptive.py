"""Programs that call torchdiffeq and diffrax: they are the flow of the spec, each row of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from flows import CLASSIFIER, FLOWS, TANH, flow
from scipy.integrate import solve_ivp
from specs import Case, random_weights

import wellposed
from wellposed.backends import registry
from wellposed.backends.dialect import Named
from wellposed.backends.jax_dialect import JAX
from wellposed.backends.model import ArgumentError, Model
from wellposed.backends.registry import BackendError, get
from wellposed.backends.texts import text_of
from wellposed.backends.torch_dialect import TORCH
from wellposed.checking.inline import run_fast
from wellposed.checking.ladder import check
from wellposed.checking.selftest.plant import replaced
from wellposed.cli.app import run
from wellposed.compiler.ir.expr import Expr
from wellposed.compiler.pipeline import compiled
from wellposed.spec.diagnostics import SpecError
from wellposed.spec.model import Spec

Array = np.ndarray
RUNGS = ("L0", "L1", "L2", "L3")
BACKENDS = ("torch", "jax")
DIALECTS = {"torch": TORCH, "jax": JAX}


def backends_of(spec: Spec) -> tuple[str, ...]:
    return ("jax",) if spec.model.integrator.kind == "tsit5" else BACKENDS


def model(spec: Spec, backend: str) -> Model:
    return wellposed.compile(spec, backend)


def some(spec: Spec, rows: int = 6) -> tuple[dict[str, Array], Array]:
    """Weights and rows."""
    problem = compiled(spec).problem
    x = np.random.default_rng(5).normal(size=(rows, problem.features.value))
    return random_weights(problem), x


IN_JAX = ("flow-tsit5",)
"""What is climbed in JAX too where not all grids are."""


# --- the ladder -----------------------------------------------------------------------------------


@pytest.mark.covers("torch", "jax", "float64", "awkward inputs", by="given")
@pytest.mark.parametrize("given", [*map(flow, FLOWS)], ids=FLOWS)
def test_programs_are_the_flow(given: Spec, all_grids: bool):
    """In float64 with tight tolerances, in float32 as they are written. JAX takes half a minute to
    compile the solves of one spec."""
    backends = backends_of(given)
    if not all_grids and given.name not in IN_JAX:
        backends = backends[:1]
    report = check(given, backends=backends, rungs=RUNGS, run=run_fast)
    assert report.passed, report.message
    assert "never to rounding" in report.message


def test_torchdiffeq_has_no_tsit5():
    spec = flow("flow-tsit5")
    with pytest.raises(SpecError) as refused:
        text_of(compiled(spec), "torch")
    (found,) = refused.value.diagnostics
    assert found.code == "E214" and "PyTorch takes dopri5" in found.message


@pytest.mark.parametrize(("backend", "package"), [("torch", "torchdiffeq"), ("jax", "diffrax")])
def test_a_solver_that_is_not_installed_is_said_so(
    backend: str, package: str, monkeypatch: pytest.MonkeyPatch
):
    def without(name: str) -> object:
        return None if name == package else find_spec(name)

    monkeypatch.setattr(registry, "find_spec", without)
    with pytest.raises(BackendError, match=rf"{package} is not installed: pip install .*{backend}"):
        model(flow("flow"), backend)
    model(fixed("shared", 2), backend)


# --- planted bugs ---------------------------------------------------------------------------------

BUGS: dict[str, tuple[str, str, str, str]] = {
    "tolerance not taken": ("flow", "torch", "rtol=RTOL", "rtol=1e-4"),
    "ends too early": ("flow", "jax", "t1=times[-1]", "t1=0.999 * times[-1]"),
    "time stands still": ("flow-blocks", "torch", "field(t, y", "field(0 * t, y"),
    "the wrong half of a step": ("flow-linear", "torch", "t / H", "1 - t / H"),
    "the last weight first": ("flow-steps", "jax", 'weights["K"]', 'weights["K"][::-1]'),
    "no adjoint of the weights": (
        *("flow-adjoint", "torch"),
        *("adjoint_params=weights", "adjoint_params=()"),
    ),
    "one row for all": (
        *("flow-tsit5", "jax"),
        *("field(y, *weights)", "field(y[:, :1] + 0 * y, *weights)"),
    ),
}
"""By name: a spec, a backend, a text that is there, and another."""


@pytest.mark.covers("planted bug", names=("integrator dopri5", "integrator tsit5"))
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str, tmp_path: Path):
    which, backend, old, new = BUGS[name]
    spec = flow(which)
    path = tmp_path / "program.py"
    path.write_text(replaced(get(backend).emit(compiled(spec).program), old, new))
    given = {"programs": {backend: path}, "dtypes": ("float64",), "run": run_fast}
    rungs = RUNGS if backend == "torch" else RUNGS[1:3]  # XLA compiles every solve for seconds
    assert not check(spec, rungs=rungs, **given).passed


def test_no_row_is_solved_worse_for_its_neighbours():
    """A row that turns fast among many that do not: its error is what it is alone, and a norm over
    the whole batch, which is the libraries' default, would let it be ten times as large."""
    speed = {"kind": "custom", "equations": {"y": "y[2] * [y[1], -y[0], 0]"}}
    spec = flow("flow", model={"vector_field": speed, "time": {"horizon": 5}})
    w, _ = some(spec)
    fast, slow = np.array([[1.0, 0.0, 6.0]]), np.tile([1.0, 0.0, 0.01], (400, 1))
    exact = np.array([np.cos(30), -np.sin(30), 6.0])

    def off(text: str) -> float:
        program = get("torch").load(compiled(spec).module, text)
        path = program.trajectory(w, np.vstack([slow, fast]))
        return float(np.abs(path[-1, -1] - exact).max())

    text = text_of(compiled(spec), "torch")
    alone = np.abs(model(spec, "torch").trajectory(w, fast)[-1, 0] - exact).max()
    together = off(text)
    assert together == pytest.approx(alone, rel=0.2)
    assert off(replaced(text, ".mean(dim=0).sqrt().max()", ".mean().sqrt()")) > 5 * together


@pytest.mark.covers("wrong text in torch", "wrong text in jax", names=("operation interval",))
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_wrong_interval_is_seen(backend: str, monkeypatch: pytest.MonkeyPatch):
    spec = flow("flow")
    (w, x), dialect = some(spec), DIALECTS[backend]
    right = model(spec, backend).forward(w, x)
    row = dialect.rows["interval"]

    def wrong(node: Expr, named: Named) -> str:
        return f"(2 * {row.template(node, named)})"

    monkeypatch.setitem(dialect.rows, "interval", replace(row, text=wrong))  # pyright: ignore[reportArgumentType]
    assert np.abs(model(spec, backend).forward(w, x) - right).max() > 0.1


# --- solve ----------------------------------------------------------------------------------------


def field_of(w: dict[str, Array], s: int, j: int | None = None) -> Callable[[float, Array], Array]:
    K, b = (w[n] if j is None else w[n][j] for n in ("K", "b"))
    return lambda t, y: np.tanh(y.reshape(s, 3) @ K.T + b).ravel()


@pytest.mark.parametrize("backend", (*BACKENDS, "numpy"))
@pytest.mark.parametrize("times", [[0, 0.3, 2.0, 3.5], [1.0, 0.4, -1.0]])
def test_shared_weights_are_solved_at_any_times_in_either_sense(backend: str, times: list[float]):
    spec = flow("flow")
    w, x = some(spec)
    given = {"t_eval": times, "rtol": 1e-12, "atol": 1e-13}
    exact = solve_ivp(field_of(w, 6), (times[0], times[-1]), x.ravel(), "DOP853", **given)
    found = model(spec, backend).solve(w, x, np.array(times))
    np.testing.assert_allclose(found.reshape(len(times), -1), exact.y.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_times_only_read_the_solution(backend: str):
    spec = flow("flow")
    (w, x), program = some(spec), model(spec, backend)
    few, many = np.array([0, 0.7, 2.0]), np.array([0, 0.1, 0.7, 0.71, 1.9, 2.0])
    at_few, at_many = program.solve(w, x, few), program.solve(w, x, many)
    np.testing.assert_allclose(at_many[[0, 2, 5]], at_few, rtol=1e-12, atol=1e-13)
    last = at_many[-1] @ w["W"] + w["mu"]
    np.testing.assert_allclose(program.forward(w, x), last, rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(program.solve(w, x, np.zeros(1))[0], x)


@pytest.mark.parametrize("name", ["flow-steps", "flow-linear"])
def test_weights_in_time_are_solved_within_their_steps(name: str):
    spec = flow(name)
    w, x = some(spec)
    times = np.array([0, 0.2, 1.0, 1.3, 2.0])
    right = model(spec, "numpy").solve(w, x, times)
    found = model(spec, "torch").solve(w, x, times)
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found[-1], model(spec, "torch").trajectory(w, x)[-1])


def fixed(mode: str, steps: int, integrator: Any = "rk4") -> Spec:
    time = {"horizon": 2, "steps": steps, "weights": mode}
    return flow("flow", model={"time": time, "integrator": integrator, "vector_field": TANH})


@pytest.mark.parametrize("mode", ["shared", "per-step"])
def test_fixed_steps_are_read_by_polynomials_of_order_four(mode: str):
    """Four halvings of h divide the error between nodes by 16⁴; kinks at nodes do no harm."""
    times, errors = np.array([0, 0.23, 0.61, 1.13, 1.97]), []
    w, x = some(fixed(mode, 4))
    exact = _exact(w, x, times)
    for each in (1, 16):
        in_time = ("K", "b") if mode != "shared" else ()
        finer = {n: np.repeat(a, each, axis=0) if n in in_time else a for n, a in w.items()}
        found = model(fixed(mode, 4 * each), "torch").solve(finer, x, times)
        errors.append(np.abs(found - exact).max())
    assert np.log2(errors[0] / errors[1]) / 4 == pytest.approx(4, abs=0.5)


def _exact(w: dict[str, Array], x: Array, times: Array) -> Array:
    """Weights of four steps, or shared ones, solved one step after the other."""
    given: Any = {"rtol": 1e-12, "atol": 1e-13, "dense_output": True}
    y, found = x.ravel(), {}
    for j in range(4):
        f = field_of(w, len(x), j if w["K"].ndim == 3 else None)
        run = solve_ivp(f, (j / 2, (j + 1) / 2), y, "DOP853", **given)
        y = run.y[:, -1]
        found |= {t: run.sol(t) for t in times if j / 2 <= t <= (j + 1) / 2}
    return np.stack([found[t].reshape(x.shape) for t in times])


@pytest.mark.parametrize("backend", (*BACKENDS, "numpy"))
def test_fixed_steps_go_backwards_too(backend: str):
    spec = fixed("shared", 40)
    w, x = some(spec)
    times = np.array([0.5, 0.1, -0.73])
    given = {"t_eval": times, "rtol": 1e-12, "atol": 1e-13}
    exact = solve_ivp(field_of(w, 6), (times[0], times[-1]), x.ravel(), "DOP853", **given)
    found = model(spec, backend).solve(w, x, times)
    np.testing.assert_allclose(found.reshape(3, -1), exact.y.T, rtol=1e-6, atol=1e-6)


WRONG_TIMES = {
    "none": (np.zeros(0), r"times is \(0,\)"),
    "a matrix": (np.zeros((2, 2)), "not \\(L,\\)"),
    "NaN": (np.array([0, np.nan]), r"times\[1\] is nan"),
    "twice": (np.array([0, 1, 1.0]), r"times\[2\] = 1 follows 1"),
    "there and back": (np.array([0, 1, 0.5]), r"times\[2\] = 0.5 follows 1"),
    "text": (np.array(["a"]), "not real numbers"),
}


@pytest.mark.parametrize("name", WRONG_TIMES)
def test_times_that_are_none_are_refused(name: str):
    (times, words), spec = WRONG_TIMES[name], flow("flow")
    w, x = some(spec)
    with pytest.raises(ArgumentError, match=words):
        model(spec, "torch").solve(w, x, times)


def test_with_weights_in_time_they_start_at_0_and_stay_within():
    spec = flow("flow-steps")
    (w, x), program = some(spec), model(spec, "torch")
    for times in ([0.1, 1.0], [0, 2.5], [0, -1.0]):
        with pytest.raises(ArgumentError, match="with weights in time"):
            program.solve(w, x, np.array(times))


STAGGERED = {"hamiltonian": "verlet", "second-order": "leapfrog"}


@pytest.mark.parametrize("field", STAGGERED)
def test_a_momentum_that_lies_behind_is_refused_in_words(field: str):
    spec = Case(field, integrator=STAGGERED[field]).spec()
    w, x = some(spec)
    with pytest.raises(ArgumentError, match="different times"):
        model(spec, "torch").solve(w, x, np.array([0, 1.0]))


# --- counts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["flow", "flow-steps", "flow-adjoint"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_evaluations_are_counted(backend: str, name: str):
    """Six for every step that is tried, and one or two before the first of every solve."""
    spec = flow(name)
    w, x = some(spec)
    program, solves = model(spec, backend), compiled(spec).problem.steps
    found = program.statistics(w, x)
    assert program.statistics(w, x) == found
    tried = found["accepted"] + found["rejected"]
    assert found["nfe"] - 6 * tried in (solves, 2 * solves)
    assert 6 * found["accepted"] <= found["nfe_backward"]
    if name != "flow-adjoint":
        assert found["nfe_backward"] <= found["nfe"]


def test_more_evaluations_for_a_tighter_tolerance():
    loose, tight = (
        flow("flow", model={"integrator": {"kind": "dopri5", "rtol": r, "atol": r}})
        for r in (1e-3, 1e-9)
    )
    w, x = some(loose)
    found = [model(s, "torch").statistics(w, x)["nfe"] for s in (loose, tight)]
    assert found[1] > 2 * found[0]


def test_fixed_steps_are_known_before():
    spec = fixed("per-step", 5)
    found = model(spec, "jax").statistics(*some(spec))
    assert found == {"nfe": 20, "nfe_backward": 20, "accepted": 5, "rejected": 0}


# --- training -------------------------------------------------------------------------------------

EXPLODES = {
    "kind": "custom",
    "weights": {"K": {"shape": ["y", "y"]}},
    "equations": {"y": "K @ y + 9 * y * y * y"},
}


def trained(
    folder: Path, backend: str, field: Any, capsys: Any, lr: float = 0.01
) -> tuple[int, str]:
    """The exit status of a training, and what it says."""
    net = {"state": 2, "vector_field": field, "time": {"horizon": 2}, "integrator": "dopri5"}
    spec = {
        "wellposed": 1,
        "name": "flow",
        "data": {"kind": "ellipses", "train": 40, "validation": 20},
        "model": net | {"readout": CLASSIFIER},
        "train": {"optimizer": {"kind": "adam", "lr": lr}, "epochs": 2, "batch": 20},
    }
    file, out = folder / "a.yaml", str(folder / "run")
    file.write_text(yaml.safe_dump(spec))
    code = run(["train", str(file), "--backend", backend, "--out", out, "--no-plots"])
    said = capsys.readouterr()
    return code, said.out + said.err


@pytest.mark.parametrize("backend", BACKENDS)
def test_evaluations_are_logged(backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, said = trained(tmp_path, backend, TANH, capsys)
    rows = wellposed.open(tmp_path / "run").metrics
    assert code == 0 and all(row["nfe"] >= 8 and row["nfe_backward"] >= 7 for row in rows)
    assert f"evaluations of the field  {rows[-1]['nfe']} forward" in said


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_solve_that_fails_is_told_with_its_row(
    backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    code, said = trained(tmp_path, backend, EXPLODES, capsys)
    assert code != 0 and "Traceback" not in said
    for words in ("the solve fails", "the step underflows at t = ", "step size", "what helps:"):
        assert words in said, said
    assert "of the training data" in said


def test_weights_that_overflow_are_no_failure_of_the_solver(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    code, said = trained(tmp_path, "torch", TANH, capsys, lr=1e38)
    assert code != 0 and "the solve fails" not in said and "optimizer adam" in said, said
