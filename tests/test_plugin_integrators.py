"""A method of any tableau, or of any moves of halves, comes from one class in a plugin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.integrate import newton_cotes

sys.path.insert(0, str(Path(__file__).parent))

from installed import installed
from specs import Case, Plain

from wellposed.backends.registry import get
from wellposed.checking.checks import RUNGS
from wellposed.checking.inline import run_fast
from wellposed.checking.invariants.order import ALLOWED
from wellposed.checking.ladder import check
from wellposed.compiler.analysis.describe import describe
from wellposed.compiler.front.load import load
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.reference.reference import Reference
from wellposed.spec.diagnostics import SpecError
from wellposed.spec.integrators import Integrator, RungeKutta, Tableau
from wellposed.spec.model import Spec

PLUGINS = [
    Path(__file__).parent / "plugins" / f"{n}.py" for n in ("ralston", "kutta", "splittings")
]
ORDERS = {"ralston": 2, "ralston-3": 3, "kutta-3": 3, "three-eighths": 4}
SPLITTINGS = {"strang": 2, "forest-ruth": 4}
METHODS = (*ORDERS, *SPLITTINGS)
LADDER = (*RUNGS[:4], "L6")
EXPONENTIAL = (1.0, 1.0, 1 / 2, 1 / 6, 1 / 24)
LIMITS = {"ralston": 0, "ralston-3": 3**0.5, "kutta-3": 3**0.5, "three-eighths": 8**0.5}
"""Of methods with p stages of order p = 2, 3, 3, 4, where |R(iω)| ≤ 1 up to there: of order 3
|R|² = 1 − ω⁴/12 + ω⁶/36, of order 4 1 − ω⁶/72 + ω⁸/576."""
Array = np.ndarray


@pytest.fixture(autouse=True, scope="module")
def plugins() -> Iterator[None]:
    with installed(*PLUGINS):
        yield


def method(kind: str) -> type[Integrator]:
    return Integrator.members()[kind]


# --- both programs ------------------------------------------------------------------------------

MODES = {"ralston": "per-step", "ralston-3": "linear", "kutta-3": "shared"}
MODES |= {"three-eighths": "linear", "strang": "per-step", "forest-ruth": "per-step"}


@pytest.mark.parametrize("kind", METHODS)
def test_both_programs_climb_the_ladder(kind: str) -> None:
    """With the observed order against SciPy's DOP853; splittings are walked back, too."""
    pytest.importorskip("torch")
    pytest.importorskip("jax")
    spec = Case("hamiltonian", integrator=kind, mode=MODES[kind]).spec()
    report = check(spec, dtypes=("float64",), rungs=LADDER, run=run_fast)
    assert report.passed, report.message
    seen = {rung.quantity: rung for rung in report.rungs}
    assert seen["order"].tolerance == ALLOWED
    assert ("reversibility" in seen) == (kind in SPLITTINGS)


@pytest.mark.parametrize(
    ("kind", "new"), [("ralston", "y + H / 2 * (k1 + k2)"), ("three-eighths", "y + H * k1")]
)
def test_another_method_in_its_place_is_seen(kind: str, new: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    spec = Case(integrator=kind).spec()
    lines = get("torch").emit(compiled(spec).module).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("    return y + H"))
    lines[at] = f"    return {new}"
    path = tmp_path / "program.py"
    path.write_text("\n".join(lines), encoding="utf-8")
    options = {"backends": ("torch",), "dtypes": ("float64",), "rungs": RUNGS[:4]}
    report = check(spec, programs={"torch": path}, run=run_fast, **options)
    assert report.first_failure is not None and report.first_failure.quantity == "one step"


# --- against what others have written ------------------------------------------------------------


def one_step(kind: str, equation: str, h: float, steps: int = 1) -> Array:
    """y after steps on y' = equation from y = 1."""
    plain = Case("one-block", integrator=kind).plain(
        state=1,
        vector_field={"kind": "custom", "equations": {"y": equation}},
        time={"horizon": h * steps, "steps": steps, "weights": "shared"},
        readout=None,
        regularizers=[],
    )
    return Reference(compiled(Spec.model_validate(plain)).module).trajectory({}, np.ones((1, 1)))


@pytest.mark.parametrize(("kind", "degree"), [("kutta-3", 2), ("three-eighths", 3)])
def test_of_time_alone_it_is_the_rule_of_newton_and_cotes(kind: str, degree: int) -> None:
    """Simpson's rule and the 3/8 rule, weights by SciPy."""
    h, (weights, _) = 0.7, newton_cotes(degree)
    nodes = np.linspace(0, h, degree + 1)
    expected = 1 + h / degree * float(weights @ np.sin(3 * nodes))
    assert one_step(kind, "sin(3 * t)", h)[-1, 0, 0] == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("kind", ORDERS)
def test_amplification_and_limit_are_those_of_the_exponential_cut_off(kind: str) -> None:
    z = np.array([-0.7 + 0.4j, 1.3j, -2.2, 0.3 - 1.9j])
    R = sum(c * z**k for k, c in enumerate(EXPONENTIAL[: ORDERS[kind] + 1]))
    np.testing.assert_allclose(method(kind).amplification(z), abs(R), rtol=1e-14)
    assert method(kind).imaginary_limit() == pytest.approx(LIMITS[kind], abs=1e-7)


def growth(kind: str, omega: float) -> float:
    """The spectral radius of a step of y' = z, z' = −ω² y, as its trajectory shows it, h = 1."""
    plain = Case("one-block", integrator=kind).plain(
        state={"y": 1, "z": 1},
        lift="zeros",
        vector_field={"kind": "custom", "equations": {"y": "z", "z": f"-{omega**2!r} * y"}},
        time={"horizon": 2.0, "steps": 2, "weights": "shared"},
        readout=None,
        regularizers=[],
    )
    path = Reference(compiled(Spec.model_validate(plain)).module).trajectory({}, np.ones((1, 1)))
    first, second, third = path[:, 0]
    matrix = np.column_stack([second, third]) @ np.linalg.inv(np.column_stack([first, second]))
    return float(abs(np.linalg.eigvals(matrix)).max())


@pytest.mark.parametrize(("kind", "limit"), [("strang", 2.0), ("forest-ruth", 1.5734)])
def test_a_splitting_has_the_limit_that_its_oscillations_show(kind: str, limit: float) -> None:
    found = method(kind).imaginary_limit()
    assert found == pytest.approx(limit, abs=1e-4)
    assert growth(kind, 0.999 * found) == pytest.approx(1, abs=1e-9)
    assert growth(kind, 1.001 * found) > 1.01
    for omega in (0.5, 1.2, 1.001 * found, 2.4):
        z = np.array([1j * omega])
        assert method(kind).amplification(z)[0] == pytest.approx(growth(kind, omega), rel=1e-7)


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", METHODS)
def test_show_says_what_it_is(kind: str) -> None:
    found = describe(compiled(Case("hamiltonian", integrator=kind).spec()))
    assert found.integrator[0].startswith(f"{method(kind).name}, order {method(kind).order}")
    limit = method(kind).imaginary_limit()
    said = [finding.claim for finding in found.findings]
    wanted = f"{limit:.3g}" if kind in ORDERS else f"{limit:g}"
    assert any(wanted in claim for claim in said) if limit else "amplifies" in said[-1]


def test_a_formula_is_made_of_the_tableau() -> None:
    assert method("ralston").formula == (
        "y + h/4 (k₁ + 3 k₂); k₁ = f(t, y), k₂ = f(t + 2h/3, y + 2h/3 k₁)"
    )
    assert method("kutta-3").formula.endswith("k₃ = f(t + h, y + h (−k₁ + 2 k₂))")


# --- what is refused -----------------------------------------------------------------------------


def refused(plain: Plain, folder: Path) -> tuple[str, str]:
    """The message of a spec in a file, which points at its integrator, and what it proposes."""
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load(path)
    (found,) = caught.value.diagnostics
    assert found.span is not None and "integrator" in found.span.text
    return f"{found.code} {found.message}", found.help


def test_a_splitting_takes_separable_fields_alone(tmp_path: Path) -> None:
    message, help = refused(Case("coupled-H", integrator="strang").plain(), tmp_path)
    assert message.startswith("E202 strang takes a field y' = f(t, z), z' = g(t, y)")
    methods = "euler, midpoint, heun, rk4, ralston, ralston-3, kutta-3 or three-eighths"
    methods += " dopri5, tsit5"
    assert sorted(words(help)) == sorted(words(f"use {methods}"))


def test_linear_weights_end_with_the_step(tmp_path: Path) -> None:
    """Forest and Ruth's second kick is at t + 1.35 h."""
    message, _ = refused(
        Case("hamiltonian", integrator="forest-ruth", mode="linear").plain(), tmp_path
    )
    assert message == "E202 forest-ruth looks beyond its step, linear weights end with it"


def test_a_method_of_first_order_takes_no_second_order_field(tmp_path: Path) -> None:
    message, help = refused(Case("second-order", integrator="ralston").plain(), tmp_path)
    assert message == "E202 second-order goes with leapfrog, not ralston"
    assert help == "use leapfrog"


@pytest.mark.parametrize("field", ["layer", "hamiltonian"])
def test_what_is_proposed_takes_the_field(field: str, tmp_path: Path) -> None:
    """All methods of first order, a splitting where the field is separable."""
    message, help = refused(Case(field, integrator="leapfrog").plain(), tmp_path)
    assert message == f"E202 leapfrog takes a second-order field, {field} is of first order"
    proposed = words(help)
    assert set(ORDERS) < set(proposed)
    assert set(SPLITTINGS).issubset(proposed) == ("verlet" in proposed) == (field == "hamiltonian")
    for kind in set(proposed) - {"use", "or"}:
        load_case(Case(field, integrator=kind).plain(), tmp_path)


def words(text: str) -> list[str]:
    return text.replace(",", "").split()


def load_case(plain: Plain, folder: Path) -> None:
    """Raises SpecError where the method does not take the field."""
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    load(path)


def test_an_order_that_a_tableau_does_not_have_is_refused() -> None:
    """When the class is declared, not when a network is wrong."""
    with pytest.raises(ValueError, match="declared order 3, found 2"):

        class Wrong(RungeKutta, kind="wrong"):
            name = "wrong"
            order = 3
            tableau = Tableau.parse(("", "2/3"), "1/4 3/4")
