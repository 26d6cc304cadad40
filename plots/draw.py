"""The pictures of a network: which of them its shape and its data allow, and what they show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backends.model import Flow, Model
from ..backends.reverse import noise_to_data
from ..compiler.analysis.budget import WHOLE
from ..compiler.analysis.closely import closely
from ..compiler.analysis.jacobian import eigenvalues as along_the_depth
from ..compiler.ir.problem import Problem
from ..compiler.pipeline import Compiled
from ..compiler.reference.chance import base
from ..compiler.reference.evidence import energies
from ..data.dataset import Dataset, Split
from ..data.preprocessing import Preprocessing
from ..data.rng import rng
from ..spec.integrators import OneStep
from . import decision, densities, eigenvalues, features, fits, metrics, trajectories
from .arrays import evenly
from .style import shown

Array = NDArray[Any]

CHUNK = 9600  # rows of one forward pass: bounds memory, and divides the grid of decision regions
MOST_ENTRIES = 2**25  # of a trajectory (N+1, s, n) that is drawn
MOST_POINTS = 1200
MOST_SAMPLES = 10_000  # of a density that is drawn
SAMPLES = 8  # points whose eigenvalues are drawn, and that stand in for data where there are none
MOST_EIGENVALUE_WORK = 2e7  # times n³, over all matrices
READ = 32  # parts of [0, T] at whose ends a flow is drawn
DEPTHS = (8, 64)  # of eigenvalues, at least and at most


@dataclass(frozen=True)
class Subject:
    """What is drawn: a network with weights and its data, the metrics of a run or none.

    `when` says in the titles which weights these are, as in `epoch 300`.
    """

    compiled: Compiled
    model: Model
    weights: Mapping[str, Array]
    rows: Sequence[Mapping[str, Any]] = ()
    when: str = "initial weights"

    @property
    def problem(self) -> Problem:
        return self.compiled.problem

    @property
    def dataset(self) -> Dataset | None:
        return self.compiled.dataset

    @property
    def times(self) -> Array:
        """t_0 … t_N; of a flow that is looked at more seldom, READ parts of [0, T]."""
        if self._is_read:
            return np.linspace(0, self.compiled.module.horizon, READ + 1)
        return np.arange(self.problem.steps + 1) * self.problem.h

    @property
    def _is_read(self) -> bool:
        """Is it the solution that is read at these times, and no steps that are taken?"""
        return self.problem.is_one_solve and self.problem.steps < READ

    def path(self, x: Array) -> Array:
        """The states (times, s, n)."""
        if self._is_read:
            return self.model.solve(self.weights, x, self.times)
        return self.model.trajectory(self.weights, x)

    @property
    def step(self) -> tuple[float, str]:
        """h, in words too where it is the mean of what a solver took."""
        if not self.problem.is_adaptive:
            return self.problem.h, ""
        taken = self.model.statistics(self.weights, self.few(SAMPLES).x)
        h = self.compiled.module.horizon / max(taken["accepted"], 1)
        return h, f", mean step {h:.3g}"

    @property
    def points(self) -> Split:
        """The training examples; a few random ones where the spec has no data."""
        if self.problem.is_matched:  # no data: the flow's own
            drawn = _flow_of(self).sample(self.weights, MOST_POINTS, self.problem.spec.seed)
            return Split(np.asarray(drawn, np.float64), None)
        if self.dataset is not None and self.problem.observed is not None:
            return Split(self.dataset.measured.starts, None)
        if self.dataset is not None:
            return self.dataset.train
        random = rng(self.problem.spec.seed, "points")
        return Split(random.normal(size=(SAMPLES, self.problem.features.value)), None)

    def few(self, most: int) -> Split:
        """At most so many different points, evenly chosen."""
        some = self.points.rows(evenly(len(self.points), max(most, MOST_POINTS)))
        _, first = np.unique(some.x, axis=0, return_index=True)
        different = some.rows(np.sort(first))
        return different.rows(evenly(len(different), most))

    def labels(self, points: Split) -> Array | None:
        """The classes of points, where the data have classes."""
        return points.targets if self.dataset and self.dataset.kind == "classes" else None

    @property
    def class_names(self) -> Sequence[str]:
        return () if self.dataset is None else self.dataset.preprocessing.classes or ()

    def title(self, what: str) -> str:
        return f"{self.problem.name}: {what} ({self.when})"


Picture = Callable[[Subject, Path], None]


def draw(subject: Subject, folder: Path) -> list[Path]:
    """Draw what can be drawn into the folder; the files, which replace those of their names."""
    written = []
    with np.errstate(all="ignore"):  # the pictures themselves mark what is not finite
        for name, picture in _pictures(subject):
            picture(subject, folder / name)
            written.append(folder / name)
    return written


def _pictures(subject: Subject) -> Iterator[tuple[str, Picture]]:
    if subject.rows:
        yield "metrics.png", _metrics
    if _has_planar_classes(subject.dataset):
        yield "decision.png", _decision
    if isinstance(subject.model, Flow) and subject.model.module.is_density:
        yield "density.png", _density
        if subject.problem.size == 2:
            yield "flow.png", _flow
            yield "flow.gif", _animation
    if subject.problem.observed is not None and subject.dataset is not None:
        yield "fit.png", _fit
        if subject.problem.size == 2 and subject.dataset.features == 2:
            yield "field.png", _field
    yield "features.png", _features
    if subject.problem.size**3 <= WHOLE:
        yield "eigenvalues.png", _eigenvalues
    if subject.problem.size in trajectories.SPACES:
        yield "trajectories.png", _trajectories


def _has_planar_classes(dataset: Dataset | None) -> bool:
    return (
        dataset is not None
        and dataset.kind == "classes"
        and dataset.features == 2
        and len(dataset.validation) > 0
    )


def _metrics(subject: Subject, path: Path) -> None:
    metrics.metrics(subject.rows, path, f"{subject.problem.name}: training ({subject.when})")


def _decision(subject: Subject, path: Path) -> None:
    assert subject.dataset is not None
    train, validation = (_labelled(s) for s in (subject.dataset.train, subject.dataset.validation))
    title = subject.title("decision regions")
    known = subject.dataset.preprocessing
    names = _axes_names(known), known.classes or ()
    decision.decision_regions(lambda x: _logits(subject, x), train, validation, path, title, *names)


def _fitted(subject: Subject) -> list[fits.Fitted]:
    """Some series from end to end, with the times of what came later."""
    assert subject.dataset is not None
    series, later = subject.dataset.measured, subject.dataset.later
    found: list[fits.Fitted] = []
    for i in evenly(len(series), fits.MOST_SERIES).tolist():
        times, values = np.asarray(series.targets)[i], series.x[i]
        after = np.asarray(later.targets)[i] if later is not None else np.zeros(0)
        truth = later.x[i] if later is not None else np.zeros((0, values.shape[1]))
        at, given = fits.at_all_times(times, values, float(np.nanmax(after, initial=-np.inf)))
        predicted = subject.model.forward(subject.weights, given[None], at[None])[0]
        predicted = np.asarray(predicted, np.float64)
        found.append(fits.Fitted(times, values, at, predicted, after, truth))
    return found


def _channel_names(subject: Subject) -> list[str]:
    assert subject.dataset is not None
    known = subject.dataset.preprocessing
    return [f"{shown(n)}{' (standardized)' * (known.scaling is not None)}" for n in known.features]


def _fit(subject: Subject, path: Path) -> None:
    assert subject.dataset is not None
    names, count = _channel_names(subject), len(subject.dataset.measured)
    fits.fits(_fitted(subject), path, subject.title("observed and predicted"), names, count)


def _field(subject: Subject, path: Path) -> None:
    def slopes(y: Array) -> Array:
        return np.asarray(subject.model.vector_field(subject.weights, 0.0, y), np.float64)

    fits.field(slopes, _fitted(subject), path, subject.title("field"), _channel_names(subject))


def _flow_of(subject: Subject) -> Flow:
    assert isinstance(subject.model, Flow)
    return subject.model


def _density(subject: Subject, path: Path) -> None:
    """p over its data and as many samples, as the network sees them."""
    model, data, is_matched = _flow_of(subject), None, subject.problem.is_matched
    if subject.dataset is not None and not is_matched:
        data = np.concatenate([subject.dataset.train.x, subject.dataset.validation.x])
    drawn = model.sample(subject.weights, MOST_SAMPLES, subject.problem.spec.seed)
    samples = np.asarray(drawn, np.float64)
    names = ["$y_1$", "$y_2$"] if is_matched else ["$x_1$", "$x_2$"]
    if subject.dataset is not None and not is_matched:
        names = list(_axes_names(subject.dataset.preprocessing))

    def log_density(x: Array) -> Array:
        parts = np.split(x, range(CHUNK, len(x), CHUNK))
        return np.concatenate([model.log_density(subject.weights, part) for part in parts])

    def log_target(y: Array) -> Array:
        return -energies(subject.problem, y)

    target = log_target if is_matched else None
    title = subject.title("density")
    densities.density(log_density, data, samples, path, title, names, log_target=target)


def _way_back(subject: Subject, parts: int) -> tuple[Array, Array]:
    """Noise on its way to data, (K, s, n), and the times (K,) from T to 0."""
    z = base(subject.model.module, MOST_SAMPLES, subject.problem.spec.seed)
    return noise_to_data(subject.model, subject.weights, z, parts)


def _flow(subject: Subject, path: Path) -> None:
    states, times = _way_back(subject, densities.PANELS)
    densities.flow(states, times, path, subject.title("from noise to data"))


def _animation(subject: Subject, path: Path) -> None:
    states, times = _way_back(subject, densities.FRAMES)
    densities.animation(states, times, path, subject.problem.name)


def _axes_names(known: Preprocessing) -> tuple[str, str]:
    """The names of two features; x1 and x2 are the letters of the mathematics."""
    first, second = (
        f"$x_{name[1]}$" if name in ("x1", "x2") else shown(name)
        for name in (*known.features, "")[:2]
    )
    of = " (standardized)" if known.scaling is not None else ""
    return f"{first}{of}", f"{second}{of}"


def _labelled(split: Split) -> tuple[Array, Array]:
    assert split.targets is not None
    return split.x, split.targets


def _logits(subject: Subject, x: Array) -> Array:
    starts = range(0, len(x), CHUNK)
    return np.concatenate(
        [subject.model.forward(subject.weights, x[i : i + CHUNK]) for i in starts]
    )


def _features(subject: Subject, path: Path) -> None:
    """The block y of the state: what the readout sees."""
    problem, n = subject.problem, subject.problem.first.size.value
    split = _drawable(subject)
    y = subject.path(split.x)[..., :n]
    features.features_through_layers(
        y,
        subject.labels(split),
        subject.times,
        path,
        subject.title("features through the layers"),
        subject.class_names,
        over_time=problem.features.value == 1,
        goals=_goals(subject, split),
    )


def _drawable(subject: Subject) -> Split:
    """As many of the points as a picture shows, if their states are not too many to hold."""
    problem = subject.problem
    room = MOST_ENTRIES // (problem.size * len(subject.times))
    return subject.few(int(np.clip(room, 1, MOST_POINTS)))


def _goals(subject: Subject, split: Split) -> Array | None:
    """What the first components of y(T) are to be, where the prediction is y(T) itself."""
    readout = subject.problem.readout
    has_values = subject.dataset is not None and subject.dataset.kind == "values"
    return split.targets if has_values and readout is not None and not readout.weights else None


def _eigenvalues(subject: Subject, path: Path) -> None:
    """h λ of ∂f/∂y along the depth at a few points, in float64 by the reference."""
    problem, integrator = subject.problem, subject.problem.integrator
    work = problem.size**3
    depths = int(np.clip(MOST_EIGENVALUE_WORK / work / SAMPLES, *DEPTHS))
    compiled = closely(subject.compiled)
    # a wide network is drawn at fewer places
    depths = min(depths, compiled.problem.steps, WHOLE // work)
    x = subject.few(int(np.clip(WHOLE // work // depths, 1, SAMPLES))).x
    times, found = along_the_depth(compiled, subject.weights, x, depths)
    h, in_words = subject.step
    title = subject.title(f"eigenvalues of the Jacobian, {integrator.name}{in_words}")
    region: dict[str, Any] = {"interval": integrator.imaginary_limit()}
    if isinstance(integrator, OneStep):
        region = {"stability": tuple(map(float, integrator.stability_polynomial()))}
    eigenvalues.eigenvalues(h * found, times, path, title, **region)


def _trajectories(subject: Subject, path: Path) -> None:
    split = _drawable(subject)
    labels = subject.labels(split)
    if labels is None:
        split = subject.few(trajectories.MOST_PATHS)
    y = subject.path(split.x)
    title = subject.title("trajectories")
    trajectories.trajectories(y, subject.times, path, title, labels, subject.class_names)
