"""What the models of all programs share: functions are found by name, and asked one by one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..compiler.ir.module import Function, Group, Module
from .checked_model import CheckedModel
from .dialect import Dialect
from .grouping import parts
from .load import load_module
from .model import Array, Targets, Weights, checked_seed
from .optimizers import Updater
from .program import program_names
from .stepper import Stepper


class ProgramModel(CheckedModel):
    """A loaded program; `native` is its module. A backend says how its functions are called and
    where the gradient comes from."""

    backend: str
    dialect: Dialect

    def __init__(self, module: Module, source: str, device: str, dtype: str) -> None:
        self.module, self.source, self.device, self.dtype = module, source, device, dtype
        self.native = load_module(source, f"{module.file_name}_{self.backend}")

    def init(self, seed: int | None = None) -> dict[str, Array]:
        given = checked_seed(seed)
        return self.native.init() if given is None else self.native.init(given)

    def set_constants(self, values: Mapping[str, float]) -> None:
        """Give named numbers of the program other values, those that it has, before it is run."""
        for name, value in values.items():
            own = self._names.get(name, name)
            if hasattr(self.native, own):
                setattr(self.native, own, value)

    def features(self, x: Array, /) -> Array:
        """Rows of the data as the network takes them, by the program's own numbers."""
        return np.asarray(self.native.features(x))

    def drawn(self) -> dict[str, Array]:
        """The weights of a network that is given none."""
        return self.init()

    def regularizer(self, weights: Weights, /) -> float:
        if not self.module.has_penalties:
            return 0.0
        return float(self.array("regularizer", weights))

    def array(self, function: str, weights: Weights, *arguments: Any) -> Array:
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

    @cached_property
    def _names(self) -> dict[str, str]:
        return program_names(self.module, self.dialect)

    def _owner(self, function: Function) -> Any:
        """What a function of the program is looked up in: the module, or a class in it."""
        return self.native

    @abstractmethod
    def stepper(self, updater: Updater, x: Array, targets: Targets, /) -> Stepper:
        """The run-time half of training on these examples."""

    @abstractmethod
    def _call(self, function: str, weights: dict[str, Array], *arguments: Any) -> Array:
        """A function of the program on NumPy arguments."""

    @abstractmethod
    def _called_part(
        self, name: str, weights: dict[str, Array] | None, arguments: list[Any]
    ) -> list[Array]:
        """A function of the program, with weights if it takes them: all arrays that it gives."""


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
