"""Paths through observations, by the reference: against SciPy, by hand, by differences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from series import SERIES, observed, series

import wellposed
from wellposed.backends.model import ArgumentError
from wellposed.compiler.analysis.describe import describe
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.reference.observations import grid_of, observations
from wellposed.data.dataset import Split
from wellposed.data.windows import pieces
from wellposed.spec.diagnostics import SpecError

Array = np.ndarray
Weights = dict[str, Array]
Slopes = Callable[[float, Array], Array]

ADAPTIVE = ("series-solve", "series-adjoint")
FIXED = tuple(name for name in SERIES if name not in ADAPTIVE)
STAGES = {"series-blocks": 2}
"""Orders other than four."""


def reference(name: str, **changes: Any) -> tuple[Any, Weights]:
    """The model, and random weights of its size."""
    model = wellposed.compile(series(name, **changes), backend="numpy")
    random = np.random.default_rng(3)
    return model, {n: w + 0.4 * random.normal(size=w.shape) for n, w in model.init().items()}


def data(name: str) -> tuple[Array, Array]:
    return observed(3 if name == "series-adjoint" else 2)


# --- the same by SciPy ---------------------------------------------------------------------------


def _coupled(w: Weights, n: int) -> Slopes:
    def slopes(_: float, u: Array) -> Array:
        y, z = u[:n], u[n:]
        return np.append(np.tanh(w["K"] @ z) - np.sin(y), w["K"].T @ y + np.tanh(w["a"] * z) * z[0])

    return slopes


BY_HAND: dict[str, Callable[[Weights], Slopes]] = {
    "series": lambda w: lambda t, y: np.tanh(w["K"] @ y + w["b"]),
    "series-time": lambda w: lambda t, y: np.tanh(w["K"] @ y + w["b"]) * np.cos(2 * t) - 0.3 * y,
    "series-blocks": lambda w: (
        lambda t, u: np.array([u[1], -w["w2"] * np.sin(u[0]) - 0.2 * np.sin(t)])
    ),
    "series-observed": lambda w: _coupled(w, 2),
    "series-solve": lambda w: (
        lambda t, y: w["W2"] @ np.tanh(w["W1"] @ np.append(y, t) + w["b1"]) + w["b2"]
    ),
    "series-adjoint": lambda w: _coupled(w, 1),
}
STARTS: dict[str, Callable[[Weights, Array], Array]] = {
    "series-time": lambda w, x: np.append(x, 0),
    "series-observed": lambda w, x: np.append(w["L"] @ x, [0, 0]),
    "series-solve": lambda w, x: np.append(x, 0),
    "series-adjoint": lambda w, x: np.append(w["L"] @ x, [0, 0]),
}
OBSERVED: dict[str, Callable[[Array], Array]] = {
    "series-time": lambda y: np.stack([y[0], y[1] / 2]),
    "series-observed": lambda u: np.stack([u[0] * u[3], u[0] + u[1]]),
    "series-solve": lambda y: np.stack([y[0] + y[2], y[1]]),
}


def by_scipy(name: str, w: Weights, values: Array, times: Array) -> Array:
    """Every row by itself, from its first complete observation to its last time."""
    found = np.full(values.shape, np.nan)
    for row in range(len(values)):
        start = int(np.isfinite(values[row]).all(axis=1).argmax())
        at = times[row, start:][np.isfinite(times[row, start:])]
        first = STARTS.get(name, lambda w, x: x)(w, values[row, start])
        given: dict[str, Any] = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-13}
        path = solve_ivp(BY_HAND[name](w), (at[0], at[-1]), first, t_eval=at, **given).y
        found[row, start : start + len(at)] = OBSERVED.get(name, lambda y: y)(path).T
    return found


@pytest.mark.covers("value", by="name", through={n: series(n) for n in SERIES})
@pytest.mark.parametrize("name", ADAPTIVE)
def test_a_solve_is_that_of_scipy(name: str) -> None:
    """Rows start at times of their own, which a field of t sees; NaN before and behind."""
    model, weights = reference(name)
    values, times = data(name)
    expected = by_scipy(name, weights, values, times)
    assert np.isnan(expected[1, :2]).all() and np.isnan(expected[2, -2:]).all()
    np.testing.assert_allclose(model.forward(weights, values, times), expected, rtol=1e-9)


@pytest.mark.covers("value", by="name", through={n: series(n) for n in SERIES})
@pytest.mark.parametrize("name", FIXED)
def test_fixed_steps_have_their_order_between_nodes_too(name: str) -> None:
    """At times that are no nodes the cubic of states and slopes is of order four."""
    values, times = data(name)
    errors = []
    for steps in (20, 40):
        model, weights = reference(name, model={"time": {"horizon": 2, "steps": steps}})
        found = model.forward(weights, values, times)
        expected = by_scipy(name, weights, values, times)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        errors.append(np.nanmax(np.abs(found - expected)))
    order = np.log2(errors[0] / errors[1])
    assert order == pytest.approx(STAGES.get(name, 4), abs=0.5), errors
    assert errors[1] < 1e-2


@pytest.mark.parametrize("name", ["series-time", "series-blocks", "series-solve"])
def test_a_field_of_t_knows_the_time_of_the_clock(name: str) -> None:
    """Another origin is another field; to one that does not know of t it is all the same."""
    model, weights = reference(name)
    values, times = data(name)
    here, later = (model.forward(weights, values, times + dt) for dt in (0, 1))
    assert np.nanmax(np.abs(here - later)) > 0.1
    np.testing.assert_allclose(later, by_scipy(name, weights, values, times + 1), atol=2e-2)
    model, weights = reference("series")
    here, later = (model.forward(weights, values, times + dt) for dt in (0, 1))
    np.testing.assert_allclose(here, later, rtol=1e-12)


@pytest.mark.parametrize("name", SERIES)
def test_predictions_are_a_solve_at_these_times(name: str) -> None:
    model, weights = reference(name)
    values, times = data(name)
    found = model.forward(weights, values, times)
    for row, start in ((0, 0), (1, 2), (3, 0)):
        states = model.solve(weights, values[row, start][None], times[row, start:])[:, 0]
        expected = OBSERVED.get(name, lambda y: y)(states.T).T
        near = 1e-9 if name in ADAPTIVE else 1e-13
        np.testing.assert_allclose(found[row, start:], expected, rtol=near, atol=near)


def test_times_of_all_are_those_of_each() -> None:
    model, weights = reference("series-time")
    values, times = data("series-time")
    values[1, :3] = 1.0
    values[2] = 0.5
    each = np.broadcast_to(times[0], times.shape)
    one, other = (model.forward(weights, values, at) for at in (times[0], each))
    np.testing.assert_array_equal(one, other)


def test_no_row_is_moved_by_its_neighbours() -> None:
    """Steps start at each row's own first time, whatever those of others are."""
    for name in ("series-time", "series-blocks"):
        model, weights = reference(name)
        values, times = data(name)
        every = model.forward(weights, values, times)
        for row in range(len(values)):
            alone = model.forward(weights, values[row : row + 1], times[row : row + 1])[0]
            np.testing.assert_allclose(every[row], alone, rtol=1e-13, atol=1e-14)


def test_channels_fill_the_blocks_unless_another_lift_is_said() -> None:
    """In order, zeros behind them; with `lift: zeros` they are those of the first block alone."""
    model = {"state": {"y": 2, "z": 2}, "observe": "y", "lift": "zeros"}
    said, weights = reference("series-observed", model=model)
    values = np.array([[[0.5, -1.0]]])
    np.testing.assert_array_equal(
        said.solve(weights, values[0], np.zeros(1))[0, 0], [0.5, -1, 0, 0]
    )
    spec = series("series-blocks")
    assert spec.model.lift.kind == "blocks"
    own = wellposed.compile(spec, "numpy")
    start = own.solve(own.init(), values[0], np.zeros(1))
    np.testing.assert_array_equal(start[0], values[0])


# --- the loss ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERIES)
def test_the_loss_is_half_the_mean_of_what_is_observed(name: str) -> None:
    """From the first complete observation of each on; what is earlier counts for nothing."""
    model, weights = reference(name)
    values, times = data(name)
    found, total, count = model.forward(weights, values, times), 0.0, 0
    for row in range(len(values)):
        has_begun = False
        for predicted, seen in zip(found[row], values[row], strict=True):
            has_begun |= bool(np.isfinite(seen).all())
            for p, v in zip(predicted, seen, strict=True):
                if has_begun and np.isfinite(v):
                    total, count = total + (p - v) ** 2 / 2, count + 1
    R = 0.05 * (weights["K"] ** 2).sum() if series(name).regularizers else 0
    assert model.loss(weights, values, times) == pytest.approx(total / count + R, rel=1e-12)
    assert model.regularizer(weights) == pytest.approx(R, rel=1e-12)
    values[1, 1, -1] = 1e6
    assert model.loss(weights, values, times) == pytest.approx(total / count + R, rel=1e-12)


@pytest.mark.covers("gradient", by="name", through={n: series(n) for n in SERIES})
@pytest.mark.parametrize("name", SERIES)
def test_the_gradient_is_that_of_differences(name: str) -> None:
    """Through the cubic between nodes; by the adjoint of a solve along all the times."""
    model, weights = reference(name)
    values, times = data(name)
    gradient = model.gradient(weights, values, times)
    assert gradient.keys() == weights.keys()
    random, size = np.random.default_rng(9), 1e-5
    for _ in range(3):
        way = {n: random.normal(size=w.shape) for n, w in weights.items()}
        ahead, back = (
            model.loss({n: w + e * way[n] for n, w in weights.items()}, values, times)
            for e in (size, -size)
        )
        slope = sum(float((g * way[n]).sum()) for n, g in gradient.items())
        assert (ahead - back) / (2 * size) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("name", SERIES)
def test_a_fit_is_described(name: str) -> None:
    """The analysis goes along paths from 0, which know of t as those of series do."""
    said = describe(compiled(series(name)))
    assert said.equations and said.findings and said.cost.field_evaluations >= 1


@pytest.mark.parametrize("equation", ["y + t", "[t, y[0] * t]"])
def test_the_time_of_an_equation_may_stand_anywhere(equation: str) -> None:
    field = {"kind": "custom", "equations": {"y": equation}}
    model = {"vector_field": field, "time": {"horizon": 1, "steps": 4}}
    spec = series("series", model=model, regularizers=[])
    assert describe(compiled(spec)).findings
    values, times = data("series")
    found = wellposed.compile(spec, "numpy").forward({}, values, times)
    assert np.isfinite(found[0]).all()


# --- pieces and grids ----------------------------------------------------------------------------


def _series(*starts: int) -> Split:
    """Two channels of ten observations; before the start of a series the second one is missing."""
    values = np.arange(20.0 * len(starts)).reshape(len(starts), 10, 2)
    for row, start in enumerate(starts):
        values[row, :start, 1] = np.nan
    return Split(values, np.broadcast_to(np.arange(10.0), (len(starts), 10)).copy())


def test_neighbouring_pieces_share_one_observation() -> None:
    found = pieces(_series(0), 4)
    assert found.targets is not None
    np.testing.assert_array_equal(found.targets, [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]])
    np.testing.assert_array_equal(found.x[:, :, 0] / 2, found.targets)


def test_the_last_piece_may_be_shorter() -> None:
    found = pieces(_series(0), 5)
    nan = np.nan
    np.testing.assert_array_equal(
        found.targets, [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8], [8, 9, nan, nan, nan]]
    )
    assert np.isnan(found.x[2, 2:]).all()


def test_a_piece_starts_at_its_first_complete_observation() -> None:
    """One that is left with nothing to compare is none."""
    nan = np.nan
    found = pieces(_series(2, 5), 4)
    np.testing.assert_array_equal(
        found.targets,
        [[2, 3, nan, nan], [3, 4, 5, 6], [6, 7, 8, 9], [5, 6, nan, nan], [6, 7, 8, 9]],
    )
    np.testing.assert_array_equal(pieces(_series(3), 4).x[:, 0, 1], [7, 13])


def test_without_a_window_series_are_whole() -> None:
    found = pieces(_series(0, 2), None)
    assert found.x.shape == (2, 10, 2)
    np.testing.assert_array_equal(found.x[1, :8], _series(0, 2).x[1, 2:])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_times_that_differ_by_rounding_are_one(dtype: str) -> None:
    module = compiled(series("series-solve", dtype=dtype)).module
    eps = float(np.finfo(dtype).eps)
    times = np.array([[0.0, 1.0], [0.3, 1.3 + 2 * eps], [0.7, 1.7], [0.7 + 1e-3, 1.9]])
    grid = grid_of(module, times)
    np.testing.assert_allclose(grid, [0, 0.3, 0.7, 0.701, 0.9], rtol=1e-6)
    values = np.zeros((2, 4, 2))
    given = observations(module, values, times.T)
    np.testing.assert_array_equal(given.grid, grid)


def test_a_grid_of_steps_reaches_to_the_last_time() -> None:
    module = compiled(series("series")).module  # h = 0.2
    for last, count in ((0.2, 2), (0.2 + 1e-9, 2), (0.21, 3), (1.0, 6), (0.0, 2)):
        grid = grid_of(module, np.array([[3.0], [3.0 + last]]))
        np.testing.assert_allclose(grid, 0.2 * np.arange(count), rtol=1e-14)


# --- what is refused -----------------------------------------------------------------------------

SPEC = """\
wellposed: 1
name: m
task: dynamics
data: {kind: pendulum}
model:
  state: {y: 1, z: 1}
  vector_field: {kind: hamiltonian, activation: tanh}
  time: {horizon: 1, steps: 4}
  integrator: rk4
train: {optimizer: adam, epochs: 1}
"""
TASK, DATA = "task: dynamics\n", "data: {kind: pendulum}\n"
STATE, TIME, METHOD = "  state: {y: 1, z: 1}\n", "{horizon: 1, steps: 4}", "  integrator: rk4\n"
CLASSIFIER = "  readout: {kind: classifier, classes: 2}\n"
OWN = "{kind: custom, weights: {k: {shape: [], time: per-step}}, equations: {y: k * z, z: -y}}"

REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "a readout": (
        {METHOD: METHOD + "  ^readout: {kind: regression}\n"},
        "E206: dynamics has no readout",
    ),
    "data of classes": ({DATA: "data: ^{kind: ellipses}\n"}, "E206: dynamics learns from obs"),
    "a staggered momentum": ({METHOD: "  integrator: ^verlet\n"}, "E202: verlet has position"),
    "an acceleration": (
        {"hamiltonian, ": "second-order, ", STATE: "  state: 2\n", "rk4": "^leapfrog"},
        "E202: leapfrog has position",
    ),
    "checkpoints": (
        {METHOD: METHOD + "  gradient: ^{kind: checkpoint, every: 2}\n"},
        "E215: dynamics takes the gradient by backprop or adjoint, not by checkpoint",
    ),
    "matrices made of time": (
        {
            STATE: "  state: 2\n",
            "{kind: hamiltonian,": "^{kind: planar-mixture, width: 2, hidden: [3],",
        },
        "E202: planar-mixture has matrices that are made of t",
    ),
    "steps that are undone": (
        {METHOD: "  integrator: {kind: verlet, form: kick-drift-kick}\n  gradient: ^reversible\n"},
        "E215: dynamics takes the gradient by",
    ),
    "weights for each step": (
        {TIME: "{horizon: 1, steps: 4, weights: ^per-step}"},
        "E202: K is per-step, dynamics takes shared weights",
    ),
    "one weight for each step": (
        {"{kind: hamiltonian, activation: tanh}": OWN.replace("per-step", "^per-step")},
        "E202: k is per-step, dynamics takes shared weights",
    ),
    "more channels than components": (
        {STATE: "  state: ^1\n", "hamiltonian, ": "layer, "},
        "E201: the data has 2 channels, the state 1 component",
    ),
    "other channels than are observed": (
        {METHOD: METHOD + '  observe: ^"y[0]"\n'},
        "E201: the data has 2 channels, observe gives 1 number",
    ),
    "a matrix that is observed": (
        {METHOD: METHOD + '  observe: "^y * z.T"\n'},
        "E303: ",
    ),
    "a constant that is observed": (
        {METHOD: METHOD + '  observe: "^2"\n'},
        "E303: what is observed does not depend on the state",
    ),
    "an unknown name": ({METHOD: METHOD + '  observe: "[y[0], ^q]"\n'}, "E302: unknown name q"),
    "no expression": ({METHOD: METHOD + '  observe: "y +^"\n'}, "E301: "),
    "what is observed of classes": (
        {TASK: "", DATA: "", METHOD: METHOD + '  ^observe: "y"\n' + CLASSIFIER},
        "E206: observe is a key of task: dynamics",
    ),
    "a window of classes": (
        {TASK: "", DATA: "", METHOD: METHOD + CLASSIFIER, "epochs: 1": "epochs: 1, ^window: 3"},
        "E206: window is of series",
    ),
    "series for classes": (
        {TASK: "", DATA: "data: ^{kind: pendulum}\n"},
        "E206: observations in time are for task: dynamics",
    ),
    "no horizon": (
        {TASK: "", DATA: "", METHOD: METHOD + CLASSIFIER, "time: " + TIME: "^time: {steps: 4}"},
        "E104: the key 'horizon' is missing in time",
    ),
    "what is integrated over [0, T]": (
        {METHOD: METHOD + "regularizers:\n  - ^{kind: kinetic-energy, alpha: 1}\n"},
        "E202: kinetic-energy is no regularizer of task: dynamics",
    ),
    "a window of one": ({"epochs: 1": "epochs: 1, window: ^1"}, "E102: "),
}
"""By name: what is written in the place of what, `^` where the error has to be; what it says."""


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_go_together_is_refused_in_its_place(what: str, tmp_path: Path) -> None:
    changes, said = REFUSED[what]
    text = SPEC
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    before, _, after = text.partition("^")
    place = before.count("\n") + 1, len(before) - before.rfind("\n")
    file = tmp_path / "m.yaml"
    file.write_text(before + after)
    with pytest.raises(SpecError) as caught:
        compiled(wellposed.load(file))
    (found,) = caught.value.diagnostics
    assert f"{found.code}: {found.message}".startswith(said)
    assert found.span is not None
    assert (found.span.line, found.span.column) == place


def test_without_data_and_horizon_it_is_1() -> None:
    spec = series("series", model={"time": {"steps": 5}})
    assert compiled(spec).module.horizon == 1
    assert spec.model.time.weights == "shared"


VALUES, TIMES = np.ones((2, 4, 2)), np.arange(4.0)
HOLE = np.where(np.arange(4)[:, None] == 1, np.nan, VALUES)
WRONG: dict[str, tuple[Array, Any, str]] = {
    "rows": (np.ones((2, 2)), TIMES, r"values are \(2, 2\), not \(s, L, 2\)"),
    "another number of channels": (np.ones((2, 4, 3)), TIMES, r"not \(s, L, 2\)"),
    "no observations": (np.ones((2, 0, 2)), np.zeros(0), r"not \(s, L, 2\)"),
    "no times": (VALUES, None, "a series needs the times"),
    "too few times": (VALUES, TIMES[:3], r"times are \(3,\), not \(L,\) or \(s, L\)"),
    "times of other rows": (VALUES, np.ones((3, 4)), r"times are \(3, 4\)"),
    "a time twice": (
        VALUES,
        np.array([0, 1, 1, 2.0]),
        r"series 0: observation 2, at t = 1, is not",
    ),
    "times that fall": (VALUES, -TIMES, "series 0: observation 1, at t = -1, is not later"),
    "a time that is infinite": (VALUES, np.array([0, 1, 2, np.inf]), "are finite"),
    "a value that is infinite": (VALUES * np.inf, TIMES, "are finite"),
    "a value without a time": (
        VALUES,
        np.array([0, 1, np.nan, 3]),
        "observation 2, .* has no time",
    ),
    "no time within": (HOLE, np.array([0, np.nan, 2, 3]), "observation 1, .* has no time"),
    "never all channels": (VALUES * [1, np.nan], TIMES, "series 0 has no complete observation"),
    "text": (np.full((2, 4, 2), "a"), TIMES, "not real numbers"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_series_is_refused(what: str) -> None:
    values, times, words = WRONG[what]
    model, weights = reference("series")
    for call in (model.forward, model.loss, model.gradient, model.statistics):
        if call == model.statistics and times is None:
            continue  # which then is of start states
        with pytest.raises(ArgumentError, match=words):
            call(weights, values, times)
