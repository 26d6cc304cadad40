"""Faults that reading the emitted programs and their maker has found, each by what it looked like.

That `python -OO` changes no byte is in `test_emitted.py`; places of messages are in
`tests/cli/test_places.py`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wellposed
from wellposed.spec.model import Spec

FRAMEWORKS = ("torch", "jax")
BLOCKS = {"y": "tanh(K @ z + c) * y", "z": "-tanh(K.T @ y) * sin(z)"}
OF_BLOCKS = {"K": {"shape": ["y", "z"]}, "c": {"shape": ["y"]}}


def source(backend: str, dtype: str = "float64", task: str = "classification", **model: Any) -> str:
    """The program of a model of three components unless it says otherwise."""
    layer = {"kind": "layer", "activation": "tanh"}
    readout = {"kind": "classifier", "classes": 2}
    time = {"horizon": 2, "steps": 4}
    given = {"state": 3, "vector_field": layer, "time": time, "readout": readout, **model}
    spec = {"wellposed": 1, "name": "net", "dtype": dtype, "task": task, "model": given}
    return wellposed.compile(Spec.model_validate(spec), backend).source


def custom(what: str | dict[str, str], weights: dict[str, Any]) -> dict[str, Any]:
    key = "hamiltonian" if isinstance(what, str) else "equations"
    return {"kind": "custom", "weights": weights, key: what}


def function(text: str, name: str) -> ast.FunctionDef:
    """A function or method of a program."""
    found = (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef))
    return next(f for f in found if f.name == name)


def said_of(text: str, name: str) -> str:
    """The documentation of a function on one line."""
    return " ".join((ast.get_docstring(function(text, name)) or "").split())


def stability(text: str) -> str:
    """The claim in the head of a program, on one line."""
    head = (ast.get_docstring(ast.parse(text)) or "") + "\n\n"
    found = re.search(r"^Stability +(.*?)\n(?=\S|\n)", head, re.DOTALL | re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


# --- letters of a proof ----------------------------------------------------------------------


@pytest.mark.parametrize("names", [("A", "B"), ("P", "Q"), ("Q", "R"), ("S", "P")], ids=str)
def test_letters_of_a_separable_proof_are_no_weights(names: tuple[str, str]) -> None:
    one, other = names
    H = f"sum(log(cosh({one} @ z + b))) + sum(log(cosh({other} @ y + c)))"
    shapes = {one: ["z", "z"], other: ["y", "y"], "b": ["z"], "c": ["y"]}
    weights = {name: {"shape": shape} for name, shape in shapes.items()}
    said = stability(
        source("jax", state={"y": 3, "z": 3}, vector_field=custom(H, weights), integrator="verlet")
    )
    letters = re.search(r"with (\w+), (\w+) symmetric and semidefinite", said)
    assert letters is not None, said
    assert len({*letters.groups(), *names}) == 4


@pytest.mark.parametrize("names", [("D", "M"), ("M", "P"), ("D", "Q")], ids=str)
def test_letters_of_a_layers_proof_are_no_weights(names: tuple[str, str]) -> None:
    matrix, bias = names
    skew = {"kind": "antisymmetric", "gamma": 0.1}
    weights = {matrix: {"shape": ["y", "y"], "parametrization": skew}, bias: {"shape": ["y"]}}
    field = custom({"y": f"tanh({matrix} @ y + {bias})"}, weights)
    said = stability(source("jax", vector_field=field))
    letters = re.search(r"∂f/∂y = (\w+) (\w+) with \1 = diag σ'", said)
    assert letters is not None, said
    assert len({*letters.groups(), *names}) == 4


def test_a_user_may_take_every_letter() -> None:
    weights: dict[str, Any] = {name: {"shape": ["y"]} for name in "ABCDEFGHJKMNPQRSTUV"}
    terms = " + ".join(name for name in weights if name != "K")
    skew = {"kind": "antisymmetric", "gamma": 0.1}
    weights["K"] = {"shape": ["y", "y"], "parametrization": skew}
    said = stability(source("jax", vector_field=custom({"y": f"tanh(K @ y + {terms})"}, weights)))
    assert "= diag σ'" in said


# --- imports ---------------------------------------------------------------------------------


def test_the_transpose_of_a_weight_that_ends_in_f_imports_nothing() -> None:
    """`KF.T` holds `F.`, which is no call of torch.nn.functional."""
    field = custom({"y": "-tanh(KF.T @ y)"}, {"KF": {"shape": ["y", "y"]}})
    text = source("torch", vector_field=field, readout=None)
    assert "KF.T" in text and "torch.nn.functional" not in text


# --- float64 ---------------------------------------------------------------------------------


IMPORTED = """
import numpy as np
import net
weights, x = net.init(), np.ones((2, 3))
print(net.loss(weights, x, np.zeros(2, int)).dtype, net.trajectory(weights, x).dtype)
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_imported_jax_program_computes_in_the_dtype_of_its_spec(
    tmp_path: Path, dtype: str
) -> None:
    (tmp_path / "net.py").write_text(source("jax", dtype), encoding="utf-8")
    script = IMPORTED if dtype == "float64" else IMPORTED.replace("(2, 3))", "(2, 3), 'float32')")
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert run.stdout.split() == [dtype, dtype], run.stderr


# --- documentation ---------------------------------------------------------------------------


@pytest.mark.parametrize("backend", FRAMEWORKS)
@pytest.mark.parametrize("readout", ["softmax", "logistic"])
def test_the_loss_does_not_call_its_logits_by_the_name_of_the_features(
    backend: str, readout: str
) -> None:
    text = source(backend, readout={"kind": "classifier", "classes": 2, "hypothesis": readout})
    said = said_of(text, "loss")
    assert "u the logits" in said
    assert not re.search(r"\bx\b", said)


@pytest.mark.parametrize("backend", FRAMEWORKS)
def test_the_step_of_runge_and_kutta_is_documented_by_its_formula(backend: str) -> None:
    said = said_of(source(backend, integrator="rk4"), "step")
    assert "y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄)" in said
    for stage in ("k₁ = f(t, y)", "k₂ = f(t + h/2, y + h/2 k₁)", "k₄ = f(t + h, y + h k₃)"):
        assert stage in said


@pytest.mark.parametrize("backend", FRAMEWORKS)
def test_the_step_of_verlet_is_documented_by_functions_that_the_program_has(backend: str) -> None:
    text = source(backend, state={"y": 3, "z": 3}, vector_field="hamiltonian", integrator="verlet")
    said = said_of(text, "step")
    slopes = set(re.findall(r"\b\w+(?='\()", said))
    assert slopes == {"y", "z"}
    for block in slopes:
        assert said_of(text, f"d{block}_dt").startswith(f"{block}' = ")
    assert not re.search(r"\b[fg]\(", said)


# --- stages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", FRAMEWORKS)
@pytest.mark.parametrize("integrator", ["midpoint", "heun", "rk4"])
def test_the_state_of_a_stage_is_computed_once(backend: str, integrator: str) -> None:
    """Both right-hand sides read both blocks of it."""
    field = custom(BLOCKS, OF_BLOCKS)
    text = source(backend, state={"y": 3, "z": 2}, vector_field=field, integrator=integrator)
    step = function(text, "step")
    sums = [n for n in ast.walk(step) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Add)]
    assert sums
    found = Counter(ast.unparse(node) for node in sums if "H" in ast.unparse(node))
    assert set(found.values()) == {1}, found


# --- sizes -----------------------------------------------------------------------------------


def literals(text: str, name: str, but: set[int]) -> set[int]:
    """The whole numbers that a function writes, except for those of every program."""
    nodes = ast.walk(function(text, name))
    numbers = {n.value for n in nodes if isinstance(n, ast.Constant) and type(n.value) is int}
    return numbers - but


SIZED: dict[str, dict[str, Any]] = {
    "one block": {"state": 13},
    "two blocks": {"state": {"y": 13, "z": 17}, "vector_field": "hamiltonian"},
    "stacked blocks": {
        "state": {"y": 13, "z": 17},
        "vector_field": "layer",
        "parametrization": "hamiltonian",
    },
    "a linear lift": {"state": 13, "lift": "linear"},
    "t below y": {
        "state": 13,
        "vector_field": {"kind": "mlp", "hidden": [1], "time_input": True},
    },
}


@pytest.mark.parametrize("backend", FRAMEWORKS)
@pytest.mark.parametrize("model", SIZED.values(), ids=SIZED.keys())
def test_sizes_go_by_their_names(backend: str, model: dict[str, Any]) -> None:
    readout = {"kind": "classifier", "classes": 11}
    text = source(backend, readout=readout, **model)
    for name in ("init", "initial_state", "trajectory", "forward", "vector_field"):
        assert literals(text, name, but={0, 1, -1}) == set(), name
    assert "STATES = 13  # n" in text and "CLASSES = 11" in text and "OUTPUTS" not in text


def test_numbers_that_are_no_classes_are_outputs() -> None:
    text = source("jax", task="regression", readout={"kind": "regression", "outputs": 11})
    assert "OUTPUTS = 11  # numbers per example" in text and "CLASSES" not in text


@pytest.mark.parametrize("backend", FRAMEWORKS)
def test_mathematics_is_written_in_one_alphabet(backend: str) -> None:
    head = ast.get_docstring(ast.parse(source(backend, integrator="rk4"))) or ""
    assert "0 ≤ t ≤ T" in head and "y ∈ ℝ³" in head
    assert not re.search(r"<=|>=|R\^|\bin R\b", head)


# --- initial weights -------------------------------------------------------------------------


def test_the_readout_starts_by_its_fan_in() -> None:
    """W is (n, classes) and maps n components, so that its deviation is 1/√n."""
    model = {"state": 100, "readout": {"kind": "classifier", "classes": 4}}
    spec = {"vector_field": "layer", "time": {"horizon": 1, "steps": 1}, **model}
    plain = {"wellposed": 1, "name": "net", "model": spec}
    W = wellposed.compile(Spec.model_validate(plain), "numpy").init()["W"]
    assert W.shape == (100, 4)
    assert np.std(W) == pytest.approx(100**-0.5, rel=0.2)
