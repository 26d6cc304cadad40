"""The backends: a name, the text it writes for a module, and the model that runs such a text.

A third party adds one with `register` in a module that the entry point group `wellposed.plugins`
names. Nothing here imports a framework.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..compiler.ir.module import Module, solve_of
from ..spec.diagnostics import Error, did_you_mean
from ..spec.model import Task
from .model import Model


class BackendError(Error):
    """A backend or a device that is not to be had here; the message says what would help."""


class NoDevice(BackendError):
    """The machine has no such device."""


@dataclass(frozen=True)
class Backend:
    """`emit` gives the text of a module ('' for the reference); `runtime` is what has
    `load(module, source, device, dtype) -> Model`, imported when a program is loaded. An `eager`
    framework can also be told to compile (`model.Compilable`). Programs of adaptive methods call a
    `solver`, a library of its own. The reference runs the module itself and has no program."""

    name: str
    emit: Callable[[Module], str]
    runtime: str
    framework: str = ""
    eager: bool = False
    is_reference: bool = False
    solver: str = ""

    def load(self, module: Module, source: str, device: str = "cpu", dtype: str = "") -> Model:
        """The model that runs this text. Raises BackendError without the framework, or without the
        solver that an adaptive method needs."""
        needed = [self.framework, self.solver if solve_of(module) is not None else ""]
        for package in filter(None, needed):
            if find_spec(package) is None:
                help = f"pip install 'wellposed[{self.name}]'"
                raise BackendError(f"{package} is not installed: {help}")
        runtime: Any = import_module(self.runtime, __package__)
        return runtime.load(module, source, device, dtype or module.dtype)


_BACKENDS: dict[str, Backend] = {}


def register(backend: Backend) -> None:
    """Add a backend, or replace the one of that name."""
    _BACKENDS[backend.name] = backend


def names() -> tuple[str, ...]:
    """The names of all backends, those of plugins included."""
    Task.members()  # the first look into a registry of nodes imports the plugins
    return tuple(_BACKENDS)


def get(name: str) -> Backend:
    """The backend of a name. Raises BackendError."""
    if name not in names():
        near = did_you_mean(name, _BACKENDS) or f"backends: {', '.join(_BACKENDS)}"
        raise BackendError(f"there is no backend {name}: {near}")
    return _BACKENDS[name]


def _emit_torch(module: Module) -> str:
    from .torch_program import emit

    return emit(module)


def _emit_jax(module: Module) -> str:
    from .jax_program import emit

    return emit(module)


register(Backend("torch", _emit_torch, ".run_torch", "torch", eager=True, solver="torchdiffeq"))
register(Backend("jax", _emit_jax, ".run_jax", "jax", solver="diffrax"))
register(Backend("numpy", lambda module: "", ".run_numpy", is_reference=True))
