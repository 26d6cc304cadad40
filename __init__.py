"""wellposed: a declarative compiler for ODE-inspired deep networks.

    spec = wellposed.load("m.yaml", overrides={"model.time.steps": 64})
    model = wellposed.compile(spec, backend="torch")
    report = wellposed.check(spec)
    run = wellposed.train(spec, backend="jax", out="runs/a")
    run = wellposed.open("runs/a")

Importing this package imports neither torch nor jax; the functions import what they need. All
errors that are a user's to mend are of the class `Error`.
"""

from __future__ import annotations

import os as _os
from collections.abc import Iterable as _Iterable
from collections.abc import Mapping as _Mapping
from collections.abc import Sequence as _Sequence
from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

from ._version import __version__
from .spec.diagnostics import Error, SpecError

if TYPE_CHECKING:
    from .backends.model import ArgumentError, Model
    from .backends.registry import BackendError, NoDevice
    from .checking.report import Report
    from .opened import Run
    from .spec.model import Spec
    from .training.checkpoint import RunError

PathName = str | _os.PathLike[str]
Overrides = _Mapping[str, _Any] | _Iterable[str]

_LATER = {
    "ArgumentError": "backends.model",
    "BackendError": "backends.registry",
    "NoDevice": "backends.registry",
    "Run": "opened",
    "RunError": "training.checkpoint",
    "Spec": "spec.model",
}
"""Public names whose modules are imported when they are asked for."""


def load(path: PathName, overrides: Overrides = ()) -> Spec:
    """The spec of a file, or of a shipped example by its name.

    `overrides` are a dict {"model.time.steps": 64} or a list ["model.time.steps=64"]. Raises
    SpecError with every error of the file at once, each at its place, and ArgumentError.
    """
    from .arguments import as_path, as_texts
    from .compiler.front.load import load

    return load(as_path(path), as_texts(overrides))


def open(folder: PathName) -> Run:
    """The run in a folder. Raises RunError, SpecError."""
    from .arguments import as_path
    from .opened import Run

    return Run(as_path(folder))


def compile(spec: Spec, backend: str = "torch", device: str = "cpu") -> Model:
    """The spec as a model of a backend: `torch`, `jax` or `numpy` (the float64 reference).

    What runs is the text in `model.source`. Raises SpecError, and BackendError where the backend's
    framework or the device is not there.
    """
    from .api import model_of
    from .arguments import as_spec
    from .compiler.pipeline import compiled

    return model_of(compiled(as_spec(spec)), backend, device)


def check(
    spec: Spec,
    *,
    programs: _Mapping[str, PathName] | None = None,
    backends: _Sequence[str] = (),
    device: str = "cpu",
    modes: bool = False,
) -> Report:
    """Compare the backends with the float64 reference: weights, field, steps, loss, gradients.

    `programs` names files that stand in for emitted programs, by backend; `backends` are by default
    those of the programs, or all; with `modes` every gradient mode that the spec allows is compared
    with backprop. The report says `passed`, and `message` names what differs first.
    Raises SpecError for a file that cannot be read or is no Python.
    """
    from pathlib import Path

    from .arguments import as_spec
    from .checking.ladder import check as climb

    files = {name: Path(path) for name, path in (programs or {}).items()}
    given = {"programs": files, "backends": tuple(backends), "device": device}
    return climb(as_spec(spec), modes=modes, **given)


def train(
    spec: Spec,
    backend: str = "torch",
    device: str = "cpu",
    out: PathName | None = None,
    *,
    quiet: bool = True,
    stop_after: int | None = None,
    threads: int | None = None,
) -> Run:
    """Train a spec, keep the run in the folder `out` (default: a new runs/NAME-n) and draw it.

    With `quiet=False` the progress is shown; `stop_after` stops after so many epochs, as an
    interruption would; `threads` are those of torch on the CPU. Ctrl-C saves the run and raises
    KeyboardInterrupt. Raises SpecError, BackendError, and RunError for a folder that cannot be
    taken; a training that diverged gives a run whose status says so.
    """
    from rich.console import Console

    from .api import train as begin
    from .arguments import as_spec
    from .opened import finished
    from .training.progress import progress_on

    how: dict[str, _Any] = {"stop_after": stop_after, "threads": threads}
    shown = progress_on(Console(), quiet)
    result = begin(as_spec(spec), backend, device, out, progress=shown, **how)
    return finished(result.status, result.folder)


__all__ = [
    "ArgumentError",
    "BackendError",
    "Error",
    "NoDevice",
    "Run",
    "RunError",
    "Spec",
    "SpecError",
    "__version__",
    "check",
    "compile",
    "load",
    "open",
    "train",
]


def __getattr__(name: str) -> _Any:
    if name not in _LATER:
        raise AttributeError(f"module 'wellposed' has no attribute {name!r}", name=name)
    return getattr(_import_module(f".{_LATER[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
