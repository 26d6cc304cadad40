"""The first place at which a quantity is wrong: time step, weight, row, component."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...compiler.pipeline import Compiled
from ...compiler.semantics.meaning import ROUNDING_OF_TIMES
from ..compare import Array, Standard, Verdict, errors
from ..probes import Probes
from ..quantities import AWKWARD, FIELD, GRADIENT, TRAJECTORY, WEIGHTS
from .difference import Where
from .evidence import Evidence, worst


@dataclass(frozen=True)
class Leaf:
    """A leaf that differs: as found, and as it should be."""

    case: Compiled
    probes: Probes
    name: str
    found: Array
    standard: Standard


def first(case: Compiled, probes: Probes, evidence: Evidence, quantity: str, name: str) -> Where:
    """The first leaf of a quantity that differs, and where in it; nothing if none does.

    `name` is the quantity as its rung calls it: `gradient K` is of K alone.
    """
    for leaf, comparison in evidence.judged(quantity).items():
        if comparison.verdict is not Verdict.DIFFERS or not _is_part(name, quantity, leaf):
            continue
        found, standard = evidence.found[quantity][leaf], evidence.expected[quantity][leaf]
        finder = FINDERS.get(quantity, _of_rows)
        where = finder(Leaf(case, probes, leaf, found, standard))
        return replace(where, set=leaf.partition("/")[0])
    return Where()


def _is_part(name: str, quantity: str, leaf: str) -> bool:
    weight = name.removeprefix(quantity).strip()
    return quantity != GRADIENT or not weight or leaf.partition("/")[2] == weight


def _values(leaf: Leaf, index: tuple[int, ...]) -> Where:
    return Where(found=float(leaf.found[index]), expected=float(leaf.standard.value[index]))


def _of_rows(leaf: Leaf) -> Where:
    """Logits and final states (s, k); a loss or regularizer has no place."""
    index = worst(leaf.found, leaf.standard)
    place = dict(zip(("row", "component"), index, strict=False))
    return replace(_values(leaf, index), **place)


def _of_field(leaf: Leaf) -> Where:
    t = leaf.probes.times[leaf.name.partition("/")[2]]
    h, steps = leaf.case.module.h, leaf.case.module.steps
    step = min(int(t / h + ROUNDING_OF_TIMES), steps - 1)
    return replace(_of_rows(leaf), time=t, step=step)


def _of_path(leaf: Leaf) -> Where:
    """The first state that differs, and its worst entry."""
    s = leaf.standard
    error = errors(leaf.found, np.asarray(s.value, np.float64), s.scale)
    step = int(np.argmax((error > s.tolerance).any(axis=(1, 2))))
    now = Standard(s.value[step], s.scale[step], s.tolerance[step])
    row, component = worst(leaf.found[step], now)
    place = _values(leaf, (step, row, component))
    time = step * leaf.case.module.h
    return replace(place, step=step, time=time, row=row, component=component)


def _of_weight(leaf: Leaf) -> Where:
    """Of a weight or of its gradient: its index along the time axis, and the rest of the index."""
    index, name = worst(leaf.found, leaf.standard), leaf.name.partition("/")[2]
    values = replace(_values(leaf, index), weight=name)
    if not leaf.case.module.weight(name).nodes:
        return replace(values, entry=index)
    return replace(values, step=index[0], entry=index[1:])


FINDERS: dict[str, Callable[[Leaf], Where]] = {
    FIELD: _of_field,
    TRAJECTORY: _of_path,
    GRADIENT: _of_weight,
    AWKWARD: lambda leaf: _values(leaf, worst(leaf.found, leaf.standard)),
    WEIGHTS: _of_weight,
}
