"""What the models of both frameworks share: arguments are checked, arrays travel, values return."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from ..compiler.ir.module import Function, Group, Module
from .dialect import Dialect
from .functions import parts
from .load import load_module
from .model import Array, Targets, Weights, checked_rows, checked_targets, checked_weights
from .program import program_names


class NoForwardMode(Exception):
    """A program with a derivative of its own that the framework can only take in reverse."""


class FrameworkModel(ABC):
    """A loaded program; `native` is its module. A backend supplies the methods
    that are abstract."""

    backend: str
    dialect: Dialect
    compiles_fast: bool = False
    """Are its functions run once or twice only? Then a quick compilation is worth more than
    quick code."""

    def __init__(self, module: Module, source: str, device: str, dtype: str) -> None:
        self.module, self.source, self.device, self.dtype = module, source, device, dtype
        self.native = load_module(source, f"{module.file_name}_{self.backend}")

    @contextmanager
    def fast_compile(self) -> Iterator[None]:
        """Within it functions are taken to be run once or twice only."""
        before, self.compiles_fast = self.compiles_fast, True
        try:
            yield
        finally:
            self.compiles_fast = before

    def init(self, seed: int | None = None) -> dict[str, Array]:
        return self.native.init() if seed is None else self.native.init(seed)

    def forward(self, weights: Weights, x: Array, /) -> Array:
        return self.array("forward", weights, self._rows(x))

    def trajectory(self, weights: Weights, x: Array, /) -> Array:
        return self.array("trajectory", weights, self._rows(x))

    def vector_field(self, weights: Weights, t: float, y: Array, /) -> Array:
        y = checked_rows(y, self.module.signature.size, "y", self.dtype)
        return self.array("vector_field", weights, float(t), y)

    def regularizer(self, weights: Weights, /) -> float:
        if not self.module.has_penalties:
            return 0.0
        return float(self.array("regularizer", weights))

    def loss(self, weights: Weights, x: Array, targets: Targets, /) -> float:
        x = self._rows(x)
        return float(self.array("loss", weights, x, self._targets(targets, x)))

    def gradient(self, weights: Weights, x: Array, targets: Targets, /) -> dict[str, Array]:
        x = self._rows(x)
        return self._gradient(self._weights(weights), x, self._targets(targets, x))

    def array(self, function: str, weights: Weights, *arguments: Any) -> Array:
        """What a function of the program returns, just as it does."""
        return self.direct(function, self._weights(weights), *arguments)

    def direct(self, function: str, weights: Weights, *arguments: Any) -> Array:
        """As `array`, on these very arrays: their memory and strides are what the program sees."""
        return np.asarray(self._call(function, dict(weights), *arguments))

    def after(self, function: str, before: Weights, weights: Weights, *arguments: Any) -> Array:
        """As `direct`, after the same call with other weights: a program keeps nothing of them."""
        self.direct(function, before, *arguments)
        return self.direct(function, weights, *arguments)

    def offers(self, function: Function) -> bool:
        """Has the program this function of its module?"""
        return hasattr(self._owner(function), self._names[function.name])

    def called(self, function: Function, weights: Weights, args: Sequence[Any]) -> list[Array]:
        """The results of a function of the module, as the program's own one gives them.

        The arguments are those of the module's function. Raises AttributeError for a program
        without such a function.
        """
        given = self._weights(weights) if function.takes_weights else None
        pairs = zip(function.params, args, strict=True)
        args = [a.item() if p in function.numbers else a for p, a in pairs]
        return self._called_part(self._names[function.name], given, nested(function, args))

    def pulled(
        self, function: Function, weights: Weights, args: Sequence[Array], bars: Sequence[Array]
    ) -> tuple[list[Array], dict[str, Array]]:
        """The framework's reverse mode through a function: cotangents of the arguments that are
        real numbers, and of the weights (none of a function that takes none)."""
        given = self._weights(weights) if function.takes_weights else {}
        return self._pulled_part(function, given, list(args), list(bars))

    @cached_property
    def _names(self) -> dict[str, str]:
        return program_names(self.module, self.dialect)

    def _owner(self, function: Function) -> Any:
        """What a function of the program is looked up in: the module, or a class in it."""
        return self.native

    @abstractmethod
    def _called_part(
        self, name: str, weights: dict[str, Array] | None, arguments: list[Any]
    ) -> list[Array]:
        """A function of the program, with weights if it takes them: all arrays that it gives."""

    @abstractmethod
    def _pulled_part(
        self, function: Function, weights: dict[str, Array], args: list[Array], bars: list[Array]
    ) -> tuple[list[Array], dict[str, Array]]:
        """The framework's reverse mode through a function of the program."""

    def _weights(self, weights: Weights) -> dict[str, Array]:
        return checked_weights(self.module, weights, self.dtype)

    def _rows(self, x: Array) -> Array:
        return checked_rows(x, self.module.signature.features, "x", self.dtype)

    def _targets(self, targets: Targets, x: Array) -> Array:
        return checked_targets(self.module, targets, len(x), self.dtype)

    @abstractmethod
    def _call(self, function: str, weights: dict[str, Array], *arguments: Any) -> Array:
        """A function of the program on NumPy arguments."""

    def jvp(self, weights: Weights, x: Array, along: Weights, dx: Array) -> Array:
        """J v for J = ∂ forward / ∂ (θ, x) and v = (along, dx), in forward mode: (s, k).

        Raises NoForwardMode.
        """
        return self._jvp(self._weights(weights), self._rows(x), self._weights(along), dx)

    def vjp(self, weights: Weights, x: Array, w: Array) -> tuple[dict[str, Array], Array]:
        """Jᵀ w for cotangents w (s, k) of `forward`, in reverse mode: those of θ and of x."""
        return self._vjp(self._weights(weights), self._rows(x), w)

    @abstractmethod
    def _jvp(
        self, weights: dict[str, Array], x: Array, along: dict[str, Array], dx: Array
    ) -> Array:
        """The framework's forward mode through the program's `forward`."""

    @abstractmethod
    def _vjp(self, weights: dict[str, Array], x: Array, w: Array) -> tuple[dict[str, Array], Array]:
        """The framework's reverse mode through the program's `forward`."""

    @abstractmethod
    def _gradient(self, weights: dict[str, Array], x: Array, targets: Array) -> dict[str, Array]:
        """The framework's gradient of the program's loss."""


def nested(function: Function, args: Sequence[Any]) -> list[Any]:
    """Arguments as a program takes them: those of a group as one tuple."""
    found: list[Any] = []
    at = 0
    for part, members in parts(function.params, function):
        is_group = isinstance(part, Group) and len(members) > 1
        found.append(tuple(args[at : at + len(members)]) if is_group else args[at])
        at += len(members)
    return found


def flat(value: Any) -> list[Any]:
    """The arrays of a tuple of tuples, in order."""
    return [e for part in value for e in flat(part)] if isinstance(value, tuple) else [value]
