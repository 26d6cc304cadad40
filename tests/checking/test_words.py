"""What a difference says of itself: the sentence, the spec's line, the programs' lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from locating import located_edit
from planting import specs

import wellposed
from wellposed.checking.locate.lines import departures, excerpt, function_at, is_rewritten
from wellposed.checking.locate.source import NoFunction, needed
from wellposed.cli.difference import WIDTH, side_by_side, summary
from wellposed.spec.model import Spec

SPECS = specs()
YAML = """\
wellposed: 1
name: net
dtype: float64
model:
  state: {y: 2, z: 2}
  vector_field:
    kind: custom
    weights: {K: {shape: [y, z], parametrization: free}, b: {shape: [y]}}
    equations:
      y: "tanh(K @ z + b)"
      z: "-tanh(K.T @ y)"
  time: {horizon: 2, steps: 4}
  integrator: rk4
"""


@pytest.fixture
def written(tmp_path: Path) -> Spec:
    """A spec with a file of its own."""
    path = tmp_path / "m.yaml"
    path.write_text(YAML, encoding="utf-8")
    return wellposed.load(path)


def test_the_sentence_names_rung_backend_place_and_values(tmp_path: Path):
    found = located_edit(SPECS["rk4"], "torch", "2 * k3 + k4", "k3 + k4", tmp_path)
    sentence = summary(found)
    place = f"at t = 0.4 (step 1), row {found.where.row}, component {found.where.component}: "
    values = f"{found.where.found:.9g}, not {found.where.expected:.9g}."
    head = "L2: the state after one step of PyTorch in float64 differs "
    assert sentence == f"{head}{place}{values}"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("-torch.tanh(K.T", "torch.tanh(K.T", 'm.yaml:11:10: the spec\n  11 |       z: "-tanh'),
        ("2 * k3_y", "k3_y", "m.yaml:13:15: the spec\n  13 |   integrator: rk4"),
    ],
    ids=["equation", "integrator"],
)
def test_the_spec_line_of_the_equation_is_shown(
    written: Spec, old: str, new: str, place: str, tmp_path: Path
):
    found = located_edit(written, "torch", old, new, tmp_path)
    text = side_by_side(found)
    assert place in text
    assert "^^^" in text


def test_both_programs_and_the_departure_are_shown(tmp_path: Path):
    edit = ("K.mT - GAMMA", "K.mT + GAMMA")
    found = located_edit(SPECS["rk4"], "jax", *edit, tmp_path, rungs=("L1",))
    text = side_by_side(found)
    jax, torch = text.index("JAX, `antisymmetric`"), text.index("PyTorch, `antisymmetric`")
    assert jax < torch < text.index("\n- ") < text.index("\n+ ")
    assert "\n> " in text[jax:torch] and "\n> " not in text[torch:]
    assert max(map(len, text.splitlines())) <= WIDTH


def test_a_difference_is_plain_json(tmp_path: Path):
    given, nan = SPECS["shared"], "C.mT @ C * float('nan')"
    found = located_edit(given, "torch", "C.mT @ C", nan, tmp_path)
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain["equation"] == "parametrization K"
    assert plain["where"]["found"] is None


TEXT = '''\
import math, os
A, B = 1, 2
UNUSED = 3


class Network:
    """A class."""

    def __init__(self, weights=None):
        weights = {} if weights is None else weights
        self.K = weights["K"]
        self.unused = weights["unused"]

    def helper(self, x):
        """Docs."""
        return math.sin(x) * self.K

    def other(self):
        return os.getcwd()

    def forward(self, x: "float") -> "float":
        return self.helper(x) + A

    def loss(self, x):
        return self(x) ** 2
'''


def test_a_source_is_all_that_a_function_needs_and_nothing_else():
    text = "\n".join(needed(TEXT, "loss", {}))
    kept = ("import math", "A, B = ", "def helper", "self.K = ", "def forward(self, x)")
    assert all(part in text for part in kept)
    gone = ("getcwd", ", os", "UNUSED", "other", "unused", "Docs", "class.", "float")
    assert not any(part in text for part in gone)


def test_a_stub_ends_the_source():
    text = "\n".join(needed(TEXT, "loss", {"forward": "(*_): return given"}))
    assert "def forward(*_):\n        return given" in text
    assert "helper" not in text and "math" not in text


def test_a_source_computes_what_the_whole_does():
    names: dict[str, object] = {}
    exec("\n".join(needed(TEXT, "loss", {})), names)
    network = names["Network"]({"K": 2.0})  # type: ignore[operator]
    network.__class__.__call__ = network.__class__.forward
    assert network.loss(0.5) == pytest.approx((2 * 0.479425538604203 + 1) ** 2)


@pytest.mark.parametrize("text", ["def f(:", "x = 1", ""])
def test_a_text_without_the_function_has_no_source(text: str):
    with pytest.raises(NoFunction):
        needed(text, "f", {})


def test_an_excerpt_leaves_out_the_docstring_and_marks_departures():
    found = departures(TEXT, TEXT.replace("sin(x)", "cos(x)"))
    shown = excerpt("torch", TEXT.replace("sin(x)", "cos(x)"), ["forward", "helper"], found)
    assert shown is not None and shown.function == "helper"
    assert [number for number, _ in shown.lines] == [14, 16]
    assert shown.departs == (16,)
    assert found[0].emitted[0][0] == 16
    assert function_at(TEXT, 15) == "helper" and function_at(TEXT, 1) == ""


def test_trailing_spaces_are_no_departure_and_another_text_is_another_program():
    assert departures(TEXT, TEXT.replace("\n", "  \n")) == ()
    assert not is_rewritten(TEXT, TEXT.replace("sin", "cos"))
    assert is_rewritten(TEXT, "def f():\n    return 1\n")
