"""The Model protocol: a loaded program, NumPy in, NumPy out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..compiler.ir.module import Function, Module
from ..spec.diagnostics import Error
from .optimizers import Updater
from .stepper import Stepper

Array = NDArray[Any]
Weights = Mapping[str, Array]
Targets = Array | None


class ArgumentError(Error, ValueError):
    """Arguments that do not fit the network: names, shapes or labels."""


@runtime_checkable
class Model(Protocol):
    """s examples of d features; the stacked state has n components; k outputs; N steps.

    All methods raise ArgumentError for weights or data that do not fit.
    """

    backend: str
    device: str
    dtype: str
    source: str
    module: Module

    def init(self, seed: int | None = None) -> dict[str, Array]:
        """Initial weights in the spec's dtype, the same numbers in every backend."""
        ...

    def forward(
        self, weights: Weights, x: Array, times: Array | None = None, /, draw: int = 0
    ) -> Array:
        """Logits (s, k); without a readout y(T). What is left to chance is that of the draw.

        Of series of observations x are values (s, L, c), NaN where one is missing, at times (L,) or
        (s, L), and the predictions (s, L, c) start at the first complete observation of each: NaN
        before.
        """
        ...

    def trajectory(self, weights: Weights, x: Array, /) -> Array:
        """The stacked state at t_0 … t_N: (N+1, s, n)."""
        ...

    def vector_field(self, weights: Weights, t: float, y: Array, /) -> Array:
        """f(t, y) of stacked states (s, n)."""
        ...

    def solve(self, weights: Weights, x: Array, times: Array, /) -> Array:
        """The stacked states at strictly increasing or decreasing times: (times, s, n).

        x belongs to times[0], and goes through the lift. With shared weights the times may lie
        anywhere; with weights in time they start at 0 and stay in [0, T]. They only read the
        solution, and never move a step: between two steps of a fixed-step method it is the cubic
        Hermite polynomial of states and slopes. Raises ArgumentError, for a method too whose
        momentum lies behind its position.
        """
        ...

    def statistics(
        self, weights: Weights, x: Array, times: Array | None = None, /
    ) -> dict[str, int]:
        """`nfe`: calls of the field on the batch; `accepted` and `rejected` steps; where there is a
        loss `nfe_backward`: how often the field is pulled back for a gradient. Of series from start
        states x over [0, T], or, with times, of x as observations."""
        ...

    def regularizer(self, weights: Weights, /) -> float: ...

    def loss(
        self, weights: Weights, x: Array, targets: Targets = None, /, draw: int = 0
    ) -> float: ...

    def gradient(
        self, weights: Weights, x: Array, targets: Targets = None, /, draw: int = 0
    ) -> dict[str, Array]:
        """∂ loss / ∂ θ, a dict like the weights."""
        ...

    def stepper(self, updater: Updater, x: Array, targets: Targets, /) -> Stepper:
        """The run-time half of training on these examples, of series values and times."""
        ...


@runtime_checkable
class Flow(Protocol):
    """A model of a density. Its methods raise ArgumentError where the network is none."""

    def log_density(self, weights: Weights, x: Array, /, draw: int = 0) -> Array:
        """log p of the rows (s,)."""
        ...

    def divergence(self, weights: Weights, t: float, y: Array, /, draw: int = 0) -> Array:
        """tr ∂f/∂y of stacked states (s, n): (s,), as the network takes it."""
        ...

    def of_rows(self, weights: Weights, x: Array, /, draw: int = 0) -> Array:
        """What the loss is a mean of, but for its sign: log-densities (s,), or with a target the
        free energies log q(y(0)) + U(y(0)) of rows x = y(T)."""
        ...

    def sample(self, weights: Weights, count: int, seed: int, /) -> Array:
        """Rows (count, n) of the density, the same in every backend."""
        ...


@runtime_checkable
class Penalized(Protocol):
    """A model whose loss may have regularizers along the path; an ArgumentError where it has
    none."""

    def path_penalty(self, weights: Weights, x: Array, /, draw: int = 0) -> Array:
        """What they add to the loss, row by row: (s,)."""
        ...


@runtime_checkable
class Compilable(Protocol):
    """A model whose framework runs programs eagerly unless it is told to compile them."""

    def compile(self) -> None:
        """Run the program's `step` through the framework's compiler from now on."""
        ...


@runtime_checkable
class Inspectable(Protocol):
    """A model whose functions can be called one by one, with the arguments of the module's own."""

    def offers(self, function: Function) -> bool:
        """Has the program this function?"""
        ...

    def called(self, function: Function, weights: Weights, args: Sequence[Array]) -> list[Array]:
        """All results of a function."""
        ...


@runtime_checkable
class Differentiable(Inspectable, Protocol):
    """A model whose functions can be differentiated one by one."""

    def pulled(
        self, function: Function, weights: Weights, args: Sequence[Array], bars: Sequence[Array]
    ) -> tuple[list[Array], dict[str, Array]]:
        """Reverse mode through a function: the cotangents of the arguments that are real numbers,
        and of the weights that it takes, given those of its results."""
        ...


def checked_weights(module: Module, weights: Weights, dtype: str) -> dict[str, Array]:
    """The weights in the module's order and in a dtype. Raises ArgumentError."""
    known = {w.name: w.shape for w in module.weights}
    if set(weights) != set(known):
        missing, unknown = set(known) - set(weights), set(weights) - set(known)
        parts = [f"missing {', '.join(sorted(missing))}"] * bool(missing)
        parts += [f"unknown {', '.join(sorted(unknown))}"] * bool(unknown)
        raise ArgumentError(f"weights: {'; '.join(parts)}")
    found = {name: _numbers(weights[name], f"weight {name}") for name in known}
    for name, shape in known.items():
        if found[name].shape != shape:
            raise ArgumentError(f"weight {name} is {found[name].shape}, not {shape}")
    return {name: in_dtype(w, dtype) for name, w in found.items()}


def checked_rows(x: Array, columns: int, what: str, dtype: str) -> Array:
    """A matrix of rows (s, columns). Raises ArgumentError."""
    x = _numbers(x, what)
    if x.ndim != 2 or x.shape[1] != columns:
        raise ArgumentError(f"{what} is {x.shape}, not (s, {columns})")
    return in_dtype(x, dtype)


def checked_seed(seed: int | None) -> int | None:
    """A seed, or None for that of the spec. Raises ArgumentError."""
    if seed is None or (isinstance(seed, int | np.integer) and seed >= 0):
        return seed
    raise ArgumentError(f"a seed is an integer from 0 on, got {seed!r}")


def checked_draw(draw: int) -> int:
    """The number of a draw. Raises ArgumentError."""
    if not isinstance(draw, int | np.integer) or draw < 0:
        raise ArgumentError(f"a draw is an integer from 0 on, got {draw!r}")
    return int(draw)


def checked_time(t: float) -> float:
    """A finite number. Raises ArgumentError."""
    if not np.isfinite(t):
        raise ArgumentError(f"t is {t}, not a finite number")
    return float(t)


def checked_times(times: Array) -> Array:
    """Finite numbers that increase or decrease, in float64. Raises ArgumentError."""
    found = in_dtype(_numbers(times, "times"), "float64")
    if found.ndim != 1 or not len(found):
        raise ArgumentError(f"times is {found.shape}, not (L,) with L ≥ 1")
    for i, t in enumerate(found):
        if not np.isfinite(t):
            raise ArgumentError(f"times[{i}] is {t}, not a finite number")
    gaps = np.diff(found)
    wrong = gaps * np.sign(gaps[0]) <= 0 if len(gaps) else np.zeros(0, bool)
    if wrong.any():
        i = int(wrong.argmax()) + 1
        before, here = found[i - 1], found[i]
        raise ArgumentError(
            f"times must strictly increase or decrease: times[{i}] = {here:g} follows {before:g}"
        )
    return found


def checked_targets(module: Module, targets: Targets, rows: int, dtype: str) -> Array:
    """Classes (s,) as int64 or values (s, k). Raises ArgumentError."""
    if not module.has_loss:
        raise ArgumentError("this network has no readout and is no density, hence no loss")
    if module.is_density:
        if targets is not None and np.size(targets):
            raise ArgumentError("a density has no targets")
        return np.zeros((rows, 0), dtype)
    if targets is None:
        raise ArgumentError("the loss needs targets")
    found = np.asarray(targets)
    k, is_classifier = module.signature.outputs, module.signature.is_classifier
    if found.ndim == 1 and is_classifier:
        if found.dtype.kind not in "iu":
            raise ArgumentError(f"classes are integers, not {found.dtype}")
        if found.size and (found.min() < 0 or found.max() >= k):
            raise ArgumentError(f"classes go from 0 to {k - 1}, got {found.min()}…{found.max()}")
        found = found.astype(np.int64)
    elif found.ndim == 2 and found.shape[1] == k:
        found = in_dtype(_numbers(found, "targets"), dtype)
    else:
        classes = "(s,) or " if is_classifier else ""
        raise ArgumentError(f"targets are {found.shape}, not {classes}(s, {k})")
    if len(found) != rows:
        raise ArgumentError(f"{len(found)} targets for {rows} examples")
    return found


def checked_series(module: Module, values: Array, times: Array | None) -> tuple[Array, Array]:
    """Values (s, L, c) at times (s, L), NaN behind the end of a series. Raises ArgumentError."""
    values, c = in_dtype(_numbers(values, "values"), "float64"), module.signature.outputs
    if values.ndim != 3 or values.shape[2] != c or not values.shape[1]:
        raise ArgumentError(f"values are {values.shape}, not (s, L, {c})")
    if times is None:
        raise ArgumentError("a series needs the times of its observations")
    given = in_dtype(_numbers(times, "times"), "float64")
    if given.shape not in (values.shape[1:2], values.shape[:2]):
        raise ArgumentError(f"times are {given.shape}, not (L,) or (s, L) of values {values.shape}")
    at = np.broadcast_to(given, values.shape[:2]).copy()
    if np.isinf(values).any() or np.isinf(at).any():
        raise ArgumentError("values and times are finite, or NaN where there is none")
    is_known = np.isfinite(values)
    _check_order(at, ~np.any(is_known, axis=2))
    is_whole = np.any(np.all(is_known, axis=2), axis=1)
    if not np.all(is_whole):
        row = int(is_whole.argmin())
        raise ArgumentError(f"series {row} has no complete observation to start from")
    return values, at


def _check_order(times: Array, is_empty: Array) -> None:
    """Times that strictly increase, up to the end of each series."""
    known = np.isfinite(times)
    behind = np.logical_and.accumulate(~known[:, ::-1], axis=1)[:, ::-1]
    not_later = np.pad(np.diff(times, axis=1) <= 0, ((0, 0), (1, 0)))
    no_time = ~known & ~(behind & is_empty)
    for what, wrong in (("has no time", no_time), ("is not later than the last", not_later)):
        if wrong.any():
            row, i = map(int, np.argwhere(wrong)[0])
            raise ArgumentError(f"series {row}: observation {i}, at t = {times[row, i]:g}, {what}")


def in_dtype(array: Array, dtype: str) -> Array:
    """A copy in a dtype. What is beyond its range is infinite: whoever computes with it says so."""
    with np.errstate(over="ignore"):
        return np.array(array, dtype=dtype)


def _numbers(x: object, what: str) -> Array:
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ArgumentError(f"{what}: {error}") from None
    if array.dtype.kind not in "iufb":
        raise ArgumentError(f"{what} holds {array.dtype}, not real numbers")
    return array
