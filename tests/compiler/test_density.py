"""Densities by the reference: traces, log-densities, samples and targets, against others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from densities import DENSITIES, density
from scipy.integrate import dblquad, solve_ivp
from scipy.linalg import expm
from scipy.stats import multivariate_normal, norm

from wellposed import compile
from wellposed.backends.model import ArgumentError
from wellposed.compiler.analysis.halved import step_matters
from wellposed.compiler.front.facts import Facts
from wellposed.compiler.front.lower import lower
from wellposed.compiler.ir.expr import walk
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.reference.evidence import energies, log_evidence
from wellposed.data.rng import rng
from wellposed.spec.density import ENERGIES

CONTINUOUS = [n for n in DENSITIES if "discrete" not in n and "planar" not in n]
RANDOM = [n for n in CONTINUOUS if "hutchinson" in str(DENSITIES[n])]


def reference(name: str, **changes: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """The model, and random weights of its size."""
    model = compile(density(name, **changes), backend="numpy")
    random = np.random.default_rng(3)
    weights = {n: w + 0.3 * random.normal(size=w.shape) for n, w in model.init().items()}
    return model, weights


def rows(n: int, count: int = 6) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(count, n))


def jacobian(f, x: np.ndarray, size: float = 1e-6) -> np.ndarray:
    """∂f/∂x of rows (s, n) by differences: (s, n, n)."""
    moves = size * np.eye(x.shape[1])
    return np.stack([(f(x + e) - f(x - e)) / (2 * size) for e in moves], axis=-1)


def log_det(f, x: np.ndarray) -> np.ndarray:
    """log|det ∂f/∂x|: the change of variables."""
    return np.linalg.slogdet(jacobian(f, x))[1]


def log_normal(z: np.ndarray) -> np.ndarray:
    return norm.logpdf(z).sum(axis=1)


# --- the trace ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["closed-form", "exact"])
@pytest.mark.parametrize("name", ["density", "density-blocks", "density-solve"])
def test_the_trace_is_that_of_the_jacobian(name: str, how: str) -> None:
    model, weights = reference(name, model={"divergence": how})
    x = rows(model.module.signature.size)
    there = jacobian(lambda y: model.vector_field(weights, 0.4, y), x)
    found = model.divergence(weights, 0.4, x)
    np.testing.assert_allclose(found, np.trace(there, axis1=1, axis2=2), atol=1e-8)


@pytest.mark.parametrize("hidden", [[4], [4, 5]])
def test_closed_forms_and_products_are_one_trace(hidden: list[int]) -> None:
    field = {"kind": "mlp", "hidden": hidden, "activation": "sin", "time_input": True}
    found = []
    for how in ("closed-form", "exact"):
        changes = {"state": 3, "vector_field": field, "divergence": how}
        model, weights = reference("density", model=changes)
        found.append(model.divergence(weights, 0.2, rows(3)))
    np.testing.assert_allclose(*found, rtol=1e-12)


@pytest.mark.parametrize("how", ["closed-form", "exact", "hutchinson"])
def test_a_solver_is_given_one_run_through_the_hidden_layers(how: str) -> None:
    field = {"kind": "mlp", "hidden": [4, 5], "activation": "tanh", "time_input": True}
    module = compiled(density("density-solve", model={"vector_field": field, "divergence": how}))
    made = [node.op for node in walk(*module.module.functions["density_slopes"].expressions)]
    assert made.count("tanh") == 2 and "call" not in made


def test_a_deep_field_has_no_closed_form() -> None:
    problem = compiled(density("density-exact")).problem
    assert problem.density is not None
    assert (problem.density.kind, problem.density.reason) == ("exact", "there is no closed form")


@pytest.mark.parametrize("law", ["normal", "rademacher"])
def test_an_estimate_has_the_trace_as_its_mean(law: str) -> None:
    probes = {"kind": "hutchinson", "probes": 4000, "law": law}
    model, weights = reference("density", model={"divergence": probes})
    exact, _ = reference("density")
    x = rows(2)
    error = model.divergence(weights, 0.3, x) - exact.divergence(weights, 0.3, x)
    sizes = np.abs(jacobian(lambda y: exact.vector_field(weights, 0.3, y), x)).sum(axis=(1, 2))
    assert (np.abs(error) < 5 * sizes / np.sqrt(4000)).all(), error


def test_a_draw_is_one_for_a_row_and_a_solve() -> None:
    model, weights = reference("density-hutchinson")
    x = np.repeat(rows(2, 1), 3, axis=0)
    first = model.log_density(weights, x)
    assert len(set(first)) == 3, "every row has vectors of its own"
    np.testing.assert_array_equal(first, model.log_density(weights, x, draw=0))
    assert (first != model.log_density(weights, x, draw=1)).all()
    assert model.loss(weights, x, draw=4) == pytest.approx(
        -model.log_density(weights, x, draw=4).mean(), rel=1e-14
    )


def test_signs_are_exact_for_a_diagonal_derivative() -> None:
    field = {
        "kind": "custom",
        "weights": {"a": {"shape": ["y"]}},
        "equations": {"y": "tanh(a * y)"},
    }
    changes = {"vector_field": field, "divergence": {"kind": "hutchinson", "law": "rademacher"}}
    model, weights = reference("density", model=changes)
    x = rows(2)
    slopes = weights["a"] * (1 - np.tanh(weights["a"] * x) ** 2)
    np.testing.assert_allclose(model.divergence(weights, 0.0, x), slopes.sum(axis=1), rtol=1e-12)


# --- log-densities -----------------------------------------------------------------------------


def test_a_linear_flow_has_a_normal_density() -> None:
    field = {
        "kind": "custom",
        "weights": {"A": {"shape": ["y", "y"]}},
        "equations": {"y": "A @ y"},
    }
    changes = {"vector_field": field, "time": {"horizon": 1}, "integrator": "dopri5"}
    model, weights = reference("density", model=changes)
    there = expm(weights["A"])
    x, back = rows(2), np.linalg.inv(there)
    covariance: Any = back @ back.T
    expected = multivariate_normal.logpdf(x, np.zeros(2), covariance)
    np.testing.assert_allclose(model.log_density(weights, x), expected, rtol=1e-9)
    z = rng(7, "base").normal(size=(4, 2))
    np.testing.assert_allclose(model.sample(weights, 4, 7), z @ back.T, rtol=1e-9)


@pytest.mark.parametrize("name", ["density-solve", "density-jumps"])
def test_log_densities_are_those_of_the_change_of_variables(name: str) -> None:
    model, weights = reference(name, model={"divergence": "exact"})
    x = rows(model.module.signature.size)
    expected = log_normal(model.forward(weights, x) if name == "density-solve" else 0 * x)
    if name == "density-jumps":  # y(T) of all blocks, of which `forward` gives the first
        expected = log_normal(model.trajectory(weights, x)[-1])

    def there(x: np.ndarray) -> np.ndarray:
        return model.trajectory(weights, x)[-1]

    found = model.log_density(weights, x)
    np.testing.assert_allclose(found, expected + log_det(there, x), atol=1e-7)


def test_the_state_and_its_density_are_stepped_together() -> None:
    """Against SciPy, with the same trace, at h small enough; the error falls by 2⁴."""
    errors = []
    for steps in (4, 8):
        changes = {"time": {"horizon": 1, "steps": steps, "weights": "shared"}}
        model, weights = reference("density", model=changes)
        x = rows(2, 1)

        def slopes(t: float, state: np.ndarray, model=model, weights=weights) -> np.ndarray:
            y = state[None, :2]
            return np.append(
                model.vector_field(weights, t, y)[0], model.divergence(weights, t, y)[0]
            )

        end = solve_ivp(slopes, (0, 1), [*x[0], 0], rtol=1e-12, atol=1e-12).y[:, -1]
        expected = log_normal(end[None, :2])[0] + end[2]
        errors.append(abs(model.log_density(weights, x)[0] - expected))
    assert 10 < errors[0] / errors[1] < 25, errors


@pytest.mark.parametrize("name", [n for n in CONTINUOUS if n != "density-hutchinson"])
def test_samples_go_back_the_way_that_rows_come(name: str) -> None:
    """To the order of the method: exactly for none but a solver."""
    model, weights = reference(name)
    z = rng(1, "base").normal(size=(5, model.module.signature.size))
    there = model.trajectory(weights, model.sample(weights, 5, 1))[-1]
    np.testing.assert_allclose(there, z, atol=1e-8 if "o" in name[8:] and "solve" in name else 1.0)


# --- discrete flows ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["density-discrete", "density-planar"])
def test_a_discrete_flow_is_its_own_change_of_variables(name: str) -> None:
    model, weights = reference(name)
    x = rows(2)
    z = model.forward(weights, x)
    expected = log_normal(z) + log_det(lambda x: model.forward(weights, x), x)
    np.testing.assert_allclose(model.log_density(weights, x), expected, atol=1e-8)
    samples = model.sample(weights, 5, 1)
    base = rng(1, "base").normal(size=(5, 2))
    np.testing.assert_allclose(model.forward(weights, samples), base, atol=1e-9)


def test_two_components_have_a_determinant() -> None:
    changes = {"integrator": "euler", "divergence": "log-det"}
    model, weights = reference("density", model=changes)
    x = rows(2)
    there = model.forward(weights, x)
    expected = log_normal(there) + log_det(lambda x: model.forward(weights, x), x)
    np.testing.assert_allclose(model.log_density(weights, x), expected, atol=1e-8)


def test_a_step_that_cannot_be_undone_is_named() -> None:
    field = {"kind": "custom", "weights": {}, "equations": {"y": "-4 * y"}}
    model, _ = reference("density-discrete", model={"vector_field": field})
    with pytest.raises(ArgumentError, match="step 4 cannot be undone at row 0"):
        model.sample({}, 3, 1)


# --- targets -----------------------------------------------------------------------------------


def by_the_paper(name: str, y: np.ndarray) -> np.ndarray:
    """Rezende & Mohamed 2015, table 1, as it stands there."""
    z1, z2 = y.T
    w1, w2 = np.sin(2 * np.pi * z1 / 4), 3 * np.exp(-0.5 * ((z1 - 1) / 0.6) ** 2)
    w3 = 3 / (1 + np.exp(-(z1 - 1) / 0.3))

    def well(u: np.ndarray, width: float) -> np.ndarray:
        return np.exp(-0.5 * (u / width) ** 2)

    return {
        "potential-1": 0.5 * ((np.hypot(z1, z2) - 2) / 0.4) ** 2
        - np.log(well(z1 - 2, 0.6) + well(z1 + 2, 0.6)),
        "potential-2": 0.5 * ((z2 - w1) / 0.4) ** 2,
        "potential-3": -np.log(well(z2 - w1, 0.35) + well(z2 - w1 + w2, 0.35)),
        "potential-4": -np.log(well(z2 - w1, 0.4) + well(z2 - w1 + w3, 0.35)),
    }[name]


@pytest.mark.parametrize("name", ENERGIES)
def test_energies_are_those_of_the_paper(name: str) -> None:
    problem = compiled(density("density-target", task={"kind": "density", "target": name})).problem
    y = np.random.default_rng(1).uniform(-3, 3, size=(50, 2))
    np.testing.assert_allclose(energies(problem, y), by_the_paper(name, y), rtol=1e-10)
    far = np.array([[5.0, 1.0], [-4.5, 6.0]])
    wall = 0 if name == "potential-1" else 50 * np.array([1, 0.25 + 4])
    expected = by_the_paper(name, np.array([[5.0, 1.0]])) + wall if name == "potential-1" else None
    found = energies(problem, far)
    assert np.isfinite(found).all()
    if expected is None:
        clipped = far - np.clip(far, -4, 4)
        with np.errstate(divide="ignore"):
            plain = by_the_paper(name, far)
        known = np.isfinite(plain)
        walls = 50 * (clipped**2).sum(axis=1)
        np.testing.assert_allclose(found[known], (plain + walls)[known], rtol=1e-8)


def test_the_evidence_is_that_of_scipy() -> None:
    task = {"kind": "density", "target": {"energy": "sum(y ** 4) / 4 + y[0] * y[1]"}}
    problem = compiled(density("density-target", task=task)).problem
    mass: Any = dblquad(lambda a, b: np.exp(-(a**4 + b**4) / 4 - a * b), -8, 8, -8, 8)
    assert log_evidence(problem) == pytest.approx(np.log(mass[0]), rel=1e-9)


def test_the_loss_of_a_target_is_its_kl() -> None:
    """Where q is the base and U its energy KL is 0; where U is that of N(m, 1) it is m²/2."""
    still = {"kind": "custom", "weights": {"a": {"shape": []}}, "equations": {"y": "0 * a * y"}}
    z = np.random.default_rng(2).normal(size=(200_000, 2))
    for shift, expected in ((0.0, 0.0), (0.6, 0.36)):
        task = {"kind": "density", "target": {"energy": f"sum((y - {shift}) ** 2) / 2"}}
        spec = density("density-target", task=task, model={"vector_field": still})
        log_Z = log_evidence(compiled(spec).problem)
        assert log_Z is not None and log_Z == pytest.approx(np.log(2 * np.pi), rel=1e-9)
        model = compile(spec, backend="numpy")
        kl = model.loss(model.init(), z) + log_Z
        assert kl == pytest.approx(expected, abs=5e-3)


# --- what is refused ---------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a readout": ({"readout": {"kind": "regression"}}, {}, "a density has no readout"),
    "a lift": ({"lift": "linear"}, {}, "a density has no lift"),
    "a splitting": ({"integrator": "verlet"}, {}, "task density goes with euler"),
    "no closed form": (
        {"vector_field": {"kind": "mlp", "hidden": [3, 3, 3]}, "divergence": "closed-form"},
        {},
        "no closed form",
    ),
    "log-det by rk4": ({"divergence": "log-det"}, {}, "log-det goes with euler"),
    "log-det of three components": (
        {
            "state": 3,
            "integrator": "euler",
            "divergence": "log-det",
            "vector_field": {"kind": "layer", "activation": "tanh"},
        },
        {},
        "rank one",
    ),
    "an energy that is a vector": (
        {},
        {"task": {"kind": "density", "target": {"energy": "y"}}},
        "it is a vector",
    ),
    "an energy of nothing": (
        {},
        {"task": {"kind": "density", "target": {"energy": "2"}}},
        "does not depend on the state",
    ),
    "an energy that is infinite": (
        {},
        {"task": {"kind": "density", "target": {"energy": "sum(log(y))"}}},
        "the energy is",
    ),
    "a potential of three components": (
        {"state": 3},
        {"task": {"kind": "density", "target": "potential-2"}},
        "a density of the plane",
    ),
    "steps beside data": (
        {},
        {"train": {"optimizer": "adam", "epochs": 1, "steps": 3}},
        "steps is for a training without data",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_go_together_is_refused_in_place(what: str) -> None:
    (model, rest, words) = REFUSED[what]
    with pytest.raises(Exception, match=words) as caught:
        lower(density("density", model=model, **rest), Facts())
    assert type(caught.value).__name__ == "SpecError"


def test_a_divergence_is_of_a_density() -> None:
    with pytest.raises(Exception, match="divergence is a key of task: density"):
        lower(density("density", task="classification"), Facts())


# --- the step ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["shared", "per-step", "linear"])
def test_a_step_that_makes_the_density_is_said(mode: str) -> None:
    """Weights so large that 4 steps do not resolve them, and the same with 64 steps."""
    for steps, size, expected in ((4, 4.0, ["W308"]), (64, 1.0, [])):
        time = {"horizon": 1, "steps": steps, "weights": mode}
        made = compiled(density("density", model={"time": time}))
        weights = {n: size * np.ones_like(w) for n, w in compile(made.spec, "numpy").init().items()}
        found = step_matters(made, weights, rows(2))
        assert [each.code for each in found] == expected
    assert step_matters(compiled(density("density-solve")), weights, None) == []
