"""What a program is given in odd ways: rows, weights, and how they lie in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..backends.checked_model import CheckedModel
from ..backends.model import Model
from ..backends.program_model import ProgramModel
from ..compiler.reference.chance import forward_arguments, loss_arguments
from .compare import Array
from .quantities import Answers

Storage = Callable[[Array], Array]
"""The same numbers in memory of their own."""


@dataclass(frozen=True)
class Inputs:
    """Weights, rows of features x (s, d), a time, stacked states y (s, n), targets or None.

    `before` are other weights, `probabilities` the targets as probabilities of classes, if any.
    `stored` is how they lie in memory when a program gets them: every call gets its own.
    """

    weights: Mapping[str, Array]
    x: Array
    t: float
    y: Array
    targets: Array | None
    before: Mapping[str, Array]
    probabilities: Array | None = None
    stored: Storage = np.copy

    def rows(self, index: Any) -> Inputs:
        """Some of the rows, in some order."""
        targets = None if self.targets is None else self.targets[index]
        return replace(self, x=self.x[index], y=self.y[index], targets=targets)

    def many(self, count: int) -> Inputs:
        """So many rows: these over and over, each time of another size; with probabilities."""
        index, sizes = np.arange(count) % len(self.x), np.cos(np.arange(count))
        targets = self.targets if self.probabilities is None else self.probabilities
        more = replace(self, targets=targets).rows(index)
        return replace(more, x=more.x * sizes.reshape(-1, *[1] * (more.x.ndim - 1)))

    def put(self, values: Mapping[int, Any]) -> Inputs:
        """Rows of x and y replaced by a number; what is missing stays so."""
        x, y = self.x.copy(), self.y.copy()
        for row, value in values.items():
            x[row], y[row] = np.where(np.isnan(x[row]), np.nan, value), value
        return replace(self, x=x, y=y)

    @property
    def starts(self) -> Array:
        """Rows that a path starts from."""
        return self.x if self.x.ndim == 2 else self.x[:, 0]

    def laid_out(self) -> Inputs:
        """Copies, stored as said."""
        how = self.stored
        weights = {name: how(w) for name, w in self.weights.items()}
        before = {name: how(w) for name, w in self.before.items()}
        targets = None if self.targets is None else how(self.targets)
        x, y = how(self.x), how(self.y)
        return replace(self, weights=weights, before=before, x=x, y=y, targets=targets)


ARGUMENTS = {
    "forward": ("weights", "x"),
    "trajectory": ("weights", "starts"),
    "vector_field": ("weights", "t", "y"),
    "regularizer": ("weights",),
    "loss": ("weights", "x", "targets"),
}


# --- calls ------------------------------------------------------------------------------------


def taken(model: Model, function: str, given: Inputs) -> list[Any]:
    """The arguments of a function, in the order in which it takes them."""
    module, how = model.module, given.stored
    if function == "loss":
        return [given.weights, *map(how, loss_arguments(module, given.x, given.targets))]
    if function == "forward" and module.is_of_series:
        return [given.weights, *map(how, forward_arguments(module, given.x, given.targets))]
    return [getattr(given, name) for name in ARGUMENTS[function]]


def direct(model: Model, function: str, *arguments: Any) -> Array:
    """A function of the program on these very arrays; the reference gets copies of them."""
    if isinstance(model, ProgramModel):
        return np.array(model.direct(function, *arguments), order="C")
    if isinstance(model, CheckedModel):
        return np.array(model.array(function, *arguments), order="C")
    return np.array(getattr(model, function)(*arguments), order="C")


def after(model: Model, function: str, given: Inputs) -> Array:
    """What a function gives after it was called with the weights `before`."""
    own = given.laid_out()
    arguments = taken(model, function, own)[1:]
    if not isinstance(model, ProgramModel):
        return direct(model, function, own.weights, *arguments)
    found = model.after(function, own.before, own.weights, *arguments)
    return np.array(found, order="C")


def forward(model: Model, given: Inputs) -> Array:
    """Logits; y(T) without a readout."""
    own = given.laid_out()
    return direct(model, "forward", *taken(model, "forward", own))


def vector_field(model: Model, given: Inputs) -> Array:
    """f(t, y)."""
    own = given.laid_out()
    return direct(model, "vector_field", own.weights, own.t, own.y)


def gradient(model: Model, given: Inputs) -> Answers:
    """The leaves of the gradient; none without a loss."""
    own = given.laid_out()
    if own.targets is None:
        return {}
    found = model.gradient(own.weights, own.x, own.targets)
    return {f"gradient {name}": np.array(g, order="C") for name, g in found.items()}


def copied(model: Model, given: Inputs, prefix: str) -> Answers:
    """What the model's own functions give, which copy their arguments."""
    own = given.laid_out()
    times = own.targets if model.module.is_of_series else None
    predicted = np.array(model.forward(own.weights, own.x, times))
    found = {"forward": predicted} | gradient(model, given)
    return {f"{prefix}{name}": value for name, value in found.items()}


def flags(values: Any) -> Array:
    """Shapes and truth values as numbers."""
    return np.asarray(values, np.float64)


def transposed(array: Array) -> Array:
    """In Fortran order."""
    return np.array(array, order="F")


def apart(array: Array, axis: int) -> Array:
    """Every second entry along an axis of an array that is twice as long; a number as it is."""
    if not array.ndim:
        return array
    place = [slice(None)] * array.ndim
    place[axis] = slice(None, None, 2)
    return np.repeat(array, 2, axis)[tuple(place)]


def backwards(array: Array) -> Array:
    """The same array, stored from its last entry to its first."""
    return np.flip(np.flip(array).copy())


def locked(array: Array) -> Array:
    locked = array.copy()
    locked.setflags(write=False)
    return locked
