"""Where there are training data, programs are compared there: what is elsewhere is no verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wellposed.checking import check, inline
from wellposed.checking.probes import INITIAL, RANDOM, TRAINED, Probes, draw
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec

LABELS = [0, 1, 0, 1]
SINGULAR = {"equations": {"y": "1/y"}}, [[1.0], [2.0], [1.5], [3.0]]
POPULATIONS = (
    {
        "weights": {
            "a": {"shape": ["y"], "value": [1.1, -0.4]},
            "K": {"shape": ["y", "y"], "value": [[0, -0.4], [0.1, 0]]},
        },
        "equations": {"y": "y*(a + K @ y)"},
    },
    [[10.0, 5.0], [8.0, 4.0], [12.0, 6.0], [6.0, 3.0]],
)
ROOTS = {"equations": {"y": "y**1.5/(1 + y**1.5) - y"}}, [[1.0], [2.0], [0.5], [3.0]]
CUBIC = {"equations": {"y": "-y**3"}}, [[12.0], [11.0], [13.0], [10.0]]


def spec(
    field: Any, rows: list[list[float]], horizon: float = 1.0, data: bool = True, **model: Any
) -> Spec:
    points = {"kind": "points", "features": rows, "labels": LABELS}
    return Spec.model_validate(
        {
            "wellposed": 1,
            "name": "m",
            "dtype": "float64",
            **({"data": points} if data else {}),
            "model": {
                "state": len(rows[0]),
                "vector_field": {"kind": "custom", **field},
                "time": {"horizon": horizon, "steps": 20 * int(horizon), "weights": "shared"},
                "integrator": "rk4",
                "readout": {"kind": "classifier", "classes": 2},
                **model,
            },
        }
    )


def verdict(given: Spec) -> tuple[bool, str]:
    how = {"backends": ("torch",), "dtypes": ("float64",), "run": inline.run_fast}
    report = check(given, rungs=("L1", "L2"), **how)
    return report.passed, report.message


@pytest.mark.parametrize(
    ("field", "horizon"),
    [(SINGULAR, 1), (POPULATIONS, 10), (ROOTS, 3)],
    ids=["1/y", "lotka-volterra", "a fractional power"],
)
def test_a_field_that_is_fine_at_its_data_is_not_called_ill_posed(field: Any, horizon: int):
    (equations, rows) = field
    passed, message = verdict(spec(equations, rows, horizon))
    assert passed, message
    passed, message = verdict(spec(equations, rows, horizon, data=False))
    assert not passed and "is ill-posed" in message  # by numbers that are drawn from all of ℝ


def test_a_field_that_blows_up_at_its_data_is() -> None:
    passed, message = verdict(spec(*CUBIC, integrator="euler"))
    assert not passed and "m is ill-posed" in message
    assert "The features are rows of the training data." in message


@pytest.fixture(scope="module")
def probes() -> Probes:
    return draw(compiled(spec(*POPULATIONS, 10)))


def test_features_are_rows_of_the_data_and_a_mean_of_two(probes: Probes) -> None:
    data = np.array(POPULATIONS[1])
    is_row = [(row == data).all(axis=1).any() for row in probes.x]
    assert sum(is_row) >= 6
    np.testing.assert_array_equal(probes.x[0], [12, 6])  # the largest, and the smallest
    np.testing.assert_array_equal(probes.x[1], [6, 3])
    np.testing.assert_array_equal(probes.x[3], probes.x[0])
    np.testing.assert_allclose(probes.x[5], (probes.x[2] + probes.x[4]) / 2)


def test_states_are_those_of_the_way_and_no_component_is_zero(probes: Probes) -> None:
    assert (probes.y > 0).all() and (probes.y < 100).all()
    two = spec({"equations": {"y": "z", "z": "-y"}}, [[1.0], [2.0]] * 2, state={"y": 1, "z": 1})
    assert (draw(compiled(two)).y != 0).all()


def test_random_weights_stay_where_the_states_do(probes: Probes) -> None:
    given = compiled(spec(*POPULATIONS, 10))
    initial, random = probes.weights[INITIAL], probes.weights[RANDOM]
    assert all((initial[n] != random[n]).all() for n in initial)
    from wellposed.compiler.reference.reference import Reference

    path = Reference(given.module).trajectory(random, probes.x)
    assert np.abs(path).max() < 1e4


def test_the_weights_of_a_run_stand_in_the_place_of_the_initial_ones() -> None:
    given = compiled(spec(*POPULATIONS, 10))
    trained = {name: w + 0.01 for name, w in draw(given).own.items()}
    found = draw(given, trained)
    assert list(found.weights) == [RANDOM, TRAINED]
    assert all((found.own[name] == trained[name]).all() for name in trained)
