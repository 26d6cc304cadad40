"""From a failed check to the equation, the step, the weight, and the lines of the program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from handwritten import handwritten
from locating import RUNGS, located, located_edit
from planting import check_text, edited, in_process, spec, specs

from wellposed.checking.locate.find import locate
from wellposed.compiler.pipeline import compiled

SPECS = specs()


@dataclass(frozen=True)
class Edit:
    """`old` → `new`; the equation, its weight, the place of the difference, the function shown."""

    name: str
    spec: str
    old: str
    new: str
    equation: str
    function: str
    weight: str = ""
    step: int | None = None
    backend: str = "torch"


LAYERS = (
    "for layer in zip(*layers, strict=True):\n            y = step(y, *layer)\n        return y"
)
EDITS = [
    Edit("K transposed", "rk4", "tanh(K @", "tanh(K.T @", "field y", "dy_dt", step=0),
    Edit("sign of z'", "verlet", "-torch.tanh(K.T", "torch.tanh(K.T", "field z", "dz_dt", step=0),
    Edit(
        *("gamma's sign", "rk4", "K.mT - GAMMA", "K.mT + GAMMA"),
        *("parametrization K", "antisymmetric", "K", 0),
    ),
    Edit(
        *("raw weight is C", "shared", "C.mT @ C", "C @ C.mT"),
        *("parametrization K", "negative_gram", "C", 0),
    ),
    Edit(
        *("K doubled", "rk4", "(self.K), self.b[..", "(self.K) * 2, self.b[.."),
        *("parametrization K", "layer_weights", "K", 1),
    ),
    Edit("nearest step", "rk4", "H + 1e-9", "H + 0.5", "path", "step_of", "K", step=0),
    Edit(
        *("W2 not interpolated", "mlp", "(1 - theta) * self.W2[j] + theta", "self.W2[j] + 0"),
        *("path", "weights_at", "W2", 0),
    ),
    Edit(
        *("bias one step late", "rk4", "self.b[..., None]", "self.b.roll(1, 0)[..., None]"),
        *("path", "layer_weights", "b", 1),
    ),
    Edit(
        *("K frozen", "rk4", "(self.K), self.b[..", "(self.K[[0, 1, 2, 2, 2]]), self.b[.."),
        *("path", "layer_weights", "K", 4),
    ),
    Edit(
        *("time stands still", "mlp", "device=x.device)", "device=x.device).clamp(max=1)"),
        *("path", "trajectory", "", 3),
    ),
    Edit("lift", "rk4", "self.L @ x.T", "self.L.T @ x.T", "lift", "initial_state", step=0),
    Edit("tableau", "rk4", "2 * k3 + k4", "k3 + k4", "step", "step", step=1),
    Edit("by 1e-11", "rk4", "H / 6", "(1 + 1e-11) * H / 6", "step", "step", step=1),
    Edit("v at rest", "leapfrog", "-(H / 2 *", "-(0 * H / 2 *", "step", "initial_state", step=1),
    Edit("mu dropped", "rk4", " + self.mu[:, None]", "", "readout", "forward"),
    Edit(
        *(
            "stops early",
            "rk4",
            LAYERS,
            LAYERS.replace("zip(*layers, strict=True)", "[*zip(*layers)][:-1]"),
        ),
        *("path", "final_state"),
    ),
    Edit("sum for mean", "rk4", "losses.mean()", "losses.sum()", "loss", "loss"),
    Edit(
        "squared", "rk4", "return targets\n", "return targets**2\n", "loss", "class_probabilities"
    ),
    Edit(
        *("decay halved", "rk4", "ALPHA_2 / 2", "ALPHA_2 / 4"),
        *("regularizer weight-decay", "weight_decay", "W"),
    ),
    Edit(
        *("smoothness of others", "rk4", "w[1:] - w[:-1]", "w[2:] - w[1:-1]"),
        *("regularizer smoothness", "smoothness", "K"),
    ),
    Edit(
        *("of another weight", "rk4", "weight_decay(self.W)", "weight_decay(self.L)"),
        *("regularizer weight-decay", "regularizer", "L"),
    ),
    Edit(
        *("gradient stopped", "rk4", LAYERS, LAYERS.replace("(y,", "(y.detach(),")),
        *("gradient K", "final_state", "K", 3),  # the largest error of the four that are cut off
    ),
    Edit("seed", "rk4", "init(seed: int = 5)", "init(seed: int = 6)", "init", "init", "K", 0),
    Edit(
        *("gamma's sign in JAX", "rk4", "K.mT - GAMMA", "K.mT + GAMMA"),
        *("parametrization K", "antisymmetric", "K", 0, "jax"),
    ),
    Edit(
        *("bias one step late in JAX", "rk4", 'weights["b"][..', 'jnp.roll(weights["b"], 1, 0)[..'),
        *("path", "layer_weights", "b", 1, "jax"),
    ),
    Edit("tableau in JAX", "rk4", "2 * k3 + k4", "k3 + k4", "step", "step", "", 1, "jax"),
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_is_located(edit: Edit, tmp_path: Path):
    rungs = RUNGS if edit.backend == "torch" else RUNGS[:3]  # XLA compiles every function
    found = located_edit(SPECS[edit.spec], edit.backend, edit.old, edit.new, tmp_path, rungs)
    assert (found.equation, found.weight, found.where.step) == (
        edit.equation,
        edit.weight,
        edit.step,
    )
    own, other = found.excerpts
    assert (own.backend, own.function) == (edit.backend, edit.function)
    assert own.departs, "the edited line is marked"
    assert other.backend != edit.backend


def test_the_place_is_that_of_the_worst_entry(tmp_path: Path):
    """One entry of one row is wrong from the third state on."""
    kick = "ys[3] = ys[3] + torch.eye(3)[1].outer(torch.eye(7)[4]).double(); "
    stacked = "return torch.stack(ys)"
    found = located_edit(SPECS["rk4"], "torch", stacked, f"{kick}{stacked}", tmp_path)
    assert (found.equation, found.where.step, found.where.row, found.where.component) == (
        "path",
        3,
        4,
        1,
    )
    assert found.where.found is not None and found.where.expected is not None
    assert found.where.found - found.where.expected == pytest.approx(1)


def test_a_dot_test_is_of_no_weight_that_its_formula_names(tmp_path: Path):
    """`<Jv, w> - <v, J'w>` speaks of a direction v, not of the weight of that name."""
    field = {"kind": "custom", "weights": {"K": {"shape": ["y", "y"]}, "v": {"shape": ["y"]}}}
    field |= {"equations": {"y": "tanh(K @ y + v)"}}
    given = spec({"state": 2, "vector_field": field, "weights": "shared"})
    loop = "y = step(y, *layer)\n        return y"
    hook = "y.register_hook(lambda g: 2 * g) if y.requires_grad else None\n        return y"
    doubled = loop.replace("return y", hook)
    found = located_edit(given, "torch", loop, doubled, tmp_path, ("L6",))
    assert (found.quantity, found.equation) == ("dot test", "gradient K")


HAND = [
    ("2 * b + 2 * c", "b + 2 * c", "step"),
    ("for j in range(N)", "for j in [0, 0, 1, 2, 3]", "path"),
    ("list(self.states(x))[-1]", "list(self.states(x))[-2]", "path"),
    ("self.b[j])", "self.b[j - 1])", "path"),
    ("0.5 * (K - K.T) - 0.5 * GAMMA * torch.eye(3, dtype=K.dtype)", "K", "parametrization K"),
    ("torch.tanh(", "torch.sin(", "field y"),
    ("x @ self.L.T", "x @ self.L", "lift"),
    (" + self.mu", "", "readout"),
    ("ALPHA / 2 *", "ALPHA *", "regularizer weight-decay"),
    (".sum(1).mean()", ".sum(1).sum()", "loss"),
    ("self.matrix(j).T", "self.matrix(j).T.detach()", "gradient K"),
]


def test_a_program_written_by_hand_passes(tmp_path: Path):
    report = check_text(SPECS["rk4"], "torch", handwritten(), tmp_path)
    assert report.passed, report.message
    assert locate(report, compiled(SPECS["rk4"]), {}, run=in_process) is None


@pytest.mark.parametrize(("old", "new", "equation"), HAND, ids=[new for _, new, _ in HAND])
def test_a_program_of_another_structure_is_located(
    old: str, new: str, equation: str, tmp_path: Path
):
    found = located(SPECS["rk4"], "torch", handwritten(old, new), tmp_path)
    assert found.equation == equation
    assert found.rewritten


@pytest.mark.parametrize(
    ("old", "new", "equation", "words"),
    [
        ("import numpy as np", "import no_such_module", "program", "ModuleNotFoundError"),
        ("def trajectory(", "def path_of(", "path", "lacks `trajectory`"),
        ("yield y\n        for", "raise ValueError('no')\n        for", "path", "ValueError: no"),
    ],
)
def test_a_program_that_gives_no_answer_is_located_in_words(
    old: str, new: str, equation: str, words: str, tmp_path: Path
):
    found = located(SPECS["rk4"], "torch", handwritten(old, new), tmp_path)
    assert found.equation == equation
    assert words in found.reason
    assert found.where.found is None


def test_a_crash_is_located_by_its_line(tmp_path: Path):
    """`vector_field` fails, in the function that makes K of its raw weight."""
    found = located_edit(SPECS["rk4"], "torch", "K.mT - GAMMA", "K.no - GAMMA", tmp_path)
    assert (found.quantity, found.equation) == ("vector field", "parametrization K")
    assert found.excerpts[0].function == "antisymmetric"


def test_half_precision_is_located_in_float32(tmp_path: Path):
    old, given = "torch.tanh(K @ y + b)", SPECS["rk4"]
    half = f"({old}.half().to(y.dtype) if y.dtype == torch.float32 else {old})"
    text = edited(given, "torch", old, half)
    found = located(given, "torch", text, tmp_path, ("float64", "float32"))
    assert (found.dtype, found.equation) == ("float32", "field y")
