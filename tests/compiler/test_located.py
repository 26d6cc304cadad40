"""Errors inside the equations of a file: carets under the very characters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import wellposed
from wellposed.backends.registry import get
from wellposed.compiler.analysis.describe import describe
from wellposed.compiler.language.syntax import DEEPEST_TREE
from wellposed.compiler.pipeline import compiled
from wellposed.spec.diagnostics import SpecError
from wellposed.spec.load import validate
from wellposed.spec.model import Spec
from wellposed.spec.source import read_text

TEMPLATE = """wellposed: 1
name: m
model:
  state: {state}
  vector_field:
    kind: custom
    weights: {{K: {{shape: [y, y]}}, b: {{shape: [y]}}}}
    {given}
  time: {{horizon: 1, steps: 2}}
"""


def errors(given: str, state: str = "{y: 3}") -> list[tuple[str, str, str]]:
    """Code, message and the characters under the carets."""
    spec = validate(read_text(TEMPLATE.format(given=given, state=state), "m.yaml"), Spec)
    with pytest.raises(SpecError) as caught:
        compiled(spec)
    found = []
    for d in caught.value.diagnostics:
        assert d.span is not None
        found.append((d.code, d.message, d.span.text[d.span.column - 1 : d.span.end_column - 1]))
    return found


@pytest.mark.parametrize("quote", ['"', "'", ""])
def test_the_carets_are_under_the_name(quote: str):
    ((code, message, marked),) = errors(f"equations: {{y: {quote}K @ y + bias{quote}}}")
    assert (code, message, marked) == ("E302", "unknown name bias", "bias")


def test_a_shape_that_does_not_fit_marks_the_product():
    ((code, _, marked),) = errors('equations: {y: "tanh(K @ z) + b", z: "-z"}', "{y: 3, z: 2}")
    assert (code, marked) == ("E303", "K @ z")


def test_every_equation_has_its_error():
    found = errors('equations: {y: "K @ (y", z: "sin(q)"}', "{y: 3, z: 2}")
    assert [code for code, _, _ in found] == ["E301", "E302"]
    assert found[1][2] == "q"


def test_a_result_of_the_wrong_shape_marks_the_whole():
    ((code, message, marked),) = errors('equations: {y: "K @ y", z: "K @ y"}', "{y: 3, z: 2}")
    assert (code, marked) == ("E303", "K @ y")
    assert "z is a vector (2)" in message


@pytest.mark.parametrize("text", ["y.T", "(y.T + z.T).T", "y.T @ z", "K @ y.T"])
def test_rows_are_told_of_without_a_traceback(text: str):
    (found,) = errors(f'equations: {{y: "{text}", z: "-z"}}', "{y: 3, z: 2}")
    assert found[0] == "E303"


@pytest.mark.parametrize("symbol", ["+", "*", "-", "/"])
def test_a_sum_of_five_hundred_terms_is_told_of_without_a_traceback(symbol: str):
    text = symbol.join(["y"] * 500)
    ((code, message, _),) = errors(f'equations: {{y: "{text}"}}')
    assert (code, str(DEEPEST_TREE) in message) == ("E301", True)


@pytest.mark.parametrize(
    ("hamiltonian", "message"),
    [
        ("y * z", "H is a vector (3)"),
        ("sum(b)", "H does not depend on the state"),
        ("sum(y) + q", "unknown name q"),
        ("sum(y", "expected ')'"),
    ],
)
def test_a_hamiltonian_that_is_none(hamiltonian: str, message: str):
    found = errors(f'hamiltonian: "{hamiltonian}"', "{y: 3, z: 3}")
    assert message in found[0][1]


@pytest.mark.parametrize(
    ("state", "given", "message"),
    [
        ("{y: 3, z: 2}", 'hamiltonian: "sum(y) + sum(z)"', "of one size"),
        ("{y: 3}", 'hamiltonian: "sum(y)"', "has two blocks of one size"),
        ("{y: 3, z: 3}", 'equations: {y: "z"}', "block z has no equation"),
        ("{y: 3}", 'equations: {y: "y", z: "y"}', "the state has no block z"),
        ("{y: 3}", "equations: {}", "block y has no equation"),
    ],
)
def test_blocks_and_equations_belong_together(state: str, given: str, message: str):
    assert any(message in found for _, found, _ in errors(given, state))


def test_equations_or_a_hamiltonian_but_not_both_and_not_none():
    both = 'equations: {y: "y"}\n    hamiltonian: "sum(y)"'
    assert "either equations or a hamiltonian" in errors(both)[0][1]


def test_an_empty_hamiltonian_is_an_empty_expression_and_nothing_else():
    empty = errors('hamiltonian: ""', "{y: 3, z: 3}")
    assert [(code, message) for code, message, _ in empty] == [
        (code, message) for code, message, _ in errors('equations: {y: "", z: "y"}', "{y: 3, z: 3}")
    ]


FALSE_FOLLOW_UPS = """\
wellposed: 1
name: t
model:
  state: 2
  vector_field: {kind: custom, equations: {y: [3]}}
  time: {horizon: 1, steps: 4, weights: shared}
  readout: {kind: classifier, classes: 1}
  initializers: {W: zeros}
regularizers: [{kind: weight-decay, of: [W], alpha: 1}]
"""


def test_an_error_brings_no_false_ones_after_it(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(FALSE_FOLLOW_UPS, encoding="utf-8")
    with pytest.raises(SpecError) as refused:
        wellposed.load(file)
    places = [(d.code, d.span.line) for d in refused.value.diagnostics if d.span]
    assert places == [("E101", 5), ("E102", 7)]


def test_a_bare_number_is_an_expression(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(FALSE_FOLLOW_UPS.replace("[3]", "3").replace("es: 1", "es: 2"))
    spec = wellposed.load(file)
    field = wellposed.compile(spec, backend="numpy").vector_field
    weights = wellposed.compile(spec, backend="numpy").init()
    assert field(weights, 0.0, np.zeros((1, 2))).tolist() == [[3.0, 3.0]]


def test_a_tower_of_powers_is_written_in_linear_time() -> None:
    """Writing the exponent twice at each level would not end."""
    text = "**".join(["y"] * 80)
    field = {"kind": "custom", "equations": {"y": text}}
    model = {"state": 2, "vector_field": field, "time": {"horizon": 1, "steps": 1}}
    found = compiled(Spec.model_validate({"wellposed": 1, "name": "tower", "model": model}))
    (equation, *_) = describe(found).equations
    assert equation.count("y") == 81
    for backend in ("torch", "jax"):
        assert "**" in get(backend).emit(found.module)


@pytest.mark.parametrize(
    ("text", "marked", "help"),
    [
        ("y^2", "^", "a power is **"),
        ("y²", "²", "a power is **"),
        ("Kᵀ @ y", "ᵀ", "a transpose is .T"),
        ("K · y", "·", "a product is *, of a matrix and a vector @"),
        ("−y", "−", "the minus sign is -"),
        ("y[z]", "z", "components are counted from 0: y[0], y[1]"),
        ("y[-1]", "-", "components are counted from 0: y[0], y[1]"),
        ("y[1.5]", "1.5", "components are counted from 0: y[0], y[1]"),
        ("y > 0", ">", "there are no conditions; relu, sigmoid and abs tell signs apart"),
        ("np.tanh(y)", ".", "a function stands alone: tanh(y), sum(y)"),
        ("2y", "y", "write 2 * y"),
        ("K y", "y", "write K * y, or @ after a matrix"),
        ("tanh y", "y", "write tanh(y)"),
        ("y if t else b", "if", ""),
        ("K * y", "K * y", "a matrix is applied by @"),
        ("tan(y)", "tan(y)", "write sin(x) / cos(x)"),
        ("max(y, 0)", "max(y, 0)", "write relu(x) for max(x, 0)"),
        ("tahn(y)", "tahn(y)", "did you mean tanh?"),
    ],
)
def test_what_other_languages_have_is_answered_by_what_to_write(text: str, marked: str, help: str):
    given = f"equations: {{y: '{text}'}}"
    spec = validate(read_text(TEMPLATE.format(given=given, state="{y: 3}"), "m.yaml"), Spec)
    with pytest.raises(SpecError) as caught:
        compiled(spec)
    (found,) = caught.value.diagnostics
    assert found.span is not None
    assert found.span.text[found.span.column - 1 : found.span.end_column - 1] == marked
    assert found.help == help


@pytest.mark.parametrize("name", ["sign", "where", "atan", "mean"])
def test_a_function_that_is_not_there_is_not_taken_for_one_that_is_spelt_alike(name: str):
    spec = validate(
        read_text(TEMPLATE.format(given=f"equations: {{y: {name}(y)}}", state="{y: 3}"), "m"), Spec
    )
    with pytest.raises(SpecError) as caught:
        compiled(spec)
    (found,) = caught.value.diagnostics
    assert found.help.startswith("functions: tanh, ")


def test_what_is_advised_is_an_expression():
    """With x, y, z as vectors and n as a number."""
    from wellposed.compiler.ir.expr import variable
    from wellposed.compiler.ir.types import columns
    from wellposed.compiler.language.elaborate import elaborate
    from wellposed.compiler.language.hints import NAMES

    scope = {name: variable(name, columns((2,))) for name in "xyz"}
    for advice in filter(None, NAMES.values()):
        assert elaborate(advice.partition(" for ")[0], scope)
