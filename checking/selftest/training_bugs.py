"""Bugs in training: optimizers, schedules, the order of the data, steppers, weights on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from ...backends import optimizers
from ...backends.framework_model import FrameworkModel
from ...backends.optimizers import Adam, Sgd
from ...data import streams
from ...data.rng import rng
from ...spec import training as spec
from ...training import schedules
from . import plant
from .bug import BOTH, FIELD, JAX, START, TORCH, Bug, Rung, gradient

OPTIMIZER, RATES, BATCHES = (Rung("L4", q) for q in ("optimizer", "learning rates", "batches"))
TRAINING = Rung("L5", "training")
SPEC_OF = {"adam": "rk4", "sgd": "leapfrog", "adamw": "verlet"}


def _runner(backend: str, owner: str, name: str, change: Callable[[Any], Any]) -> plant.Planting:
    """A member of a class of `run_torch` or `run_jax`, imported no sooner than it is planted."""

    def planted() -> AbstractContextManager[None]:
        module = import_module(f"...backends.run_{backend}", __package__)
        return plant.member(getattr(module, owner) if owner else module, name, change)

    return planted


def _optimizer(name: str, kind: str, owner: Any, method: str, change: Callable[..., Any]) -> Bug:
    """An update rule (or the clipping before it), the same text for every backend."""
    planting = partial(plant.member, owner, method, change)
    return Bug(name, "optimizer", SPEC_OF[kind], planting, OPTIMIZER, f"optimizer {kind}")


def _uncorrected(rates: Callable[..., Any]) -> Callable[..., Any]:
    return lambda rule, count, lr: (lr, 1.0, 1 - lr * rule.weight_decay)


def _late(rates: Callable[..., Any]) -> Callable[..., Any]:
    return lambda rule, count, lr: rates(rule, count + 1, lr)


def _unscaled_decay(rates: Callable[..., Any]) -> Callable[..., Any]:
    return lambda rule, count, lr: (*rates(rule, count, lr)[:2], 1 - rule.weight_decay)


def _epsilon_inside(leaf: object) -> Callable[..., Any]:
    def adam(rule: Adam, gradient: Any, moments: Any, weight: Any, rates: Any) -> Any:
        (lr, root, keep), (m, v) = rates, moments
        m = rule.beta1 * m + (1 - rule.beta1) * gradient
        v = rule.beta2 * v + (1 - rule.beta2) * (gradient * gradient)
        return (m, v), keep * weight - lr * m / (v / root**2 + rule.eps) ** 0.5

    return adam


def _coupled_decay(leaf: Callable[..., Any]) -> Callable[..., Any]:
    def adam(rule: Adam, gradient: Any, moments: Any, weight: Any, rates: Any) -> Any:
        lr, root, _ = rates
        return leaf(rule, gradient + rule.weight_decay * weight, moments, weight, (lr, root, 1.0))

    return adam


def _swapped_averages(leaf: Callable[..., Any]) -> Callable[..., Any]:
    def adam(rule: Adam, gradient: Any, moments: Any, weight: Any, rates: Any) -> Any:
        swapped = Adam(rule.beta2, rule.beta1, rule.eps, rule.weight_decay)
        return leaf(swapped, gradient, moments, weight, rates)

    return adam


def _damped(leaf: object) -> Callable[..., Any]:
    """The gradient enters the momentum as 1 − μ of itself."""

    def sgd(rule: Sgd, gradient: Any, moments: Any, weight: Any, rates: Any) -> Any:
        (lr,), (u,) = rates, moments
        gradient = gradient + rule.weight_decay * weight
        u = rule.momentum * u + (1 - rule.momentum) * gradient
        return (u,), weight - lr * (gradient + rule.momentum * u)

    return sgd


def _not_ahead(leaf: Callable[..., Any]) -> Callable[..., Any]:
    """Nesterov's step with the momentum of the step before."""

    def sgd(rule: Sgd, gradient: Any, moments: Any, weight: Any, rates: Any) -> Any:
        plain = Sgd(rule.momentum, False, rule.weight_decay)
        return leaf(plain, gradient, moments, weight, rates)

    return sgd


def _with_epsilon(scale: Callable[..., Any]) -> Callable[..., Any]:
    return lambda norm, limit: scale(norm + 1e-6, limit)


def _of_the_largest(norm: object) -> Callable[..., Any]:
    return lambda gradient: max((g * g).sum() for g in gradient.values()) ** 0.5


_OPTIMIZERS = [
    _optimizer("no bias correction", "adam", Adam, "rates", _uncorrected),
    _optimizer("counts from 2", "adam", Adam, "rates", _late),
    _optimizer("ε inside the root", "adam", Adam, "leaf", _epsilon_inside),
    _optimizer("β₁ and β₂ swapped", "adam", Adam, "leaf", _swapped_averages),
    _optimizer("decay coupled to the gradient", "adamw", Adam, "leaf", _coupled_decay),
    _optimizer("decay not scaled by η", "adamw", Adam, "rates", _unscaled_decay),
    _optimizer("damped momentum", "sgd", Sgd, "leaf", _damped),
    _optimizer("momentum of the step before", "sgd", Sgd, "leaf", _not_ahead),
    _optimizer("‖g‖ + 1e-6 in clipping", "sgd", optimizers, "clip_scale", _with_epsilon),
    *(
        Bug(
            f"clipped by the largest leaf in {backend}",
            "optimizer",
            "leapfrog",
            _runner(backend, "", "global_norm", _of_the_largest),
            OPTIMIZER,
            "optimizer sgd",
            (backend,),
        )
        for backend in BOTH
    ),
]


def _schedule(name: str, kind: type, other: Callable[..., float], spec_name: str, word: str) -> Bug:
    planting = partial(plant.registered, schedules.rate, kind, other)
    return Bug(name, "schedule", spec_name, planting, RATES, f"schedule {word}")


Cosine, Steps = schedules.rate.registry[spec.CosineRate], schedules.rate.registry[spec.StepRate]


def _one_update_late(schedule: spec.CosineRate, peak: float, clock: schedules.Clock) -> float:
    return Cosine(schedule, peak, schedules.Clock(clock.step + 1, clock.per_epoch, clock.epochs))


def _from_zero(schedule: spec.CosineRate, peak: float, clock: schedules.Clock) -> float:
    warmup = schedule.warmup * clock.per_epoch
    return peak * clock.step / warmup if clock.step < warmup else Cosine(schedule, peak, clock)


def _down_to_zero(schedule: spec.CosineRate, peak: float, clock: schedules.Clock) -> float:
    return Cosine(schedule.model_copy(update={"final": 0.0}), peak, clock)


def _by_updates(schedule: spec.StepRate, peak: float, clock: schedules.Clock) -> float:
    return peak * schedule.factor ** (clock.step / clock.per_epoch / schedule.every)


def _an_epoch_early(schedule: spec.StepRate, peak: float, clock: schedules.Clock) -> float:
    return peak * schedule.factor ** ((clock.epoch + 1) // schedule.every)


_SCHEDULES = [
    _schedule("the cosine an update late", spec.CosineRate, _one_update_late, "rk4", "cosine"),
    _schedule("warms up from 0", spec.CosineRate, _from_zero, "rk4", "cosine"),
    _schedule("down to 0, not final", spec.CosineRate, _down_to_zero, "rk4", "cosine"),
    _schedule("falls with every update", spec.StepRate, _by_updates, "leapfrog", "step"),
    _schedule("falls an epoch early", spec.StepRate, _an_epoch_early, "leapfrog", "step"),
]


def _data(name: str, planting: plant.Planting) -> Bug:
    """The order of the examples: the same text for every backend."""
    return Bug(name, "data order", "verlet", planting, BATCHES, "data order")


def _without_epoch(stream: Callable[..., Any]) -> Callable[..., Any]:
    return lambda seed, *names: rng(seed, *names[:1])


def _whole_batches(seed: int, epoch: int, size: int, batch: int) -> Iterator[Any]:
    order = rng(seed, "batches", str(epoch)).permutation(size)
    for start in range(0, size - batch + 1, batch):
        yield order[start : start + batch]


def _with_repetition(seed: int, epoch: int, size: int, batch: int) -> Iterator[Any]:
    order = rng(seed, "batches", str(epoch)).integers(size, size=size)
    for start in range(0, size, batch):
        yield order[start : start + batch]


def _in_natural_order(seed: int, epoch: int, size: int, batch: int) -> Iterator[Any]:
    order = np.arange(size)
    for start in range(0, size, batch):
        yield order[start : start + batch]


_DATA = [
    _data("one order for all epochs", partial(plant.member, streams, "rng", _without_epoch)),
    *(
        _data(name, partial(plant.body, streams.batches, other))
        for name, other in {
            "the last batch dropped": _whole_batches,
            "examples drawn with repetition": _with_repetition,
            "never shuffled": _in_natural_order,
        }.items()
    ),
]


def _stepper(
    name: str, backend: str, method: str, change: Callable[[Any], Any], equation: str
) -> Bug:
    """A backend's own half of training, between gradient and update."""
    owner = {"torch": "TorchStepper", "jax": "JaxStepper"}[backend]
    planting = _runner(backend, owner, method, change)
    place, title = "stepper", f"{name} in {backend}"
    return Bug(title, place, "verlet", planting, TRAINING, equation, (backend,))


def _without_first_row(propose: Callable[..., Any]) -> Callable[..., Any]:
    return lambda stepper, rows, rates: propose(stepper, rows[1:], rates)


def _rows_in_order(propose: Callable[..., Any]) -> Callable[..., Any]:
    return lambda stepper, rows, rates: propose(stepper, np.arange(len(rows)), rates)


def _gradients_pile_up(network: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient of an update is added to those before."""

    def of(stepper: Any) -> Any:
        found = network(stepper)
        found.zero_grad = lambda **options: None
        return found

    return of


def _first_weights(network: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient is that of the weights at the start."""
    return lambda stepper: network(stepper) if stepper.count == 0 else stepper.network


_STEPPERS = [
    _stepper("a row is left out", "torch", "propose", _without_first_row, "data order"),
    _stepper("gradients pile up", "torch", "_network", _gradients_pile_up, "optimizer adamw"),
    _stepper("the first weights stay", "torch", "_network", _first_weights, "optimizer adamw"),
    _stepper("the first rows again", "jax", "propose", _rows_in_order, "data order"),
]


def _handling(
    name: str,
    spec_name: str,
    planting: plant.Planting,
    caught: Rung,
    equation: str,
    backends: tuple[str, ...] = TORCH,
) -> Bug:
    return Bug(name, "weights", spec_name, planting, caught, equation, backends)


def _next_step(weights: Callable[..., Any]) -> Callable[..., Any]:
    """Step j gets the weights of step j + 1."""

    def of(model: Any, given: Any) -> Any:
        stacked = {w.name for w in model.program.weights if w.stacked}
        found = weights(model, given)
        return {n: np.roll(a, -1, axis=0) if n in stacked else a for n, a in found.items()}

    return of


def _exchanged(a: str, b: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Two leaves of one shape change their places."""

    def of(*given: Any) -> Any:
        found = method(*given)
        return found | {a: found[b], b: found[a]}

    return of


def _without_mu(method: Callable[..., Any]) -> Callable[..., Any]:
    def of(*given: Any) -> Any:
        found = method(*given)
        return found | {"mu": np.zeros_like(found["mu"])}

    return of


def _in_float32(weights: Callable[..., Any]) -> Callable[..., Any]:
    def of(model: Any, given: Any) -> Any:
        return {n: a.astype("float32").astype(a.dtype) for n, a in weights(model, given).items()}

    return of


def _shared(change: Callable[[Any], Any]) -> plant.Planting:
    return partial(plant.member, FrameworkModel, "_weights", change)


L_AND_W = partial(_exchanged, "L", "W")
NO_X64 = _runner("jax", "", "_enable_x64", lambda enable: lambda on: enable(False))
LOST = _runner("torch", "TorchModel", "_gradient", _without_mu)
SWAPPED = _runner("jax", "JaxModel", "_gradient", L_AND_W)

_HANDLING = [
    _handling("weights of the next step", "rk4", _shared(_next_step), FIELD, "path", BOTH),
    _handling("L and W exchanged", "rk4", _shared(L_AND_W), START, "lift"),
    _handling("weights through float32", "rk4", _shared(_in_float32), FIELD, "path"),
    _handling("float64 forgotten", "rk4", NO_X64, FIELD, "field y", JAX),
    _handling("the gradient by mu lost", "rk4", LOST, gradient("mu"), "gradient mu"),
    _handling("gradients exchanged", "rk4", SWAPPED, gradient("L"), "gradient L", JAX),
]

TRAINING_BUGS = [*_OPTIMIZERS, *_SCHEDULES, *_DATA, *_STEPPERS, *_HANDLING]
