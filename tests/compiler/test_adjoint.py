"""The adjoint of modules: the same gradient whatever is kept on the way, run and printed."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from specs import Case, all_pairs, batch, random_weights, regularizers

from wellposed.backends import registry
from wellposed.compiler.ir.module import Module
from wellposed.compiler.ir.verify import verify
from wellposed.compiler.passes import invert, reversed_scan
from wellposed.compiler.passes.adjoint import LOSS_GRADIENT, Keep, with_loss_gradient
from wellposed.compiler.passes.invert import NotInvertible, inverse
from wellposed.compiler.passes.segments import segmented
from wellposed.compiler.pipeline import Compiled
from wellposed.compiler.promises.checked import value_checked
from wellposed.compiler.reference.reference import Reference
from wellposed.compiler.semantics.interpreter import Interpreter

Array = np.ndarray
STEPS = 7
SAMPLE = all_pairs(seed=3)[::4]
"""Cases with every entry of the catalogue in one of them."""
STAGGERED = [
    Case("second-order", integrator="leapfrog", mode="linear"),
    Case("second-order", "negative-gram", "leapfrog", "shared", lift="linear"),
    Case("hamiltonian", integrator="verlet"),
    Case("double-layer-hamiltonian", integrator="verlet", mode="linear"),
    Case("layer", "hamiltonian", "verlet", "shared"),
    Case("two-blocks", integrator="verlet"),
    Case("hamiltonian-H", integrator="verlet"),
]


@cache
def example(case: Case) -> tuple[Compiled, dict[str, Array], list[Array]]:
    """The case over seven steps, weights, and the arguments of its loss with the gradient."""
    time = {"horizon": 1.0, "steps": STEPS, "weights": case.mode}
    found = case.compiled(time=time, regularizers=regularizers(case.problem()))
    x, targets = batch(found.problem)
    return found, random_weights(found.problem), [x, targets, np.asarray(1.0)]


def gradient(module: Module, weights: dict[str, Array], given: list[Array]) -> list[Array]:
    _, *found = Interpreter(verify(module)).run(LOSS_GRADIENT, given, weights)
    return found


def apart(found: list[Array], expected: list[Array]) -> float:
    """Relative to the largest entry of each."""
    assert [f.shape for f in found] == [e.shape for e in expected]
    pairs = zip(found, expected, strict=True)
    return max(float(np.abs(f - e).max() / (np.abs(e).max() or 1.0)) for f, e in pairs)


@pytest.mark.parametrize("case", SAMPLE, ids=str)
@pytest.mark.parametrize("every", [1, 2, 3, 6, 7])
def test_kept_every_k_steps(case: Case, every: int):
    """k divides N = 7 or not, is N, or one less."""
    found, weights, given = example(case)
    module = segmented(found.module, every)
    expected = gradient(with_loss_gradient(found.module), weights, given)
    assert apart(gradient(with_loss_gradient(module), weights, given), expected) < 1e-12
    before, after = (Reference(m).trajectory(weights, given[0]) for m in (found.module, module))
    assert np.array_equal(before, after)


@pytest.mark.parametrize("case", STAGGERED, ids=str)
def test_nothing_is_kept_where_a_step_can_be_undone(case: Case):
    found, weights, given = example(case)
    expected = gradient(with_loss_gradient(found.module), weights, given)
    undone = with_loss_gradient(found.module, Keep.NOTHING)
    assert "unstep" in undone.functions
    assert apart(gradient(undone, weights, given), expected) < 1e-12


@pytest.mark.parametrize("case", STAGGERED, ids=str)
def test_an_undone_step_leads_back(case: Case):
    """unstep(step(states)) = states."""
    module = example(case)[0].module
    step = module.functions["step"]
    carried = len(step.results)
    there = module.with_functions({**module.functions, "unstep": inverse(step, carried, "unstep")})
    run, rng = Interpreter(verify(there)), np.random.default_rng(1)
    sizes = {**module.sizes, "s": 4}
    from wellposed.compiler.ir.types import array_shape

    given = [rng.normal(size=array_shape(p.type, sizes)) for p in step.params]
    behind = run.run("step", given)
    back = run.run("unstep", [*behind, *given[carried:]])
    assert apart(back, given[:carried]) < 1e-13


@pytest.mark.parametrize("integrator", ["euler", "midpoint", "heun", "rk4"])
def test_a_step_that_cannot_be_undone_is_refused(integrator: str):
    module = Case(integrator=integrator).compiled().module
    with pytest.raises(NotInvertible, match="step"):
        with_loss_gradient(module, Keep.NOTHING)


def test_an_inverse_with_a_wrong_sign_is_seen(monkeypatch: pytest.MonkeyPatch):
    lines = invert._lines

    def wrong(*args: Any) -> Any:
        found, now = lines(*args)
        return [(t, b, "sub" if sign == "add" else "add", c) for t, b, sign, c in found], now

    monkeypatch.setattr(invert, "_lines", wrong)
    with value_checked(None), pytest.raises(AssertionError):
        test_an_undone_step_leads_back(STAGGERED[0])


def test_a_scan_that_pulls_back_in_the_wrong_order_is_seen(monkeypatch: pytest.MonkeyPatch):
    right = reversed_scan.ReversedScan.statement

    def wrong(self: Any, *args: Any) -> Any:
        from dataclasses import replace

        found = right(self, *args)
        return replace(found, value=replace(found.value, reverse=False))

    found, weights, given = example(Case())
    expected = gradient(with_loss_gradient(found.module), weights, given)
    monkeypatch.setattr(reversed_scan.ReversedScan, "statement", wrong)
    with value_checked(None):
        assert apart(gradient(with_loss_gradient(found.module), weights, given), expected) > 1e-3


# --- printed ------------------------------------------------------------------------------------

PRINTED = [
    Case("layer", "antisymmetric", "rk4", "linear", lift="linear"),
    Case("hamiltonian", integrator="verlet", mode="per-step", readout=2),
    Case("second-order", integrator="leapfrog", mode="linear", bias="scalar"),
    Case("mlp", integrator="midpoint", mode="shared", readout=4),
    Case("three-blocks", integrator="heun", lift="linear"),
]


def with_gradient(module: Module, keep: Keep, every: int) -> Module:
    module = segmented(module, every) if every else module
    module = with_loss_gradient(module, keep)
    public = (*module.public, LOSS_GRADIENT)
    return verify(Module(**{**vars(module), "public": public}))


@pytest.mark.covers("torch", "jax", "float64", by="case")
@pytest.mark.parametrize("case", PRINTED, ids=str)
@pytest.mark.parametrize("every", [0, 3])
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_printed_pullback_is_the_frameworks_own_gradient(backend: str, every: int, case: Case):
    found, weights, given = example(case)
    module = with_gradient(found.module, Keep.STATES, every)
    own = registry.get(backend)
    model: Any = own.load(module, own.emit(module))
    expected = list(model.gradient(weights, *given[:2]).values())
    assert apart(printed_gradient(model, weights, given), expected) < 1e-12


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_printed_pullback_that_undoes_its_steps(backend: str):
    for case in STAGGERED[:3]:
        found, weights, given = example(case)
        module = with_gradient(found.module, Keep.NOTHING, 0)
        own = registry.get(backend)
        model: Any = own.load(module, own.emit(module))
        expected = list(model.gradient(weights, *given[:2]).values())
        assert apart(printed_gradient(model, weights, given), expected) < 1e-12


def printed_gradient(model: Any, weights: dict[str, Array], given: list[Array]) -> list[Array]:
    """What the program's own `loss_and_gradient` gives, run by its framework."""
    x, targets, one = given
    if model.backend == "torch":
        import torch

        network = model.network(weights)
        labels = torch.tensor(targets)
        with torch.no_grad():
            _, *found = network.loss_and_gradient(torch.tensor(x), labels, torch.tensor(one))
        return [np.asarray(f) for f in found]
    import jax

    with model.settings():
        _, *found = jax.jit(model.native.loss_and_gradient)(weights, x, targets, one)
        return [np.asarray(f) for f in found]
