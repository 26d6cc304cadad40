"""What a spec does to rounding is measured; a spec that magnifies it without bound is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planting import check_text, edited, in_process, spec

from wellposed.checking.checks import plan
from wellposed.checking.expectation import expectation
from wellposed.checking.job import Job
from wellposed.checking.ladder import check
from wellposed.checking.probes import INITIAL, RANDOM, draw
from wellposed.checking.quantities import FIELD, GRADIENT, TRAJECTORY, Key
from wellposed.checking.tolerances import EPSILON, FLOOR, VALUES, standards
from wellposed.compiler.front.facts import facts_of
from wellposed.compiler.ir.expr import variable
from wellposed.compiler.ir.types import columns
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.semantics.evaluate import DRAWN, evaluate, rounding
from wellposed.spec.model import Spec

LAYER = {"state": 3, "vector_field": "layer"}


def linear(rate: float, steps: int) -> Spec:
    """y' = rate y by forward Euler with h = 1: y_j = (1 + rate)^j x."""
    model = {
        "state": 1,
        "vector_field": {"kind": "layer", "activation": "identity", "bias": "none"},
        "time": {"horizon": steps, "steps": steps, "weights": "shared"},
        "initializers": {"K": {"kind": "values", "values": [[rate]]}},
    }
    return spec(model)


def chaotic() -> Spec:
    """Large free weights, h = 1: neighbouring states part by orders of magnitude."""
    model: dict[str, Any] = LAYER | {
        "vector_field": {"kind": "layer", "activation": "sin"},
        "time": {"horizon": 64, "steps": 64},
        "initializers": {"K": {"kind": "normal", "std": 3.0}},
        "readout": {"kind": "classifier", "classes": 2},
    }
    return spec(model)


def test_growth_is_that_of_the_linear_problem():
    """∂y_N/∂K · K/y_N = N K/(1 + K): the relative condition of (1 + K)^N x, plus 1 for x."""
    rate, steps = 1.0, 40
    program = compiled(linear(rate, steps))
    key = Key("float64", TRAJECTORY)
    expected = expectation(
        program, tuple(plan(program, draw(program), ("float64",))), draw(program)
    )
    tolerance = expected.standards[key][INITIAL].tolerance[-1].item()
    growth = tolerance / (VALUES * EPSILON["float64"])
    condition = steps * rate / (1 + rate) + 1
    assert condition / 4 <= growth <= 1.5 * condition


def test_growth_is_at_least_one_and_never_falls_along_the_path():
    program = compiled(linear(-0.5, 20))
    expected = expectation(
        program, tuple(plan(program, draw(program), ("float64",))), draw(program)
    )
    tolerance = expected.standards[Key("float64", TRAJECTORY)][RANDOM].tolerance.ravel()
    assert (tolerance >= VALUES * EPSILON["float64"]).all()
    assert (np.diff(tolerance) >= 0).all()


def test_a_leaf_that_is_noise_is_held_to_the_scale_of_the_others():
    expected = {"random/K": np.ones(2), "random/b": np.full(2, 1e-17)}
    moved = {"random/K": np.ones(2), "random/b": np.full(2, -3e-17)}
    found = standards(Key("float64", GRADIENT), expected, [(EPSILON["float64"], moved)])
    assert found["random/b"].scale == FLOOR
    assert found["random/b"].tolerance < 1e-9


def test_a_small_leaf_that_is_no_noise_is_held_to_its_own_scale():
    expected = {"random/K": np.full(2, 1e66), "random/W": np.full(2, 1e-3)}
    found = standards(Key("float64", GRADIENT), expected, [(EPSILON["float64"], expected)])
    assert found["random/W"].scale == 1e-3
    assert found["random/W"].tolerance == 1e-12


def test_nothing_is_lost_where_all_is_zero():
    zero = {"random": np.zeros((2, 2))}
    found = standards(Key("float64", TRAJECTORY), {"random": np.zeros((2, 2))}, [(1e-16, zero)])[
        "random"
    ]
    assert (found.scale == 1).all()


def test_a_chaotic_spec_is_called_ill_posed_from_a_step_on():
    report = check(chaotic(), backends=("torch",), run=in_process)
    assert not report.passed
    failure = report.first_failure
    assert failure is not None
    assert (failure.rung, failure.ill_posed) == ("L2", True)
    assert report.message.startswith("net is ill-posed. L2 trajectory of PyTorch in float64: not")
    assert "from step" in report.message
    assert all(r.passed for r in report.rungs if r.quantity in ("one step", "vector field"))


def test_a_bug_in_an_ill_posed_spec_is_still_a_bug(tmp_path: Path):
    given = chaotic()
    text = edited(given, "torch", "torch.sin(K @ y + b)", "torch.sin(K.T @ y + b)")
    report = check_text(given, "torch", text, tmp_path)
    failure = report.first_failure
    assert failure is not None
    assert (failure.rung, failure.ill_posed) == ("L1", False)


def test_float32_is_not_judged_beyond_its_range_and_float64_decides():
    cubic = {"kind": "layer", "activation": "cubic"}
    model = {"state": 2, "vector_field": cubic, "time": {"horizon": 2, "steps": 5}}
    report = check(spec(model), backends=("torch",), run=in_process)
    assert report.passed, report.message
    unjudged = [r for r in report.rungs if r.ill_posed]
    assert {r.dtype for r in unjudged} == {"float32"}
    assert all("float64 decides" in r.reason for r in unjudged)


def test_probes_travel_with_all_their_digits(tmp_path: Path):
    net = compiled(spec(LAYER | {"readout": {"kind": "classifier", "classes": 3}}))
    probes = draw(net)
    Job("torch", "cpu", "", net.spec, facts_of(net.spec), probes, ()).write(tmp_path)
    back = Job.read(tmp_path)[0].probes
    assert back.times == probes.times
    assert list(back.targets) == list(probes.targets) == ["classes", "class probabilities"]
    singles = probes.rounded("float32").weights
    for name, array in probes.weights[INITIAL].items():
        assert np.array_equal(back.weights[INITIAL][name], array)
    for name, array in probes.weights[RANDOM].items():
        assert np.array_equal(back.weights[RANDOM][name], array)
        single = singles[RANDOM][name]
        assert np.array_equal(single, array.astype("float32"))
        assert (single != array).any()


def test_probes_hide_nothing_behind_zeros_or_repeated_layers():
    probes = draw(compiled(spec(LAYER)))
    K, b = (probes.weights[RANDOM][name] for name in "Kb")
    assert (K[1:] != K[:-1]).all()
    assert (b != 0).all()
    assert (probes.x[1] == 0).all()
    assert (probes.x[3] == probes.x[0]).all()
    assert all(
        np.array_equal(a, c) for a, c in zip(draw(compiled(spec(LAYER))).x, probes.x, strict=True)
    )


def test_an_index_is_not_moved_with_the_rounding_of_an_operation():
    """Weights linear in time read nodes j and j + 1: an index that fell by rounding read another
    node, and the field of every such spec was called ill-posed."""
    case = compiled(spec(LAYER | {"weights": "linear"}))
    key = Key("float64", FIELD)
    standards = expectation(case, [key], draw(case)).standards[key]
    assert all(np.isfinite(s.tolerance).all() for s in standards.values())


@pytest.mark.parametrize("count", [1, 3 * DRAWN // 4])
def test_every_operation_is_off_by_numbers_of_its_own(count: int):
    """They are those that the generator gives one by one, however many it is asked for at once."""
    leaf = variable("x", columns((1,)))
    value, size = np.ones((1, count)), 1e-3
    with rounding(size, np.random.default_rng(0)):
        found = [evaluate(leaf + leaf, {leaf: value}) for _ in range(3)]
    factors = 1 + size * np.random.default_rng(0).uniform(-1, 1, (3, 1, count))
    np.testing.assert_array_equal(found, 2 * value * factors)
