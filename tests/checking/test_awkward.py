"""Awkward inputs: what the reference says of itself, no false alarm, planted bugs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from census import names_of
from planting import spec
from specs import all_pairs, regularizers

from wellposed.backends import registry
from wellposed.backends.model import Model
from wellposed.checking import awkward
from wellposed.checking.compare import compare_leaves
from wellposed.checking.expectation import expectation
from wellposed.checking.probes import draw
from wellposed.checking.quantities import AWKWARD, Key
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec

Array = np.ndarray
KEY = Key("float64", AWKWARD)
CLASSIFIER = {"kind": "classifier", "classes": 3}
PLAIN: dict[str, Any] = {"state": 3, "vector_field": "layer", "readout": CLASSIFIER}


def of(activation: str, **changes: Any) -> Spec:
    field = {"kind": "layer", "activation": activation}
    return spec({**PLAIN, "vector_field": field, **changes})


def reference(given: Spec) -> Model:
    return registry.get("numpy").load(compiled(given).module, "")


def emitted(given: Spec, backend: str, old: str = "", new: str = "") -> Model:
    """The emitted program in float64, with an edit."""
    module = compiled(given).module
    text = registry.get(backend).emit(module)
    assert old in text, f"the emitted program no longer says {old!r}: plant the bug anew"
    return registry.get(backend).load(module, text.replace(old, new), "cpu", "float64")


def asked(model: Model, given: Spec) -> dict[str, Array]:
    """Answers, the set of weights left out of their names."""
    found = awkward.ask(model, compiled(given), draw(compiled(given)))
    return {name.partition("/")[2]: value for name, value in found.items()}


def differing(model: Model, given: Spec) -> set[str]:
    """The cases in which a program is not the reference, by the check's own standards."""
    net = compiled(given)
    standards = expectation(net, [KEY], draw(net)).standards[KEY]
    found = awkward.ask(model, net, draw(net))
    return {
        name.split("/")[1]
        for name, standard in standards.items()
        if compare_leaves({name: found[name]}, {name: standard}, "float64").verdict != "agrees"
    }


SPECS = {
    "tanh": of("tanh"),
    "relu": of("relu", integrator="rk4", lift="linear"),
    "gelu": of("gelu", parametrization="antisymmetric"),
    "softplus": of("softplus", weights="shared"),
    "nodes": of("tanh", time={"horizon": 1, "steps": 9}),
    "one number": spec(
        {"state": 1, "vector_field": "parabolic", "readout": {"kind": "regression"}},
        task="regression",
    ),
    "no readout": spec(
        {"state": {"y": 2, "z": 3}, "vector_field": "hamiltonian", "integrator": "verlet"}
    ),
}


def functions() -> Spec:
    """All functions of the language, and by a Hamiltonian all that are their derivatives."""
    smooth = "sum(gelu(y) + softplus(y) + sinh(y / 4) + cosh(z / 4) + sqrt(1 + z ** 2))"
    others = "sum(log(2 + y ** 2) + exp(-z ** 2) + sin(z) + cos(y) + tanh(y) + sigmoid(z))"
    kinks = "sum(relu(y) + abs(z) + identity(y) + cubic(z) / 9) / sum(2 + y ** 2)"
    field = {"kind": "custom", "hamiltonian": f"{smooth} + {others} + {kinks}"}
    return spec({"state": {"y": 3, "z": 3}, "vector_field": field, "readout": CLASSIFIER})


def numbers() -> Spec:
    """Right-hand sides that are the same for all components, or for all examples."""
    field = {"kind": "custom", "equations": {"y": "log(2 + sum(y ** 2)) + t", "z": "cos(t)"}}
    return spec({"state": {"y": 2, "z": 2}, "vector_field": field, "readout": CLASSIFIER})


def parts() -> Spec:
    """Components, vectors and a network."""
    networks = {"f": {"hidden": [4], "activation": "tanh", "outputs": 1}}
    equations = {"y": "[y[1], -sin(pi * y[0]) + f(y, t)[0]]"}
    field = {"kind": "custom", "networks": networks, "equations": equations}
    return spec({"state": {"y": 2}, "vector_field": field, "readout": CLASSIFIER})


def padded() -> Spec:
    """Fewer features than components."""
    data = {"kind": "ellipses", "train": 12, "validation": 0}
    return spec({**PLAIN, "readout": {"kind": "classifier", "classes": 2}}, data=data)


def cover() -> list[Spec]:
    """Specs in which every name of the catalogue occurs, the first of the grid that add one."""
    cases = (case.spec(regularizers=regularizers(case.problem())) for case in all_pairs())
    chosen: list[Spec] = []
    known: set[str] = set()
    for given in (functions(), padded(), numbers(), parts(), *cases):
        if names_of(given) - known:
            chosen.append(given)
            known |= names_of(given)
    return chosen


COVER = cover()


@pytest.mark.covers("torch", "float64", "awkward inputs", by="given")
@pytest.mark.parametrize("given", COVER, ids=lambda given: given.model.vector_field.kind)
def test_no_false_alarm(given: Spec):
    assert differing(emitted(given, "torch"), given) == set()


@pytest.mark.covers("jax", by="given")
@pytest.mark.parametrize("given", COVER[:3], ids=["functions", "padded", "numbers"])
def test_no_false_alarm_in_jax(given: Spec):
    assert differing(emitted(given, "jax"), given) == set()


def test_what_the_reference_says_of_itself():
    found = asked(reference(SPECS["relu"]), SPECS["relu"])
    assert {name.partition("/")[0] for name in found} == set(awkward.BATTERY)
    assert found["no row/forward"].tolist() == [0, 3, 8]
    assert found["no row/trajectory"].tolist() == [6, 0, 3, 8]
    assert found["one row/forward"].shape == (1, 3)
    for place in ("forward", "vector field"):
        assert (found[f"a NaN row/{place}/lost"] == 1).all()
        assert np.isfinite(found[f"a NaN row/{place}/others"]).all()
    for what in ("forward/weights", "forward/x", "vector_field/y", "loss/targets"):
        assert (found[f"unchanged/{what}"] == 1).all()
    transposed, reversed_ = found["strides/transposed/forward"], found["strides/reversed/forward"]
    np.testing.assert_array_equal(transposed, reversed_)


def test_a_nan_entry_is_lost_where_the_equations_bring_it():
    """y' = 0.1 y keeps its components apart."""
    field = {"kind": "custom", "equations": {"y": "0.1 * y"}}
    given = spec({"state": {"y": 3}, "vector_field": field})
    found = asked(reference(given), given)
    assert found["a NaN row/one entry/lost"].tolist() == [1, 0, 0]


def test_leaves_stay_small_so_that_none_hides_another():
    """What overflows is left to itself; ±1e30 travel as a direction and its size."""
    found = asked(reference(SPECS["relu"]), SPECS["relu"])
    assert max(np.abs(value).max() for value in found.values()) < 1e3


LAYOUT = "x.T.contiguous()"
LOSSES = "losses.mean()"
BUGS: dict[str, tuple[str, str, str, str, set[str]]] = {
    "memory read as if it were in C order": (
        "tanh",
        "torch",
        LAYOUT,
        "x.as_strided(x.shape, (x.shape[1], 1)).T.contiguous()",
        {"strides"},
    ),
    "x written to and not put back": (
        "tanh",
        "torch",
        LAYOUT,
        "x.neg_().T.neg()",
        {"unchanged", "other weights before"},  # the second call finds what the first has left
    ),
    "equal rows counted twice at most": (
        "tanh",
        "torch",
        LOSSES,
        "sum(v for i, v in enumerate(losses) if (losses[:i] - v).abs().lt(1e-9).sum() < 2)"
        " / len(losses)",
        {"repeated rows", "many rows"},
    ),
    "a batch of one flattened": ("tanh", "jax", "logits.T", "logits.T.squeeze()", {"one row"}),
    "a batch of none made one": (
        "tanh",
        "jax",
        "return x.T\n",
        "return x.T if len(x) else jnp.zeros((x.shape[1], 1))\n",
        {"no row"},
    ),
    "NaN dropped by max": (
        "relu",
        "torch",
        "torch.relu(K @ y + b)",
        "torch.fmax(K @ y + b, torch.zeros_like(b))",
        {"a NaN row"},
    ),
    "NaN taken for 0 (JAX)": (
        "relu",
        "jax",
        "jax.nn.relu(K @ y + b)",
        "jnp.where(K @ y + b > 0, K @ y + b, 0)",
        {"a NaN row"},
    ),
    "NaN spread over the batch": (
        "tanh",
        "torch",
        "torch.tanh(K @ y + b)",
        "torch.tanh(K @ y + b) + 0 * y.mean(dim=1, keepdim=True)",
        {"a NaN row"},
    ),
    "a denormal taken for 1": (
        "tanh",
        "torch",
        LAYOUT,
        "torch.where((x != 0) & (x.abs() < 1e-300), 1.0, x).T.contiguous()",
        {"denormals"},
    ),
    "the last chunk of a batch lost": (
        "tanh",
        "torch",
        LAYOUT,
        "(x * (torch.arange(len(x))[:, None] < (len(x) // 128 * 128 or len(x)))).T.contiguous()",
        {"many rows"},
    ),
    "the mean of the means of chunks": (
        "tanh",
        "torch",
        LOSSES,
        "torch.stack([part.mean() for part in losses.split(128)]).mean()",
        {"many rows"},
    ),
    "weights kept in the network": (
        "tanh",
        "torch",
        "self.W.T @ y",
        "(self.W if torch.is_grad_enabled() else "
        "self.__dict__.setdefault('kept', self.W.detach().clone())).T @ y",
        {"other weights before"},
    ),
    "another field for evaluation": (
        "tanh",
        "torch",
        LAYOUT,
        "x.T.contiguous() * (1 if self.training else 2)",
        {"other weights before"},
    ),
    "probabilities that are not learned from": (
        "tanh",
        "torch",
        "logits = self(x).T",
        "logits = self(x).T if targets.ndim == 1 else (self(x).T + self(x).T.detach()) / 2",
        {"many rows"},
    ),
    "a node that belongs to the step before": (
        "nodes",
        "jax",
        "t / H + rounding",
        "t / H",
        {"nodes"},
    ),
    "softplus by its formula": (
        "softplus",
        "torch",
        "F.softplus(K @ y + b, threshold=40)",
        "torch.log(1 + torch.exp(K @ y + b))",
        {"1e30"},
    ),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_seen_in_its_case(name: str):
    """In these cases and in no other: on ordinary inputs the program is right."""
    given, backend, old, new, cases = BUGS[name]
    assert differing(emitted(SPECS[given], backend, old, new), SPECS[given]) == cases


def test_a_program_that_needs_contiguous_rows_is_told_so():
    model = emitted(SPECS["tanh"], "torch", LAYOUT, "x.view(-1).view(x.shape).T.contiguous()")
    with pytest.raises(RuntimeError, match="view"):
        asked(model, SPECS["tanh"])


def test_a_weight_that_is_written_to_is_seen():
    """A program that keeps the caller's memory and changes it."""
    model = emitted(
        SPECS["tanh"],
        "torch",
        'self.mu = nn.Parameter(torch.tensor(weights["mu"]))',
        'weights["mu"] += 1; self.mu = nn.Parameter(torch.tensor(weights["mu"]) - 1)',
    )
    assert differing(model, SPECS["tanh"]) == {"unchanged"}
