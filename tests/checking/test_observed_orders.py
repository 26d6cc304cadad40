"""Observed orders, of the solution and of the energy: right ones are found, wrong ones are seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
from judging import LEAPFROG, VERLET, caught, changed, emitting, judged
from specs import Case

from wellposed.checking.compare import Verdict
from wellposed.checking.invariants import energy, order
from wellposed.checking.invariants.refined import refined, smooth_weights, starts
from wellposed.checking.probes import draw
from wellposed.compiler.ir.elementary import FUNCTIONS
from wellposed.compiler.pipeline import Compiled
from wellposed.compiler.promises.checked import value_checked
from wellposed.spec.integrators import RK4, Heun, Leapfrog, Tableau, Verlet

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
        assert not caught(order, case.compiled())
        monkeypatch.setattr(integrator, "tableau", Tableau.parse(a, b))
        assert caught(order, case.compiled())

    def test_a_wrong_start_of_leapfrog_is_seen(self, monkeypatch: pytest.MonkeyPatch):
        """y₁ = y₀ + h² f is of order 1."""
        monkeypatch.setattr(Leapfrog, "start", Fraction(-1))
        assert caught(order, LEAPFROG.compiled())

    def test_weights_of_another_time_in_verlet_are_seen(self, monkeypatch: pytest.MonkeyPatch):
        """The y half with the weights of t_j is of order 1 where they vary."""
        moves = tuple(replace(move, at=Fraction(0)) for move in Verlet.moves)
        monkeypatch.setattr(Verlet, "moves", moves)
        assert caught(order, replace(VERLET, mode="linear").compiled())


STEPS = [
    (VERLET, "y = y + H * dy_dt", "y = y + 1.01 * H * dy_dt"),
    (VERLET, "z = z + H *", "z = z - H *"),
    (LEAPFROG, "v = v + H *", "v = v + H / 2 *"),
    (Case(integrator="midpoint"), "H / 2 * k1", "H * k1"),
]


@pytest.mark.parametrize(("case", "old", "new"), STEPS)
def test_an_edited_step_is_seen(case: Case, old: str, new: str, monkeypatch: pytest.MonkeyPatch):
    net = case.compiled()
    emitting(monkeypatch, changed(old, new))
    assert caught(order, net)


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
    net = Case().compiled(**plain, parametrization="free")
    assert not caught(order, net)


def test_a_field_with_a_kink_shows_no_order():
    net = Case(activation="relu").compiled()
    assert not order.applies(net, draw(net))


def test_the_exact_solution_is_exact():
    """y' = K y: y(T) = exp(T K) y(0)."""
    from scipy.linalg import expm

    case = Case(activation="identity", bias="none", mode="shared")
    net = refined(case.compiled(), 1.0, 4)
    weights, y = smooth_weights(net), starts(net)
    exact = y @ expm(weights["K"]).T
    np.testing.assert_allclose(order.solved(net, weights, y), exact, rtol=1e-12)


# --- energy ------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
def test_antiderivatives_are_those_of_the_functions(function: str):
    """Those that a row states, and those that are found by quadrature."""
    x, h = np.linspace(0.5, 3, 41)[:, None], 1e-3
    S = partial(energy.antiderivative, function)
    slope = (S(x - 2 * h) - 8 * S(x - h) + 8 * S(x + h) - S(x + 2 * h)) / (12 * h)
    np.testing.assert_allclose(slope, energy._value(f"{function}(x)", x), atol=1e-9)


@pytest.mark.parametrize("bias", ["vector", "scalar", "none"])
@pytest.mark.parametrize("field", ["hamiltonian", "double-layer-hamiltonian", "layer", "custom"])
def test_the_energy_is_conserved_by_the_exact_flow(field: str, bias: str):
    case = Case(field, "hamiltonian" if field == "layer" else "free", "verlet", bias=bias)
    net = refined(quartic() if field == "custom" else case.compiled(), 1.0, 1)
    weights = smooth_weights(net, slope=0.0)
    y = np.hstack([starts(net), 0.3 * starts(net)])
    H = energy.energy(net)
    assert H is not None
    before, after = (
        H(energy._values(net, weights, {"y": s.T[:3], "z": s.T[3:]}))
        for s in (y, order.solved(net, weights, y))
    )
    np.testing.assert_allclose(after, before, rtol=1e-12)
    assert np.abs(order.solved(net, weights, y) - y).max() > 0.1


def quartic() -> Compiled:
    """H = Σ log cosh(K z + b) + yᵀy/2 + Σ z⁴/4, of no t."""
    field = {
        "kind": "custom",
        "weights": {"K": {"shape": ["y", "z"]}, "b": {"shape": ["y"]}},
        "hamiltonian": "sum(log(cosh(K @ z + b))) + y.T @ y / 2 + sum(z**4) / 4",
    }
    plain = Case("hamiltonian-H", integrator="verlet").plain()
    return Case("hamiltonian-H", integrator="verlet").compiled(
        **(plain["model"] | {"vector_field": field})
    )


def test_a_hamiltonian_of_the_users_has_an_energy_and_one_of_time_has_none():
    assert judged(energy, quartic()).verdict is Verdict.AGREES
    timed = Case("hamiltonian-H", integrator="verlet").compiled()
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
    net = VERLET.compiled()
    assert not caught(energy, net)
    emitting(monkeypatch, changed(old, new))
    assert caught(energy, net)
