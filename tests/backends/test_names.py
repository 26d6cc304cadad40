"""A user may call a weight or a block anything but what the language itself has: a program makes
way for the user's names."""

from __future__ import annotations

import ast
import keyword
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from specs import CUSTOM, Case, Plain, all_pairs, batch, random_weights, regularizers

from wellposed import compile
from wellposed.backends import jax_program, torch_program
from wellposed.backends.names import NN_MODULE
from wellposed.compiler.front.names import refusal
from wellposed.compiler.ir.elementary import PUBLIC
from wellposed.compiler.pipeline import compiled
from wellposed.spec.diagnostics import SpecError
from wellposed.spec.model import Spec

EMITTERS = {"torch": torch_program.emit, "jax": jax_program.emit}
BACKENDS = ("numpy", *EMITTERS)


def functions(text: str) -> Iterator[ast.FunctionDef]:
    """The functions of a program and the methods of its classes."""
    for node in ast.parse(text).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        yield from (f for f in inside if isinstance(f, ast.FunctionDef))


def names_in(function: ast.FunctionDef) -> set[str]:
    """Every name that a function reads, binds or takes as a parameter."""
    nodes = list(ast.walk(function))
    read = {node.id for node in nodes if isinstance(node, ast.Name)}
    taken = {node.arg for node in nodes if isinstance(node, ast.arg)}
    return read | taken | {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


@cache
def used_by_programs() -> list[str]:
    """Every name that stands in some program of a custom field and could be a weight's."""
    found: set[str] = set()
    for case in (case for case in all_pairs()[::2] if case.field in CUSTOM):
        module = case.compiled(regularizers=regularizers(case.problem())).module
        for emit in EMITTERS.values():
            found |= set().union(*map(names_in, functions(emit(module))))
    return sorted(name for name in found if not refusal(name) and name not in ("y", "z"))


def custom(weight: str, **changes: Any) -> Plain:
    """y' = w z, z' = −w y with a weight of that name."""
    field = {
        "kind": "custom",
        "weights": {weight: {"shape": ["y"]}},
        "equations": {"y": f"tanh({weight} * z)", "z": f"-{weight} * y * cos(t)"},
    }
    return Case("two-blocks", **changes).plain(vector_field=field)


def assert_same_as_k(name: str, mode: str, backends: tuple[str, ...]) -> None:
    """Renamed, the weight gives what K gives, in every backend and with its gradient."""
    change = {"mode": mode, "integrator": "midpoint"}
    spec, plain = (Spec.model_validate(custom(n, **change)) for n in (name, "K"))
    reference, problem = compile(plain, "numpy"), compiled(plain).problem
    weights, (x, targets) = random_weights(problem), batch(problem)
    renamed = {name: weights["K"], "W": weights["W"], "mu": weights["mu"]}
    expected = reference.gradient(weights, x, targets)
    for backend in backends:
        model = compile(spec, backend)
        assert list(model.init()) == [name, "W", "mu"]
        found = model.gradient(renamed, x, targets)
        assert list(found) == [name, "W", "mu"]
        np.testing.assert_allclose(found[name], expected["K"], rtol=1e-12)
        y = np.ones((2, 6))
        field = reference.vector_field(weights, 0.3, y)
        np.testing.assert_allclose(model.vector_field(renamed, 0.3, y), field, rtol=1e-12)


SAMPLE = [
    *("H", "F", "x", "u1", "state", "step", "layer", "theta", "k1", "weights", "self", "np"),
    *("lambda", "train", "loss", "forward", "len", "β", "init"),
]


def test_the_programs_are_searched_for_their_names():
    assert {"jnp", "torch", "H", "dy_dt", "self", "step", "k1", "layer"} <= set(used_by_programs())
    assert len(used_by_programs()) > 60


@pytest.mark.parametrize("name", used_by_programs())
def test_a_weight_may_have_the_name_of_anything_in_a_program(name: str):
    """In the reference and in torch, where the program is not compiled first."""
    assert_same_as_k(name, "linear", ("numpy", "torch"))


@pytest.mark.parametrize("mode", ["per-step", "linear", "shared"])
@pytest.mark.parametrize("name", SAMPLE)
def test_and_in_every_backend(name: str, mode: str):
    assert_same_as_k(name, mode, BACKENDS)


@pytest.mark.parametrize("name", ["step", "x", "H", "loss", "torch", "state", "lambda", "targets"])
def test_a_block_may_have_such_a_name(name: str):
    equations = {"y": f"tanh({name})", name: "-sin(y)"}
    spec, plain = (
        Case("one-block", integrator="rk4").spec(
            state={"y": 2, block: 2},
            vector_field={"kind": "custom", "equations": {"y": f"tanh({block})", block: "-sin(y)"}},
        )
        for block in (name, "q")
    )
    assert set(equations) == {"y", name}
    weights = random_weights(compiled(plain).problem)
    x = batch(compiled(plain).problem)[0]
    expected = compile(plain, "numpy").trajectory(weights, x)
    for backend in BACKENDS:
        found = compile(spec, backend).trajectory(weights, x)
        np.testing.assert_allclose(found, expected, rtol=1e-12, err_msg=backend)


def test_blocks_whose_names_differ_in_case_have_sizes_of_their_own():
    equations = {"y": "-y", "a": "-a + 1", "A": "-A + 2"}
    spec = Case("one-block").spec(
        state={"y": 2, "a": 2, "A": 3},
        vector_field={"kind": "custom", "equations": equations},
    )
    x = batch(compiled(spec).problem)[0]
    weights = compile(spec, "numpy").init()
    expected = compile(spec, "numpy").trajectory(weights, x)
    assert expected.shape[-1] == 7
    for backend in EMITTERS:
        found = compile(spec, backend).trajectory(weights, x)
        np.testing.assert_allclose(found, expected, rtol=1e-12, err_msg=backend)


def test_attributes_of_a_torch_module_are_known():
    """A weight of such a name gets another attribute: else the network would lose a method."""
    nn = pytest.importorskip("torch.nn")
    names = {n for n in (*dir(nn.Module), *vars(nn.Module())) if not n.startswith("_")}
    assert names - {"forward"} <= NN_MODULE


@pytest.mark.parametrize("name", ["train", "parameters", "to", "eval", "apply", "training"])
def test_a_weight_with_the_name_of_a_method_leaves_it_a_method(name: str):
    text = EMITTERS["torch"](compiled(Spec.model_validate(custom(name))).module)
    assert f'self.{name}_ = nn.Parameter(torch.tensor(weights["{name}"]))' in text
    assert_same_as_k(name, "per-step", ("torch",))


@pytest.mark.parametrize("name", ["KF", "F1", "softplus", "math"])
def test_a_name_that_holds_anothers_makes_no_import(name: str):
    """`KF` is not `F`: an import is there where something is printed that needs it."""
    name = name if not refusal(name) else f"{name}_"
    text = EMITTERS["torch"](compiled(Spec.model_validate(custom(name, readout=4))).module)
    assert "import torch.nn.functional as F" not in text and "import math" not in text


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PUBLIC, "t", "pi", "W", "mu", "L"])
def test_words_of_the_language_are_refused(name: str):
    assert refusal(name)


@pytest.mark.parametrize(
    "name", ["", "_a", "a b", "a-b", "a.b", "1a", "a" * 41, "K\n", "x;import os", "__class__", "ﬁ"]
)
def test_what_is_no_plain_name_is_refused(name: str):
    assert refusal(name)


@pytest.mark.parametrize(
    "name", ["K", "A", "b", "g", "g_y", "beta", "w1", "Omega", "KT", "ä", *keyword.kwlist]
)
def test_all_others_are_taken(name: str):
    assert refusal(name) == "" or name in PUBLIC


@pytest.mark.parametrize("name", ["W", "mu", "L", "tanh", "sum", "t", "y", "pi", "_x"])
def test_a_refused_weight_is_an_error_at_its_key(name: str):
    with pytest.raises(SpecError) as caught:
        compiled(Spec.model_validate(custom(name)))
    assert "E207" in [d.code for d in caught.value.diagnostics]


@pytest.mark.parametrize("name", ["t", "tanh", "W"])
def test_a_refused_block_is_an_error(name: str):
    plain = Case("one-block").plain(state={"y": 2, name: 2})
    with pytest.raises(SpecError) as caught:
        compiled(Spec.model_validate(plain))
    assert f"a block cannot be called {name}" in [d.message for d in caught.value.diagnostics]


def test_a_network_may_be_called_as_its_framework(tmp_path: Path):
    """`name: torch` gives files that do not hide the framework from themselves."""
    plain = custom("K") | {"name": "torch"}
    module = compiled(Spec.model_validate(plain)).module
    path = tmp_path / f"{module.file_name}_torch.py"
    path.write_text(EMITTERS["torch"](module), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_a_step_of_another_name_is_what_torch_compiles(monkeypatch: pytest.MonkeyPatch):
    torch = pytest.importorskip("torch")
    field = {"kind": "custom", "weights": {"step": {"shape": ["y"]}}, "equations": {"y": "-step"}}
    model = {"state": 2, "vector_field": field, "time": {"horizon": 1, "steps": 2}}
    loaded: Any = compile(
        Spec.model_validate({"wellposed": 1, "name": "m", "model": model}), "torch"
    )
    monkeypatch.setattr(torch, "compile", lambda function: ("compiled", function))
    loaded.compile()
    assert loaded.native.step_[0] == "compiled"
