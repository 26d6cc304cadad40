"""Resume across backends: the uninterrupted run again, to the tolerance that training itself gives.

Two backends part in the last digit with every update; so the run that changes backends after every
epoch is held to twice the distance of a backend from itself when it starts one ulp away, and to a
few ulp at least. On one backend a resumed run is the uninterrupted one bit for bit.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wellposed
from wellposed.backends.model import Model
from wellposed.backends.optimizers import Updater
from wellposed.backends.stepper import Stepper
from wellposed.compiler.pipeline import compiled
from wellposed.data.dataset import Dataset, Split
from wellposed.data.preprocessing import Preprocessing
from wellposed.data.rng import batches
from wellposed.spec.model import Spec
from wellposed.training import checkpoint as checkpoints
from wellposed.training.checkpoint import Checkpoint
from wellposed.training.progress import Quiet
from wellposed.training.results import Result
from wellposed.training.schedules import Clock
from wellposed.training.train import train

pytest.importorskip("torch")
pytest.importorskip("jax")

Weights = dict[str, np.ndarray]


@pytest.fixture(autouse=True, scope="module")
def _quick_compilation() -> Iterator[None]:
    """XLA takes longer to optimize these updates than to run them."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


FACTOR, FLOOR = 2.0, 16.0
"""Self-drifts, and ulp. Measured over all cases below: 0.2 self-drifts at most."""
EPOCHS, SIZE, BATCH = 3, 12, 5

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"kind": "sgd", "lr": 0.05},
    "momentum": {"kind": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3},
    "nesterov": {"kind": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True},
    "adam": {"kind": "adam", "lr": 0.02},
    "adamw": {"kind": "adamw", "lr": 0.02, "weight_decay": 0.1},
}
SCHEDULES: dict[str, dict[str, Any]] = {
    "constant": {"kind": "constant"},
    "cosine": {"kind": "cosine", "final": 1e-3, "warmup": 1},
    "step": {"kind": "step", "every": 2, "factor": 0.3},
}
CLIPS = {"free": None, "clipped": 0.1}
SEQUENCES = (("torch", "jax", "torch"), ("jax", "torch", "jax"))


def spec_of(optimizer: str, schedule: str, clip: str, dtype: str) -> Spec:
    return Spec.model_validate(
        {
            "wellposed": 1,
            "name": "net",
            "seed": 3,
            "dtype": dtype,
            "model": {
                "state": 2,
                "vector_field": "layer",
                "time": {"horizon": 2, "steps": 3},
                "readout": {"kind": "classifier", "classes": 3},
            },
            "regularizers": [{"kind": "smoothness", "of": ["K"], "alpha": 1e-2}],
            "train": {
                "optimizer": OPTIMIZERS[optimizer],
                "schedule": SCHEDULES[schedule],
                "clip": CLIPS[clip],
                "epochs": EPOCHS,
                "batch": BATCH,
            },
        }
    )


@functools.cache
def data() -> Dataset:
    """Three clouds; 12 examples by 5 leave a last batch of 2."""
    classes = np.arange(SIZE) % 3
    corners = np.array([[0.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    x = corners[classes] + 0.3 * np.random.default_rng(0).normal(size=(SIZE, 2))
    return Dataset(
        Split(x, classes), Split(x[:3], classes[:3]), Preprocessing(("a", "b"), ("0", "1", "2"))
    )


class Kept:
    """A model that compiles the update of an optimizer once for all tests."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.steppers: dict[Updater, Stepper] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def stepper(self, updater: Updater, x: np.ndarray, targets: Any) -> Stepper:
        if updater not in self.steppers:
            self.steppers[updater] = self.model.stepper(updater, x, targets)
        return self.steppers[updater]


class Moved(Kept):
    """It starts one ulp away in every number; a zero moves by ε."""

    def init(self, seed: int | None = None) -> Weights:
        random = np.random.default_rng(0)

        def moved(w: np.ndarray) -> np.ndarray:
            sign = random.choice([-1, 1], w.shape).astype(w.dtype)
            near = np.nextafter(w, sign * w.dtype.type(np.inf))
            return np.where(w == 0, sign * np.finfo(w.dtype).eps, near)

        return {name: moved(w) for name, w in self.model.init(seed).items()}


def model(backend: str, dtype: str, kind: type[Kept] = Kept) -> Any:
    """One model of a kind for all tests, as its compiled updates are the dear part."""
    return _model(backend, dtype, kind)


@functools.cache
def _model(backend: str, dtype: str, kind: type[Kept]) -> Kept:
    return kind(wellposed.compile(spec_of("sgd", "constant", "free", dtype), backend))


@functools.cache
def whole(case: tuple[str, ...], backend: str, kind: type[Kept] = Kept) -> Weights:
    """The weights of the uninterrupted run."""
    spec = spec_of(*case)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        return train(
            compiled(spec), model(backend, spec.dtype, kind), data(), out, progress=Quiet()
        ).weights


def in_turns(folder: Path, spec: Spec, backends: Sequence[str]) -> Result:
    """An epoch on each backend, every one from the files that the last has left."""
    results = [
        train(
            compiled(spec),
            model(backend, spec.dtype),
            data(),
            folder,
            progress=Quiet(),
            stop_after=1,
            resume=i > 0,
        )
        for i, backend in enumerate(backends)
    ]
    assert [result.status for result in results] == ["stopped", "stopped", "finished"]
    return results[-1]


def distance(a: Weights, b: Weights) -> float:
    """max over weights of max |a − b|, on the scale of each."""
    return max(float(np.abs(a[n].astype(float) - b[n]).max() / np.abs(a[n]).max()) for n in a)


def allowed(case: tuple[str, ...]) -> float:
    """The tolerance that self-drift gives."""
    drift = distance(whole(case, "torch"), whole(case, "torch", Moved))
    return FACTOR * drift + FLOOR * float(np.finfo(case[-1]).eps)


CASES = [
    *itertools.product(OPTIMIZERS, SCHEDULES, CLIPS, ["float64"]),
    *(
        (optimizer, schedule, clip, "float32")
        for optimizer, schedule, clip in zip(
            OPTIMIZERS, itertools.cycle(SCHEDULES), itertools.cycle(CLIPS), strict=False
        )
    ),
]


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_backends_that_take_turns_train_as_one(tmp_path: Path, case: tuple[str, ...]) -> None:
    spec = spec_of(*case)
    tolerance = allowed(case)
    for sequence in SEQUENCES:
        mixed = in_turns(tmp_path / "-".join(sequence), spec, sequence)
        assert mixed.epoch == EPOCHS == len(mixed.metrics)
        for backend in ("torch", "jax"):
            assert distance(whole(case, backend), mixed.weights) <= tolerance
    assert tolerance < 1e-3 if spec.dtype == "float32" else tolerance < 1e-11


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize(
    ("optimizer", "dtype"), [*((name, "float64") for name in OPTIMIZERS), ("adam", "float32")]
)
def test_one_backend_goes_on_bit_for_bit(
    tmp_path: Path, backend: str, optimizer: str, dtype: str
) -> None:
    spec = spec_of(optimizer, "cosine", "clipped", dtype)
    train(compiled(spec), model(backend, dtype), data(), tmp_path / "whole", progress=Quiet())
    in_turns(tmp_path / "parts", spec, [backend] * EPOCHS)
    one, other = (tmp_path / name / "checkpoint.safetensors" for name in ("whole", "parts"))
    assert one.read_bytes() == other.read_bytes()


# --- bugs that are planted ------------------------------------------------------------------------

Patch = pytest.MonkeyPatch


def on_reading(change: Callable[[Checkpoint], Checkpoint]) -> Callable[[Patch], None]:
    """A bug in what a resumed run takes from its checkpoint."""
    read = checkpoints.read_checkpoint
    return lambda patch: patch.setattr(
        "wellposed.training.run.read_checkpoint", lambda path: change(read(path))
    )


def without(moment: str) -> Callable[[Patch], None]:
    def forget(found: Checkpoint) -> Checkpoint:
        state = {n: 0 * s if n.startswith(moment) else s for n, s in found.state.items()}
        return replace(found, state=state)

    return on_reading(forget)


def through_float32(part: str) -> Callable[[Patch], None]:
    def narrowed(found: Checkpoint) -> Checkpoint:
        arrays = getattr(found, part).items()
        return replace(found, **{part: {n: a.astype("f4").astype(a.dtype) for n, a in arrays}})

    return on_reading(narrowed)


def restarted_schedule(patch: Patch) -> None:
    def clock(step: int, per_epoch: int, epochs: int) -> Clock:
        return Clock(step % per_epoch, per_epoch, epochs)

    patch.setattr("wellposed.training.loop.Clock", clock)


def batches_of_the_epoch_before(patch: Patch) -> None:
    def drawn(seed: int, epoch: int, size: int, batch: int | None) -> Iterator[np.ndarray]:
        return batches(seed, epoch - 1, size, batch)

    patch.setattr("wellposed.training.loop.batches", drawn)


def without_the_last_batch(patch: Patch) -> None:
    def drawn(seed: int, epoch: int, size: int, batch: int | None) -> Iterator[np.ndarray]:
        return (rows for rows in batches(seed, epoch, size, batch) if len(rows) == batch)

    patch.setattr("wellposed.training.loop.batches", drawn)


BUGS: dict[str, tuple[str, Callable[[Patch], None]]] = {
    "momentum dropped": ("momentum", without("momentum/")),
    "m dropped": ("adam", without("m/")),
    "v dropped": ("adamw", without("v/")),
    "m of one weight dropped": ("adam", without("m/mu")),
    "count reset": ("adam", without("count")),
    "schedule restarted": ("sgd", restarted_schedule),
    "batches of the epoch before": ("sgd", batches_of_the_epoch_before),
    "last batch left out": ("sgd", without_the_last_batch),
    "weights through float32": ("sgd", through_float32("weights")),
    "state through float32": ("momentum", through_float32("state")),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_beyond_the_tolerance(
    tmp_path: Path, bug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimizer, plant = BUGS[bug]
    case = (optimizer, "cosine", "free", "float64")
    tolerance, expected = allowed(case), whole(case, "jax")
    plant(monkeypatch)
    mixed = in_turns(tmp_path / "mixed", spec_of(*case), SEQUENCES[0])
    assert distance(expected, mixed.weights) > 10 * tolerance


# --- a place within an epoch ----------------------------------------------------------------------


@pytest.mark.parametrize("sequence", [("torch", "jax"), ("jax", "torch")], ids="-".join)
@pytest.mark.parametrize("stop", [1, 4, 8])
def test_another_backend_goes_on_within_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sequence: tuple[str, str], stop: int
) -> None:
    """Interrupted after any update, with a checkpoint after each."""
    case = ("adam", "cosine", "clipped", "float64")
    spec, expected, tolerance = spec_of(*case), whole(case, sequence[0]), allowed(case)
    monkeypatch.setattr("wellposed.training.loop.KEEP_EVERY", 0.0)
    step, taken = Stepper.step, itertools.count()

    def interrupted(*arguments: Any) -> Any:
        if next(taken) == stop:
            raise KeyboardInterrupt
        return step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "step", interrupted)
        first = train(
            compiled(spec), model(sequence[0], spec.dtype), data(), tmp_path / "a", progress=Quiet()
        )
    assert first.status == "interrupted" and first.epoch == stop // 3
    last = train(
        compiled(spec),
        model(sequence[1], spec.dtype),
        data(),
        tmp_path / "a",
        progress=Quiet(),
        resume=True,
    )
    assert last.status == "finished" and next(taken) == stop + 1
    assert distance(expected, last.weights) <= tolerance
