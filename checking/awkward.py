"""Awkward inputs: what a program does with them is asked like any other quantity.

Batches of no row, of one, of repeated and of many rows; rows that are transposed, apart, reversed
or read-only in memory; a NaN that must stay in its row; denormals and ±1e30; weights that change
between two calls; every node of time; arguments that must be left as they were. Every leaf is a
finite number where the reference's is, so that the comparison with the reference is the judge:
shapes and flags travel as numbers, what ±1e30 gives as a direction and its size.

Rows of equal features give equal results up to rounding only: a matrix product treats the last
columns of a batch apart, in every framework and in NumPy. XLA takes denormals for 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..backends.model import Model
from ..compiler.ir.elementary import FUNCTIONS
from ..compiler.ir.expr import walk
from ..compiler.pipeline import Compiled
from .compare import Array
from .inputs import (
    ARGUMENTS,
    Inputs,
    after,
    apart,
    backwards,
    copied,
    direct,
    flags,
    forward,
    gradient,
    locked,
    taken,
    transposed,
    vector_field,
)
from .probes import PROBABILITIES, RANDOM, Probes
from .quantities import Answers

REPEATED = [0, 2, 0, 0, 5, 2, 0]
ODD, OTHER = 2, 4
"""The rows that an awkward number is put into."""
DENORMALS = "denormals"
SOLVED = ("many rows", "other weights before", "nodes", "strides", "unchanged")
"""What is asked of an adaptive program."""
DENORMAL, HUGE, LESS = 1e-310, 1e30, -0.3e30
"""Two huge rows of opposite signs and unequal sizes: equal ones cancel in a gradient."""
COUNTS = (521, 257, 67)
"""How many many rows are: primes, of which no chunk is a divisor."""
NUMBERS = 4_000_000
"""Of all states of such a batch: the reference holds them a few times over."""
NODES = 64
"""So many at most, those first whose quotient t_j / h is rounded below j."""


def ask(model: Model, case: Compiled, probes: Probes) -> Answers:
    """The whole battery in float64; leaves are named `random/CASE/WHAT`.

    Denormals are not asked of a field that jumps at 0, since XLA takes them for 0.
    """
    given = Inputs(
        weights=probes.weights[RANDOM],
        x=probes.examples,
        t=next(iter(probes.times.values())),
        y=probes.y,
        targets=next(iter(probes.targets.values()), None),
        before=probes.own,
        probabilities=probes.targets.get(PROBABILITIES),
    )
    with np.errstate(all="ignore"):
        return {
            f"{RANDOM}/{name}/{leaf}": value
            for name, ask_it in _battery(case).items()
            for leaf, value in ask_it(model, given).items()
        }


def _battery(case: Compiled) -> dict[str, Callable[[Model, Inputs], Answers]]:
    """Denormals are not asked of a field that jumps at 0. Rows that a solver steps for together
    are not independent: one that is not finite ends them all, in either library."""
    left_out = {DENORMALS} if _jumps(case) else set()
    names = SOLVED if case.problem.is_adaptive else BATTERY.keys() - left_out
    return {name: ask_it for name, ask_it in BATTERY.items() if name in names}


def _jumps(case: Compiled) -> bool:
    """Is a right-hand side not continuous? The rows of its functions say so."""
    jumping = {name for name, function in FUNCTIONS.items() if function.has_jump}
    return any(node.op in jumping for node in walk(*case.problem.rhs.values()))


def _no_row(model: Model, given: Inputs) -> Answers:
    """Shape and bytes of a number; the mean loss of no example is no number, so not asked."""
    none = given.rows(slice(0, 0)).laid_out()
    found = {
        "forward": forward(model, none),
        "trajectory": direct(model, "trajectory", none.weights, none.starts),
        "vector field": vector_field(model, none),
    }
    return {name: flags([*array.shape, array.itemsize]) for name, array in found.items()}


def _both(model: Model, given: Inputs) -> Answers:
    """Forward and backward."""
    return {"forward": forward(model, given)} | gradient(model, given)


def _many_rows(model: Model, given: Inputs) -> Answers:
    """A program that works in chunks must not lose the last one, nor weigh it like the others.

    The gradient is that for probabilities, where they may be targets: classes are on the ladder.
    """
    module = model.module
    states = module.steps * module.signature.size
    counts = (count for count in COUNTS if count * states <= NUMBERS)
    many = given.many(next(counts, 0))
    return _both(model, many) if len(many.x) else {}


def _other_weights(model: Model, given: Inputs) -> Answers:
    """Nothing is kept of the weights that a network had before."""
    asked = ["forward", "vector_field", *["regularizer"] * model.module.has_penalties]
    return {function.replace("_", " "): after(model, function, given) for function in asked}


def _nodes(model: Model, given: Inputs) -> Answers:
    """At t_j = j h a step begins, whatever t_j / h is rounded to."""
    h, j = model.module.h, np.arange(model.module.steps)
    evenly = np.linspace(0, len(j) - 1, min(len(j), NODES)).astype(int)
    chosen = dict.fromkeys([*j[np.floor(j * h / h) < j].tolist(), *evenly.tolist()])
    times = [i * h for i in list(chosen)[:NODES]]
    return {"vector field": np.stack([vector_field(model, replace(given, t=t)) for t in times])}


def _strides(model: Model, given: Inputs) -> Answers:
    """Memory as a slice, a transpose or a reversal leaves it; the program sees it as it is.

    Negative strides, which torch has none of, are for the model to copy.
    """
    turned = replace(given, stored=transposed)
    return {
        "transposed/forward": forward(model, turned),
        "transposed/vector field": vector_field(model, turned),
        "rows apart/forward": forward(model, replace(given, stored=lambda a: apart(a, 0))),
        "columns apart/forward": forward(model, replace(given, stored=lambda a: apart(a, -1))),
        **copied(model, replace(given, stored=backwards), "reversed/"),
    }


def _not_a_number(model: Model, given: Inputs) -> Answers:
    """A row of NaN loses that row and no other; `lost` are the entries it loses."""
    bad = given.put({ODD: np.nan})
    single = given.x.copy()
    single[ODD, ..., 0] = np.nan
    return {
        **_others_and_lost("forward", _by_rows(model, forward(model, bad))),
        **_others_and_lost("vector field", vector_field(model, bad)),
        **_others_and_lost("one entry", _by_rows(model, forward(model, replace(given, x=single)))),
    }


def _by_rows(model: Model, found: Array) -> Array:
    """Predictions of series with a row for each."""
    return np.moveaxis(found, 0, 1) if model.module.is_of_series else found


def _others_and_lost(name: str, found: Array) -> Answers:
    return {
        f"{name}/others": np.delete(found, ODD, axis=0),
        f"{name}/lost": flags(np.isnan(found[ODD])),
    }


def _denormals(model: Model, given: Inputs) -> Answers:
    tiny = given.put({ODD: DENORMAL, OTHER: -DENORMAL})
    return _both(model, tiny) | {"vector field": vector_field(model, tiny)}


def _huge(model: Model, given: Inputs) -> Answers:
    """±1e30 in two rows: the others stay, and these are what the formulas make of them."""
    large = given.put({ODD: HUGE, OTHER: LESS})
    logits = _by_rows(model, forward(model, large))
    slopes = gradient(model, large)
    return {
        "others": np.delete(logits, [ODD, OTHER], axis=0),
        **_with_size("+", logits[ODD]),
        **_with_size("-", logits[OTHER]),
        **_on_one_scale(slopes),
    }


def _with_size(name: str, array: Array) -> Answers:
    """The array over the sum of its magnitudes, and that sum as arcsinh: a huge entry hides others.
    By the largest entry alone what rounding decides of the others would not be seen to vary."""
    size = np.abs(array).sum()
    return {name: array / (size or 1.0), f"{name} size": np.arcsinh(size)}


def _on_one_scale(slopes: Answers) -> Answers:
    """All slopes in one array: what a penalty adds to a slope of 1e30 is lost in its rounding."""
    if not slopes:
        return {}
    return _with_size("gradient", np.concatenate([slope.ravel() for slope in slopes.values()]))


def _unchanged(model: Model, given: Inputs) -> Answers:
    """Are the arguments of each call afterwards what they were before?"""
    found: Answers = {}
    asked = dict.fromkeys(ARGUMENTS, True)
    asked |= {"loss": given.targets is not None, "regularizer": model.module.has_penalties}
    for function in ARGUMENTS:
        if not asked[function]:
            continue
        before, own = (taken(model, function, given.laid_out()) for _ in range(2))
        direct(model, function, *own)
        names = ("weights", *(p.name for p in model.module.functions[function].params))
        pairs = zip(names, before, own, strict=True)
        found |= {f"{function}/{name}": _same(a, b) for name, a, b in pairs}
    return found


def _same(before: Any, after: Any) -> Array:
    """1 for every array that is what it was."""
    pairs = [(before[n], after[n]) for n in before] if isinstance(before, dict) else []
    return flags([np.array_equal(a, b) for a, b in pairs or [(before, after)]])


BATTERY: dict[str, Callable[[Model, Inputs], Answers]] = {
    "no row": _no_row,
    "one row": lambda model, given: _both(model, given.rows(slice(ODD, ODD + 1))),
    "repeated rows": lambda model, given: _both(model, given.rows(REPEATED)),
    "many rows": _many_rows,
    "other weights before": _other_weights,
    "nodes": _nodes,
    "strides": _strides,
    "a NaN row": _not_a_number,
    DENORMALS: _denormals,
    "1e30": _huge,
    "read-only": lambda model, given: copied(model, replace(given, stored=locked), ""),
    "unchanged": _unchanged,
}
