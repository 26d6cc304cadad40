"""Integrators: order, stability, geometry, and the same numbers as other people's codes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from specs import Case, batch, random_weights

from wellposed.compiler.pipeline import compiled
from wellposed.compiler.promises.checked import value_checked
from wellposed.compiler.reference.reference import Reference
from wellposed.compiler.semantics.interpreter import Interpreter
from wellposed.spec.integrators import Integrator, RungeKutta, Tableau
from wellposed.spec.model import Spec

EXPLICIT = ("euler", "midpoint", "heun", "rk4")
Array = np.ndarray
Weights = dict[str, Array]


def runge_kutta(name: str) -> type[RungeKutta]:
    kind = Integrator.members()[name]
    assert issubclass(kind, RungeKutta)
    return kind


def order_of(name: str) -> int:
    return Integrator.members()[name].order


def custom(
    equations: dict[str, str], state: Any, integrator: str, steps: int, horizon: float = 1.0
) -> Reference:
    """A network without a readout whose weights K (y×y) and b are shared."""
    weights = {"K": {"shape": ["y", "y"]}, "b": {"shape": ["y"]}}
    used = {n: w for n, w in weights.items() if any(n in text for text in equations.values())}
    plain = Case("one-block", integrator=integrator).plain(
        state=state,
        vector_field={"kind": "custom", "weights": used, "equations": equations},
        time={"horizon": horizon, "steps": steps, "weights": "shared"},
        readout=None,
        regularizers=[],
    )
    return Reference(compiled(Spec.model_validate(plain)).module)


# --- order --------------------------------------------------------------------------------------


def non_autonomous(integrator: str, steps: int) -> Reference:
    return custom({"y": "tanh(K @ y + b) * (1 + sin(3 * t)) - b * t"}, 2, integrator, steps)


K2 = np.array([[0.3, -1.2], [1.1, 0.2]])
WEIGHTS: Weights = {"K": K2, "b": np.array([0.4, -0.7])}
X2 = np.array([[0.5, -0.3], [1.0, 0.8]])


def final_y(reference: Reference, x: Array = X2, weights: Weights = WEIGHTS) -> Array:
    """y(T) as columns."""
    (found,) = reference.run("final_state", weights, x)
    return found


def slope(integrate: Callable[[int], Array], exact: Array) -> float:
    """log₂ of the ratio of the last two errors."""
    errors = [np.abs(integrate(n) - exact).max() for n in (32, 64)]
    return float(np.log2(errors[0] / errors[1]))


def exact_y() -> Array:
    return final_y(non_autonomous("rk4", 512))


@pytest.mark.parametrize("integrator", EXPLICIT)
def test_order_on_a_nonlinear_non_autonomous_problem(integrator: str):
    found = slope(lambda steps: final_y(non_autonomous(integrator, steps)), exact_y())
    assert found == pytest.approx(order_of(integrator), abs=0.1)


PENDULUM = {"y": "z", "z": "-sin(y)"}
"""From y(0) ≠ 0 and z(0) = 0: z'(0) ≠ 0, unlike in fields of which z' = 0 at the start."""


@pytest.mark.parametrize(("integrator", "order"), [("verlet", 1), ("kick-drift-kick", 2)])
def test_order_of_verlet_for_the_problem_as_it_is_written(integrator: str, order: int):
    """Against SciPy, with z given at t = 0."""
    T, y = 5.0, X2.T.ravel()

    def rhs(t: float, state: Array) -> Array:
        return np.concatenate([state[y.size :], -np.sin(state[: y.size])])

    start = np.concatenate([y, np.zeros(y.size)])
    exact = solve_ivp(rhs, (0, T), start, rtol=1e-12, atol=1e-12).y[: y.size, -1].reshape(2, 2)
    found = slope(
        lambda steps: final_y(custom(PENDULUM, {"y": 2, "z": 2}, integrator, steps, T)), exact
    )
    assert found == pytest.approx(order, abs=0.1)
    assert (
        Case("hamiltonian", integrator=integrator).problem().accuracy.startswith(f"order {order}")
    )


def test_order_of_verlet_where_z_does_not_move_at_the_start():
    """z' = 0 at t = 0, so that z_{−½} = z(0) is exact to h²; elsewhere all depends on t."""
    sides = {"y": "tanh(K @ z + b) * (1 + sin(3 * t))", "z": "-sin(2 * t) * sin(K.T @ y + b)"}

    def integrate(steps: int, integrator: str = "verlet") -> Array:
        return final_y(custom(sides, {"y": 2, "z": 2}, integrator, steps))

    assert slope(integrate, integrate(512, "rk4")) == pytest.approx(2, abs=0.1)


def test_order_of_leapfrog():
    """y'' = tanh(K y + b), y'(0) = 0, where time enters through the linear weights."""

    def integrate(steps: int) -> Array:
        time = {"horizon": 1.0, "steps": steps, "weights": "linear"}
        case = Case("second-order", integrator="leapfrog", mode="linear")
        found = case.compiled(state=2, time=time, readout=None, regularizers=[])
        t = np.arange(steps + 1) / steps
        ramp = 1 + t  # exactly linear in time: interpolation adds no error
        weights = {"K": ramp[:, None, None] * K2, "b": ramp[:, None] * WEIGHTS["b"]}
        return final_y(Reference(found.module), weights=weights)

    assert slope(integrate, integrate(2048)) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("integrator", EXPLICIT[1:])
def test_a_method_with_a_wrong_weight_loses_its_order(
    integrator: str, monkeypatch: pytest.MonkeyPatch
):
    exact, kind = exact_y(), runge_kutta(integrator)
    b = list(kind.tableau.b)
    b[0], b[1] = b[0] + Fraction(1, 10), b[1] - Fraction(1, 10)
    monkeypatch.setattr(kind, "tableau", Tableau(kind.tableau.a, tuple(b)))
    with value_checked(None):
        found = slope(lambda steps: final_y(non_autonomous(integrator, steps)), exact)
    assert found == pytest.approx(1, abs=0.1)


# --- conditions and stability -------------------------------------------------------------------

POLYNOMIALS = {
    "euler": (1, 1),
    "midpoint": (1, 1, Fraction(1, 2)),
    "heun": (1, 1, Fraction(1, 2)),
    "rk4": (1, 1, Fraction(1, 2), Fraction(1, 6), Fraction(1, 24)),
}


@pytest.mark.parametrize("integrator", EXPLICIT)
def test_order_conditions_hold_exactly(integrator: str):
    """Σ b c^{k−1} = 1/k (quadrature), for all k up to the order, as fractions."""
    tableau = runge_kutta(integrator).tableau
    p = order_of(integrator)
    nodes = list(zip(tableau.b, tableau.c, strict=True))
    moments = [sum(b * c ** (k - 1) for b, c in nodes) for k in range(1, p + 1)]
    assert moments == [Fraction(1, k) for k in range(1, p + 1)]
    assert tableau.order() == p


def test_the_classical_tableau_is_not_the_three_eighths_rule():
    rk4 = runge_kutta("rk4").tableau
    assert rk4.b == (Fraction(1, 6), Fraction(1, 3), Fraction(1, 3), Fraction(1, 6))
    three_eighths = Tableau.parse(("", "1/3", "-1/3 1", "1 -1 1"), "1/8 3/8 3/8 1/8")
    assert three_eighths.order() == 4 and three_eighths != rk4


@pytest.mark.parametrize(
    ("a", "b", "order"),
    [
        (("", "2/3"), "1/4 3/4", 2),
        (("", "1/2", "-1 2"), "1/6 2/3 1/6", 3),
        (("", "1/2", "1/2 0", "0 0 1"), "1/6 1/3 1/3 1/6", 2),  # rk4 with k₃ from k₁
        (("", "1"), "1 0", 1),
    ],
)
def test_the_order_of_other_tableaux(a: tuple[str, ...], b: str, order: int):
    """Ralston's, Kutta's third-order, and two broken ones."""
    assert Tableau.parse(a, b).order() == order


def test_an_inconsistent_or_implicit_tableau_is_refused():
    with pytest.raises(ValueError, match="sum to 1"):
        Tableau.parse(("", "1/2"), "0 1/2")
    with pytest.raises(ValueError, match="explicit"):
        Tableau.parse(("1",), "1")


@pytest.mark.parametrize("integrator", EXPLICIT)
def test_a_step_multiplies_a_mode_by_the_stability_function(integrator: str):
    """y' = λ y for complex λ: the step is R(hλ) y."""
    kind = runge_kutta(integrator)
    assert kind.tableau.stability_polynomial() == POLYNOMIALS[integrator]
    h = 0.5
    reference = custom({"y": "K @ y"}, 1, integrator, 1, horizon=h)
    for z in (-0.4 + 0.7j, 1.3j, -2.1 + 0j, 0.3 - 0.2j):
        found = final_y(reference, np.ones((1, 1)), {"K": np.array([[z / h]])})[0, 0]
        exact = sum(complex(c) * z**k for k, c in enumerate(POLYNOMIALS[integrator]))
        assert found == pytest.approx(exact, rel=1e-14)
        amplification = kind().amplification(np.array([z]))[0]
        assert amplification == pytest.approx(abs(exact), rel=1e-14)


@pytest.mark.parametrize(
    ("integrator", "limit"), [("euler", 0), ("midpoint", 0), ("heun", 0), ("rk4", 8**0.5)]
)
def test_the_imaginary_axis(integrator: str, limit: float):
    kind = Integrator.members()[integrator]
    assert kind().imaginary_limit() == pytest.approx(limit, abs=2e-4)


VERLETS = ("verlet", "kick-drift-kick")


@pytest.mark.parametrize("integrator", VERLETS)
def test_the_limit_of_both_forms_of_verlet(integrator: str):
    """An oscillator with h ω just below 2 stays bounded, just above it does not."""
    fields, sizes = {"y": "z * 1", "z": "-y * 1"}, {"y": 1, "z": 1}
    for hw, bounded in ((1.99, True), (2.01, False)):
        reference = custom(fields, sizes, integrator, 400, 400 * hw)
        largest = np.abs(final_y(reference, np.ones((1, 1)), {})).max()
        assert (largest < 100) == bounded
    assert Case("hamiltonian", integrator=integrator).problem().integrator.imaginary_limit() == 2.0


def test_the_limit_of_leapfrog():
    assert Integrator.members()["leapfrog"]().imaginary_limit() == 2.0


# --- geometry -----------------------------------------------------------------------------------


def pendulum(steps: int, horizon: float, integrator: str = "verlet") -> Reference:
    return custom({"y": "z * 1", "z": "-sin(y)"}, {"y": 1, "z": 1}, integrator, steps, horizon)


def energies(steps: int, horizon: float, integrator: str) -> Array:
    """Energy of the pendulum at t_j, of the staggered form with z_j = (z_{j−½} + z_{j+½})/2."""
    found = pendulum(steps, horizon, integrator).trajectory({}, np.array([[1.2]]))
    y, z = found[:, 0].T
    whole = (z[:-1] + z[1:]) / 2 if integrator == "verlet" else z[:-1]
    return whole**2 / 2 - np.cos(y[:-1])


@pytest.mark.parametrize("integrator", VERLETS)
def test_the_energy_of_verlet_neither_grows_nor_falls(integrator: str):
    """Over 50 periods the energy oscillates by O(h²) and does not drift."""
    drift = {}
    for steps in (2000, 4000):
        found = energies(steps, 320.0, integrator)
        quarter = len(found) // 4
        spread = np.ptp(found[1:])
        drift[steps] = spread
        assert abs(found[1:quarter].mean() - found[-quarter:].mean()) < spread / 10
    assert np.log2(drift[2000] / drift[4000]) == pytest.approx(2, abs=0.2)


def test_forward_euler_gains_energy_where_verlet_does_not():
    reference = custom({"y": "z * 1", "z": "-sin(y)"}, {"y": 1, "z": 1}, "euler", 2000, 80.0)
    y, z = reference.trajectory({}, np.array([[1.2]]))[:, 0].T
    energy = z**2 / 2 - np.cos(y)
    assert energy[-1] - energy[0] > 0.5


def test_verlet_runs_back_to_where_it_came_from():
    """Undoing the drift and then the kick of every step leads to y(0) and z(0) = 0."""
    found = Case("hamiltonian", integrator="verlet", mode="shared").compiled()
    p = found.problem
    w, (x, _) = random_weights(p), batch(p)
    path = Reference(found.module).trajectory(w, x)
    y, z = path[-1][:, :3], path[-1][:, 3:]
    for _ in range(p.steps):
        y = y - p.h * np.tanh(z @ w["K"].T + w["b"])
        z = z + p.h * np.tanh(y @ w["K"] + w["c"])
    np.testing.assert_allclose(y, x, atol=1e-14)
    np.testing.assert_allclose(z, 0 * z, atol=1e-14)


def test_kick_drift_kick_is_reversible_and_symplectic():
    """Of the pendulum: from (y₁, −z₁) a step leads to (y₀, −z₀), and MᵀJM = J for its Jacobian M
    by the complex step."""
    reference = pendulum(1, 0.7, "kick-drift-kick")

    def step(y: float, z: float) -> Array:
        states = np.array([[y]]), np.array([[z]])
        found = Interpreter(reference.module).run("step", states, {})
        return np.array([part.item() for part in found])

    before = np.array([1.2, 0.4])
    after = step(*before)
    np.testing.assert_allclose(step(after[0], -after[1]), before * [1, -1], rtol=1e-14)
    e = 1e-30
    M = np.stack([np.imag(step(*(before + 1j * e * unit))) / e for unit in np.eye(2)], axis=1)
    J = np.array([[0, 1], [-1, 0]])
    np.testing.assert_allclose(M.T @ J @ M, J, atol=1e-14)


def test_leapfrog_is_reversible():
    """Started from (y_N, y_{N−1}) in this order the recurrence gives back y₁ and y₀."""
    found = Case("second-order", integrator="leapfrog", mode="shared").compiled()
    weights, (x, _) = random_weights(found.problem), batch(found.problem)
    path = Reference(found.module).trajectory(weights, x)
    h, n = found.module.h, found.module.steps

    def force(y: Array) -> Array:
        return np.tanh(y @ weights["K"].T + weights["b"])

    back = [path[n], path[n - 1]]
    for _ in range(n - 1):
        back.append(2 * back[-1] - back[-2] + h**2 * force(back[-1]))
    np.testing.assert_allclose(back, path[::-1], atol=1e-13)


# --- the exact flow -----------------------------------------------------------------------------


@pytest.mark.parametrize(("integrator", "steps"), [("euler", 64), ("midpoint", 64), ("rk4", 32)])
def test_linear_fields_converge_to_the_matrix_exponential(integrator: str, steps: int):
    """y' = K y: y(T) = exp(T K) y(0), to the order of the method."""
    rng = np.random.default_rng(4)
    K, x = rng.normal(size=(3, 3)), rng.normal(size=(5, 3))
    exact = expm(K) @ x.T
    errors = []
    for n in (steps, 2 * steps):
        time = {"horizon": 1.0, "steps": n, "weights": "shared"}
        case = Case(integrator=integrator, mode="shared", activation="identity", bias="none")
        reference = Reference(case.compiled(time=time, readout=None, regularizers=[]).module)
        errors.append(np.abs(final_y(reference, x, {"K": K}) - exact).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order_of(integrator), abs=0.15)
