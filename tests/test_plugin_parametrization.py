"""A parametrization with keys of its own comes from one class in a plugin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from installed import installed
from specs import Case, Plain, all_pairs, batch, random_weights, regularizers

from wellposed import compile
from wellposed.backends.program import ALWAYS
from wellposed.backends.registry import get
from wellposed.checking.checks import RUNGS
from wellposed.checking.inline import run_fast
from wellposed.checking.ladder import check
from wellposed.compiler.analysis.describe import describe
from wellposed.compiler.front.declare import NUMBERS
from wellposed.compiler.front.load import load
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.reference.reference import Reference
from wellposed.spec.diagnostics import SpecError
from wellposed.spec.model import Spec
from wellposed.spec.parametrizations import Antisymmetric, Parametrization
from wellposed.spec.regularizers import Regularizer
from wellposed.spec.vector_fields import Equations, VectorField, Weight

PLUGIN = Path(__file__).parent / "plugins" / "damped.py"
DAMPED = {"kind": "damped", "gamma": 0.1, "scale": 2.0}


@pytest.fixture(autouse=True)
def plugin() -> Iterator[None]:
    with installed(PLUGIN):
        yield


def spec(given: Plain = DAMPED, field: str = "layer") -> Spec:
    return Spec.model_validate(Case(field, integrator="rk4").plain(parametrization=given))


@pytest.mark.parametrize("field", ["layer", "double-layer-hamiltonian"])
def test_both_programs_climb_the_ladder(field: str) -> None:
    """Of one weight, and of two that share the parametrization."""
    pytest.importorskip("torch")
    pytest.importorskip("jax")
    report = check(spec(field=field), dtypes=("float64",), rungs=RUNGS[:4], run=run_fast)
    assert report.passed, report.message


def test_k_is_what_the_keys_make_of_it() -> None:
    made = compiled(spec())
    weights = random_weights(made.problem)
    K = Reference(made.module).run("layer_weights", weights)[0]
    raw = weights["K"]
    np.testing.assert_allclose(K, 2 * (raw - raw.transpose(0, 2, 1)) - 0.1 * np.eye(3), rtol=1e-14)


def test_the_program_has_the_keys_as_constants() -> None:
    text = get("torch").emit(compiled(spec()).module)
    assert "\nSCALE = 2.0  # scale\n" in text and "\nGAMMA = 0.1  # γ\n" in text
    assert "    return SCALE * (K - K.mT) - u1\n" in text


def test_show_says_what_is_known_of_it() -> None:
    """K = S − γ I with S skew: the spectrum of K is bounded by construction."""
    found = describe(compiled(spec()))
    assert "K ↦ scale (K − Kᵀ) − γ I" in found.equations
    assert any("Re λ(∂f/∂y) ∈ [-0.1, 0]" in finding.claim for finding in found.findings)


def test_a_weight_of_the_users_own_takes_it() -> None:
    weights = {"A": {"shape": ["y", "y"], "parametrization": DAMPED}, "B": {"shape": ["y", "y"]}}
    field = {"kind": "custom", "weights": weights, "equations": {"y": "A @ y - B @ y"}}
    plain = Case("one-block").plain(vector_field=field)
    text = get("torch").emit(compiled(Spec.model_validate(plain)).module)
    assert "\nSCALE_A = 2.0  # scale of A\n" in text


@pytest.mark.parametrize("key", ["h", "alpha", "steps", "features", "horizon", "states"])
def test_a_key_is_no_number_of_the_programs_own(key: str) -> None:
    """A key h is not the step, a key alpha not that of the regularizer, in no program."""

    class Named(Parametrization, kind="named"):
        square = True
        __annotations__ = {key: float}

        def expression(self, raw: str) -> str:
            return f"({raw} - {raw}.T) / 2 - {key} * I"

    made = compiled(spec({"kind": "named", key: 0.7}))
    text = get("torch").emit(made.module)
    assert f"\n{key.upper()}_K = 0.7  # " in text
    pytest.importorskip("torch")
    weights, y = random_weights(made.problem), np.full((1, 3), 0.3)
    found = get("torch").load(made.module, text).vector_field(weights, 0.1, y)
    expected = Reference(made.module).vector_field(weights, 0.1, y)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_the_names_of_a_programs_own_numbers_are_all_known() -> None:
    """Of every shape of program, the keys of parametrizations aside."""
    found = set(ALWAYS)
    for case in all_pairs():
        made = case.compiled(regularizers=regularizers(case.problem())).module
        found |= {constant.name.partition("_")[0] for constant in made.constants}
    assert found - {"GAMMA"} == NUMBERS


@pytest.mark.parametrize("given", [True, False])
def test_a_key_that_is_true_or_false_is_no_number(given: bool) -> None:
    class Switched(Parametrization, kind="switched"):
        square = True
        on: bool = given

        def expression(self, raw: str) -> str:
            return f"{raw} - {raw}.T" if self.on else raw

    assert Switched().numbers() == {}


def same_in_every_backend(given: Spec) -> str:
    """The text of the torch program; gradients are those of the reference."""
    model, (x, targets) = compile(given, "numpy"), batch(compiled(given).problem)
    weights = random_weights(compiled(given).problem)
    expected = model.gradient(weights, x, targets)
    for backend in ("torch", "jax"):
        pytest.importorskip(backend)
        found = compile(given, backend).gradient(weights, x, targets)
        for name, gradient in expected.items():
            np.testing.assert_allclose(found[name], gradient, rtol=1e-9, atol=1e-12)
    return compile(given, "torch").source


FUNCTIONS = ["step", "dy_dt", "loss-and-gradient", "3 d"]


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_a_kind_may_be_called_as_a_function_of_the_program(kind: str) -> None:
    class Named(Parametrization, kind=kind):
        square = True

        def expression(self, raw: str) -> str:
            return f"({raw} - {raw}.T) / 2"

    class Penalty(Regularizer, kind=kind):
        expression = "alpha * sum(w ** 4)"
        formula = "α Σ w⁴"

    plain = Case(integrator="rk4").plain(
        parametrization=kind, regularizers=[{"kind": kind, "of": ["K", "W"], "alpha": 0.1}]
    )
    same_in_every_backend(Spec.model_validate(plain))


def test_weights_of_a_field_with_other_keys_are_made_by_other_functions() -> None:
    class Both(VectorField, kind="both"):
        takes_parametrization = False

        def describe(self, blocks: dict[str, int], k: Parametrization) -> Equations:
            gammas = {"K1": 0.1, "K2": 0.4, "K3": 0.1}
            weights = (Weight(n, ("y", "y"), Antisymmetric(gamma=g)) for n, g in gammas.items())
            return Equations(blocks, tuple(weights), {"y": "K1 @ tanh(K2 @ y) + K3 @ y"})

    given = Spec.model_validate(Case("one-block").plain(vector_field="both"))
    text = same_in_every_backend(given)
    assert "\nGAMMA = 0.1  # γ\n" in text and "\nGAMMA_K2 = 0.4  # γ of K2\n" in text
    assert text.count("def antisymmetric(") == text.count("def antisymmetric_K2(") == 1
    raw = random_weights(compiled(given).problem)
    made = Reference(compiled(given).module).run("layer_weights", raw)
    for (name, K), found, gamma in zip(list(raw.items())[:3], made, (0.1, 0.4, 0.1), strict=True):
        expected = (K - K.transpose(0, 2, 1) - gamma * np.eye(3)) / 2
        np.testing.assert_allclose(found, expected, rtol=1e-14, err_msg=name)


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message", "at"),
    [
        ({"kind": "damped", "gamma": -1}, "gamma must be ≥ 0", "gamma"),
        ({"kind": "damped", "gamma": 1, "scale": 0}, "scale must be > 0", "scale"),
        ({"kind": "damped"}, "the key 'gamma' is missing", "parametrization"),
        ({"kind": "damped", "gamma": 1, "gama": 2}, "unknown key", "gama"),
        ({"kind": "damped", "gamma": "much"}, "gamma", "gamma"),
        ({"kind": "dampd", "gamma": 1}, "unknown parametrization 'dampd'", "dampd"),
    ],
)
def test_bad_keys_are_errors_at_their_place(
    given: Plain, message: str, at: str, tmp_path: Path
) -> None:
    plain = Case(integrator="rk4").plain(parametrization=given)
    assert message in _refused(plain, tmp_path, at)


def test_it_is_for_square_weights(tmp_path: Path) -> None:
    plain = Case("hamiltonian").plain(state={"y": 2, "z": 3}, parametrization=DAMPED)
    message = _refused(plain, tmp_path, "kind: damped")
    assert message == "damped needs a square operator, K is 2×3"


def test_it_is_proposed_where_another_does_not_go() -> None:
    weights = {"A": {"shape": ["y", "y"], "parametrization": "hamiltonian"}}
    field = {"kind": "custom", "weights": weights, "equations": {"y": "A @ y"}}
    with pytest.raises(SpecError) as caught:
        compiled(Spec.model_validate(Case("one-block").plain(vector_field=field)))
    (found,) = caught.value.diagnostics
    assert found.message == "hamiltonian is a parametrization of layer"
    proposed = found.help.replace(",", "").split()
    assert {"free", "antisymmetric", "negative-gram", "damped"} <= set(proposed)
    assert "hamiltonian" not in proposed


def _refused(plain: Plain, folder: Path, at: str) -> str:
    """The message of a spec in a file, which points at a line that says `at`."""
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load(path)
    (found,) = caught.value.diagnostics
    assert found.span is not None and at in found.span.text
    return found.message
