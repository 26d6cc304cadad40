"""Awkward inputs: what a program does with them is asked like any other quantity.

Batches of no row, of one and of repeated rows; rows that are transposed, apart, reversed or
read-only in memory; a NaN that must stay in its row; denormals and ±1e30; arguments that must be
left as they were. Every leaf is a finite number where the reference's is, so that the comparison
with the reference is the judge: shapes and flags travel as numbers, what ±1e30 gives as a direction
and its size.

Rows of equal features give equal results up to rounding only: a matrix product treats the last
columns of a batch apart, in every framework and in NumPy. XLA takes denormals for 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..backends.framework_model import FrameworkModel
from ..backends.model import Model
from ..compiler.ir.expr import walk
from ..compiler.ir.program import Program
from .compare import Array
from .probes import RANDOM, Probes

Answers = dict[str, Array]
REPEATED = [0, 2, 0, 0, 5, 2, 0]
ODD, OTHER = 2, 4
"""The rows that an awkward number is put into."""
DENORMALS = "denormals"
DENORMAL, HUGE, LESS = 1e-310, 1e30, -0.3e30
"""Two huge rows of opposite signs and unequal sizes: equal ones cancel in a gradient."""


Storage = Callable[[Array], Array]
"""The same numbers in memory of their own."""


@dataclass(frozen=True)
class Inputs:
    """Weights, rows of features x (s, d), a time, stacked states y (s, n), targets or None.

    `stored` is how they lie in memory when a program gets them: every call gets its own.
    """

    weights: Mapping[str, Array]
    x: Array
    t: float
    y: Array
    targets: Array | None
    stored: Storage = np.copy

    def rows(self, index: Any) -> Inputs:
        """Some of the rows, in some order."""
        targets = None if self.targets is None else self.targets[index]
        return replace(self, x=self.x[index], y=self.y[index], targets=targets)

    def put(self, values: Mapping[int, Any]) -> Inputs:
        """Rows of x and y replaced by a number."""
        x, y = self.x.copy(), self.y.copy()
        for row, value in values.items():
            x[row], y[row] = value, value
        return replace(self, x=x, y=y)

    def laid_out(self) -> Inputs:
        """Copies, stored as said."""
        how = self.stored
        weights = {name: how(w) for name, w in self.weights.items()}
        targets = None if self.targets is None else how(self.targets)
        return replace(self, weights=weights, x=how(self.x), y=how(self.y), targets=targets)


def ask(model: Model, probes: Probes) -> Answers:
    """The whole battery in float64; leaves are named `random/CASE/WHAT`.

    Denormals are not asked of a field that jumps at 0, since XLA takes them for 0.
    """
    targets = next(iter(probes.targets.values()), None)
    t = next(iter(probes.times.values()))
    given = Inputs(probes.weights[RANDOM], probes.x, t, probes.y, targets)
    with np.errstate(all="ignore"):
        return {
            f"{RANDOM}/{case}/{leaf}": value
            for case, question in BATTERY.items()
            if case != DENORMALS or not _jumps(model.program)
            for leaf, value in question(model, given).items()
        }


def _jumps(program: Program) -> bool:
    return any(node.op in ("sign", "heaviside") for node in walk(*program.field.values()))


def _no_row(model: Model, given: Inputs) -> Answers:
    """Shape and bytes of a number; the mean loss of no example is no number, so not asked."""
    none = given.rows(slice(0, 0)).laid_out()
    found = {
        "forward": _forward(model, none),
        "trajectory": _direct(model, "trajectory", none.weights, none.x),
        "vector field": _field(model, none),
    }
    return {name: _flags([*array.shape, array.itemsize]) for name, array in found.items()}


def _one_row(model: Model, given: Inputs) -> Answers:
    one = given.rows(slice(ODD, ODD + 1))
    return {"forward": _forward(model, one)} | _gradient(model, one)


def _repeated(model: Model, given: Inputs) -> Answers:
    """Every row counts as often as it is there."""
    repeated = given.rows(REPEATED)
    return {"forward": _forward(model, repeated)} | _gradient(model, repeated)


def _strides(model: Model, given: Inputs) -> Answers:
    """Memory as a slice, a transpose or a reversal leaves it; the program sees it as it is.

    Negative strides, which torch has none of, are for the model to copy.
    """
    transposed = replace(given, stored=_transposed)
    return {
        "transposed/forward": _forward(model, transposed),
        "transposed/vector field": _field(model, transposed),
        "rows apart/forward": _forward(model, replace(given, stored=lambda a: _apart(a, 0))),
        "columns apart/forward": _forward(model, replace(given, stored=lambda a: _apart(a, -1))),
        **_copied(model, replace(given, stored=_reversed), "reversed/"),
    }


def _not_a_number(model: Model, given: Inputs) -> Answers:
    """A row of NaN loses that row and no other; `lost` are the entries it loses."""
    bad = given.put({ODD: np.nan})
    single = given.x.copy()
    single[ODD, 0] = np.nan
    return {
        **_beside("forward", _forward(model, bad)),
        **_beside("vector field", _field(model, bad)),
        **_beside("one entry", _forward(model, replace(given, x=single))),
    }


def _beside(name: str, found: Array) -> Answers:
    return {
        f"{name}/others": np.delete(found, ODD, axis=0),
        f"{name}/lost": _flags(np.isnan(found[ODD])),
    }


def _denormals(model: Model, given: Inputs) -> Answers:
    tiny = given.put({ODD: DENORMAL, OTHER: -DENORMAL})
    return {"forward": _forward(model, tiny), "vector field": _field(model, tiny)} | _gradient(
        model, tiny
    )


def _huge(model: Model, given: Inputs) -> Answers:
    """±1e30 in two rows: the others stay, and these are what the formulas make of them."""
    large = given.put({ODD: HUGE, OTHER: LESS})
    logits = _forward(model, large)
    slopes = _gradient(model, large)
    return {
        "others": np.delete(logits, [ODD, OTHER], axis=0),
        **_with_size("+", logits[ODD]),
        **_with_size("-", logits[OTHER]),
        **_on_one_scale(slopes),
    }


def _with_size(name: str, array: Array) -> Answers:
    """The array over its largest entry, and that entry as arcsinh: a huge one hides others."""
    size = np.abs(array).max()
    return {name: array / (size or 1.0), f"{name} size": np.arcsinh(size)}


def _on_one_scale(slopes: Answers) -> Answers:
    """All slopes in one array: what a penalty adds to a slope of 1e30 is lost in its rounding."""
    if not slopes:
        return {}
    return _with_size("gradient", np.concatenate([slope.ravel() for slope in slopes.values()]))


def _read_only(model: Model, given: Inputs) -> Answers:
    return _copied(model, replace(given, stored=_locked), "")


def _unchanged(model: Model, given: Inputs) -> Answers:
    """Are the arguments of each call afterwards what they were before?"""
    found: Answers = {}
    for function, names in _ARGUMENTS.items():
        own = given.laid_out()
        if function == "loss" and own.targets is None:
            continue
        _direct(model, function, *(getattr(own, name) for name in names))
        found |= {f"{function}/{n}": _same(getattr(given, n), getattr(own, n)) for n in names}
    return found


_ARGUMENTS = {
    "forward": ("weights", "x"),
    "vector_field": ("weights", "t", "y"),
    "loss": ("weights", "x", "targets"),
}


def _same(before: Any, after: Any) -> Array:
    """1 for every array that is what it was."""
    pairs = [(before[n], after[n]) for n in before] if isinstance(before, dict) else []
    return _flags([np.array_equal(a, b) for a, b in pairs or [(before, after)]])


BATTERY: dict[str, Callable[[Model, Inputs], Answers]] = {
    "no row": _no_row,
    "one row": _one_row,
    "repeated rows": _repeated,
    "strides": _strides,
    "a NaN row": _not_a_number,
    DENORMALS: _denormals,
    "1e30": _huge,
    "read-only": _read_only,
    "unchanged": _unchanged,
}


# --- calls and memory ------------------------------------------------------------------------


def _direct(model: Model, function: str, *arguments: Any) -> Array:
    """A function of the program on these very arrays; the reference gets copies of them."""
    if isinstance(model, FrameworkModel):
        return np.array(model.direct(function, *arguments), order="C")
    return np.array(getattr(model, function)(*arguments), order="C")


def _forward(model: Model, given: Inputs) -> Array:
    own = given.laid_out()
    return _direct(model, "forward", own.weights, own.x)


def _field(model: Model, given: Inputs) -> Array:
    own = given.laid_out()
    return _direct(model, "vector_field", own.weights, own.t, own.y)


def _gradient(model: Model, given: Inputs) -> Answers:
    """The leaves of the gradient; none without a loss."""
    own = given.laid_out()
    if own.targets is None:
        return {}
    found = model.gradient(own.weights, own.x, own.targets)
    return {f"gradient {name}": np.array(g, order="C") for name, g in found.items()}


def _copied(model: Model, given: Inputs, prefix: str) -> Answers:
    """What the model's own functions give, which copy their arguments."""
    own = given.laid_out()
    found = {"forward": np.array(model.forward(own.weights, own.x))} | _gradient(model, given)
    return {f"{prefix}{name}": value for name, value in found.items()}


def _flags(values: Any) -> Array:
    return np.asarray(values, np.float64)


def _transposed(array: Array) -> Array:
    """In Fortran order."""
    return np.array(array, order="F")


def _apart(array: Array, axis: int) -> Array:
    """Every second entry along an axis of an array that is twice as long; a number as it is."""
    if not array.ndim:
        return array
    place = [slice(None)] * array.ndim
    place[axis] = slice(None, None, 2)
    return np.repeat(array, 2, axis)[tuple(place)]


def _reversed(array: Array) -> Array:
    """The same array, stored from its last entry to its first."""
    return np.flip(np.flip(array).copy())


def _locked(array: Array) -> Array:
    locked = array.copy()
    locked.setflags(write=False)
    return locked
