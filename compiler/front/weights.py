"""Raw weights: their full shapes, their places, and how they start."""

from __future__ import annotations

import numpy as np

from ..spec.diagnostics import did_you_mean
from ..spec.initializers import Identity, Initializer, Normal, Values, Zeros
from ..spec.model import Spec
from .equations import FIELD, DeclaredOperand
from .ir.expr import Expr, Shape
from .ir.program import Operand, RawWeight
from .problems import Problems

AXES = {"y": "n", "z": "m"}
"""The letters of the blocks' dimensions, where they have one."""
MOST_ELEMENTS = 500_000_000
"""Entries of all weights together: 2 GB in float32."""


def time_nodes(spec: Spec) -> int:
    """How many weights lie along the time axis; 0 when one weight is shared by all steps."""
    return {"per-step": spec.model.time.steps, "linear": spec.model.time.steps + 1, "shared": 0}[
        spec.model.time.weights
    ]


def operands(declared: list[DeclaredOperand], spec: Spec) -> list[Operand]:
    """The operands of the field with the raw weights they are made of."""
    stacked = time_nodes(spec)
    return [_operand(d, stacked, spec) for d in declared]


def _operand(d: DeclaredOperand, stacked: int, spec: Spec) -> Operand:
    w = d.declaration
    time_axis = {"per-step": ("N",), "linear": ("N+1",), "shared": ()}[spec.model.time.weights]
    axes = tuple(AXES.get(str(a), str(a)) for a in w.shape)
    raw = raw_weight(d.raw, stacked, (*time_axis, *axes), spec, w.loc)
    return Operand(d.variable, raw, d.definition, w.parametrization, w.loc)


def raw_weight(
    variable: Expr,
    stacked: int,
    axes: tuple[str, ...],
    spec: Spec,
    loc: tuple[str | int, ...] = FIELD,
) -> RawWeight:
    """The raw weight of a variable, with its initializer from the spec or the default one."""
    name = str(variable.attributes[0])
    shape = (stacked, *variable.shape) if stacked else variable.shape
    initializer = spec.model.initializers.get(name) or _default(variable.shape)
    return RawWeight(name, shape, axes, stacked, initializer, loc, variable)


def _default(shape: Shape) -> Initializer:
    return Normal() if len(shape) == 2 else Zeros()


def check(weights: list[RawWeight], spec: Spec, problems: Problems) -> None:
    """Initializers name weights and fit them; all weights together fit a machine."""
    known = {w.name: w for w in weights}
    for name, initializer in spec.model.initializers.items():
        loc = ("model", "initializers", name)
        if name not in known and is_of_a_wrong_readout(name, spec):
            continue
        if name not in known:
            help = did_you_mean(name, known) or f"weights: {', '.join(known)}"
            problems.add("E204", f"there is no weight {name}", *loc, key=True, help=help)
        else:
            _check_initializer(known[name], initializer, loc, problems)
    total = sum(int(np.prod(w.shape, dtype=object)) for w in weights)
    if total > MOST_ELEMENTS:
        message = f"the weights have {total:,} entries, more than {MOST_ELEMENTS:,}"
        problems.add("E209", message, "model", "time", "steps")


def is_of_a_wrong_readout(name: str, spec: Spec) -> bool:
    """Is it missing only because the readout is wrong, which is an error of its own?"""
    return name in ("W", "mu") and spec.model.readout is None and spec.wrote("model", "readout")


def _check_initializer(
    weight: RawWeight, initializer: Initializer, loc: tuple[str, ...], problems: Problems
) -> None:
    if isinstance(initializer, Identity) and len(weight.step_shape) != 2:
        problems.add("E210", f"identity is for matrices, {weight.name} is none", *loc)
    if isinstance(initializer, Values):
        _check_values(weight, initializer, loc, problems)
    for key, value in initializer.to_plain().items():
        if isinstance(value, float) and abs(value) > _largest(problems):
            problems.add("E102", f"{key} is beyond the range of {problems.spec.dtype}", *loc, key)


def _largest(problems: Problems) -> float:
    """The largest number of the spec's dtype."""
    return float(np.finfo(problems.spec.dtype).max)


def _check_values(
    weight: RawWeight, initializer: Values, loc: tuple[str, ...], problems: Problems
) -> None:
    here = (*loc, "values")
    try:
        values = np.asarray(initializer.values)
    except ValueError:
        problems.add("E210", f"the rows of {weight.name} have different lengths", *here)
        return
    if values.dtype.kind not in "if" or not np.isfinite(values).all():
        problems.add("E210", f"the values of {weight.name} are not all finite numbers", *here)
    elif np.abs(values).max(initial=0) > _largest(problems):
        message = f"the values of {weight.name} are beyond the range of {problems.spec.dtype}"
        problems.add("E102", message, *here)
    elif values.shape not in (weight.step_shape, weight.shape):
        message = (
            f"{weight.name} is {_size(weight.step_shape)}, the values are {_size(values.shape)}"
        )
        label = f"or {_size(weight.shape)} for all steps" if weight.stacked else ""
        problems.add("E210", message, *here, label=label)


def _size(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "a number"
