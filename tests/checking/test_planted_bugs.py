"""Bugs planted in emitted text: each is caught at the rung, and from the time step, it deserves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from planting import STEPS, check_text, edited, specs

SPECS = specs()


@dataclass(frozen=True)
class Bug:
    """`old` → `new` in the text; the lowest rung, its quantity, the first state that differs."""

    name: str
    spec: str
    old: str
    new: str
    rung: str
    quantity: str
    step: int | None
    backend: str = "torch"


FIELD, ONE, PATH = ("L1", "vector field"), ("L2", "one step"), ("L2", "trajectory")
STACKED = "return torch.stack(path).mT"
TANH = "torch.tanh(K @ y + b)"
LAST_LOOP = "for layer in self.layers():\n            y = step(y, *layer)\n        return y"

BUGS = [
    Bug("K transposed", "rk4", TANH, "torch.tanh(K.T @ y + b)", *FIELD, 1),
    Bug("gamma's sign", "rk4", "K.mT - GAMMA", "K.mT + GAMMA", *FIELD, 1),
    Bug("half dropped", "rk4", "device=K.device)) / 2", "device=K.device))", *FIELD, 1),
    Bug("tanh is identity", "rk4", TANH, "K @ y + b", *FIELD, 1),
    Bug("bias missing", "rk4", TANH, "torch.tanh(K @ y)", *FIELD, 1),
    Bug("float32 inside", "rk4", TANH, "torch.tanh((K @ y + b).float()).double()", *FIELD, 1),
    Bug("step is the nearest", "rk4", "int(t / H + 1e-9)", "int(t / H + 0.5)", *FIELD, None),
    Bug("tableau's weight", "rk4", "2 * k3 + k4", "k3 + k4", *ONE, 1),
    Bug("stage is stale", "rk4", "H / 2 * k2", "H / 2 * k1", *ONE, 1),
    Bug("h for h/2", "rk4", "H / 2 * k1", "H * k1", *ONE, 1),
    Bug("h is off by 1e-11", "rk4", "H / 6", "(1 + 1e-11) * H / 6", *ONE, 1),
    Bug("first step skipped", "rk4", STACKED, f"path[1] = path[0]; {STACKED}", *ONE, 1),
    Bug("last step skipped", "rk4", STACKED, f"path[-1] = path[-2]; {STACKED}", *PATH, STEPS),
    Bug(
        "bias of the wrong step",
        "rk4",
        "b = self.b[..., None]",
        "b = self.b.roll(1, 0)[..., None]",
        *ONE,
        1,
    ),
    Bug(
        "weights frozen after three steps",
        "rk4",
        "K = antisymmetric(self.K)",
        "K = antisymmetric(self.K[[0, 1, 2, 2, 2]])",
        *PATH,
        4,
    ),
    Bug("a step too few", "rk4", STACKED, "return torch.stack(path[:-1]).mT", *PATH, None),
    Bug("path in float32", "rk4", STACKED, f"{STACKED}.float()", *PATH, None),
    Bug("lift transposed", "rk4", "self.L @ x.T", "self.L.T @ x.T", "L2", "initial state", 0),
    Bug("mu dropped", "rk4", " + self.mu[:, None]", "", "L3", "logits", None),
    Bug(
        "a NaN in one logit",
        "rk4",
        "return logits.T",
        "logits[2, 6] = float('nan'); return logits.T",
        "L3",
        "logits",
        None,
    ),
    Bug(
        "final state stops early",
        "rk4",
        LAST_LOOP,
        LAST_LOOP.replace("self.layers()", "list(self.layers())[:-1]"),
        "L3",
        "logits",
        None,
    ),
    Bug("sum for mean", "rk4", "losses.mean()", "losses.sum()", "L3", "loss", None),
    Bug(
        "likelihoods squared", "rk4", "return targets\n", "return targets**2\n", "L3", "loss", None
    ),
    Bug("alpha halved", "rk4", "ALPHA_2 / 2", "ALPHA_2 / 4", "L3", "regularizer", None),
    Bug(
        "smoothness off by one",
        "rk4",
        "w[1:] - w[:-1]",
        "w[2:] - w[1:-1]",
        "L3",
        "regularizer",
        None,
    ),
    Bug(
        "no gradient through time",
        "rk4",
        LAST_LOOP,
        LAST_LOOP.replace("(y,", "(y.detach(),"),
        "L3",
        "gradient K",
        None,
    ),
    Bug(
        "a weight too many",
        "rk4",
        "        self.mu = nn",
        "        self.nu = nn.Parameter(torch.zeros(2))\n        self.mu = nn",
        "L3",
        "gradient",
        None,
    ),
    Bug("seed + 1", "rk4", "init(seed: int = 5)", "init(seed: int = 6)", "L0", "weights", None),
    Bug(
        "streams by another name",
        "rk4",
        'stream(seed, "W")',
        'stream(seed, "w")',
        "L0",
        "weights",
        None,
    ),
    Bug(
        "weights in float32",
        "rk4",
        'value.astype("float64")',
        'value.astype("float32")',
        "L0",
        "weights",
        None,
    ),
    Bug("stage's time", "mlp", "dy_dt(t + H,", "dy_dt(t,", *ONE, 1),
    Bug(
        "time stands still",
        "mlp",
        "device=like.device)\n",
        "device=like.device).clamp(max=1)\n",
        *PATH,
        3,
    ),
    Bug(
        "weights not interpolated",
        "mlp",
        "(1 - theta) * self.W2[j] + theta",
        "(1 - 0) * self.W2[j] + 0",
        *FIELD,
        None,
    ),
    Bug("½ of least squares dropped", "mlp", "sum(dim=0) / 2", "sum(dim=0)", "L3", "loss", None),
    Bug("2h for h", "leapfrog", "y = y + H * v", "y = y + 2 * H * v", *ONE, 1),
    Bug("velocity starts at rest", "leapfrog", "v = -(H / 2", "v = -(0 * H / 2", *ONE, 1),
    Bug("sign of z'", "verlet", "-torch.tanh(K.T", "torch.tanh(K.T", *FIELD, 1),
    Bug(
        "y before z",
        "verlet",
        "    z = z + H * dz_dt(y, K, c)\n    y = y + H * dy_dt(z, K, b)\n",
        "    y, z = y + H * dy_dt(z, K, b), z + H * dz_dt(y, K, c)\n",
        *ONE,
        1,
    ),
    Bug("−CᵀC is −CCᵀ", "shared", "C.mT @ C", "C @ C.mT", *FIELD, 1),
    Bug("JAX: gamma's sign", "rk4", "K.mT - GAMMA", "K.mT + GAMMA", *FIELD, 1, "jax"),
    Bug(
        "JAX: scanned backwards",
        "shared",
        "jnp.concatenate([start[None], path])",
        "jnp.concatenate([start[None], path[::-1]])",
        *ONE,
        1,
        "jax",
    ),
    Bug(
        "JAX: gradient stopped",
        "rk4",
        "return losses.mean()",
        "return jax.lax.stop_gradient(losses.mean())",
        "L3",
        "gradient K",
        None,
        "jax",
    ),
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught_at_its_rung_and_step(bug: Bug, tmp_path: Path):
    given = SPECS[bug.spec]
    report = check_text(given, bug.backend, edited(given, bug.backend, bug.old, bug.new), tmp_path)
    failure = report.first_failure
    assert failure is not None, "the bug survived"
    assert (failure.rung, failure.quantity) == (bug.rung, bug.quantity), report.message
    steps = [r.step for r in report.rungs if r.quantity == "trajectory"]
    assert steps == [bug.step], report.message
    assert not report.passed


@pytest.mark.parametrize("name", SPECS)
def test_the_unchanged_text_passes_in_both_dtypes(name: str, tmp_path: Path):
    given = SPECS[name]
    text = edited(given, "torch", "def init", "def init")
    report = check_text(given, "torch", text, tmp_path, ("float64", "float32"))
    assert report.passed, report.message


def test_half_precision_within_float32_is_caught(tmp_path: Path):
    given = SPECS["rk4"]
    rounded = (
        "torch.tanh((K @ y + b).half().to(y.dtype) if y.dtype == torch.float32 else K @ y + b)"
    )
    text = edited(given, "torch", TANH, rounded)
    report = check_text(given, "torch", text, tmp_path, ("float64", "float32"))
    failure = report.first_failure
    assert failure is not None
    assert (failure.rung, failure.dtype) == ("L1", "float32")
    assert all(r.passed for r in report.rungs if r.dtype == "float64")


def test_the_message_says_what_where_and_from_which_step(tmp_path: Path):
    given = SPECS["rk4"]
    text = edited(given, "torch", STACKED, f"path[-1] = path[-2]; {STACKED}")
    message = check_text(given, "torch", text, tmp_path).message
    assert "L2 trajectory of PyTorch in float64 is not what the spec says" in message
    assert "step 5, row" in message
    assert message.endswith("The first state that differs is that of step 5 of 5, t = 2.")


def test_the_states_are_said_to_agree_where_they_do(tmp_path: Path):
    given = SPECS["rk4"]
    message = check_text(
        given, "torch", edited(given, "torch", " + self.mu[:, None]", ""), tmp_path
    ).message
    assert message.endswith("The states agree at all of the 5 steps.")
