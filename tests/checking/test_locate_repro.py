"""The standalone pair: short, alone, and seen to show the difference before it is written."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handwritten import handwritten
from locating import located, located_edit
from planting import edited, in_process, specs

from wellposed.backends import registry
from wellposed.checking.ladder import check
from wellposed.checking.locate.calls import recorded
from wellposed.checking.locate.find import locate
from wellposed.checking.locate.repro import Repro, write_repro
from wellposed.checking.locate.script import LONGEST
from wellposed.checking.locate.target import Target, targets
from wellposed.checking.probes import draw
from wellposed.checking.selftest import plant
from wellposed.compiler.ir.elementary import DERIVATIVES
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.reference.reference import Reference

SPECS = specs()
STOPPED = "return jax.lax.stop_gradient(losses.mean())"


def output(path: Path) -> dict[str, float]:
    """The numbers that a file prints, by name."""
    run = subprocess.run(
        [sys.executable, "-I", path.name],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return {line.split()[0]: float(line.split()[1]) for line in run.stdout.splitlines()}


def assert_shows(repro: Repro, wrong: set[str]) -> None:
    """Two short files without this package; an error in those that should have one."""
    assert len(repro.paths) == 2, repro.words
    for path, backend in zip(repro.paths, ("torch", "jax"), strict=True):
        text = path.read_text(encoding="utf-8")
        assert path.name == f"net_repro_{backend}.py"
        assert len(text.splitlines()) <= LONGEST
        assert "wellposed" not in text
        printed = output(path)
        assert printed["error"] == pytest.approx(abs(printed["found"] - printed["expected"]))
        assert (printed["error"] > 1e-8) is (backend in wrong)


@pytest.mark.parametrize(
    ("spec", "backend", "old", "new"),
    [
        ("rk4", "torch", "2 * k3 + k4", "k3 + k4"),
        ("rk4", "jax", "return losses.mean()", STOPPED),
        ("shared", "torch", "torch.stack(ys)", "torch.stack(ys[:-1])"),
    ],
    ids=["step", "gradient in JAX", "a state too few"],
)
def test_the_pair_of_an_edit_shows_it(spec: str, backend: str, old: str, new: str, tmp_path: Path):
    found = located_edit(SPECS[spec], backend, old, new, tmp_path)
    text = edited(SPECS[spec], backend, old, new)
    repro = write_repro(found, compiled(SPECS[spec]), {backend: text}, tmp_path / "pair")
    assert_shows(repro, {backend})


def test_the_pair_of_a_program_of_another_structure_calls_its_public_functions(tmp_path: Path):
    text = handwritten("2 * b + 2 * c", "b + 2 * c")
    found = located(SPECS["rk4"], "torch", text, tmp_path)
    repro = write_repro(found, compiled(SPECS["rk4"]), {"torch": text}, tmp_path / "pair")
    assert_shows(repro, {"torch"})
    assert "def states" in repro.paths[0].read_text(encoding="utf-8")


def test_there_is_no_pair_of_a_derivative_rule(tmp_path: Path):
    """The programs are right: what they differ from is the rule of the reference."""
    given = SPECS["rk4"]
    with plant.row(DERIVATIVES, "tanh", "1 - tanh(x)"):
        report = check(given, dtypes=("float64",), rungs=("L0",), run=in_process)
        found = locate(report, compiled(given), {}, run=in_process)
        assert found is not None and found.equation == "derivative tanh"
        repro = write_repro(found, compiled(given), {}, tmp_path / "pair")
    assert repro.paths == () and "not a value of the two programs" in repro.words


def test_what_no_pair_shows_is_said_in_words(tmp_path: Path):
    """The difference is gone from the text that the pair is made of."""
    found = located_edit(SPECS["shared"], "torch", "C.mT @ C", "C @ C.mT", tmp_path)
    given = replace(found, functions=("negative_gram",), excerpts=())
    case = compiled(SPECS["shared"])
    emitted = {"torch": registry.get("torch").emit(case.module)}
    repro = write_repro(given, case, emitted, tmp_path / "pair", limit=0.01)
    assert repro.paths == ()
    assert repro.words.startswith("No standalone pair")
    assert not (tmp_path / "pair").exists()


@pytest.mark.parametrize("name", SPECS)
def test_rules_and_quotients_agree_on_every_target(name: str):
    """The two derivatives of a target, one of them by no rule at all."""
    case = compiled(SPECS[name])
    probes = recorded(case, draw(case))
    tried = 0
    for function in case.module.functions.values():
        if function.generic:  # differentiated where it is called
            continue
        for target in targets(case.module, function, probes, None, whole=False):
            if target.is_smooth:
                wanted = replace(target, derivative=True)
                by_rules = derivative_by_rules(wanted, 3)
                (quotient,) = wanted.expected(3, "float64")
                assert by_rules == pytest.approx(quotient, rel=1e-6, abs=1e-8), function.name
                tried += 1
    assert tried > 4


def derivative_by_rules(target: Target, seed: int) -> float:
    """⟨∂φ/∂x, v⟩ by the compiler's reverse differentiation, φ the sum of squares of all results."""
    rng = np.random.default_rng(seed)
    leaves, along = ([leaf.drawn(rng, "float64") for leaf in target.leaves] for _ in range(2))
    functions = {**target.module.functions, target.opened.name: target.opened}
    reference = Reference(target.module.with_functions(functions))
    weights, args = target.split(leaves)
    bars = [2 * np.asarray(v) for v in reference.run(target.opened.name, weights, *args)]
    of_args, of_weights = reference.pulled(target.opened, weights, args, bars)
    slopes = [*(of_weights.get(w.name, 0.0) for w in target.weights), *of_args]
    return sum(float(np.sum(g * v)) for g, v in zip(slopes, along, strict=True))
