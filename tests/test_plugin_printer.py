"""What a third framework costs: a plugin prints plain NumPy programs, and they climb L0–L3."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from installed import installed
from shapes import SHAPES

from wellposed import compile
from wellposed.backends import registry
from wellposed.checking.checks import RUNGS
from wellposed.checking.inline import run
from wellposed.checking.ladder import check
from wellposed.checking.locate.find import locate
from wellposed.checking.report import Report
from wellposed.compiler.pipeline import compiled
from wellposed.spec.model import Spec

NAME = "numpy-plugin"
PRINTER = Path(__file__).parent / "numpy_printer.py"
UP_TO_L3 = RUNGS[:4]


@pytest.fixture(autouse=True, scope="module")
def plugin() -> Iterator[None]:
    with installed(PRINTER):
        yield


def spec(name: str) -> Spec:
    return Spec.model_validate(SHAPES[name] | {"name": name})


def climbed(given: Spec, text: str, folder: Path) -> Report:
    """The report on a program's text in the place of the emitted one, run in this process."""
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8")
    return check(given, programs={NAME: path}, backends=(NAME,), rungs=UP_TO_L3, run=run)


def emitted(given: Spec) -> str:
    return registry.get(NAME).emit(compiled(given).module)


def test_the_plugin_has_at_most_200_lines() -> None:
    assert len(PRINTER.read_text(encoding="utf-8").splitlines()) <= 200


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_climbs_to_l3(name: str) -> None:
    """In float64 and float32."""
    report = check(spec(name), backends=(NAME,), rungs=UP_TO_L3, run=run)
    assert report.passed, report.message
    assert {rung.rung for rung in report.rungs} == {*UP_TO_L3}
    assert {rung.dtype for rung in report.rungs} == {"float64", "float32"}


def test_a_program_stands_alone() -> None:
    """It names NumPy and SciPy and nothing else."""
    for name in SHAPES:
        lines = emitted(spec(name)).splitlines()
        imported = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
        assert imported <= {"numpy", "scipy", "math"}


ORDER = "reversed(range(length)) if back else range(length)"
SLIPS = {
    "the seed": ("steps-layer", "rng([seed,", "rng([seed + 1,", "L0"),
    "another function": ("steps-layer", "return np.tanh(", "return np.sin(", "L1"),
    "a weight of the tableau": ("linear-mlp", "H / 6 * (k1 + 2 *", "H / 6 * (k1 + 1 *", "L2"),
    "the first state left out": ("leapfrog-steps", "len(state), [state]", "len(state), []", "L2"),
    "the steps in reverse": ("verlet-linear", ORDER, "range(length)[:: 1 if back else -1]", "L2"),
    "mu left out": ("verlet-hamiltonian", ' + weights["mu"][:, None]', "", "L3"),
    "a cotangent lost": ("steps-layer", "    K_bar = K_bar + K_bar_2\n", "", "L3"),
    "the way back runs forwards": ("linear-blocks", ORDER, "range(length)", "L3"),
}
"""What is changed in which program, and the rung that sees it first."""


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_caught_on_its_rung(slip: str, tmp_path: Path) -> None:
    name, old, new, rung = SLIPS[slip]
    text = emitted(spec(name))
    assert old in text
    first = climbed(spec(name), text.replace(old, new), tmp_path).first_failure
    assert first is not None and first.rung == rung


def test_the_function_with_the_slip_is_named(tmp_path: Path) -> None:
    """`locate` asks the functions of a third framework as it asks those of the two."""
    given = spec("verlet-hamiltonian")
    text = emitted(given).replace("y + H * dy_dt(", "y + 1.01 * H * dy_dt(")
    report = climbed(given, text, tmp_path)
    found = locate(report, compiled(given), {NAME: text}, run=run)
    assert found is not None
    assert (found.backend, found.equation, found.functions) == (NAME, "step", ("step",))


def test_other_devices_are_refused() -> None:
    with pytest.raises(registry.BackendError, match="not on cuda"):
        compile(spec("steps-layer"), NAME, device="cuda")
