"""Numbers that a program cannot compute with are located errors; large ones leave no traceback."""

from __future__ import annotations

from typing import Any

import pytest
from specs import Case

from wellposed.compiler.analysis.describe import describe
from wellposed.compiler.pipeline import compiled
from wellposed.spec.diagnostics import SpecError
from wellposed.spec.load import validate
from wellposed.spec.model import Spec
from wellposed.spec.source import read_text

TEXT = """wellposed: 1
name: m
dtype: {dtype}
model:
  state: 2
  vector_field: {field}
  parametrization: {{kind: antisymmetric, gamma: {gamma}}}
  time: {{horizon: {horizon}, steps: 4}}
  readout: {{kind: classifier, classes: 2}}
regularizers: [{{kind: weight-decay, of: {of}, alpha: {alpha}}}]
"""
GIVEN = {
    "dtype": "float32",
    "field": "layer",
    "gamma": "0.1",
    "horizon": "1",
    "alpha": "0.1",
    "of": "[W]",
}


def refused(text: str) -> list[tuple[str, str, str]]:
    """Code, message and the characters under the carets."""
    with pytest.raises(SpecError) as caught:
        compiled(validate(read_text(text, "m.yaml"), Spec))
    spans = [(d, d.span) for d in caught.value.diagnostics]
    assert all(span for _, span in spans)
    return [(d.code, d.message, s.text[s.column - 1 : s.end_column - 1]) for d, s in spans if s]


@pytest.mark.parametrize("key", ["gamma", "horizon", "alpha"])
def test_a_number_beyond_float32_is_refused_at_its_key(key: str):
    (found,) = refused(TEXT.format(**GIVEN | {key: "1e39"}))
    assert found == ("E102", f"{key} is beyond the range of float32", "1e39")
    compiled(validate(read_text(TEXT.format(**GIVEN | {key: "3e38"}), "m.yaml"), Spec))
    of_float64 = TEXT.format(**GIVEN | {key: "1e39", "dtype": "float64"})
    compiled(validate(read_text(of_float64, "m.yaml"), Spec))


def test_of_a_weight_of_the_users_own_too():
    field = (
        "{kind: custom, weights: {A: {shape: [y, y], "
        "parametrization: {kind: antisymmetric, gamma: 1e39}}}, equations: {y: A @ y}}"
    )
    text = TEXT.format(**GIVEN | {"field": field})
    text = "\n".join(line for line in text.splitlines() if "gamma: 0.1" not in line)
    assert refused(text) == [("E102", "gamma is beyond the range of float32", "1e39")]


def test_a_step_too_small_for_a_number_is_refused_at_the_horizon():
    (found,) = refused(TEXT.format(**GIVEN | {"horizon": "1e-323"}))
    assert found == ("E102", "h = T/N is too small for a number: 9.88131e-324/4", "1e-323")


def test_a_weight_is_penalized_once_in_a_regularizer():
    (found,) = refused(TEXT.format(**GIVEN | {"of": "[mu, W, W]"}))
    assert found == ("E109", "'W' is named twice", "W")


EXTREMES: dict[str, dict[str, Any]] = {
    "large damping": {"parametrization": {"kind": "antisymmetric", "gamma": 1e200}},
    "the largest damping": {"parametrization": {"kind": "antisymmetric", "gamma": 1.7e308}},
    "a short horizon": {
        "parametrization": {"kind": "antisymmetric", "gamma": 1e200},
        "time": {"horizon": 1e-307, "steps": 4},
    },
    "a long horizon": {"time": {"horizon": 1.7e308, "steps": 4}},
}


@pytest.mark.parametrize("integrator", ["euler", "heun", "rk4"])
@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_numbers_are_described(name: str, integrator: str):
    assert describe(Case(integrator=integrator).compiled(**EXTREMES[name])).findings
