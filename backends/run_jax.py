"""Running the JAX program: the only module, with `run_torch`, that imports a framework."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, cached_property
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..compiler.ir.module import Function, Module, solve_of
from . import jax_solver
from .counting import Counts, replaced
from .framework_model import FrameworkModel, NoForwardMode
from .jax_dialect import JAX
from .model import Array, Targets, checked_targets, in_dtype
from .optimizers import Rates, Updater, global_norm
from .program_model import flat, nested
from .registry import BackendError, NoDevice
from .stepper import Proposal, Stepper

FAST_COMPILE = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}
"""XLA's options for the CPU for what runs a few times: a fifth of the time, to slower code."""
NEEDS_VALUES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)
"""Raised by a function that is right and cannot be compiled, such as one that takes int(t)."""


@cache
def _fast_options() -> dict[str, Any]:
    """The options of FAST_COMPILE that the installed XLA knows: they come and go."""
    return {name: value for name, value in FAST_COMPILE.items() if _is_known(name, value)}


def _is_known(name: str, value: Any) -> bool:
    try:
        jax.jit(lambda: jnp.zeros(()), compiler_options={name: value})()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def load(module: Module, source: str, device: str, dtype: str) -> JaxModel:
    """The model of a JAX program. Raises BackendError for a device that is not there."""
    return JaxModel(module, source, device, dtype)


def _device(name: str) -> Any:
    platform, _, index = name.partition(":")
    platform = "gpu" if platform == "cuda" else platform
    if platform not in ("cpu", "gpu"):
        raise BackendError(f"there is no device {name}: cpu or cuda")
    try:
        if index and not index.isdecimal():
            raise ValueError(index)
        return jax.devices(platform)[int(index or 0)]
    except (RuntimeError, IndexError, ValueError):
        raise NoDevice(f"jax sees no device {name}") from None


def _enable_x64(on: bool) -> Any:
    """The context in which float64 arrays stay float64; where it lives depends on the version."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(on)
    return import_module("jax.experimental").enable_x64(on)


@contextmanager
def _own_settings() -> Iterator[None]:
    """Within it a program may switch float64 on for the process, as its file does for whoever
    imports it; a model has settings of its own."""
    before = jax.config.read("jax_enable_x64")
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


class JaxModel(FrameworkModel):
    """A JAX program; `native` is its module of pure functions."""

    backend, dialect = "jax", JAX

    def __init__(self, module: Module, source: str, device: str, dtype: str) -> None:
        self.placed = _device(device)
        with _own_settings(), _enable_x64(dtype == "float64"):
            super().__init__(module, source, device, dtype)
        self._compiled: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._counted: dict[tuple[Any, ...], tuple[Counts, tuple[Any, Any]]] = {}

    @contextmanager
    def settings(self) -> Iterator[None]:
        """The dtype, device and full precision of matrix products, for this model alone."""
        with (
            _enable_x64(self.dtype == "float64"),
            jax.default_device(self.placed),
            jax.default_matmul_precision("highest"),
        ):
            yield

    @cached_property
    def can_fail(self) -> bool:
        """May the way back end with an error, for want of a number that says so?"""
        return hasattr(self.native, "BacksolveAdjoint")

    @property
    def options(self) -> dict[str, Any] | None:
        """How XLA compiles what is asked now; None for as it comes."""
        return _fast_options() if self.compiles_fast and self.placed.platform == "cpu" else None

    def compiled(self, function: str, differentiated: bool = False) -> Callable[..., Any]:
        """A function of the program, or its value and gradient, compiled once."""
        native = getattr(self.native, function)
        wanted = jax.value_and_grad(native) if differentiated else native
        return self.once((function, differentiated), wanted)

    def once(self, key: tuple[Any, ...], function: Callable[..., Any]) -> Callable[..., Any]:
        """The compiled form of a function, the first of this key that was given: XLA takes a
        second for what runs in milliseconds."""
        key = *key, self.compiles_fast
        if key not in self._compiled:
            self._compiled[key] = jax.jit(function, compiler_options=self.options)
        return self._compiled[key]

    def _call(self, function: str, weights: dict[str, Array], *arguments: Any) -> Array:
        with self.settings():
            value = self._run(function, _placed(weights), *map(_placed, arguments))
            if not isinstance(value, jax.Array):
                raise TypeError(f"{function} returns a {type(value).__name__}, not an array")
            return np.asarray(value)

    def _run(self, function: str, *given: Any) -> Any:
        """Compiled where it can be: one by one its operations would all be compiled too."""
        try:
            return self.compiled(function)(*given)
        except NEEDS_VALUES:
            return getattr(self.native, function)(*given)

    def _called_part(
        self, name: str, weights: dict[str, Array] | None, arguments: list[Any]
    ) -> list[Array]:
        with self.settings():
            given = () if weights is None else (_placed(weights),)
            value = self._run(name, *given, *_placed(arguments))
            return [np.asarray(part) for part in flat(value)]

    def _pulled_part(
        self, function: Function, weights: dict[str, Array], args: list[Array], bars: list[Array]
    ) -> tuple[list[Array], dict[str, Array]]:
        native = getattr(self.native, self._names[function.name])
        first = (weights,) if function.takes_weights else ()
        real = [i for i, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]

        def called(first: Any, moving: Any) -> Any:
            given = list(args)
            for i, a in zip(real, moving, strict=True):
                given[i] = a
            return flat(native(*first, *nested(function, given)))

        with self.settings():
            at = _placed((first, [args[i] for i in real]))
            held, pulled = jax.vjp(called, *at)[1](_placed(list(bars)))
            trained = {w.name for w in self.module.trained}
            found = {n: np.asarray(g) for n, g in held[0].items() if n in trained} if held else {}
            return [np.asarray(g) for g in pulled], found

    def _count(self, weights: dict[str, Array], given: list[Array]) -> Counts:
        key = tuple(a.shape for a in given)
        with self.settings():
            given = [_placed(weights), *_placed(given)]
            if key not in self._counted:
                self._counted[key] = self._counting(*given)
            found, (forward, gradient) = self._counted[key]
            found.clear()
            forward(*given[: 1 + self.forward_count])
            jax.effects_barrier()
            there = replace(found)
            if gradient is not None:
                gradient(*given)
                jax.effects_barrier()
        return replace(there, nfe_backward=found.nfe_backward)

    def _counting(self, *given: Any) -> tuple[Counts, tuple[Any, Any]]:
        """`forward` and the gradient for so many rows, compiled with what counts in them."""
        counts, native = Counts(), self.native

        def compiled(function: Callable[..., Any], *given: Any) -> Any:
            def traced(*given: Any) -> Any:  # anew: what is known of a function has no counts
                return function(*given)

            return jax.jit(traced).lower(*given).compile(_fast_options())

        with replaced(native, "diffeqsolve", jax_solver.counting(native.diffeqsolve, counts)):
            forward = compiled(native.forward, *given[: 1 + self.forward_count])
            gradient = compiled(jax.grad(native.loss), *given) if self.module.has_loss else None
        return counts, (forward, gradient)

    def _gradient(self, weights: dict[str, Array], *given: Array) -> dict[str, Array]:
        with self.settings():
            try:
                _, gradient = self.compiled("loss", differentiated=True)(weights, *given)
                return {w.name: np.asarray(gradient[w.name]) for w in self.module.trained}
            except RuntimeError as error:
                if not jax_solver.gave_up(error):
                    raise
        return {w.name: np.full(w.shape, np.nan, self.dtype) for w in self.module.trained}

    @cached_property
    def _pushed(self) -> Callable[..., Any]:
        def pushed(at: Any, along: Any, others: Any) -> Any:
            return jax.jvp(lambda w, x: self.native.forward(w, x, *others), at, along)[1]

        return jax.jit(pushed, compiler_options=self.options)

    @cached_property
    def _pulled(self) -> Callable[..., Any]:
        def pulled(at: Any, w: Any, others: Any) -> Any:
            return jax.vjp(lambda w, x: self.native.forward(w, x, *others), *at)[1](w)

        return jax.jit(pulled, compiler_options=self.options)

    def _jvp(
        self, weights: dict[str, Array], given: list[Array], along: dict[str, Array], dx: Array
    ) -> Array:
        x, *others = given
        with self.settings():
            try:
                return np.asarray(self._pushed((weights, x), (along, dx), others))
            except TypeError as error:
                if "custom_vjp" not in str(error):
                    raise
                raise NoForwardMode(str(error)) from None

    def _vjp(
        self, weights: dict[str, Array], given: list[Array], w: Array
    ) -> tuple[dict[str, Array], Array]:
        x, *others = given
        with self.settings():
            pulled, dx = self._pulled((weights, x), w, others)
            found = {w.name: np.asarray(pulled[w.name]) for w in self.module.trained}
            return found, np.asarray(dx)

    def stepper(self, updater: Updater, x: Array, targets: Targets, /) -> JaxStepper:
        return JaxStepper(self, updater, x, targets)


def _room(length: int) -> int:
    """How much a length lacks to a power of 2: so many shapes are compiled for, no more."""
    return (1 << (length - 1).bit_length()) - length


def _placed(value: Any) -> Any:
    """NumPy arrays (also those of a dict) as arrays of JAX."""
    return jax.tree.map(lambda x: jnp.asarray(x) if isinstance(x, np.ndarray) else x, value)


class JaxStepper(Stepper):
    """Training steps of a JAX program: gradient, clipping and update in one compiled function."""

    def __init__(self, model: JaxModel, updater: Updater, x: Array, targets: Targets) -> None:
        super().__init__(updater, model.module, x, targets)
        self.model = model
        if self.series is None:
            self.x = self.put(np.asarray(x))
            self.targets = self._put_targets(targets, len(x))

    @cached_property
    def _update(self) -> Callable[..., Any]:
        """Loss, norm of the gradient, and what the update makes of moments and weights."""
        differentiated = jax.value_and_grad(self.model.native.loss)

        def update(
            weights: Any, moments: Any, x: Any, targets: Any, rows: Any, rates: Any, *drawn: Any
        ) -> tuple[Any, ...]:
            others = (targets[rows], *drawn) if self.module.has_targets else drawn
            loss, whole = differentiated(weights, x[rows] if rows is not None else x, *others)
            gradient = {w.name: whole[w.name] for w in self.model.module.trained}
            norm = global_norm(gradient)
            return loss, norm, *self.updater.apply(gradient, norm, moments, weights, rates)

        return update

    def propose(self, rows: np.ndarray, rates: Rates) -> Proposal:
        with self.model.settings():
            update = self.model.once(("update", self.updater), self._update)
            try:
                x, drawn = self._batch(rows)
                found = update(self.held, self.moments, *x, rates, *drawn)
                return Proposal(*(jax.block_until_ready(found) if self.model.can_fail else found))
            except RuntimeError as error:
                if not jax_solver.gave_up(error):
                    raise
        return Proposal(np.nan, np.nan, self.moments, self.held)

    def _batch(self, rows: np.ndarray) -> tuple[tuple[Any, Any, Any], list[Any]]:
        """Rows of the data with what picks some of them, or rows of this update alone; and what is
        drawn or observed beside them."""
        if self.series is not None:
            values, times, grid = self.observed(rows)
            if solve_of(self.module) is not None:  # which may come to its last time twice
                grid = np.pad(grid, (0, _room(len(grid))), mode="edge")
            return (self.put(values), None, None), [self.put(times), self.put(grid)]
        of_base = self.rows_of(rows)
        of_data = self.x, self.targets, rows
        drawn = [*map(self.put, self.probes("loss", len(rows), self.draw))]
        return of_data if of_base is None else (self.put(of_base), None, None), drawn

    @cached_property
    def _apply(self) -> Callable[..., Any]:
        def apply(gradient: Any, moments: Any, weights: Any, rates: Any) -> tuple[Any, Any]:
            return self.updater.apply(gradient, global_norm(gradient), moments, weights, rates)

        return apply

    def updated(self, gradient: dict[str, Any], rates: Rates) -> tuple[Any, Any]:
        with self.model.settings():
            apply = self.model.once(("apply", self.updater), self._apply)
            return apply(gradient, self.moments, self.held, rates)

    def put(self, array: np.ndarray) -> Any:
        with self.model.settings():
            return jnp.asarray(in_dtype(array, self.model.dtype))

    def get(self, array: Any) -> np.ndarray:
        return np.array(array)

    def outputs(self, x: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
        if times is None:
            return self._of_rows(self.module.of_rows, x)
        with self.model.settings():
            forward = self.model.compiled("forward")
            return self.predicted(x, times, lambda *a: np.asarray(forward(self.held, *a)))

    def penalties(self, x: np.ndarray) -> np.ndarray:
        return self._of_rows("path_penalty", x)

    def _of_rows(self, function: str, x: np.ndarray) -> np.ndarray:
        with self.model.settings():
            given = map(self.put, (x, *self.probes(function, len(x), 0)))
            return np.asarray(self.model.compiled(function)(self.held, *given))

    def _put_targets(self, targets: Targets, rows: int) -> Any:
        checked = checked_targets(self.model.module, targets, rows, self.model.dtype)
        with self.model.settings():
            return jnp.asarray(checked)
