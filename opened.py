"""A run as an object: what notebooks and scripts do with a folder that a training left."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import api
from .backends.model import ArgumentError, Model, checked_rows
from .evaluation import Using, drawn, evaluate, evaluate_file, known_of, predictions
from .forecasts import predictions as series_predicted
from .spec.model import Spec
from .training.results import INTERRUPTED
from .training.run import RESULT, Row

Array = NDArray[Any]


class Run:
    """The run in a folder. Raises RunError for a folder that is none; whatever is asked of it needs
    nothing outside the folder, but for `evaluate` and `resume`, which read the training data.

    >>> run = wellposed.open("runs/a")
    >>> run.predict([[0.3, 1.2]])           # probabilities of run.classes, or values
    >>> run.model("jax").forward(run.best, x)
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._run, self._problem = api.open_problem(folder)

    @property
    def spec(self) -> Spec:
        """The spec that was trained, overrides and defaults filled in."""
        return self._problem.spec

    @property
    def metrics(self) -> list[Row]:
        """A dict for every epoch."""
        return self._run.metrics()

    @property
    def weights(self) -> dict[str, Array]:
        """The last weights, by name, in the spec's dtype."""
        return self._run.weights().weights

    @property
    def best(self) -> dict[str, Array]:
        """Those of the epoch with the best validation score. RunError without validation data."""
        return self._run.weights("best").weights

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The classes in the order of `predict`; None of a regression."""
        return known_of(self._run, self._problem).classes

    @cached_property
    def _result(self) -> Mapping[str, Any]:
        """How the last call ended; nothing where one was killed before it could say so."""
        file = self.folder / RESULT
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    @property
    def status(self) -> str:
        """`finished`, `stopped`, `interrupted`, `terminated`, `diverged`, or `killed`."""
        return self._result.get("status", "killed")

    @property
    def epoch(self) -> int:
        """Whole epochs that were trained."""
        return api.last_epoch(self.metrics)

    @property
    def epochs(self) -> int:
        """Epochs that the spec asks for."""
        assert self.spec.train is not None
        return self.spec.train.epochs

    def model(self, backend: str | None = None, device: str | None = None) -> Model:
        """The model, by default on the backend and the device that the run was begun on."""
        return api.model_of_run(self._run, self._problem, backend, device)

    def predict(
        self,
        x: Any,
        times: Any = None,
        *,
        weights: str = "last",
        backend: str | None = None,
        device: str | None = None,
    ) -> Array:
        """Probabilities of the classes (s, classes), values (s, k) in the units of the data, or
        log-densities (s,), for rows x (s, d) as the data have them; of a run that was fitted to
        series what is observed (s, L, c) at times (L,) or (s, L), for values x (s, L, c), NaN where
        one is missing."""
        known = known_of(self._run, self._problem)
        if self._problem.module.is_of_series:
            if times is None:
                raise ArgumentError("series have times: predict(values, times)")
            held = self._run.weights(_which(weights)).weights
            return series_predicted(self.model(backend, device), known, held, x, times)
        rows = checked_rows(np.asarray(x), len(known.features), "x", "float64")
        rows = rows if known.scaling is None else known.scaling(rows)
        using = Using(backend, device, _which(weights))
        return predictions(self._run, self._problem, rows, using)

    def sample(
        self,
        count: int,
        seed: int = 0,
        *,
        weights: str = "last",
        backend: str | None = None,
        device: str | None = None,
    ) -> Array:
        """Rows (count, d) of the density, in the units of the data. RunError of another task."""
        using = Using(backend, device, _which(weights))
        return drawn(self._run, self._problem, count, seed, using)

    def evaluate(
        self,
        file: str | os.PathLike[str] | None = None,
        *,
        weights: str = "last",
        backend: str | None = None,
        device: str | None = None,
    ) -> dict[str, Any]:
        """What `evaluate --json` prints: loss and score of the training and validation data, or of
        a file like that of the spec."""
        using = Using(backend, device, _which(weights))
        if file is None:
            return evaluate(self.folder, using).to_json()
        return evaluate_file(self.folder, Path(file), using).to_json()

    def plot(
        self, out: str | os.PathLike[str] | None = None, *, weights: str = "last"
    ) -> list[Path]:
        """Draw the run, by default into its folder `plots`; the files."""
        return api.redraw(self.folder, None if out is None else Path(out), which=_which(weights))

    def resume(
        self, backend: str | None = None, device: str | None = None, *, epochs: int | None = None
    ) -> Run:
        """Go on with a run that was stopped, or up to `epochs` in all; the run as it is then.
        Ctrl-C saves and raises."""
        return finished(api.resume(self.folder, backend, device, epochs=epochs).status, self.folder)

    def __repr__(self) -> str:
        done = f"epoch {self.epoch} of {self.epochs}"
        return f"Run({os.path.relpath(self.folder)!r}, {self.status}, {done})"


def finished(status: str, folder: Path) -> Run:
    """The run that a training has left. KeyboardInterrupt where it was interrupted."""
    if status in INTERRUPTED:
        raise KeyboardInterrupt(f"saved in {os.path.relpath(folder)}: resume goes on with it")
    return Run(folder)


def _which(weights: str) -> str:
    if weights not in ("last", "best"):
        raise ArgumentError(f"weights are 'last' or 'best', not {weights!r}")
    return weights
