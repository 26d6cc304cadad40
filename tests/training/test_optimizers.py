"""Update rules against torch.optim and against unrolled sums, on NumPy, torch and JAX arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from wellposed.backends import optimizers
from wellposed.backends.optimizers import Adam, Rule, Sgd, Updater, clip_scale, global_norm
from wellposed.spec.training import Train

STEPS = 500
AGREEMENT = 1e-13
SHAPES = {"K": (3, 2, 2), "b": (3, 2), "scalar": ()}


@pytest.fixture(autouse=True)
def x64() -> Iterator[None]:
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def weights() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {name: np.asarray(random.normal(size=shape)) for name, shape in SHAPES.items()}


def gradients() -> Iterator[tuple[dict[str, np.ndarray], float]]:
    """A fixed stream of (gradient, learning rate), the rate changing, the size of gradients too."""
    random = np.random.default_rng(2)
    for step in range(STEPS):
        size = 10.0 ** (-3 + 3 * np.cos(step / 40))
        gradient = {n: np.asarray(size * random.normal(size=s)) for n, s in SHAPES.items()}
        yield gradient, 1e-2 / (1 + step / 100)


def as_torch(array: np.ndarray) -> torch.Tensor:
    return torch.tensor(array)


ARRAYS: dict[str, Callable[[np.ndarray], Any]] = {
    "numpy": np.asarray,
    "torch": as_torch,
    "jax": jnp.asarray,
}


def run(updater: Updater, array: Callable[[np.ndarray], Any] = np.asarray) -> list[np.ndarray]:
    """All weights, flat, after the stream of gradients."""
    held = {name: array(weight) for name, weight in weights().items()}
    state: dict[str, Any] = updater.init(weights())
    state = {n: m if n == "count" else array(m) for n, m in state.items()}
    for gradient, lr in gradients():
        on_device = {name: array(g) for name, g in gradient.items()}
        held, state = updater.update(on_device, state, held, lr)
    assert state["count"] == STEPS
    return [np.asarray(held[name]) for name in SHAPES]


def run_torch(make: Callable[[list[torch.Tensor]], torch.optim.Optimizer]) -> list[np.ndarray]:
    """The same by an optimizer of torch's."""
    parameters = [torch.tensor(weight, requires_grad=True) for weight in weights().values()]
    optimizer = make(parameters)
    for gradient, lr in gradients():
        for group in optimizer.param_groups:
            group["lr"] = lr
        for parameter, g in zip(parameters, gradient.values(), strict=True):
            parameter.grad = torch.tensor(g)
        optimizer.step()
    return [parameter.detach().numpy() for parameter in parameters]


def distance(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """The largest difference of any entry, relative to the largest entry."""
    pairs = zip(ours, theirs, strict=True)
    return max(float(np.max(np.abs(a - b)) / np.max(np.abs(b))) for a, b in pairs)


PEERS: dict[str, tuple[Rule, Callable[[list[torch.Tensor]], torch.optim.Optimizer]]] = {
    "sgd": (Sgd(0.0, False, 0.0), lambda p: torch.optim.SGD(p, lr=1e-2)),
    "momentum": (Sgd(0.9, False, 0.0), lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9)),
    "nesterov": (
        Sgd(0.9, True, 1e-2),
        lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True, weight_decay=1e-2),
    ),
    "adam": (Adam(0.9, 0.999, 1e-3), lambda p: torch.optim.Adam(p, eps=1e-3)),
    "adam, other betas": (
        Adam(0.5, 0.9, 1e-8),
        lambda p: torch.optim.Adam(p, betas=(0.5, 0.9), eps=1e-8),
    ),
    "adamw": (
        Adam(0.9, 0.999, 1e-3, 0.1),
        lambda p: torch.optim.AdamW(p, eps=1e-3, weight_decay=0.1),
    ),
}


@pytest.mark.covers(
    *("value", "torch", "jax", "float64"),
    names=("optimizer sgd", "optimizer adam", "optimizer adamw"),
)
@pytest.mark.parametrize("arrays", ARRAYS)
@pytest.mark.parametrize("name", PEERS)
def test_a_rule_is_that_of_torch(name: str, arrays: str) -> None:
    rule, peer = PEERS[name]
    assert distance(run(Updater(rule), ARRAYS[arrays]), run_torch(peer)) <= AGREEMENT


class EpsInsideTheRoot(Adam):
    def leaf(self, gradient: Any, moments: Any, weight: Any, rates: Any) -> Any:
        (lr, root, keep), (m, v) = rates, moments
        m = self.beta1 * m + (1 - self.beta1) * gradient
        v = self.beta2 * v + (1 - self.beta2) * (gradient * gradient)
        return (m, v), keep * weight - lr * (m / (v / root**2 + self.eps) ** 0.5)


class EpsBeforeTheCorrection(Adam):
    def leaf(self, gradient: Any, moments: Any, weight: Any, rates: Any) -> Any:
        (lr, root, keep), (m, v) = rates, moments
        m = self.beta1 * m + (1 - self.beta1) * gradient
        v = self.beta2 * v + (1 - self.beta2) * (gradient * gradient)
        return (m, v), keep * weight - lr * root * (m / (v**0.5 + self.eps))


class NoCorrection(Adam):
    def rates(self, count: int, lr: float) -> tuple[float, ...]:
        return lr, 1.0, 1 - lr * self.weight_decay


class CountFromZero(Adam):
    def rates(self, count: int, lr: float) -> tuple[float, ...]:
        return super().rates(count + 1, lr)


class CoupledDecay(Adam):
    def leaf(self, gradient: Any, moments: Any, weight: Any, rates: Any) -> Any:
        rates = (*rates[:2], 1.0)
        return super().leaf(gradient + self.weight_decay * weight, moments, weight, rates)


class RateInsideTheMomentum(Sgd):
    def leaf(self, gradient: Any, moments: Any, weight: Any, rates: Any) -> Any:
        (lr,), (u,) = rates, moments
        u = self.momentum * u + lr * gradient
        return (u,), weight - u


class NesterovOfTheOldMomentum(Sgd):
    def leaf(self, gradient: Any, moments: Any, weight: Any, rates: Any) -> Any:
        (lr,), (u,) = rates, moments
        gradient = gradient + self.weight_decay * weight
        return (self.momentum * u + gradient,), weight - lr * (gradient + self.momentum * u)


SLIPS: list[tuple[str, Rule]] = [
    ("adam", EpsInsideTheRoot(0.9, 0.999, 1e-3)),
    ("adam", EpsBeforeTheCorrection(0.9, 0.999, 1e-3)),
    ("adam", NoCorrection(0.9, 0.999, 1e-3)),
    ("adam", CountFromZero(0.9, 0.999, 1e-3)),
    ("adamw", CoupledDecay(0.9, 0.999, 1e-3, 0.1)),
    ("momentum", RateInsideTheMomentum(0.9, False, 0.0)),
    ("nesterov", NesterovOfTheOldMomentum(0.9, True, 1e-2)),
    ("nesterov", Sgd(0.9, False, 1e-2)),
    ("nesterov", Sgd(0.9, True, 0.0)),
]


@pytest.mark.covers("planted bug", names=("optimizer sgd", "optimizer adam", "optimizer adamw"))
@pytest.mark.parametrize(("name", "slip"), SLIPS, ids=lambda value: type(value).__name__)
def test_the_comparison_sees_a_slip(name: str, slip: Rule) -> None:
    assert distance(run(Updater(slip)), run_torch(PEERS[name][1])) > 1e-5


def test_momentum_is_the_sum_of_faded_gradients() -> None:
    stream = list(gradients())
    weight = weights()["K"]
    for step in range(STEPS):
        past = sum(0.9 ** (step - i) * stream[i][0]["K"] for i in range(step + 1))
        weight = weight - stream[step][1] * past
    ours = run(Updater(Sgd(0.9, False, 0.0)))[0]
    assert distance([ours], [np.asarray(weight)]) <= AGREEMENT


def test_adam_is_the_ratio_of_weighted_means() -> None:
    """m̂ and v̂ are weighted means of g and g²: the weights βᵗ⁻ⁱ, divided by their sum."""
    stream = list(gradients())
    g = np.array([gradient["b"] for gradient, _ in stream])
    weight = weights()["b"]
    for step in range(STEPS):
        age = np.arange(step, -1, -1)
        m = np.average(g[: step + 1], axis=0, weights=0.9**age)
        v = np.average(g[: step + 1] ** 2, axis=0, weights=0.999**age)
        weight = weight - stream[step][1] * m / (np.sqrt(v) + 1e-8)
    ours = run(Updater(Adam(0.9, 0.999, 1e-8)))[1]
    assert distance([ours], [weight]) <= AGREEMENT


@pytest.mark.parametrize("rule", [Adam(0.9, 0.999, 1e-8, 0.1), Sgd(0.9, True, 0.1)], ids=repr)
@pytest.mark.parametrize("arrays", ARRAYS)
def test_float32_stays_float32(rule: Rule, arrays: str) -> None:
    single = {name: np.asarray(w, np.float32) for name, w in weights().items()}
    updater = Updater(rule, clip=0.5)
    array = ARRAYS[arrays]
    state = {n: m if n == "count" else array(m) for n, m in updater.init(single).items()}
    held = {name: array(weight) for name, weight in single.items()}
    new, state = updater.update(held, state, held, 1e-2)
    moments = {name: moment for name, moment in state.items() if name != "count"}
    assert {str(a.dtype).removeprefix("torch.") for a in (new | moments).values()} == {"float32"}


def test_a_compiled_update_is_the_update() -> None:
    updater = Updater(Adam(0.9, 0.999, 1e-8), clip=0.5)
    single = {name: jnp.asarray(w, jnp.float32) for name, w in weights().items()}
    moments = {f"{moment}/{name}": 0 * w for moment in "mv" for name, w in single.items()}
    rates = updater.rates(3, 1e-2)
    compiled = jax.jit(lambda g, m, w, r: updater.apply(g, global_norm(g), m, w, r))
    new, new_moments = compiled(single, moments, single, rates)
    plain, plain_moments = updater.apply(single, global_norm(single), moments, single, rates)
    for name, array in {**new, **new_moments}.items():
        assert array.dtype == jnp.float32
        np.testing.assert_allclose(array, {**plain, **plain_moments}[name], rtol=1e-6)


def test_the_bias_correction_does_not_suffer_in_float32() -> None:
    """1 − 0.999 in float32 is wrong in the fifth digit; on the host it is not."""
    start = {"w": np.ones(1, np.float32)}
    updater = Updater(Adam(0.9, 0.999, 1e-8))
    new, _ = updater.update(start, updater.init(start), start, 0.5)
    assert abs(float(new["w"][0]) - 0.5) <= 1e-7


def test_clipping_caps_the_norm_and_keeps_the_direction() -> None:
    gradient = {"a": np.array([3.0, 0.0]), "b": np.array(4.0)}
    assert global_norm(gradient) == 5.0
    assert clip_scale(5.0, 2.0) == pytest.approx(0.4, rel=1e-15)
    assert clip_scale(np.float64(2.0), 2.0) == 1.0
    assert clip_scale(np.float64(0.0), 2.0) == 1.0
    new, _ = Updater(Sgd(0.0, False, 0.0), clip=2.0).apply(
        gradient, global_norm(gradient), *_start(gradient), (1.0,)
    )
    np.testing.assert_allclose(new["a"], [-1.2, 0.0], rtol=1e-15)
    np.testing.assert_allclose(new["b"], -1.6, rtol=1e-15)


def _start(gradient: dict[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, Any]]:
    zeros = {name: np.zeros_like(g) for name, g in gradient.items()}
    return {f"momentum/{name}": zero for name, zero in zeros.items()}, zeros


@pytest.mark.parametrize("arrays", ARRAYS)
@pytest.mark.parametrize("limit", [0.1, 1.0, 1e3])
def test_clipping_is_that_of_torch_but_for_its_1e_6(limit: float, arrays: str) -> None:
    for gradient, _ in list(gradients())[::50]:
        parameters = [torch.zeros(shape, dtype=torch.float64) for shape in SHAPES.values()]
        for parameter, g in zip(parameters, gradient.values(), strict=True):
            parameter.grad = torch.tensor(g)
        theirs = float(torch.nn.utils.clip_grad_norm_(parameters, limit))
        norm = global_norm({name: ARRAYS[arrays](g) for name, g in gradient.items()})
        assert float(norm) == pytest.approx(theirs, rel=1e-14)
        clipped = float(norm * clip_scale(norm, limit))
        assert clipped == pytest.approx(min(theirs, limit), rel=1e-14)
        after = torch.linalg.vector_norm(torch.cat([p.grad.ravel() for p in parameters]))  # type: ignore[union-attr]
        assert clipped == pytest.approx(float(after), rel=1e-5)


def test_a_spec_names_its_rule() -> None:
    train = Train.model_validate(
        {
            "optimizer": {"kind": "adamw", "lr": 1e-2, "weight_decay": 0.2},
            "clip": 3.0,
            "epochs": 1,
        }
    )
    assert optimizers.updater(train) == Updater(Adam(0.9, 0.999, 1e-8, 0.2), 3.0)
    train = Train.model_validate(
        {"optimizer": {"kind": "sgd", "lr": 1.0, "momentum": 0.5, "nesterov": True}, "epochs": 1}
    )
    assert optimizers.updater(train) == Updater(Sgd(0.5, True, 0.0), None)
