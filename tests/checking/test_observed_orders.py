"""Observed orders, of the solution and of the energy: right ones are found, wrong ones are seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from judging import LEAPFROG, VERLET, caught, changed, emitting, judged
from specs import Case

from wellposed.checking.compare import Verdict
from wellposed.checking.invariants import energy, order
from wellposed.checking.invariants.refined import refined, smooth_weights, starts
from wellposed.checking.probes import draw
from wellposed.compiler.semantics.evaluate import MEANING
from wellposed.compiler.ir.program import Program
from wellposed.compiler.passes import discretize
from wellposed.compiler.promises.checked import value_checked
from wellposed.compiler.reference.reference import Reference
from wellposed.spec.integrators import RK4, Heun, Tableau

# --- order -------------------------------------------------------------------------------------

RK4_ROWS = ("", "1/2", "0 1/2", "0 0 1")
WRONG_ROWS = [
    (RK4, RK4_ROWS, "1/6 1/2 1/6 1/6"),
    (RK4, RK4_ROWS, "1/6 1/3 1/6 1/3"),
    (RK4, ("", "1/2", "1/2 0", "0 0 1"), "1/6 1/3 1/3 1/6"),
    (RK4, ("", "1/2", "0 1/2", "0 1 0"), "1/6 1/3 1/3 1/6"),
    (Heun, ("", "1"), "1/3 2/3"),
    (Heun, ("", "1"), "1 0"),
]


@pytest.fixture
def passes_unchecked() -> Iterator[None]:
    """Without the suite's check of the passes by value, which sees these bugs too."""
    with value_checked(None):
        yield


@pytest.mark.usefixtures("passes_unchecked")
class TestBugsThatTheReferenceShares:
    @pytest.mark.parametrize(("integrator", "a", "b"), WRONG_ROWS)
    @pytest.mark.parametrize("mode", ["per-step", "linear"])
    def test_a_wrong_row_is_seen(
        self,
        integrator: Any,
        a: tuple[str, ...],
        b: str,
        mode: str,
        monkeypatch: pytest.MonkeyPatch,
    ):
        case = Case("layer", integrator=integrator.kind, mode=mode, activation="sigmoid")
        assert not caught(order, case.program())
        monkeypatch.setattr(integrator, "tableau", Tableau.parse(a, b))
        assert caught(order, case.program())

    def test_a_wrong_start_of_leapfrog_is_seen(self, monkeypatch: pytest.MonkeyPatch):
        """y₁ = y₀ + h² f is of order 1."""
        kept = discretize._leapfrog

        def whole(y: Any, H: Any) -> Any:
            step = kept(y, H)
            start = tuple(replace(u, value=u.value + u.value) for u in step.start)
            return replace(step, start=start)

        monkeypatch.setattr(discretize, "_leapfrog", whole)
        assert caught(order, LEAPFROG.program())

    def test_weights_of_another_time_in_verlet_are_seen(self, monkeypatch: pytest.MonkeyPatch):
        """The y half with the weights of t_j is of order 1 where they vary."""
        monkeypatch.setattr(discretize, "MID", discretize.START)
        assert caught(order, replace(VERLET, mode="linear").program())


STEPS = [
    (VERLET, "y = y + H * dy_dt", "y = y + 1.01 * H * dy_dt"),
    (VERLET, "z = z + H *", "z = z - H *"),
    (LEAPFROG, "v = v + H *", "v = v + H / 2 *"),
    (Case(integrator="midpoint"), "H / 2 * k1", "H * k1"),
]


@pytest.mark.parametrize(("case", "old", "new"), STEPS)
def test_an_edited_step_is_seen(case: Case, old: str, new: str, monkeypatch: pytest.MonkeyPatch):
    program = case.program()
    emitting(monkeypatch, changed(old, new))
    assert caught(order, program)


def test_the_order_is_that_of_textbook_errors():
    """y' = −y by Euler with h = 1/N: |(1 − h)^N − 1/e| halves with h."""
    errors = np.array([abs((1 - 1 / n) ** n - np.exp(-1)) for n in (256, 512, 1024)])
    np.testing.assert_allclose(order.orders(errors), 1, atol=4e-3)
    assert float(order.standard(1, errors).tolerance) == order.ALLOWED


@pytest.mark.parametrize(
    "errors",
    [
        pytest.param([1e-3, 1e-4, 1e-6], id="not settled"),
        pytest.param([4e-15, 1e-15, 2.5e-16], id="rounding"),
        pytest.param([1e-2, 1e-3, 1e-4], id="of higher order"),
        pytest.param([np.nan, np.nan, np.nan], id="overflow"),
        pytest.param([0.0, 0.0, 0.0], id="exact"),
    ],
)
def test_an_order_that_does_not_show_is_not_judged(errors: list[float]):
    assert order.standard(2, np.array(errors)).tolerance == np.inf


FIELDS = {
    "constant": "0 * y + 1",
    "not a number": "log(y)",
    "explosive": "exp(y**2) * y**3",
    "fast": "sin(1000000 * t) + 0 * y",
    "stiff": "-1000000 * (y - 1)",
}


@pytest.mark.parametrize("text", FIELDS.values(), ids=FIELDS)
def test_no_field_is_a_false_alarm(text: str):
    field = {"kind": "custom", "weights": {}, "equations": {"y": text}}
    plain = Case(integrator="rk4").plain()["model"] | {"vector_field": field}
    del plain["parametrization"]
    program = Case().program(**plain, parametrization="free")
    assert not caught(order, program)


def test_a_field_with_a_kink_shows_no_order():
    program = Case(activation="relu").program()
    assert not order.applies(program, draw(program))


def test_the_exact_solution_is_exact():
    """y' = K y: y(T) = exp(T K) y(0)."""
    from scipy.linalg import expm

    case = Case(activation="identity", bias="none", mode="shared")
    program = refined(case.program(), 1.0, 4)
    weights, y = smooth_weights(program), starts(program)
    exact = y @ expm(weights["K"]).T
    np.testing.assert_allclose(order.solved(program, weights, y), exact, rtol=1e-12)


# --- energy ------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", energy.ANTIDERIVATIVES)
def test_antiderivatives_are_those_of_the_activations(activation: str):
    x, h = np.linspace(-3, 3, 41), 1e-3
    S = energy.ANTIDERIVATIVES[activation]
    slope = (S(x - 2 * h) - 8 * S(x - h) + 8 * S(x + h) - S(x + 2 * h)) / (12 * h)
    value = {"identity": lambda: x, "cubic": lambda: x**3}.get(
        activation, lambda: MEANING[activation](None, x)
    )
    np.testing.assert_allclose(slope, value(), atol=1e-10)


@pytest.mark.parametrize("bias", ["vector", "scalar", "none"])
@pytest.mark.parametrize("field", ["hamiltonian", "double-layer-hamiltonian", "layer", "custom"])
def test_the_energy_is_conserved_by_the_exact_flow(field: str, bias: str):
    case = Case(field, "hamiltonian" if field == "layer" else "free", "verlet", bias=bias)
    program = refined(quartic() if field == "custom" else case.program(), 1.0, 1)
    weights = smooth_weights(program, slope=0.0)
    y = np.hstack([starts(program), 0.3 * starts(program)])
    H = energy.energy(program, Reference(program).operands_at(weights, 0.0))
    before, after = (H(s.T[:3], s.T[3:]) for s in (y, order.solved(program, weights, y)))
    np.testing.assert_allclose(after, before, rtol=1e-12)
    assert np.abs(order.solved(program, weights, y) - y).max() > 0.1


def quartic() -> Program:
    """H = Σ log cosh(K z + b) + yᵀy/2 + Σ z⁴/4, of no t."""
    field = {
        "kind": "custom",
        "weights": {"K": {"shape": ["y", "z"]}, "b": {"shape": ["y"]}},
        "hamiltonian": "sum(log(cosh(K @ z + b))) + y.T @ y / 2 + sum(z**4) / 4",
    }
    plain = Case("hamiltonian-H", integrator="verlet").plain()
    return Case("hamiltonian-H", integrator="verlet").program(
        **(plain["model"] | {"vector_field": field})
    )


def test_a_hamiltonian_of_the_users_has_an_energy_and_one_of_time_has_none():
    assert judged(energy, quartic()).verdict is Verdict.AGREES
    timed = Case("hamiltonian-H", integrator="verlet").program()
    assert not energy.applies(timed, draw(timed))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return -torch.tanh(K.T @ y + c)", "return torch.tanh(K.T @ y + c)"),
        ("torch.tanh(K @ z + b)", "torch.tanh(K.T @ z + b)"),
        ("    z = z + H * dz_dt", "    y, old = y + H * dy_dt(z, K, b), y\n    z = z + H * dz_dt"),
        ("y = y + H * dy_dt", "y = y + 0.99 * H * dy_dt"),
    ],
    ids=["sign of z'", "K transposed", "explicit Euler first", "shorter step"],
)
def test_a_step_that_loses_energy_is_seen(old: str, new: str, monkeypatch: pytest.MonkeyPatch):
    program = VERLET.program()
    assert not caught(energy, program)
    emitting(monkeypatch, changed(old, new))
    assert caught(energy, program)
