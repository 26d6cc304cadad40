"""Stability findings: nothing that is claimed by construction is contradicted by eigenvalues."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

import wellposed
from wellposed.compiler.analysis import stability
from wellposed.compiler.analysis.jacobian import eigenvalues, has_one_jacobian, jacobians
from wellposed.compiler.analysis.numbers import Numbers, numbers_of
from wellposed.compiler.analysis.seen import Seen, look_at
from wellposed.compiler.analysis.spectrum import spectrum
from wellposed.compiler.analysis.stability import analyse
from wellposed.compiler.front.load import examples
from wellposed.compiler.pipeline import Compiled, compiled
from wellposed.compiler.reference.reference import Reference
from wellposed.data.dataset import Split
from wellposed.spec.integrators import RK4, Euler, Heun, Midpoint, Verlet
from wellposed.spec.model import Spec

FIELDS = (
    "layer",
    "second-order",
    "hamiltonian",
    "double-layer-hamiltonian",
    "parabolic",
)
PARAMETRIZATIONS = ("free", "antisymmetric", "negative-gram", "hamiltonian")


def program(field: Any, parametrization: Any = "free", **model: Any) -> Compiled:
    integrator = "leapfrog" if "second-order" in str(field) else "rk4"
    settings: dict[str, Any] = {
        "state": 3,
        "vector_field": field,
        "parametrization": parametrization,
        "time": {"horizon": 2, "steps": 4},
        "integrator": integrator,
    }
    plain = {"wellposed": 1, "name": "t", "dtype": "float64", "model": settings | model}
    return compiled(Spec.model_validate(plain))


def sampled_real_parts(p: Compiled) -> tuple[float, float, float]:
    """Extremes of Re λ(∂f/∂y) and the largest |λ|, over weights and states of three scales."""
    rng = np.random.default_rng(0)
    found = []
    for scale in (0.1, 1.0, 10.0):
        for spread in (0.1, 1.0, 5.0):
            weights = {w.name: scale * rng.normal(size=w.shape) for w in p.module.weights}
            x = spread * rng.normal(size=(6, 3))
            with np.errstate(all="ignore"):
                path = Reference(p.module).trajectory(weights, x)
            path = np.nan_to_num(path, nan=0.0, posinf=1.0, neginf=-1.0)
            matrices = jacobians(p, weights, path, np.arange(p.module.steps))
            found.append(np.linalg.eigvals(matrices).ravel())
    every = np.concatenate(found)
    real = np.real(every)
    return float(real.min()), float(real.max()), float(np.abs(every).max())


CASES = [
    (f, k, a)
    for f, k, a in product(FIELDS, PARAMETRIZATIONS, ("tanh", "relu", "sin", "gelu", "identity"))
    if k != "hamiltonian" or f == "layer"
]


@pytest.mark.parametrize(("field", "kind", "activation"), CASES)
def test_bounds_by_construction_hold(field: str, kind: str, activation: str) -> None:
    parametrization = {"kind": kind, "gamma": 0.3} if kind == "antisymmetric" else kind
    p = program({"kind": field, "activation": activation}, parametrization)
    known = spectrum(p.problem)
    if known is None:
        assert activation in ("sin", "gelu") or kind == "free"
        return
    low, high, modulus = sampled_real_parts(p)
    slack = 1e-6 * max(1.0, modulus)  # a double eigenvalue is computed to √eps only
    assert known.lower - slack <= low
    assert high <= known.upper + slack


def test_a_wrong_claim_would_be_seen() -> None:
    """The oracle itself: a free K does have eigenvalues on both sides."""
    low, high, _ = sampled_real_parts(program({"kind": "layer"}))
    assert low < -0.3
    assert high > 0.3


@pytest.mark.parametrize(
    ("equations", "lower_bound", "upper_bound"),
    [
        ({"y": "tanh((A - A.T) @ y + b)"}, 0, 0),
        ({"y": "tanh(-A.T @ A @ y)"}, -np.inf, 0),
        ({"y": "-(A.T @ tanh(A @ y + b)) - y"}, -np.inf, -1),
        ({"y": "-2 * y - tanh(y)"}, -3, -2),
        ({"y": "-(y * 0.5) - tanh(y)"}, -1.5, -0.5),
        ({"y": "(A - A.T) @ y - y / 2"}, -0.5, -0.5),
        ({"y": "tanh(A @ y)"}, None, None),
    ],
)
def test_structure_is_found_in_a_users_own_equations(
    equations: dict[str, str], lower_bound: float | None, upper_bound: float | None
) -> None:
    weights = {"A": {"shape": ["y", "y"]}, "b": {"shape": ["y"]}}
    p = program({"kind": "custom", "weights": weights, "equations": equations})
    known = spectrum(p.problem)
    if lower_bound is None:
        assert known is None
        return
    assert known is not None
    assert (known.lower, known.upper) == (lower_bound, upper_bound)
    low, high, modulus = sampled_real_parts(p)
    assert known.lower - 1e-6 * modulus <= low
    assert high <= known.upper + 1e-6 * modulus


def test_a_convex_separable_hamiltonian_has_an_imaginary_spectrum() -> None:
    weights = {"K": {"shape": ["z", "z"]}, "A": {"shape": ["y", "y"]}}
    text = "sum(log(cosh(K @ z))) + sum(log(cosh(A @ y)))"
    p = program({"kind": "custom", "weights": weights, "hamiltonian": text}, state={"y": 3, "z": 3})
    known = spectrum(p.problem)
    assert known is not None
    assert known.is_imaginary


def test_jacobians_are_those_of_finite_differences() -> None:
    p = program({"kind": "hamiltonian"}, state={"y": 2, "z": 3})
    rng = np.random.default_rng(1)
    weights = {w.name: rng.normal(size=w.shape) for w in p.module.weights}
    reference = Reference(p.module)
    path = reference.trajectory(weights, rng.normal(size=(4, 2)))
    ours = jacobians(p, weights, path, np.array([2]))[0]
    t, y = 2 * p.module.h, path[2]
    eps = 1e-6
    for i in range(p.problem.size):
        step = np.zeros(p.problem.size)
        step[i] = eps
        up = reference.vector_field(weights, t, y + step)
        down = reference.vector_field(weights, t, y - step)
        np.testing.assert_allclose(ours[:, :, i], (up - down) / (2 * eps), atol=1e-8)


def codes(p: Compiled) -> list[str]:
    return [f.code for f in analyse(p)]


def test_euler_on_an_undamped_antisymmetric_field_is_warned_of_with_a_cure() -> None:
    p = program("layer", "antisymmetric", integrator="euler")
    (warning,) = [f for f in analyse(p) if f.level == "warning"]
    assert warning.code == "W201"
    assert "|1 + i h ω| > 1" in warning.claim
    assert "γ > 0" in warning.cure
    assert "verlet" in warning.cure
    assert codes(program("layer", {"kind": "antisymmetric", "gamma": 0.5}, integrator="euler")) == [
        "N201",
        "N204",
    ]


def test_a_damping_beyond_the_step_is_not_called_too_small() -> None:
    p = program(
        "layer",
        {"kind": "antisymmetric", "gamma": 5.0},
        integrator="euler",
        time={"horizon": 20, "steps": 20},
    )
    (warning,) = [f for f in analyse(p) if f.code == "W201"]
    assert "h γ = 5 > 4" in warning.claim
    assert "a smaller γ" in warning.cure


def test_slight_growth_is_said_with_its_rate_from_the_tableau() -> None:
    p = program("layer", "antisymmetric", integrator="heun")
    (finding,) = [f for f in analyse(p) if f.code == "N205"]
    assert "1 + 1/8 (h ω)^4" in finding.claim
    z = np.array([1e-2j])
    assert Heun().amplification(z)[0] - 1 == pytest.approx(1e-8 / 8, rel=1e-3)


def test_a_staggered_step_beyond_its_limit_is_warned_of() -> None:
    wide = {"K": {"kind": "identity", "scale": 3.0}, "C": {"kind": "identity", "scale": 3.0}}
    for field, kind, integrator in (
        ("hamiltonian", "free", "verlet"),
        ("second-order", "negative-gram", "leapfrog"),
    ):
        name = "C" if kind == "negative-gram" else "K"
        for horizon, beyond in ((4.0, True), (0.4, False)):
            p = program(
                {"kind": field, "activation": "identity"},
                kind,
                integrator=integrator,
                time={"horizon": horizon, "steps": 4},
                initializers={name: wide[name]},
            )
            assert ("W202" in codes(p)) is beyond


def test_a_free_k_gets_the_honest_answer() -> None:
    (finding, *_) = analyse(program("layer"))
    assert finding.code == "N202"
    assert "nothing is known" in finding.claim


def test_the_slides_stability_example() -> None:
    """Eigenvalues 2; −2, −1; ±i at y = 0, where σ' = 1."""
    expected = {"plus": "W203", "minus": "N203", "zero": "N201"}
    for name, code in expected.items():
        spec = wellposed.load(f"stability-{name}")
        found = analyse(compiled(spec))
        assert found[0].code == code
        assert found[0].span is not None
    assert "W201" in codes(compiled(wellposed.load("stability-zero")))


@pytest.mark.parametrize("path", examples(), ids=lambda path: path.stem)
def test_every_finding_of_an_example_has_its_place_and_grounds(path: Any) -> None:
    for finding in analyse(compiled(wellposed.load(path))):
        assert finding.span is not None
        assert finding.claim
        assert finding.evidence
        assert finding.diagnostic.render()


@pytest.mark.parametrize(
    ("integrator", "limit"), [(Euler(), 0), (Midpoint(), 0), (Heun(), 0), (RK4(), 8**0.5)]
)
def test_limits_on_the_imaginary_axis(integrator: Any, limit: float) -> None:
    assert integrator.imaginary_limit() == pytest.approx(limit, abs=2e-4)


def test_verlet_amplifies_beyond_two_and_not_before() -> None:
    assert Verlet().imaginary_limit() == 2
    inside, outside = Verlet().amplification(np.array([1.99j, 2.01j]))
    assert inside == pytest.approx(1, abs=1e-12)
    assert outside > 1.1


def test_eigenvalues_of_a_state_that_is_not_finite_are_not_numbers() -> None:
    p = program({"kind": "layer", "activation": "cubic"}, time={"horizon": 100, "steps": 9})
    weights = {w.name: 10 * np.ones(w.shape) for w in p.module.weights}
    with np.errstate(all="ignore"):
        _, found = eigenvalues(p, weights, np.ones((1, 3)))
    assert np.isnan(found[-1]).all()
    assert np.isfinite(found[0]).all()


@pytest.mark.parametrize("weights", ["shared", "per-step"])
def test_matrices_that_a_network_of_time_makes_are_seen_through(weights: str) -> None:
    """Nothing is claimed of all weights; the eigenvalues are those of Σ σ'(wᵢᵀ y + bᵢ) uᵢ wᵢᵀ."""
    field = {"kind": "planar-mixture", "width": 2, "hidden": [3]}
    p = program(field, time={"horizon": 2, "steps": 4, "weights": weights})
    assert spectrum(p.problem) is None
    assert not has_one_jacobian(p.problem)
    (finding,) = analyse(p)
    assert finding.code == "N202" and "Re λ in [" in finding.evidence


@pytest.mark.parametrize("equation", ["log(b) * y", "exp(900 + y * y) - exp(900 + y * y) + b"])
def test_slopes_that_are_not_finite_are_said_to_be_so(equation: str):
    """They are −∞ or NaN, which is no growth."""
    field = {"kind": "custom", "weights": {"b": {"shape": ["y"]}}, "equations": {"y": equation}}
    with np.errstate(all="ignore"):
        found = analyse(program(field))
    assert [f.code for f in found if f.level == "warning"] == ["W204"]


def test_a_field_without_slopes_has_no_oscillations_to_amplify():
    equation = {"y": "b + 1 / (t - 5)"}
    field = {"kind": "custom", "weights": {"b": {"shape": ["y"]}}, "equations": equation}
    found = analyse(program(field, integrator="euler"))
    assert [f.code for f in found] == ["N201"]


@pytest.mark.parametrize("weights", ["shared", "per-step", "linear"])
def test_a_weight_that_no_equation_names_is_no_obstacle(weights: str):
    field = {
        "kind": "custom",
        "weights": {name: {"shape": ["y", "y"]} for name in ("A", "K", "B")},
        "equations": {"y": "tanh(K @ y)"},
    }
    time = {"horizon": 2, "steps": 4, "weights": weights}
    assert [f.code for f in analyse(program(field, time=time))] == ["N202"]


@pytest.mark.parametrize(
    ("parametrization", "why"),
    [
        ("negative-gram", "these are bounds on the symmetric part of ∂f/∂y = −Cᵀ C"),
        ({"kind": "antisymmetric", "gamma": 0.1}, "∂f/∂y = ½ (K − Kᵀ − γ I)"),
    ],
)
def test_a_linear_field_is_its_matrix(parametrization: Any, why: str):
    known = spectrum(program({"kind": "layer", "activation": "identity"}, parametrization).problem)
    assert known is not None and known.why.endswith(why)


# --- what a method's limit is about ---------------------------------------------------------------


@pytest.mark.parametrize("integrator", ["verlet", "leapfrog"])
def test_within_its_limit_a_method_is_not_called_stable_where_the_field_grows(integrator: str):
    """λ = ±2 for y' = 2 z, z' = 2 y and for y'' = 4 y: within h |λ| ≤ 2, and yet y grows as e²ᵗ."""
    field: dict[str, Any] = {"equations": {"y": "2 * z", "z": "2 * y"}, "kind": "custom"}
    state, model = {"y": 1, "z": 1}, {}
    if integrator == "leapfrog":
        field = {"kind": "second-order", "activation": "identity", "bias": "none"}
        state, model = {"y": 1}, {"initializers": {"K": {"kind": "constant", "value": 4}}}
    time = {"horizon": 4, "steps": 40, "weights": "shared"}
    p = program(field, state=state, integrator=integrator, time=time, **model)
    assert sampled_growth(p) == pytest.approx(np.cosh(8), rel=0.2)
    assert "N204" not in codes(p) and "W202" not in codes(p)
    (said,) = [f for f in analyse(p) if f.code == "N206"]
    assert "h |Im λ| = 0 ≤ 2" in said.claim and "Re λ reaches 2 > 0" in said.claim
    assert "over 40 steps" in said.evidence


def sampled_growth(p: Compiled) -> float:
    """|y(T)| / |y(0)| of the first state, by the reference at the initial weights."""
    reference = Reference(p.module)
    path = reference.trajectory(reference.init(), np.ones((1, 1)))[:, 0, 0]
    return float(abs(path[-1] / path[0]))


def test_growth_and_a_step_beyond_the_limit_are_told_apart():
    """λ = ±2 and ±30 i: the oscillation is what the step is too long for."""
    weights = {"A": {"shape": ["y", "z"]}, "B": {"shape": ["z", "y"]}}
    field = {"kind": "custom", "weights": weights, "equations": {"y": "A @ z", "z": "B @ y"}}
    values = {"A": [[2, 0], [0, 30]], "B": [[2, 0], [0, -30]]}
    p = program(
        field,
        state={"y": 2, "z": 2},
        integrator="verlet",
        time={"horizon": 1, "steps": 10},
        initializers={n: {"kind": "values", "values": v} for n, v in values.items()},
    )
    (warning,) = [f for f in analyse(p) if f.code == "W202"]
    assert "h |Im λ| = 3 > 2" in warning.claim


@pytest.mark.parametrize("integrator", ["verlet", "leapfrog"])
def test_a_spectrum_that_is_imaginary_up_to_rounding_does_not_grow(integrator: str):
    """The matrix has −1 twice and one eigenvector: it is found to √ε, and nothing is proved."""
    weights = {"K": {"shape": ["y", "y"]}}
    custom = {"kind": "custom", "weights": weights, "equations": {"y": "z", "z": "K @ y"}}
    second = {"kind": "second-order", "activation": "identity", "bias": "none"}
    p = program(
        custom if integrator == "verlet" else second,
        state={"y": 2, "z": 2} if integrator == "verlet" else 2,
        integrator=integrator,
        initializers={"K": {"kind": "values", "values": [[1, -4], [1, -3]]}},
    )
    assert codes(p)[-1] == "N204"


def test_a_proof_outranks_numbers_that_are_off(monkeypatch: pytest.MonkeyPatch):
    def off(p: Compiled, given: Seen) -> Numbers:
        return replace(numbers_of(p, given), upper=0.1)

    monkeypatch.setattr(stability, "numbers_of", off)
    assert codes(program("second-order", "negative-gram"))[-1] == "N204"
    assert codes(program("hamiltonian", integrator="verlet"))[-1] == "N204"
    assert codes(program("second-order"))[-1] == "N206"


# --- what γ is said of ----------------------------------------------------------------------------

SKEW = {"A": {"shape": ["y", "y"], "parametrization": {"kind": "antisymmetric", "gamma": 1.0}}}


@pytest.mark.parametrize(
    ("field", "parametrization"),
    [
        ("parabolic", {"kind": "antisymmetric", "gamma": 0.5}),
        ({"kind": "custom", "weights": SKEW, "equations": {"y": "-A @ y"}}, "free"),
        ({"kind": "custom", "weights": SKEW, "equations": {"y": "A @ y - y"}}, "free"),
        ({"kind": "custom", "weights": SKEW, "equations": {"y": "A @ tanh(A @ y)"}}, "free"),
        ({"kind": "custom", "weights": SKEW, "equations": {"y": "A @ y + tanh(y)"}}, "free"),
        ({"kind": "custom", "weights": SKEW, "equations": {"y": "-y / 2"}}, "free"),
    ],
)
def test_modes_that_the_field_does_not_have_are_not_spoken_of(field: Any, parametrization: Any):
    """Real ones, +γ/2 ± iω, −3γ/2 ± iω, unknown ones, some between ±γ/2, −γ/2 without A."""
    p = program(field, parametrization, integrator="euler", time={"horizon": 2, "steps": 40})
    assert not [f for f in analyse(p) if "γ/2" in f.claim]


def test_modes_that_a_users_own_field_has_are():
    field = {"kind": "custom", "weights": SKEW, "equations": {"y": "tanh(A @ y)"}}
    found = analyse(program(field, integrator="euler", time={"horizon": 2, "steps": 40}))
    assert [f.code for f in found if "-γ/2 ± iω" in f.claim] == ["N204"]


# --- long states ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        (130, "2 random states, 8 steps: Re λ in"),
        (513, "1 random state, 7 of 10 steps: Re λ in"),
        (800, r"1 random state, 4 of 10 steps, \d+ outer eigenvalues of 800: Re λ in"),
        (20_000, "no eigenvalues are computed of a network as large as this one"),
    ],
)
def test_of_a_long_state_it_is_said_what_was_looked_at(size: int, seen: str):
    time = {"horizon": 1, "steps": 10, "weights": "shared"}
    (finding,) = analyse(program("layer", state=size, time=time))
    assert finding.code == "N202" and re.search(seen, finding.evidence)


# --- what is looked at ----------------------------------------------------------------------------


def at(equation: str, data: list[list[float]], integrator: str = "rk4", **model: Any) -> list[Any]:
    """The findings on y' = … at rows of data."""
    field = {"kind": "custom", "equations": {"y": equation}, "weights": model.pop("weights", {})}
    given = {"state": len(data[0]), "time": {"horizon": 1, "steps": 50, "weights": "shared"}}
    p = program(field, integrator=integrator, **(given | model))
    with np.errstate(all="ignore"):
        return list(analyse(p, look_at(p.problem, Split(np.array(data), None))))


def test_a_step_that_is_too_long_at_the_data_is_warned_of() -> None:
    """y' = −y³ at y = 13: λ = −3 · 13² = −507, h λ = −10.14, the method's limit is 2."""
    found = {f.code: f for f in at("-y**3", [[12.0], [11.0], [13.0], [10.0]], "euler")}
    assert found["W202"].claim.endswith("h |λ| = 10.1 > 2 at λ = -507")
    assert found["W202"].assumption == "t = 0"
    assert "from x = 13" in found["W204"].claim
    assert "Re λ down to -507" in found["N203"].claim  # and not that of the states on their way out
    assert not [f for f in at("-y**3", [[0.5]], "euler") if f.level == "warning"]


def test_a_singularity_away_from_the_data_is_none() -> None:
    """1/y is as smooth as any field where y > 0; at y = 0 it is said where it was looked at."""
    assert [f.code for f in at("1/y", [[1.0], [2.0], [1.5], [3.0]])] == ["N203"]
    (warning,) = [f for f in at("1/y", [[1.0], [0.0]]) if f.level == "warning"]
    assert warning.code == "W204" and "at y = 0, t = 0" in warning.claim
    assert "smaller h" not in warning.cure and "more steps" not in warning.cure


def test_the_limit_in_a_direction_is_where_the_region_ends() -> None:
    assert Euler.limit_along(-1) == pytest.approx(2)
    assert RK4.limit_along(-1) == pytest.approx(2.785293563, rel=1e-8)
    mode = -1 + 1j
    s = Heun.limit_along(mode)
    on, beyond = Heun().amplification(np.array([s, 1.001 * s]) * mode / abs(mode))
    assert on == pytest.approx(1, abs=1e-12) and beyond > 1


def test_the_largest_and_the_smallest_row_are_looked_at() -> None:
    p = program("layer")
    data = np.random.default_rng(0).normal(size=(500, 3))
    sizes = np.linalg.norm(data, axis=1)
    seen = look_at(p.problem, Split(data, None))
    found = np.linalg.norm(seen.x, axis=1)
    assert len(seen.x) == 8 and {sizes.max(), sizes.min()} <= set(found)
    assert "8 rows of the training data" in seen.where
    assert "8 random states" in look_at(p.problem).where


def test_a_field_that_starts_at_nothing_is_said_to() -> None:
    """y' = k y with k = 0 keeps y: true, and not what is meant."""
    weights = {"k": {"shape": []}}
    (finding,) = at("k * y", [[1.0]], weights=weights)
    assert "at the initial weights, of which k starts at 0, 1 row of" in finding.evidence
    (finding,) = at("k * y", [[1.0]], weights={"k": {"shape": [], "value": 2.0}})
    assert finding.code == "W203" and "at the initial weights, 1 row of" in finding.evidence
