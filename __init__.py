"""wellposed: a declarative compiler for ODE-inspired deep networks.

    spec = wellposed.load("m.yaml", overrides=["model.time.steps=64"])
    model = wellposed.compile(spec, backend="torch")
    report = wellposed.check(spec)
    result = wellposed.train(spec, backend="jax", out="runs/a")

Importing this package imports neither torch nor jax; the functions import what they need.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ._version import __version__
from .spec.diagnostics import SpecError

if TYPE_CHECKING:
    from .backends.model import Model
    from .checking.report import Report
    from .spec.model import Spec
    from .training.results import Result

PathName = str | os.PathLike[str]


def load(path: PathName, overrides: Iterable[str] = ()) -> Spec:
    """The spec of a file, or of a shipped example by its name, with `key.sub=value` overrides.

    Raises SpecError with every error of the file at once, each at its place.
    """
    from .compiler.front.load import load

    return load(path, overrides)


def compile(spec: Spec, backend: str = "torch", device: str = "cpu") -> Model:
    """The spec as a model of a backend: `torch`, `jax` or `numpy` (the float64 reference).

    What runs is the text in `model.source`. Raises SpecError, and BackendError where the backend's
    framework or the device is not there.
    """
    from .api import model_of
    from .compiler.pipeline import compiled

    return model_of(compiled(spec), backend, device)


def check(
    spec: Spec,
    *,
    programs: Mapping[str, PathName] | None = None,
    backends: Sequence[str] = (),
    device: str = "cpu",
) -> Report:
    """Compare the backends with the float64 reference: weights, field, steps, loss, gradients.

    `programs` names files that stand in for emitted programs, by backend; `backends` are by default
    those of the programs, or all. The report says `passed`, and `message` names what differs first.
    Raises SpecError for a file that cannot be read or is no Python.
    """
    from pathlib import Path

    from .checking.ladder import check as climb

    files = {name: Path(path) for name, path in (programs or {}).items()}
    return climb(spec, programs=files, backends=tuple(backends), device=device)


def train(
    spec: Spec,
    backend: str = "torch",
    device: str = "cpu",
    out: PathName | None = None,
    *,
    quiet: bool = True,
    stop_after: int | None = None,
) -> Result:
    """Train a spec, keep the run in the folder `out` (default: a new runs/NAME-n) and draw it.

    With `quiet=False` the progress is shown; `stop_after` stops after so many epochs, as an
    interruption would. Raises SpecError, BackendError, and RunError for a folder that cannot be
    taken.
    """
    from rich.console import Console

    from .api import train as begin
    from .training.progress import progress_on

    shown = progress_on(Console(), quiet)
    return begin(spec, backend, device, out, progress=shown, stop_after=stop_after)


__all__ = ["SpecError", "__version__", "check", "compile", "load", "train"]
