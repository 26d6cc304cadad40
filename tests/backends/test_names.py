"""No weight or block may take a name that an emitted program uses itself."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterator
from functools import cache

import pytest
from specs import CUSTOM, Case, all_pairs, batch, random_weights, regularizers

from wellposed import compile
from wellposed.backends import emit_jax, emit_torch
from wellposed.compiler.ir.functions import PUBLIC
from wellposed.compiler.lower import lower
from wellposed.compiler.names import refusal
from wellposed.spec.diagnostics import SpecError
from wellposed.spec.model import Spec

EMITTERS = {"torch": emit_torch.emit, "jax": emit_jax.emit}


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


def neighbours(text: str, own: set[str]) -> set[str]:
    """Names that stand in one function with a name that the user chose."""
    found = [names_in(f) for f in functions(text)]
    return set().union(*(names - own for names in found if names & (own - {"y"})))


@cache
def used_by_programs() -> dict[str, str]:
    """Names that programs use beside those of the spec's own weights and blocks, and by which."""
    found: dict[str, str] = {}
    for case in (case for case in all_pairs() if case.field in CUSTOM):
        program = case.program(regularizers=regularizers(case.program()))
        own = {*program.blocks, *(w.name for w in program.weights)}
        own |= {o.name for o in program.operands}
        for backend, emit in EMITTERS.items():
            names = neighbours(emit(program), own)
            found |= dict.fromkeys(names, f"{backend} of {case}")
    return found


def test_every_name_beside_a_users_is_refused():
    taken = {name: where for name, where in used_by_programs().items() if not refusal(name)}
    assert taken == {}


def test_the_search_for_names_finds_them():
    names = set(used_by_programs())
    assert {"jnp", "torch", "H", "dy_dt", "self", "K_mid", "k1"} <= names
    text = "class N:\n    def f(self, K):\n        scratch = g(K)\n"
    assert neighbours(text, {"K"}) == {"f", "self", "scratch", "g"}


def test_attributes_of_a_torch_module_are_refused():
    nn = pytest.importorskip("torch.nn")
    names = {*dir(nn.Module), *vars(nn.Module())}
    assert [n for n in sorted(names) if not n.startswith("_") and not refusal(n)] == []


@pytest.mark.parametrize("name", [*keyword.kwlist, *keyword.softkwlist, *PUBLIC])
def test_words_of_python_and_of_the_grammar_are_refused(name: str):
    assert refusal(name)


@pytest.mark.parametrize(
    "name", ["", "_a", "a b", "a-b", "a.b", "ä", "1a", "a" * 41, "K\n", "x;import os", "__class__"]
)
def test_what_is_no_plain_name_is_refused(name: str):
    assert refusal(name)


@pytest.mark.parametrize("name", ["K", "A", "b", "g", "g_y", "L", "beta", "w1", "Omega", "KT"])
def test_plain_names_are_taken(name: str):
    assert refusal(name) == ""


def custom(weight: str, mode: str = "per-step") -> Spec:
    """y' = w z, z' = −w y with a weight of that name."""
    plain = Case("two-blocks", mode=mode).plain(
        vector_field={
            "kind": "custom",
            "weights": {weight: {"shape": ["y"]}},
            "equations": {"y": f"{weight} * z", "z": f"-{weight} * y"},
        }
    )
    return Spec.model_validate(plain)


@pytest.mark.parametrize("name", ["step", "self", "weights", "np", "lambda", "train", "t", "y"])
def test_a_refused_weight_is_an_error_at_its_key(name: str):
    with pytest.raises(SpecError) as caught:
        lower(custom(name))
    assert "E207" in [d.code for d in caught.value.diagnostics]


def test_a_refused_block_is_an_error():
    plain = Case("one-block").plain(state={"y": 2, "step": 2})
    with pytest.raises(SpecError) as caught:
        lower(Spec.model_validate(plain))
    assert "a block cannot be called step" in [d.message for d in caught.value.diagnostics]


@pytest.mark.parametrize("mode", ["per-step", "shared"])
@pytest.mark.parametrize("name", ["g", "g_y", "L", "p", "v", "u", "int32", "out"])
def test_names_that_the_reference_might_use_itself(name: str, mode: str):
    """The reference's gradient does not mix a weight up with a variable of its own."""
    model, plain = compile(custom(name, mode), "numpy"), compile(custom("K", mode), "numpy")
    weights = random_weights(plain.program)
    renamed = {name: weights["K"], "W": weights["W"], "mu": weights["mu"]}
    x, targets = batch(plain.program)
    expected = plain.gradient(weights, x, targets)
    found = model.gradient(renamed, x, targets)
    assert (found[name] == expected["K"]).all()
