"""Programs with regularizers along the path: held by the ladder, and beside torchdiffeq by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from densities import density
from flows import flow
from shapes import SHAPES
from torchdiffeq import odeint

import wellposed
from wellposed.backends.model import ArgumentError
from wellposed.backends.optimizers import updater
from wellposed.backends.registry import get
from wellposed.checking.inline import run_fast
from wellposed.checking.ladder import check
from wellposed.checking.selftest.plant import replaced
from wellposed.compiler.pipeline import compiled
from wellposed.data.dataset import Split
from wellposed.spec.model import Spec
from wellposed.spec.training import Train
from wellposed.training.scores import ACCURACY, Objective, measure

RUNGS = ("L0", "L1", "L2", "L3")
BACKENDS = ("torch", "jax")
SPECS: dict[str, Spec] = {
    "penalized": Spec.model_validate(SHAPES["penalized"] | {"name": "penalized"}),
    "penalized-blocks": Spec.model_validate(SHAPES["penalized-blocks"] | {"name": "blocks"}),
    "flow-penalized": flow("flow-penalized"),
    "density-penalized": density("density-penalized"),
}


@pytest.mark.covers("torch", "jax", "float64", "gradient", "awkward inputs", by="given")
@pytest.mark.parametrize("given", SPECS.values(), ids=SPECS)
def test_programs_have_the_penalties(given: Spec, all_grids: bool) -> None:
    """Those of a solver in PyTorch: XLA compiles one for every function and shape."""
    in_both = all_grids or given.name != "flow-penalized"
    report = check(given, backends=BACKENDS[: 1 + in_both], rungs=RUNGS, run=run_fast)
    assert report.passed, report.message
    assert {"path penalty", "loss"} <= {rung.quantity for rung in report.rungs}


def test_a_penalized_loss_is_that_of_torchdiffeq_and_autograd() -> None:
    """State, ‖f‖² and ‖∂f/∂y‖²_F by n backward passes, solved by hand to tight tolerances; the loss
    and its gradient."""
    integrator = {"kind": "dopri5", "rtol": 1e-10, "atol": 1e-12}
    plain = flow("flow-penalized", model={"integrator": integrator, "time": {"horizon": 1}})
    changes = plain.to_plain() | {
        "regularizers": [
            {"kind": "kinetic-energy", "alpha": 0.3},
            {"kind": "jacobian-frobenius", "alpha": 0.2},
        ]
    }
    ours: Any = wellposed.compile(Spec.model_validate(changes), "torch")
    random = np.random.default_rng(4)
    weights = {n: w + 0.3 * random.normal(size=w.shape) for n, w in ours.init().items()}
    x, targets = random.normal(size=(5, 3)), np.arange(5) % 2
    held = {n: torch.tensor(w, requires_grad=True) for n, w in weights.items()}

    def slopes(t: torch.Tensor, state: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        y = state[0].requires_grad_()
        hidden = torch.tanh(torch.cat([y, t.expand(len(y), 1)], 1) @ held["W1"].T + held["b1"])
        dy = hidden @ held["W2"].T + held["b2"]
        rows = [torch.autograd.grad(dy[:, i].sum(), y, create_graph=True)[0] for i in range(3)]
        return dy, 0.3 * dy.square().sum(1) + 0.2 * sum(r.square().sum(1) for r in rows)

    start = torch.tensor(x), torch.zeros(5, dtype=torch.float64)
    times = torch.tensor([0.0, 1.0], dtype=torch.float64)
    y, along_path = odeint(slopes, start, times, rtol=1e-10, atol=1e-12)
    logits = y[-1] @ held["W"] + held["mu"]
    losses = torch.nn.functional.cross_entropy(logits, torch.tensor(targets), reduction="none")
    total = (losses + along_path[-1]).mean()
    total.backward()
    found = ours.path_penalty(weights, x)
    np.testing.assert_allclose(found, along_path[-1].detach().numpy(), rtol=1e-8)
    assert ours.loss(weights, x, targets) == pytest.approx(total.item(), rel=1e-9)
    for name, g in ours.gradient(weights, x, targets).items():
        by_hand = held[name].grad
        assert by_hand is not None
        np.testing.assert_allclose(g, by_hand.numpy(), rtol=1e-7, atol=1e-9, err_msg=name)


BUGS: dict[str, tuple[str, str, str, str]] = {
    "no factor": ("penalized", "torch", "ALPHA_1 * kinetic", "kinetic"),
    "the other factor": ("penalized", "jax", "ALPHA_2 * jacobian", "ALPHA_1 * jacobian"),
    "no square": ("penalized", "torch", "(dy**2)", "dy.abs()"),
    "half the energy": ("penalized-blocks", "jax", "(dy**2)", "(dy**2 / 2)"),
    "a sum for a mean": ("penalized", "torch", "along_path.mean()", "along_path.sum()"),
    "a product forwards": ("flow-penalized", "torch", "W2.T @ probes", "W2.T @ probes * 2"),
    "one vector for two": ("density-penalized", "torch", "probes.mT", "probes[:1].mT"),
    "an energy that begins with 1": (
        *("penalized", "torch"),
        *("kinetic = y.new_zeros(1, y.shape[1])", "kinetic = y.new_ones(1, y.shape[1])"),
    ),
}
"""By name: a spec, a backend, a text that is there, and another."""


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str, tmp_path: Path) -> None:
    which, backend, old, new = BUGS[name]
    path = tmp_path / "program.py"
    path.write_text(replaced(get(backend).emit(compiled(SPECS[which]).program), old, new))
    given = {"programs": {backend: path}, "dtypes": ("float64",), "run": run_fast}
    report = check(SPECS[which], rungs=RUNGS, backends=(backend,), **given)
    assert not report.passed
    failed = {rung.quantity.split()[0] for rung in report.rungs if not rung.passed}
    assert failed <= {"path", "loss", "gradient", "log-density", "divergence", "awkward"}, failed


def test_both_backends_draw_the_same() -> None:
    for name in ("flow-penalized", "density-penalized"):
        ours: list[Any] = [wellposed.compile(SPECS[name], b) for b in ("numpy", *BACKENDS)]
        weights, x = ours[0].init(), np.ones((4, 3))
        targets = None if name.startswith("density") else np.zeros(4, int)
        tolerance = 1e-12 if name.startswith("density") else 1e-4
        for draw in (0, 3):
            found = [m.path_penalty(weights, x, draw=draw) for m in ours]
            losses = [m.loss(weights, x, targets, draw=draw) for m in ours]
            np.testing.assert_allclose(found, [found[0]] * 3, rtol=tolerance)
            np.testing.assert_allclose(losses, losses[0], rtol=tolerance)


@pytest.mark.parametrize("backend", ["numpy", *BACKENDS])
def test_a_network_without_a_penalty_has_none(backend: str) -> None:
    plain: Any = wellposed.compile(flow("flow"), backend)
    with pytest.raises(ArgumentError, match="no regularizer along the path"):
        plain.path_penalty(plain.init(), np.ones((2, 3)))


@pytest.mark.parametrize("backend", ["numpy", *BACKENDS])
def test_the_loss_of_the_metrics_holds_the_penalties(backend: str) -> None:
    """As that of the program: it is made of logits and of what the path adds to each row."""
    made = compiled(SPECS["penalized"])
    model: Any = wellposed.compile(made.spec, backend)
    n, k = made.module.signature.features, made.module.signature.outputs
    x, targets = np.random.default_rng(1).normal(size=(6, n)), np.arange(6) % k
    weights = model.init()
    rule = updater(Train.model_validate({"optimizer": "adam", "epochs": 1}))
    stepper = model.stepper(rule, x, targets)
    stepper.load(weights)
    split = Split(x, targets)
    given = (stepper.outputs(x), split, weights, stepper.penalties(x))
    found = measure(ACCURACY, Objective(made), *given)["loss"]
    assert found == pytest.approx(model.loss(weights, x, targets), rel=1e-12)
    assert stepper.step(np.arange(6), 0.1).loss == pytest.approx(found, rel=1e-12)
