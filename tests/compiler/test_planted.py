"""A slip of a thousandth in any entry of the catalogue is seen by the literal networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from census import FAMILIES, names_of
from literal import differences
from specs import Case, all_pairs

from wellposed.backends import registry
from wellposed.compiler.builders import path, step
from wellposed.compiler.front import objective
from wellposed.compiler.promises.checked import value_checked
from wellposed.compiler.reference import initial
from wellposed.spec.initializers import Initializer
from wellposed.spec.parametrizations import Parametrization
from wellposed.spec.readouts import Classifier
from wellposed.spec.regularizers import Regularizer
from wellposed.spec.training import ConstantRate, CosineRate, StepRate
from wellposed.spec.vector_fields import Equations, VectorField, WithActivation
from wellposed.training import schedules

Patch = pytest.MonkeyPatch
SLIP = 1.001


def _text(text: str) -> str:
    return f"{SLIP} * ({text})" if text else ""


def _field(patch: Patch, kind: str) -> None:
    member = VectorField.members()[kind]
    describe = member.describe

    def wrong(*args: Any) -> Equations:
        right = describe(*args)
        sides = {block: _text(text) for block, text in right.right_hand_sides.items()}
        return replace(
            right, right_hand_sides=sides, hamiltonian=_text(right.hamiltonian or "") or None
        )

    patch.setattr(member, "describe", wrong)


def _parametrization(patch: Patch, kind: str) -> None:
    member = Parametrization.members()[kind]
    expression = member.expression
    patch.setattr(member, "expression", lambda self, raw: _text(expression(self, raw)))


def _integrator(patch: Patch, kind: str) -> None:
    """h in every line."""
    scaled = step._scaled
    patch.setattr(step, "_scaled", lambda H, factor: SLIP * scaled(H, factor))


def _regularizer(patch: Patch, kind: str) -> None:
    member = Regularizer.members()[kind]
    patch.setattr(member, "expression", _text(member.expression))


def _losses(patch: Patch, kind: str) -> None:
    """Of a hypothesis or of a loss: in all texts that it is part of."""
    for key, text in Classifier.LOSSES.items():
        if kind in key:
            patch.setitem(Classifier.LOSSES, key, _text(text))


def _readout(patch: Patch, kind: str) -> None:
    right = objective.readout

    def wrong(*args: Any) -> Any:
        found = right(*args)
        return found and replace(found, logits=found.logits * SLIP)

    patch.setattr(objective, "readout", wrong)


def _lift(patch: Patch, kind: str) -> None:
    right = objective.lift

    def wrong(*args: Any) -> Any:
        start, weights = right(*args)
        return {name: value * SLIP for name, value in start.items()}, weights

    patch.setattr(objective, "lift", wrong)


def _bias(patch: Patch, kind: str) -> None:
    """The bias left out; something in its place where there is none."""
    more = f" + {SLIP - 1:.3g}" if kind == "none" else ""
    patch.setattr(WithActivation, "_sigma", lambda self, K, b: f"{self.activation}({K}{more})")


def _weights(patch: Patch, kind: str) -> None:
    at_stage = path.at_stage
    patch.setattr(path, "at_stage", lambda *args: SLIP * at_stage(*args))


PLANTS: dict[str, Callable[[Patch, str], None]] = {
    "vector field": _field,
    "parametrization": _parametrization,
    "integrator": _integrator,
    "form": _integrator,
    "regularizer": _regularizer,
    "readout": _readout,
    "hypothesis": _losses,
    "loss": _losses,
    "lift": _lift,
    "bias": _bias,
    "weights": _weights,
}
# what a solver makes of a step is no formula of ours: tests/backends/test_adaptive.py plants there
FORMULAS = FAMILIES | {"integrator": tuple(set(FAMILIES["integrator"]) - {"dopri5", "tsit5"})}
# what is integrated along a path is planted in by tests/compiler/test_along_path.py
FORMULAS |= {"regularizer": tuple(Regularizer.members())}
ENTRIES = [f"{family} {kind}" for family in PLANTS for kind in sorted(FORMULAS[family])]


def case_with(name: str) -> Case:
    """The first of the grid in which the name occurs; a relu may well be 0 all over."""
    cases = [Case(bias=bias) for bias in FAMILIES["bias"]] + all_pairs()
    found = (c for c in cases if c.activation != "relu" and name in names_of(c))
    if name.startswith("parametrization "):  # of matrices alone: a slip is one function
        found = (c for c in found if c.bias == "none")
    return next(found)


@pytest.mark.covers("planted bug", by="name")
@pytest.mark.parametrize("name", ENTRIES)
def test_a_slip_is_seen(name: str, monkeypatch: Patch):
    family = next(f for f in PLANTS if name.startswith(f"{f} "))
    case = case_with(name)
    assert max(differences(case).values()) < 1e-12
    PLANTS[family](monkeypatch, name.removeprefix(f"{family} "))
    with value_checked(None):
        assert max(differences(case).values()) > 1e-8


INITIALIZERS: dict[str, Any] = {
    "zeros": "zeros",
    "constant": {"kind": "constant", "value": 0.25},
    "identity": "identity",
    "normal": "normal",
    "uniform": "uniform",
    "values": {"kind": "values", "values": np.arange(9).reshape(3, 3).tolist()},
}


@pytest.mark.covers("planted bug", by="kind", of="initializer")
@pytest.mark.parametrize("kind", INITIALIZERS)
def test_a_slip_in_an_initial_weight_is_seen(kind: str, monkeypatch: Patch):
    """By the emitted program, which draws its own."""
    assert kind in Initializer.members()
    module = Case().compiled(initializers={"K": INITIALIZERS[kind]}).module
    drawn = registry.get("torch").load(module, registry.get("torch").emit(module)).init()["K"]
    assert (initial.initial_weights(module.weights, module.seed)["K"] == drawn).all()
    right = initial._initial
    monkeypatch.setattr(initial, "_initial", lambda *args: right(*args) * SLIP + (SLIP - 1))
    assert (initial.initial_weights(module.weights, module.seed)["K"] != drawn).any()


PEAK, CLOCK = 0.5, schedules.Clock(step=17, per_epoch=3, epochs=10)
RATES: dict[str, tuple[Any, float]] = {
    "constant": (ConstantRate(), 0.5),
    # 17 of 30 updates along half a cosine
    "cosine": (CosineRate(final=0.1), 0.1 + 0.4 * (1 + np.cos(np.pi * 17 / 30)) / 2),
    # five epochs are complete
    "step": (StepRate(every=2, factor=0.5), 0.5 * 0.5**2),
}


@pytest.mark.covers("value", "float64", "planted bug", by="kind", of="schedule")
@pytest.mark.parametrize("kind", RATES)
def test_a_slip_in_a_learning_rate_is_seen(kind: str, monkeypatch: Patch):
    schedule, expected = RATES[kind]
    assert schedules.rate(schedule, PEAK, CLOCK) == pytest.approx(expected, rel=1e-15)
    right = schedules.rate
    monkeypatch.setattr(schedules, "rate", lambda *args: right(*args) * SLIP)
    assert schedules.rate(schedule, PEAK, CLOCK) != pytest.approx(expected, rel=1e-6)
