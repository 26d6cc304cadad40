"""The reference: which combinations it takes, and its gradients against central differences."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from specs import (
    AXES,
    Case,
    all_pairs,
    allowed,
    batch,
    pairs,
    random_weights,
    regularizers,
    structural,
)

from wellposed.compiler.front.load import load
from wellposed.compiler.ir.expr import build, constant
from wellposed.compiler.ir.types import Size
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.promises.checked import value_checked
from wellposed.compiler.reference.reference import Reference
from wellposed.compiler.semantics.evaluate import evaluate
from wellposed.spec.diagnostics import SpecError
from wellposed.spec.load import validate
from wellposed.spec.model import Spec
from wellposed.spec.source import read_text

STRUCTURES = list(structural())
ALLOWED = [case for case in STRUCTURES if allowed(case)]
REFUSED = [case for case in STRUCTURES if not allowed(case)]


# --- combinations -------------------------------------------------------------------------------


def test_the_full_product_is_lowered_or_refused_as_the_language_says():
    wrong = []
    for case in STRUCTURES:
        try:
            case.compiled()
        except SpecError:
            found = False
        else:
            found = True
        if found != allowed(case):
            wrong.append(str(case))
    assert wrong == []
    assert len(ALLOWED) > 300 and len(REFUSED) > 300


def test_every_refusal_is_located_in_the_spec():
    """Each error has a place inside `model`, and the code of a combination that does not fit."""
    wrong = []
    for case in REFUSED:
        text = yaml.safe_dump(case.plain(), sort_keys=False)
        spec = validate(read_text(text, "m.yaml"), Spec)
        with pytest.raises(SpecError) as caught:
            compiled(spec)
        lines = text.splitlines()
        model = lines.index("model:") + 1
        for found in caught.value.diagnostics:
            placed = found.span is not None and found.span.line > model
            if not placed or found.code not in ("E202", "E203"):
                wrong.append((str(case), found.code, found.message))
    assert wrong == []


def test_the_all_pairs_grid_holds_every_pair():
    grid = all_pairs()
    held = set().union(*(pairs(case) for case in grid))
    possible = set().union(*(pairs(case) for case in ALLOWED))
    assert possible <= held
    assert all(allowed(case) for case in grid)
    assert len(grid) < 150
    for axis, values in AXES.items():
        assert {getattr(case, axis) for case in grid} == set(values)


# --- gradients ----------------------------------------------------------------------------------


def worst_gradient_error(case: Case) -> float:
    """Directional derivatives against central differences, for every weight by itself."""
    found = case.compiled(regularizers=regularizers(case.problem()))
    reference = Reference(found.module)
    weights, (x, targets) = random_weights(found.problem), batch(found.problem)
    rng = np.random.default_rng(9)
    gradient = reference.gradient(weights, x, targets)
    assert list(gradient) == [w.name for w in found.module.weights]
    worst = 0.0
    for name, value in weights.items():
        assert gradient[name].shape == value.shape
        v, e = rng.normal(size=value.shape), 1e-5
        ahead, behind = (
            reference.loss({**weights, name: value + d * v}, x, targets) for d in (e, -e)
        )
        numeric = (ahead - behind) / (2 * e)
        pulled = float((gradient[name] * v).sum())
        worst = max(worst, abs(pulled - numeric) / max(1.0, abs(numeric)))
    return worst


@pytest.mark.covers("gradient", by="case")
@pytest.mark.parametrize("case", all_pairs(), ids=str)
def test_gradients_over_all_pairs(case: Case):
    tolerance = 1e-4 if case.activation == "relu" else 1e-7  # a kink may lie within ± ε
    assert worst_gradient_error(case) < tolerance


def test_a_wrong_derivative_is_caught(monkeypatch: pytest.MonkeyPatch):
    from wellposed.compiler.ir.elementary import DERIVATIVES

    monkeypatch.setitem(DERIVATIVES, "tanh", "1 - tanh(x)")
    with value_checked(None):
        assert worst_gradient_error(Case()) > 1e-3


def test_the_whole_loss_by_complex_step():
    """To the last digits, where every function of the network is analytic."""
    case = Case("hamiltonian", integrator="verlet", mode="linear", lift="linear")
    reference, problem = Reference(case.compiled().module), case.problem()
    weights, (x, targets) = random_weights(problem), batch(problem)
    gradient = reference.gradient(weights, x, targets)
    rng = np.random.default_rng(2)
    v = {name: rng.normal(size=w.shape) for name, w in weights.items()}
    moved = {name: w + 1e-30j * v[name] for name, w in weights.items()}
    exact = np.imag(reference.loss(moved, x, targets)) / 1e-30
    found = sum(float((gradient[name] * v[name]).sum()) for name in weights)
    assert found == pytest.approx(exact, rel=1e-13)


def test_a_weight_the_loss_does_not_see_has_a_zero_gradient():
    field = {
        "kind": "custom",
        "weights": {"K": {"shape": ["y", "y"]}, "idle": {"shape": [4]}},
        "equations": {"y": "K @ y"},
    }
    found = Case("one-block").compiled(vector_field=field)
    weights, (x, targets) = random_weights(found.problem), batch(found.problem)
    assert (Reference(found.module).gradient(weights, x, targets)["idle"] == 0).all()


# --- where in time ------------------------------------------------------------------------------


def step_at(t: float, h: float, steps: int) -> int:
    """The step that a time belongs to."""
    node = build("step_of", constant(t), constant(h), attributes=(Size(steps),))
    return int(evaluate(node, {}))


@pytest.mark.parametrize("horizon", [1.0, 0.1, 0.3, 20.0, 1e-3, 7.77])
@pytest.mark.parametrize("steps", [1, 3, 7, 10, 64, 1000])
def test_nodes_belong_to_their_own_step(horizon: float, steps: int):
    """t_j, however it is computed, has step j; just before it is step j − 1."""
    h = horizon / steps
    total = 0.0
    for j in range(steps):
        for t in (j * h, j * horizon / steps, horizon * (j / steps), total):
            assert step_at(t, h, steps) == j
        total += h
        assert step_at((j + 0.999) * h, h, steps) == j
    assert step_at(horizon, h, steps) == steps - 1
    assert step_at(0.0, h, steps) == 0


def test_times_outside_belong_to_the_first_and_the_last_step():
    assert step_at(-0.5, 0.1, 10) == 0
    assert step_at(1.5, 0.1, 10) == 9


def test_linear_weights_are_continuous_in_time():
    found = Case("parabolic", "antisymmetric", mode="linear").compiled()
    reference, h = Reference(found.module), found.module.h
    weights, y = random_weights(found.problem), np.random.default_rng(0).normal(size=(4, 3))
    for t in (h, 2 * h):
        before, after = (reference.vector_field(weights, t + e, y) for e in (-1e-12, 1e-12))
        np.testing.assert_allclose(before, after, atol=1e-10)


def test_a_shipped_example_is_lowered_with_the_names_of_the_language():
    found = compiled(load("ellipses-antisymmetric"))
    assert [w.name for w in found.module.weights] == ["K", "b", "W", "mu"]
