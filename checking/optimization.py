"""Rung L4: the optimizer on fixed gradients, the learning rates, the batches.

The update rules, the schedule and the order of the data are the same text for every backend. So
they are held to a second reading of the papers (`textbook`), not to each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count, pairwise

import numpy as np

from ..backends.model import Model
from ..backends.optimizers import updater
from ..compiler.pipeline import Compiled
from ..data.rng import batches as batches_of
from ..data.rng import rng
from ..spec.training import Train
from ..training.schedules import Clock, learning_rate
from . import textbook
from .compare import Array, Standard
from .probes import Probes
from .quantities import Answers

STEPS = 500
MARKS = (1, 2, 10, 100, STEPS)
"""The updates after which the weights are compared."""
AGREEMENT = 1e-13
"""An update is a dozen operations of some ε each, and 500 of them add up by chance, not in line."""
FORGETTING = 1e-3
"""1 − β from which on 1 − βᵗ, which updates are divided by, has lost digits."""
FEW = 12
"""Fewer examples have so few orders that two epochs may share one by chance."""
SHAPES = {"A": (4, 3), "b": (5,), "c": ()}
"""Update rules act on each entry alone, but for the norm of clipping: their size is no matter."""
RATES_ASKED = 2000
EPOCHS_ASKED = 3
SEEN, SIZES, REPEATED = "times an example is seen", "sizes of batches", "epochs in the same order"


def weights(model: Model, case: Compiled, probes: Probes) -> Answers:
    """The weights after MARKS updates by the backend's own stepper."""
    train = _train(case)
    start, gradients = _gradients(case)
    stepper = model.stepper(updater(train), probes.examples, next(iter(probes.targets.values())))
    stepper.load(start)
    found: Answers = {}
    for number, gradient, rate in zip(count(1), gradients, _rates(case, STEPS), strict=False):
        stepper.update(gradient, rate)
        if number in MARKS:
            found |= {f"after {number}/{n}": w for n, w in stepper.weights().items()}
    return found


def expected_weights(case: Compiled, probes: Probes) -> dict[str, Standard]:
    """The same by the formulas of the papers."""
    train = _train(case)
    start, gradients = _gradients(case)
    flat = (textbook.clipped(_flat(gradient), train.clip) for gradient in gradients)
    path = textbook.path(train.optimizer, _flat(start), flat, _rates(case, STEPS))
    return {
        f"after {number}/{name}": _standard(value, train)
        for number, theta in enumerate(path, start=1)
        if number in MARKS
        for name, value in _leaves(theta).items()
    }


def rates(model: Model, case: Compiled, probes: Probes) -> Answers:
    """The learning rates that training would use, RATES_ASKED of them at most."""
    return {"rate": np.array([learning_rate(_train(case), c) for c in _clocks(probes)])}


def expected_rates(case: Compiled, probes: Probes) -> dict[str, Standard]:
    """The same by the formulas of the papers; each rate has its own scale."""
    train = _train(case)
    found = [
        textbook.rate(
            train.schedule, train.optimizer.lr, c.step / c.per_epoch, c.per_epoch, c.epochs
        )
        for c in _clocks(probes)
    ]
    value = np.array(found)
    scale = np.maximum(np.abs(value), 1e-3 * train.optimizer.lr)
    return {"rate": Standard(value, scale, np.asarray(AGREEMENT))}


def batches(model: Model, case: Compiled, probes: Probes) -> Answers:
    """What the first epochs are made of."""
    train, seed = _train(case), case.module.seed
    size = _size(probes)
    epochs = [
        list(batches_of(seed, number, size, train.batch))
        for number in range(1, min(EPOCHS_ASKED, train.epochs) + 1)
    ]
    orders = [np.concatenate(epoch) for epoch in epochs]
    seen = np.stack([np.bincount(order, minlength=size) for order in orders])
    sizes = np.array([[len(rows) for rows in epoch] for epoch in epochs])
    repeated = sum(np.array_equal(a, b) for a, b in pairwise(orders))
    found = {SEEN: seen, SIZES: sizes} | ({REPEATED: np.asarray(repeated)} if size >= FEW else {})
    return {name: np.asarray(value, np.float64) for name, value in found.items()}


def expected_batches(case: Compiled, probes: Probes) -> dict[str, Standard]:
    """Every example once an epoch, in batches as large as the spec says, ever anew in order."""
    train, size = _train(case), _size(probes)
    epochs = min(EPOCHS_ASKED, train.epochs)
    batch = size if train.batch is None else min(train.batch, size)
    sizes = [batch] * (size // batch) + [size % batch] * (size % batch > 0)
    repeated = epochs - 1 if batch == size else 0
    found = {SEEN: np.ones((epochs, size)), SIZES: np.array([sizes] * epochs, np.float64)}
    found |= {REPEATED: np.asarray(float(repeated))} if size >= FEW else {}
    exact = np.asarray(0.0)
    return {name: Standard(value, np.asarray(1.0), exact) for name, value in found.items()}


def applies(case: Compiled, probes: Probes) -> bool:
    """Whether a second reading stands here: a plugin's optimizer or schedule has none."""
    train = case.problem.spec.train
    if train is None or probes.training is None:
        return False
    read = ((textbook.path, train.optimizer), (textbook.rate, train.schedule))
    return all(f.dispatch(type(part)) is not f.dispatch(object) for f, part in read)


def _train(case: Compiled) -> Train:
    train = case.problem.spec.train
    assert train is not None  # nothing of L4 is asked of another spec
    return train


def _size(probes: Probes) -> int:
    assert probes.training is not None
    return probes.training.size


def _gradients(case: Compiled) -> tuple[dict[str, Array], Iterator[dict[str, Array]]]:
    """Weights at the start and gradients: sizes over two decades about the clipping norm.

    The scalar's gradients are zero for the first steps, where a moment is 0 / (0 + ε).
    """
    random = rng(case.module.seed, "gradients")
    start = {name: np.asarray(random.normal(size=shape)) for name, shape in SHAPES.items()}
    unit = (_train(case).clip or 1.0) / _flat(start).size ** 0.5

    def gradients() -> Iterator[dict[str, Array]]:
        for number in range(STEPS):
            size = unit * 10 ** random.uniform(-1, 1)
            drawn = {n: np.asarray(size * random.normal(size=s)) for n, s in SHAPES.items()}
            yield drawn | ({"c": np.asarray(0.0)} if number < 3 else {})

    return start, gradients()


def _rates(case: Compiled, steps: int) -> Iterator[float]:
    """The schedule of the spec, stretched over the gradients."""
    train = _train(case)
    per_epoch = max(1, steps // train.epochs)
    total = per_epoch * train.epochs
    for step in range(steps):
        yield learning_rate(train, Clock(step * total // steps, per_epoch, train.epochs))


def _clocks(probes: Probes) -> list[Clock]:
    assert probes.training is not None
    per_epoch, epochs = probes.training.per_epoch, probes.training.epochs
    last = per_epoch * epochs - 1
    steps = np.unique(np.linspace(0, last, min(RATES_ASKED, last + 1)).astype(int))
    return [Clock(int(step), per_epoch, epochs) for step in steps]


def _flat(leaves: Mapping[str, Array]) -> Array:
    return np.concatenate([np.ravel(leaves[name]) for name in SHAPES])


def _leaves(flat: Array) -> dict[str, Array]:
    ends = np.cumsum([int(np.prod(shape)) for shape in SHAPES.values()])
    parts = np.split(flat, ends[:-1])
    return {n: p.reshape(s) for (n, s), p in zip(SHAPES.items(), parts, strict=True)}


def _standard(value: Array, train: Train) -> Standard:
    scale = np.asarray(np.max(np.abs(value)) or 1.0)
    left = 1 - max(getattr(train.optimizer, name, 0.0) for name in ("beta1", "beta2"))
    return Standard(value, scale, np.asarray(AGREEMENT * max(1.0, FORGETTING / left)))
