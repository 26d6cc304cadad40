"""Gradients that keep every k-th state: those of backprop, with less kept."""

from __future__ import annotations

from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from specs import Case, random_weights, regularizers

import wellposed
from wellposed.backends.model import Model
from wellposed.checking.inline import run_fast
from wellposed.checking.ladder import check
from wellposed.cli.app import run
from wellposed.compiler.analysis.cost import cost
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec

CASES = {
    "layer": Case("layer", "antisymmetric", "heun"),
    "shared mlp": Case("mlp", integrator="rk4", mode="shared"),
    "linear blocks": Case("hamiltonian", "free", "verlet", "linear"),
    "second order": Case("second-order", "negative-gram", "leapfrog"),
    "kicks": Case("hamiltonian", integrator="kick-drift-kick", mode="linear"),
}
STEPS = 7
TIME = {"horizon": 1.5, "steps": STEPS}


def spec(case: Case, gradient: Any = "backprop", **changes: Any) -> Spec:
    time = {**TIME, "weights": case.mode}
    penalties = regularizers(case.problem())
    return case.spec(time=time, regularizers=penalties, gradient=gradient, **changes)


def keeping(every: int | None) -> Any:
    return {"kind": "checkpoint"} | ({} if every is None else {"every": every})


def gradients(model: Model, of: Spec) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(6, model.module.signature.features))
    return dict(model.gradient(random_weights(compiled(of).problem), x, rng.integers(0, 2, 6)))


PAIRS = [
    *(("layer", every) for every in (1, 3, None)),
    ("shared mlp", 2),
    ("linear blocks", 6),
    ("second order", 3),
    ("kicks", 2),
]


@pytest.mark.parametrize(("name", "every"), PAIRS)
@pytest.mark.parametrize("backend", ["torch", "jax", "numpy"])
def test_the_gradient_is_that_of_backprop(backend: str, name: str, every: int | None) -> None:
    given, plain = spec(CASES[name], keeping(every)), spec(CASES[name])
    found = gradients(wellposed.compile(given, backend), given)
    expected = gradients(wellposed.compile(plain, backend), plain)
    assert found.keys() == expected.keys()
    for weight, g in expected.items():
        np.testing.assert_allclose(found[weight], g, rtol=1e-12, atol=1e-14 * np.abs(g).max())


@pytest.mark.parametrize("name", CASES)
def test_both_programs_climb_the_ladder(name: str) -> None:
    report = check(spec(CASES[name], "checkpoint"), run=run_fast)
    assert report.passed, report.message


@pytest.mark.parametrize(("old", "new"), [("[3 * 2 :]", "[2 * 2 :]"), ("[: 3 * 2]", "[-3 * 2 :]")])
def test_a_segment_that_is_cut_elsewhere_is_caught(old: str, new: str, tmp_path: Path) -> None:
    """The rest begins a segment early; the segments are those of the end."""
    given = spec(CASES["layer"], keeping(2))
    text = wellposed.compile(given, "torch").source
    assert old in text
    (tmp_path / "mine.py").write_text(text.replace(old, new), encoding="utf-8")
    report = check(given, programs={"torch": tmp_path / "mine.py"}, run=run_fast)
    assert not report.passed and "L3" in report.message


LONG = Case("layer", "antisymmetric")


def kept_by_torch(given: Spec) -> int:
    """Bytes that autograd has saved when the loss is known."""
    torch = pytest.importorskip("torch")
    model = wellposed.compile(given, "torch")
    network = model.native.Network(random_weights(compiled(given).problem))  # type: ignore[attr-defined]
    found: dict[int, int] = {}

    def save(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        loss = network.loss(torch.zeros(500, 3, dtype=torch.float64), torch.zeros(500).long())
    loss.backward()
    return sum(found.values())


def kept_by_jax(given: Spec) -> int:
    """Bytes of temporary memory of the compiled gradient."""
    jax = pytest.importorskip("jax")
    model = wellposed.compile(given, "jax")
    with model.settings():  # type: ignore[attr-defined]
        native = jax.grad(model.native.loss)  # type: ignore[attr-defined]
        x, targets = jax.numpy.zeros((500, 3)), jax.numpy.zeros(500, int)
        made = jax.jit(native).lower(random_weights(compiled(given).problem), x, targets).compile()
        return made.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize("kept", [kept_by_torch, kept_by_jax])
def test_less_is_kept_and_show_says_how_much(kept: Any) -> None:
    """Of 400 layers: what the cost model says of 500 examples, but for what all layers share."""
    time = {"horizon": 1, "steps": 400, "weights": "shared"}
    whole, lean = (LONG.spec(time=time, gradient=g) for g in ("backprop", "checkpoint"))
    said = [cost(compiled(given).written).activation_bytes for given in (whole, lean)]
    assert said[1] < said[0] / 8
    assert kept(lean) < kept(whole) / 5


def test_every_is_the_root_of_the_steps_unless_it_is_said() -> None:
    for steps in (1, 2, 3, 16, 17, 400):
        time = {"horizon": 1, "steps": steps, "weights": "shared"}
        problem = compiled(LONG.spec(time=time, gradient="checkpoint")).problem
        assert problem.kept_every == ceil(sqrt(steps))
    assert compiled(spec(LONG, keeping(5))).problem.kept_every == 5


def test_no_state_between_is_a_located_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    mode = "model.gradient={kind: checkpoint, every: 64}"
    assert run(["validate", "ellipses-verlet", mode]) == 2
    assert "every must be < steps, 64, got 64" in capsys.readouterr().err
    assert run(["show", "ellipses-verlet", mode.replace("64", "10")]) == 0
    assert "gradient: keeps every 10th state" in capsys.readouterr().out
