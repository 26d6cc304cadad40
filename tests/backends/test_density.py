"""Programs of densities: held by the ladder, and beside a flow that is written by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from densities import DENSITIES, density
from torchdiffeq import odeint

import wellposed
from wellposed.backends.dialect import Dialect
from wellposed.backends.jax_dialect import JAX
from wellposed.backends.model import ArgumentError, Flow
from wellposed.backends.registry import get
from wellposed.backends.torch_dialect import TORCH
from wellposed.checking.inline import run_fast
from wellposed.checking.ladder import check
from wellposed.checking.selftest.plant import replaced
from wellposed.compiler.pipeline import compiled
from wellposed.spec.density import ENERGIES
from wellposed.spec.model import Spec

RUNGS = ("L0", "L1", "L2", "L3")
BACKENDS = ("torch", "jax")
IN_JAX = ("density-hutchinson", "density-target", "density-planar")
"""What is climbed in JAX too where not all grids are; in PyTorch the others."""


def model(name: str, backend: str) -> Any:
    """A model of the protocols Model and Flow."""
    found = wellposed.compile(density(name), backend)
    assert isinstance(found, Flow)
    return found


@pytest.mark.covers("torch", "jax", "float64", "gradient", "awkward inputs", by="given")
@pytest.mark.parametrize("given", [*map(density, DENSITIES)], ids=DENSITIES)
def test_programs_are_the_density(given: Spec, all_grids: bool) -> None:
    backends = BACKENDS if all_grids else ("jax",) if given.name in IN_JAX else ("torch",)
    report = check(given, backends=backends, rungs=RUNGS, run=run_fast)
    assert report.passed, report.message
    quantities = {rung.quantity for rung in report.rungs}
    assert {"divergence", "loss"} <= quantities
    assert ("log-density" in quantities) == (given.name != "density-planar")


def test_a_density_is_that_of_torchdiffeq_and_autograd() -> None:
    """log p and its gradient, state and n backward passes solved by hand to tight tolerances."""
    integrator = {"kind": "dopri5", "rtol": 1e-10, "atol": 1e-12}
    spec = density("density-solve", model={"integrator": integrator})
    ours: Any = wellposed.compile(spec, "torch")
    random = np.random.default_rng(4)
    weights = {n: w + 0.3 * random.normal(size=w.shape) for n, w in ours.init().items()}
    x = random.normal(size=(5, 2))
    held = {n: torch.tensor(w, requires_grad=True) for n, w in weights.items()}

    def f(t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        time = t.expand(len(y), 1)
        hidden = torch.tanh(torch.cat([y, time], 1) @ held["W1"].T + held["b1"])
        return hidden @ held["W2"].T + held["b2"]

    def slopes(t: torch.Tensor, state: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        y = state[0].requires_grad_()
        dy = f(t, y)
        rows = [torch.autograd.grad(dy[:, i].sum(), y, create_graph=True)[0] for i in range(2)]
        return dy, rows[0][:, 0] + rows[1][:, 1]

    start = torch.tensor(x), torch.zeros(5, dtype=torch.float64)
    times = torch.tensor([0.0, 1.0], dtype=torch.float64)
    y, change = odeint(slopes, start, times, rtol=1e-10, atol=1e-12)
    normal = torch.distributions.Normal(0.0, 1.0)
    log_p = normal.log_prob(y[-1]).sum(1) + change[-1]
    (-log_p.mean()).backward()
    np.testing.assert_allclose(ours.log_density(weights, x), log_p.detach(), rtol=1e-8)
    for name, g in ours.gradient(weights, x).items():
        by_hand = held[name].grad
        assert by_hand is not None
        np.testing.assert_allclose(g, by_hand.numpy(), rtol=1e-7, atol=1e-9, err_msg=name)


BUGS: dict[str, tuple[str, str, str, str]] = {
    "the sign of the change": ("density", "torch", "NORMALIZER - logp", "NORMALIZER + logp"),
    "half a normalizer": ("density", "jax", "- NORMALIZER", "- NORMALIZER / 2"),
    "no half of the squares": ("density-solve", "torch", "keepdim=True) / 2", "keepdim=True)"),
    "a trace of the wrong columns": ("density", "torch", "W1[:, :2]", "W1[:, 1:]"),
    "one vector for three": ("density-hutchinson", "torch", "probes.mT", "probes[:1].mT"),
    "a sum for a mean": ("density-hutchinson", "jax", " / 3", ""),
    "samples forwards": ("density", "torch", "y - H / 6", "y + H / 6"),
    "steps in order": ("density-target", "torch", "reversed(", "list("),
    "no energy": ("density-target", "jax", "log_q + U", "log_q"),
    "a determinant without h": ("density-discrete", "torch", "1 + H *", "1 +"),
    "of the wrong side": ("density-planar", "torch", "1 - H *", "1 + H *"),
}
"""By name: a spec, a backend, a text that is there, and another."""


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str, tmp_path: Path) -> None:
    which, backend, old, new = BUGS[name]
    spec = density(which)
    path = tmp_path / "program.py"
    path.write_text(replaced(get(backend).emit(compiled(spec).program), old, new))
    given = {"programs": {backend: path}, "dtypes": ("float64",), "run": run_fast}
    assert not check(spec, rungs=RUNGS, **given).passed


@pytest.mark.parametrize("backend", ["numpy", *BACKENDS])
def test_what_is_no_row_of_a_flow_is_refused(backend: str) -> None:
    flow = model("density", backend)
    weights, x = wellposed.compile(density("density"), backend).init(), np.zeros((3, 2))
    for call, words in (
        (lambda: flow.log_density(weights, x[:, :1]), "x is"),
        (lambda: flow.log_density(weights, x, draw=-1), "a draw is an integer"),
        (lambda: flow.sample(weights, 0, 1), "at least one row"),
        (lambda: flow.divergence(weights, np.inf, x), "not a finite number"),
        (lambda: wellposed.compile(density("density"), backend).loss(weights, x, x), "no targets"),
    ):
        with pytest.raises(ArgumentError, match=words):
            call()
    plain: Any = wellposed.compile(wellposed.load("ellipses-resnet"), backend)
    with pytest.raises(ArgumentError, match="this network is no flow"):
        plain.log_density(plain.init(), x)


def test_both_backends_draw_the_same() -> None:
    ours = {backend: model("density-hutchinson", backend) for backend in BACKENDS}
    weights = wellposed.compile(density("density-hutchinson"), "torch").init()
    for draw in (0, 3):
        one, other = (m.log_density(weights, np.ones((4, 2)), draw) for m in ours.values())
        np.testing.assert_allclose(one, other, rtol=1e-12)
    one, other = (m.sample(weights, 4, 9) for m in ours.values())
    np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("target", [*ENERGIES, "sum(abs(y - 1) ** 3) / pi"])
def test_every_energy_is_written_in_both(target: str) -> None:
    given = target if target in ENERGIES else {"energy": target}
    spec = density("density-target", task={"kind": "density", "target": given, "box": [-2, 2]})
    weights, x = wellposed.compile(spec, "numpy").init(), 3 * np.eye(2)
    losses = [wellposed.compile(spec, b).loss(weights, x) for b in ("numpy", *BACKENDS)]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-12)


@pytest.mark.covers("wrong text in torch", "wrong text in jax", names=("operation units",))
@pytest.mark.parametrize(("backend", "dialect"), [("torch", TORCH), ("jax", JAX)])
def test_other_vectors_than_the_units_are_seen(
    backend: str, dialect: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = density("density", model={"divergence": "exact"})
    right: Any = wellposed.compile(given, "numpy")
    row = dialect.rows["units"]
    doubled = replace(row, text=lambda *given: f"(2 * {row.template(*given)})")
    monkeypatch.setitem(dialect.rows, "units", doubled)  # pyright: ignore[reportArgumentType]
    wrong: Any = wellposed.compile(given, backend)
    weights, y = right.init(), np.ones((2, 2))
    found = wrong.divergence(weights, 0.1, y)
    assert not np.allclose(found, right.divergence(weights, 0.1, y))
