"""Raw weights: their full shapes, their places, and how they start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...spec.diagnostics import did_you_mean
from ...spec.initializers import Identity, Initializer, Normal, Values, Zeros
from ...spec.model import Spec
from ...spec.vector_fields import Extent
from ..ir.expr import Expr
from ..ir.operations import time_axis
from ..ir.problem import LETTERS, LayerWeight, Loc, RawWeight
from ..ir.types import Axis, Shape, Size
from .declare import FIELD, Declared
from .ranges import largest
from .refusals import Refusals

MOST_ELEMENTS = 500_000_000
"""Entries of all weights together: 2 GB in float32."""


def layer_weights(declared: list[Declared], spec: Spec, refusals: Refusals) -> list[LayerWeight]:
    """The weights of one layer with the raw weights they are made of."""
    return [_layer_weight(d, spec, refusals) for d in declared]


def _layer_weight(d: Declared, spec: Spec, refusals: Refusals) -> LayerWeight:
    w = d.declaration
    letters = tuple(map(_letter, w.shape))
    time = time_axis(w.time or spec.model.time.weights)
    raw = raw_weight(d.raw, d.sizes, letters, spec, w.loc, time=time)
    if w.value is not None:
        if raw.initializer_loc:
            message = f"{w.name} starts at its value already"
            refusals.add("E109", message, *raw.initializer_loc, key=True, label="leave one out")
        at = (*w.loc, "value")
        raw = replace(raw, initializer=Values(values=w.value), initializer_loc=at)
    raw = replace(raw, trainable=w.trainable)
    is_custom = w.loc != FIELD
    loc = (*(w.loc if is_custom else ("model",)), "parametrization")
    return LayerWeight(w.name, d.variable, raw, d.definition, w.parametrization, is_custom, loc)


def _letter(extent: Extent) -> str:
    """`n` of a block y, `n+m` of y and z below it."""
    parts = extent if isinstance(extent, tuple) else (extent,)
    return "+".join(LETTERS.get(str(part), str(part)) for part in parts)


def raw_weight(
    variable: Expr,
    sizes: tuple[Size, ...],
    letters: tuple[str, ...],
    spec: Spec,
    loc: Loc = FIELD,
    *,
    time: tuple[Axis, ...] = (),
    fan_in: Size | None = None,
) -> RawWeight:
    """The raw weight of a variable, with its initializer from the spec or the default one.

    `fan_in` is the number of terms in an entry of its product, by default the columns.
    """
    name, shape = variable.name, tuple(size.value for size in sizes)
    nodes = spec.model.time.steps + time[0].extra if time else 0
    initializer = spec.model.initializers.get(name) or _default(shape)
    fan_in = fan_in or (sizes[-1] if sizes else None)
    given = ("model", "initializers", name) if name in spec.model.initializers else ()
    return RawWeight(name, sizes, letters, time, nodes, initializer, fan_in, loc, variable, given)


def _default(shape: Shape) -> Initializer:
    return Normal() if len(shape) == 2 else Zeros()


def check(weights: list[RawWeight], spec: Spec, refusals: Refusals) -> None:
    """Refuse initializers that do not fit a weight, and weights that are too large together."""
    known = {w.name: w for w in weights}
    for name, initializer in spec.model.initializers.items():
        loc = ("model", "initializers", name)
        if name not in known and is_of_a_wrong_readout(name, spec):
            continue
        if name not in known:
            help = did_you_mean(name, known) or f"weights: {', '.join(known)}"
            refusals.add("E204", f"there is no weight {name}", *loc, key=True, help=help)
        else:
            _check_initializer(known[name], initializer, loc, refusals)
    for weight in weights:
        *_, key = weight.initializer_loc or ("",)
        if isinstance(weight.initializer, Values) and key == "value":
            _check_values(weight, weight.initializer, weight.initializer_loc, refusals)
    total = sum(int(np.prod(w.shape, dtype=object)) for w in weights)
    if total > MOST_ELEMENTS:
        message = f"the weights have {total:,} entries, more than {MOST_ELEMENTS:,}"
        refusals.add("E209", message, "model", "time", "steps")


def is_of_a_wrong_readout(name: str, spec: Spec) -> bool:
    """Is it missing only because the readout is wrong, which is an error of its own?"""
    return name in ("W", "mu") and spec.model.readout is None and spec.mended("model", "readout")


def _check_initializer(
    weight: RawWeight, initializer: Initializer, loc: tuple[str, ...], refusals: Refusals
) -> None:
    if isinstance(initializer, Identity) and len(weight.step_shape) != 2:
        refusals.add("E210", f"identity is for matrices, {weight.name} is none", *loc)
    if isinstance(initializer, Values):
        _check_values(weight, initializer, (*loc, "values"), refusals)


def _check_values(weight: RawWeight, initializer: Values, here: Loc, refusals: Refusals) -> None:
    try:
        values = np.asarray(initializer.values)
    except ValueError:
        refusals.add("E210", f"the rows of {weight.name} have different lengths", *here)
        return
    if values.dtype.kind not in "if" or not np.isfinite(values).all():
        refusals.add("E210", f"the values of {weight.name} are not all finite numbers", *here)
    elif np.abs(values).max(initial=0) > largest(refusals):
        message = f"the values of {weight.name} are beyond the range of {refusals.spec.dtype}"
        refusals.add("E102", message, *here)
    elif values.shape not in (weight.step_shape, weight.shape):
        message = (
            f"{weight.name} is {_size(weight.step_shape)}, the values are {_size(values.shape)}"
        )
        label = f"or {_size(weight.shape)} for all steps" if weight.nodes else ""
        refusals.add("E210", message, *here, label=label)


def _size(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "a number"
