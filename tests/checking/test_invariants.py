"""Invariants hold for what is emitted, and each of them catches the bugs that break it.

The observed orders have a file of their own.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from judging import LEAPFROG, VERLET, Edit, caught, changed, check_of, judged, model, unchanged
from specs import Case, all_pairs

from wellposed.backends import registry
from wellposed.checking.compare import Verdict
from wellposed.checking.invariants import dot, energy, order, reversal, structure
from wellposed.checking.probes import draw
from wellposed.checking.quantities import NotOffered
from wellposed.checking.tolerances import EPSILON

STATED = (structure, order, energy, reversal, dot)
FRAMEWORKS = ("torch", "jax")
BLOCK = Case("layer", "hamiltonian", "verlet", activation="softplus")
DOUBLE = Case("double-layer-hamiltonian", "antisymmetric", "verlet", mode="linear")


# --- no false alarms ---------------------------------------------------------------------------


def sample(count: int) -> list[Case]:
    cases = all_pairs()
    random.Random(1).shuffle(cases)
    return [*cases[:count], VERLET, LEAPFROG, BLOCK, DOUBLE]


@pytest.mark.parametrize("case", sample(10), ids=str)
def test_what_torch_is_given_keeps_every_invariant(case: Case):
    net = case.compiled()
    asked = [m for m in STATED if check_of(m).applies(net, draw(net))]
    assert dot in asked
    assert not [m.__name__ for m in asked if caught(m, net)]


@pytest.mark.parametrize("case", [Case(integrator="rk4", mode="linear"), VERLET], ids=str)
def test_what_jax_is_given_keeps_every_invariant(case: Case):
    net = case.compiled()
    asked = [m for m in STATED if check_of(m).applies(net, draw(net))]
    found = {m.__name__: judged(m, net, "jax").verdict for m in asked}
    assert set(found.values()) == {Verdict.AGREES}


@pytest.mark.parametrize("backend", FRAMEWORKS)
@pytest.mark.parametrize("case", [DOUBLE, Case(mode="shared", bias="scalar")], ids=str)
def test_layer_weights_are_those_of_the_reference(case: Case, backend: str):
    net = case.compiled()
    probes = draw(net)
    found = structure.ask_layer(model(net, backend), net, probes)
    expected = structure.ask_layer(registry.get("numpy").load(net.module, ""), net, probes)
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=4 * EPSILON["float64"], atol=1e-16)


# --- structure ---------------------------------------------------------------------------------

GRAM = Case("layer", "negative-gram")
SKEW = Case("layer", "antisymmetric", mode="linear", integrator="midpoint")
CUSTOM = Case("one-block", "antisymmetric")
BROKEN = [
    (SKEW, changed("K.mT - GAMMA", "K.mT + GAMMA")),
    (SKEW, changed("K - K.mT", "K + K.mT")),
    (SKEW, changed("device=K.device)) / 2", "device=K.device))")),
    (CUSTOM, changed("K - K.mT", "(1 + 1e-15) * K - K.mT")),
    (GRAM, changed("-C.mT @ C", "C.mT @ C")),
    (GRAM, changed("-C.mT @ C", "-C @ C")),
    (BLOCK, changed("F.softplus(-K.T @ y", "F.softplus(K.T @ y")),
    (BLOCK, changed("F.softplus(-K.T @ y", "F.softplus(-K @ y")),
]


@pytest.mark.parametrize(("case", "edit"), BROKEN)
def test_a_broken_structure_is_seen(case: Case, edit: Edit):
    net = case.compiled()
    assert not caught(structure, net)
    assert caught(structure, net, "torch", edit)


def test_antisymmetry_is_exact_and_not_only_close():
    net = SKEW.compiled()
    assert judged(structure, net).worst == 0
    standards = structure.expected(net, draw(net)).values()
    assert {float(s.tolerance) for s in standards} == {0.0}


def test_a_product_of_fewer_rows_has_no_positive_eigenvalue():
    """C (2 × 5): K = −Cᵀ C has three eigenvalues that are zero but for rounding."""
    net = Case("one-block", "negative-gram").compiled()
    C = np.random.default_rng(0).normal(size=(net.module.steps, 2, 5))
    (_, weight), *_ = structure._structured(net)
    found = structure._measured(weight, -C.mT @ C)
    n = 5
    assert found[structure.NEGATIVE].max() <= structure.TIMES_EPSILON * n * EPSILON["float64"]


def test_the_other_product_is_a_weight_that_differs():
    """−C Cᵀ has all the structure of −Cᵀ C; the reference tells them apart."""
    net, edit = GRAM.compiled(), changed("-C.mT @ C", "-C @ C.mT")
    assert not caught(structure, net, "torch", edit)
    probes = draw(net)
    (K, other) = (
        structure.ask_layer(model(net, "torch", e), net, probes) for e in (unchanged, edit)
    )
    assert np.abs(K["random/K"] - other["random/K"]).max() > 0.01


def test_a_program_of_the_users_need_not_have_layer_weights():
    net = VERLET.compiled()

    def renamed(text: str) -> str:
        return text.replace("layer_weights", "made")

    for backend in FRAMEWORKS:
        with pytest.raises(NotOffered):
            structure.ask_layer(model(net, backend, renamed), net, draw(net))


def test_layer_weights_that_are_too_few_are_named():
    edit = changed(", self.c[..., None]", "")
    with pytest.raises(ValueError, match="gives 2 arrays, not K, b, c"):
        structure.ask_layer(
            model(VERLET.compiled(), "torch", edit), VERLET.compiled(), draw(VERLET.compiled())
        )


# --- reversibility -----------------------------------------------------------------------------

ONE_WAY = [
    (VERLET, "y = y + H * dy_dt", "y = y + (1 + 1e-12) * H * dy_dt"),
    (VERLET, "y = y + H * dy_dt", "y = y - 1e-12 * y + H * dy_dt"),
    (LEAPFROG, "v = v + H *", "v = v + (1 + 1e-11) * H *"),
    (LEAPFROG, "y = y + H * v", "y = y + H * v + 1e-12 * y"),
]


@pytest.mark.parametrize(("case", "old", "new"), ONE_WAY)
def test_a_path_that_does_not_lead_back_is_seen(case: Case, old: str, new: str):
    net = replace(case, mode="linear").compiled()
    assert not caught(reversal, net)
    assert caught(reversal, net, "torch", changed(old, new))


def test_runge_kutta_methods_are_not_asked_to_be_reversible():
    net = Case(integrator="midpoint").compiled()
    assert not reversal.applies(net, draw(net))


# --- dot test ----------------------------------------------------------------------------------

WRONG_IN_TORCH = """
class Tanh(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return torch.tanh(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)
        ctx.save_for_forward(output)

    @staticmethod
    def backward(ctx, g):
        return {factor} * g * (1 - ctx.saved_tensors[0] ** 2)

    @staticmethod
    def {jvp}(ctx, v):
        return v * (1 - ctx.saved_tensors[0] ** 2)


class Network"""

WRONG_IN_JAX = """
@jax.custom_jvp
def Tanh(x):
    return jnp.tanh(x)


@Tanh.defjvp
def tanh_jvp(primals, tangents):
    y = Tanh(*primals)
    slope = 1 - y**2
    pushed = jax.custom_derivatives.linear_call(
        lambda slope, v: slope * v, lambda slope, g: {factor} * slope * g, slope, *tangents
    )
    return y, pushed


def dy_dt"""

ONLY_IN_REVERSE = """
@jax.custom_vjp
def Tanh(x):
    return jnp.tanh(x)


Tanh.defvjp(lambda x: (jnp.tanh(x), jnp.tanh(x)), lambda y, g: ((1 - y**2) * g,))


def dy_dt"""


def own_tanh(backend: str, text: str, **words: Any) -> Edit:
    """A net that brings a tanh of its own."""
    before = "class Network" if backend == "torch" else "def dy_dt"
    name = "Tanh.apply" if backend == "torch" else "Tanh"
    old = "torch.tanh(" if backend == "torch" else "jnp.tanh("

    def edit(net: str) -> str:
        return changed(before, text.format(**words).lstrip("\n"))(changed(old, f"{name}(")(net))

    return edit


@pytest.mark.parametrize(
    ("backend", "text"), [("torch", WRONG_IN_TORCH), ("jax", WRONG_IN_JAX)], ids=FRAMEWORKS
)
@pytest.mark.parametrize("factor", [1, 1 + 1e-6])
def test_an_adjoint_that_is_not_that_of_its_forward_is_seen(backend: str, text: str, factor: float):
    edit = own_tanh(backend, text, factor=factor, jvp="jvp")
    found = judged(dot, Case(integrator="heun").compiled(), backend, edit)
    assert (found.verdict is Verdict.DIFFERS) == (factor != 1)


@pytest.mark.parametrize(
    ("backend", "text"), [("torch", WRONG_IN_TORCH), ("jax", ONLY_IN_REVERSE)], ids=FRAMEWORKS
)
def test_a_program_without_forward_mode_is_not_asked(backend: str, text: str):
    net = Case().compiled()
    edit = own_tanh(backend, text, factor=1, jvp="not_jvp")
    with pytest.raises(NotOffered):
        dot.ask(model(net, backend, edit), net, draw(net))


def test_what_two_modes_may_differ_by_is_near_rounding():
    net = Case(integrator="euler").compiled()
    tolerance = dot.expected(net, draw(net))[dot.LEAF].tolerance
    assert dot.ALLOWED <= tolerance <= 100 * dot.ALLOWED
