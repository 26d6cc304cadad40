"""Gradients that keep the last state alone: those of backprop, each step undone on the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapes import MIXED
from specs import Case, Plain, random_weights, regularizers

import wellposed
from wellposed.backends.framework_model import FrameworkModel, NoForwardMode
from wellposed.checking.inline import run_fast
from wellposed.checking.ladder import check
from wellposed.checking.selftest import plant
from wellposed.cli.app import run
from wellposed.compiler.analysis.cost import cost
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec

TIME = {"horizon": 1.5, "steps": 7}
CASES = {
    "staggered": Case("hamiltonian", integrator="verlet"),
    "staggered linear": Case("double-layer-hamiltonian", "antisymmetric", "verlet", "linear"),
    "staggered shared": Case("layer", "hamiltonian", "verlet", "shared"),
    "kicks": Case("hamiltonian-H", integrator="kick-drift-kick"),
    "kicks linear": Case("hamiltonian", integrator="kick-drift-kick", mode="linear"),
    "leapfrog": Case("second-order", "negative-gram", "leapfrog"),
    "leapfrog linear": Case("second-order", integrator="leapfrog", mode="linear"),
    "leapfrog shared": Case("second-order", integrator="leapfrog", mode="shared"),
}
IN_TIME: Plain = {
    "kind": "custom",
    "weights": {
        "A": {"shape": ["q", "p"], "time": "linear"},
        "b": {"shape": ["q"]},
        "y_bar": {"shape": [], "time": "shared"},
        "propagate": {"shape": ["p"], "trainable": False, "value": [1, 2, 0.5]},
    },
    "equations": {"q": "tanh(A @ p + b) * cos(t)", "p": "-(A.T @ q + y_bar) / propagate"},
}
"""Weights of all times, one not trained, some called as a program calls its own; the time."""
FIELDS = {
    "steps and shared": Case("one-block", integrator="verlet").plain(
        vector_field=MIXED, state={"y": 3, "z": 2}, time=TIME
    ),
    "in time": Case("one-block", integrator="verlet").plain(
        vector_field=IN_TIME, state={"q": 2, "p": 3}, time=TIME
    ),
    "one step": Case("hamiltonian", integrator="verlet").plain(time={"horizon": 1, "steps": 1}),
}


def plain(name: str) -> Plain:
    if name in FIELDS:
        return FIELDS[name]
    case = CASES[name]
    time = {**TIME, "weights": case.mode}
    return case.plain(time=time, regularizers=regularizers(case.problem()))


def spec(name: str, gradient: str = "reversible", **model: Any) -> Spec:
    given = plain(name)
    changed = {**given["model"], "gradient": gradient, **model}
    return Spec.model_validate({**given, "dtype": "float64", "model": changed})


def given(of: Spec) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Weights, rows and classes."""
    rng, problem = np.random.default_rng(4), compiled(of).problem
    x = rng.normal(size=(6, problem.features.value))
    return random_weights(problem), x, rng.integers(0, 2, 6)


@pytest.mark.parametrize("name", [*CASES, *FIELDS])
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_the_gradient_is_that_of_backprop(backend: str, name: str) -> None:
    batch = given(spec(name))
    found, expected = (
        wellposed.compile(spec(name, mode), backend).gradient(*batch)
        for mode in ("reversible", "backprop")
    )
    assert found.keys() == expected.keys()
    for weight, g in expected.items():
        assert np.abs(g).max() > 0
        np.testing.assert_allclose(found[weight], g, rtol=1e-12, atol=1e-14 * np.abs(g).max())


@pytest.mark.parametrize("name", ["staggered", "kicks linear", "leapfrog shared", *FIELDS])
def test_both_programs_climb_the_ladder(name: str) -> None:
    report = check(spec(name), run=run_fast)
    assert report.passed, report.message
    assert [r.backend for r in report.rungs if r.quantity == "dot test"] == ["torch", "jax"]


WILD: dict[str, Plain] = {
    "a kink, h = 4": Case("second-order", integrator="leapfrog").plain(
        vector_field={"kind": "second-order", "activation": "relu"},
        time={"horizon": 20, "steps": 5},
        gradient="reversible",
    ),
    "one number for several components": Case("one-block", integrator="verlet").plain(
        vector_field={
            "kind": "custom",
            "equations": {"y": "tanh((p - 0.25)[0])", "p": "tanh((y - 0.25)[0])"},
        },
        state={"y": 1, "p": 4},
        regularizers=[],
        gradient="reversible",
    ),
}


@pytest.mark.parametrize("name", WILD)
def test_rounding_of_undone_steps_makes_no_program_wrong(name: str) -> None:
    """Found by the fuzzer: the way back magnifies rounding more than the way forward."""
    report = check(Spec.model_validate(WILD[name]), run=run_fast, dtypes=("float64",))
    assert report.passed or all(r.passed or r.ill_posed for r in report.rungs), report.message


@pytest.mark.parametrize(
    ("backend", "old", "new", "rung"),
    [
        ("torch", "z = z - H * dz_dt(y, K, c)\n", "z = z + H * dz_dt(y, K, c)\n", "L3 gradient"),
        ("jax", "y = y - H * dy_dt(z, K, b)\n", "y = y - H / 2 * dy_dt(z, K, b)\n", "L3 gradient"),
        ("torch", "in reversed(list(zip", "in list(list(zip", "L3 gradient"),
        ("jax", ", reverse=True", "", "L3 gradient"),
        ("torch", "    y_bar, z_bar, K_bar,", "    z_bar, y_bar, K_bar,", "L3 gradient"),
    ],
)
def test_a_way_back_that_is_wrong_is_caught(
    backend: str, old: str, new: str, rung: str, tmp_path: Path
) -> None:
    text = wellposed.compile(spec("staggered"), backend).source
    assert old in text
    (tmp_path / "mine.py").write_text(text.replace(old, new), encoding="utf-8")
    report = check(spec("staggered"), programs={backend: tmp_path / "mine.py"}, run=run_fast)
    assert not report.passed and report.message.startswith(rung)


def rows(name: str, mode: str = "backprop", **options: Any) -> dict[tuple[str, str], float]:
    """The gaps that a check finds, by quantity and backend."""
    only = {"dtypes": ("float64",), "rungs": ("L3",), "run": run_fast}
    report = check(spec(name, mode), **only, **options)
    gaps = {(r.quantity, r.backend): r.worst for r in report.rungs if r.quantity[:5] == "mode "}
    return {key: gap for key, gap in gaps.items() if gap is not None}


def test_check_prints_the_gap_of_every_mode_that_is_asked_for() -> None:
    assert rows("staggered shared") == {}
    own = rows("staggered shared", "reversible")
    assert own.keys() == {("mode reversible", b) for b in ("torch", "jax")}
    every = rows("staggered shared", modes=True)
    assert every.keys() == {
        (f"mode {m}", b) for m in ("checkpoint", "reversible") for b in ("torch", "jax")
    }
    assert 0 < max(every.values()) < 1e-14


def test_a_mode_that_is_wrong_is_caught() -> None:
    forwards = ("backends.torch_program:_Loop._ordered", "not self.scan.reverse", "True")
    with plant.edited(*forwards):
        report = check(spec("staggered"), run=run_fast, dtypes=("float64",), rungs=("L3",))
        other = check(
            spec("staggered", "backprop"),
            run=run_fast,
            dtypes=("float64",),
            rungs=("L3",),
            modes=True,
        )
    assert report.message.startswith("L3 gradient")
    assert other.message.startswith("L3 mode reversible of PyTorch in float64 is not what")


# --- what is kept ---------------------------------------------------------------------------------


def deep(steps: int, gradient: str = "reversible") -> Spec:
    case = Case("hamiltonian", integrator="verlet", mode="shared")
    return case.spec(time={"horizon": 1, "steps": steps, "weights": "shared"}, gradient=gradient)


def kept_by_torch(of: Spec) -> int:
    """Bytes that autograd has saved when the loss is known."""
    torch = pytest.importorskip("torch")
    model = wellposed.compile(of, "torch")
    network = model.native.Network(random_weights(compiled(of).problem))  # type: ignore[attr-defined]
    found: dict[int, int] = {}

    def save(tensor: Any) -> Any:
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        network.loss(torch.zeros(500, 3, dtype=torch.float64), torch.zeros(500).long())
    return sum(found.values())


def kept_by_jax(of: Spec) -> int:
    """Bytes of temporary memory of the compiled gradient."""
    jax = pytest.importorskip("jax")
    model = wellposed.compile(of, "jax")
    with model.settings():  # type: ignore[attr-defined]
        native = jax.grad(model.native.loss)  # type: ignore[attr-defined]
        x, targets = jax.numpy.zeros((500, 3)), jax.numpy.zeros(500, int)
        made = jax.jit(native).lower(random_weights(compiled(of).problem), x, targets).compile()
        return made.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize("kept", [kept_by_torch, kept_by_jax])
def test_what_is_kept_does_not_grow_with_the_steps(kept: Any) -> None:
    assert kept(deep(800)) <= 1.1 * kept(deep(8))
    assert kept(deep(800, "backprop")) > 10 * kept(deep(800))


def test_show_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    said = [cost(compiled(deep(steps)).written) for steps in (8, 800)]
    assert said[0].activation_bytes == said[1].activation_bytes
    work = [cost(compiled(deep(800, mode)).written) for mode in ("backprop", "reversible")]
    again = work[1].gradient_flops - work[0].gradient_flops
    assert 1.5 * work[0].forward_flops < again < 2.5 * work[0].forward_flops
    assert run(["show", "ellipses-verlet", "model.gradient=reversible"]) == 0
    assert "gradient: keeps the last state alone" in capsys.readouterr().out


# --- derivatives of other kinds -------------------------------------------------------------------


def test_second_derivatives_are_those_of_backprop() -> None:
    """Reverse mode of reverse mode: of what the way back computes, and of that of the states."""
    jax, torch = pytest.importorskip("jax"), pytest.importorskip("torch")
    w, x, targets = given(spec("staggered"))
    found = []
    for mode in ("reversible", "backprop"):
        model = wellposed.compile(spec("staggered", mode), "torch")
        network = model.native.Network(w)  # type: ignore[attr-defined]
        loss = network.loss(torch.tensor(x), torch.tensor(targets))
        (g,) = torch.autograd.grad(loss, network.K, create_graph=True)
        (second,) = torch.autograd.grad(g.square().sum(), network.K)
        found.append(second.numpy())
    for mode in ("reversible", "backprop"):
        model = wellposed.compile(spec("staggered", mode), "jax")
        loss = model.native.loss  # type: ignore[attr-defined]
        with model.settings():  # type: ignore[attr-defined]

            def squared(K: Any, loss: Any = loss) -> Any:
                return (jax.grad(lambda K: loss(w | {"K": K}, x, targets))(K) ** 2).sum()

            found.append(np.asarray(jax.grad(squared)(w["K"])))
    assert np.abs(found[1]).max() > 1e-4
    for second in found:
        np.testing.assert_allclose(second, found[1], atol=1e-12 * np.abs(found[1]).max())


def test_jax_takes_one_gradient_for_every_row() -> None:
    jax = pytest.importorskip("jax")
    w, x, targets = given(spec("leapfrog"))
    found = []
    for mode in ("reversible", "backprop"):
        model = wellposed.compile(spec("leapfrog", mode), "jax")
        with model.settings():  # type: ignore[attr-defined]
            each = jax.vmap(jax.grad(model.native.loss), in_axes=(None, 0, 0))  # type: ignore[attr-defined]
            found.append(each(w, x[:, None], targets[:, None]))
    for weight, g in found[1].items():
        assert g.shape[0] == len(x)
        np.testing.assert_allclose(found[0][weight], g, atol=1e-13)


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_forward_mode_is_refused_and_not_wrong(backend: str) -> None:
    w, x, _ = given(spec("staggered"))
    model = wellposed.compile(spec("staggered"), backend)
    assert isinstance(model, FrameworkModel)
    with pytest.raises(NoForwardMode):
        model.jvp(w, [x], w, x)


def test_torch_func_is_refused_in_words() -> None:
    torch = pytest.importorskip("torch")
    w, x, targets = given(spec("staggered"))
    network = wellposed.compile(spec("staggered"), "torch").native.Network(w)  # type: ignore[attr-defined]

    def loss(held: Any) -> Any:
        batch = (torch.tensor(x),)
        return torch.func.functional_call(network, held, batch).sum()

    held = {name: p.detach() for name, p in network.named_parameters()}
    with pytest.raises(RuntimeError, match="setup_context"):
        torch.func.grad(loss)(held)
    assert len(targets) == len(x)


# --- bad specs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("integrator", ["euler", "midpoint", "heun", "rk4"])
def test_another_integrator_is_a_located_error(
    integrator: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = ["model.gradient=reversible", f"model.integrator={integrator}"]
    assert run(["validate", "ellipses-verlet", *changes]) == 2
    said = capsys.readouterr().err
    assert f"E215]: reversible goes with leapfrog or verlet, not {integrator}" in said
    assert "gradient: backprop or checkpoint" in said
