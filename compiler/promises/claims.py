"""What passes over expressions promise, evaluated on random numbers: a value kept, a slope kept.

Only promises that were broken are reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache

import numpy as np

from ..ir.expr import Expr
from ..ir.module import Function, Module, Scan
from ..ir.text import mathematics
from ..ir.types import array_shape
from ..semantics.interpreter import Interpreter
from .checked import Broken
from .samples import SIZES, Array, Nodes, Values, draws, finite_size

SAME = 1e-10
"""A whole expression, whose parts may cancel: relative to the largest number in it."""
DIFFERENCES = 1e-6
"""A derivative against central differences, extrapolated once."""
STEP = 1e-4
DRAWS = 3
MOST_STEPS = 100
LONGEST_TEXT = 200

_kept: set[tuple[object, ...]] = set()
"""Promises that were found kept, as the expressions that they are about."""


def value_kept(result: Expr, expression: Expr) -> Iterator[Broken]:
    """What was made of an expression has its value, wherever that is finite."""
    if result is expression:
        return
    pair = (expression, result)
    error = broken(pair, SAME, lambda: _value_error(*pair))
    if error is not None:
        yield short(expression), short(result), error


def module_kept(result: Module, module: Module, *_: object) -> Iterator[Broken]:
    """The functions that were there and are left give what they gave, on random arguments."""
    for name, before in module.functions.items():
        after = result.functions.get(name)
        if after is None or before.expressions == after.expressions or _is_long(module, before):
            continue
        error = broken((before, after), SAME, lambda a=before: _module_error(module, result, a))
        if error is not None:
            words = [cut("; ".join(map(short, f.values))) for f in (before, after)]
            yield f"{name}: {words[0]}", words[1], error


def gradient_kept(result: Module, module: Module, *_: object) -> Iterator[Broken]:
    """∂ loss/∂ θ against a difference of the loss along a random direction."""
    loss = module.functions["loss"]
    if _is_long(module, loss):
        return
    claim = (result, "gradient")
    error = broken(claim, DIFFERENCES, lambda: _gradient_error(result, loss))
    if error is not None:
        yield "loss", "loss_and_gradient", error


def _gradient_error(module: Module, loss: Function) -> float:
    """The relative error of ⟨gradient, v⟩. Near a kink, or where a loss is not finite, nothing is
    known, and another draw counts."""
    generators = map(np.random.default_rng, range(DRAWS))
    best = _best(_gradient_error_at(module, loss, rng) for rng in generators)
    return 0.0 if np.isnan(best) else best


def _best(errors: Iterable[float]) -> float:
    """The first error that is small enough, else the least; NaN where nothing is known of any."""
    found: list[float] = []
    for error in errors:
        found.append(error)
        if error <= DIFFERENCES:
            break
    return float(np.nan if np.isnan(found).all() else np.nanmin(found))


def _gradient_error_at(module: Module, loss: Function, rng: np.random.Generator) -> float:
    """⟨gradient, v⟩ against differences, beyond what these are off by as two steps show; NaN:
    nothing is known."""
    run, sizes = Interpreter(module), {**SIZES, **module.sizes}
    given = [np.asarray(rng.uniform(0.3, 1.7, array_shape(p.type, sizes))) for p in loss.params]
    pairs = zip(given, loss.params, strict=True)
    given = [a if p.shape or not p.type.path else np.sort(a, axis=0) for a, p in pairs]  # times
    weights = {w.name: 0.3 * rng.normal(size=w.shape) for w in module.weights}
    v = {w.name: rng.normal(size=w.shape) if w.trainable else 0.0 for w in module.weights}

    @cache  # the wider difference meets points of the narrower one again
    def at(by: float) -> float:
        return run.run("loss", given, {n: w + by * v[n] for n, w in weights.items()})[0].item()

    _, *found = run.run("loss_and_gradient", [*given, np.asarray(1.0)], weights)
    pulled = sum(float((g * v[w.name]).sum()) for g, w in zip(found, module.trained, strict=True))
    slope, coarse = _quotient(at, STEP), _quotient(at, 2 * STEP)
    size = max(abs(slope), abs(pulled), 1e-3 * abs(at(0.0))) or 1.0
    if not np.isfinite([slope, coarse]).all():
        return np.nan
    return max(0.0, abs(pulled - slope) - abs(slope - coarse)) / size


def _quotient(at: Callable[[float], float], step: float) -> float:
    """The slope at 0 by five-point differences: right to O(step⁴)."""
    near, far = at(step) - at(-step), at(2 * step) - at(-2 * step)
    return (8 * near - far) / (12 * step)


def _is_long(module: Module, function: Function) -> bool:
    """Does it run over so many steps that to run it again is not cheap?"""
    scans = (let.value for let in function.body if isinstance(let.value, Scan))
    long = any(scan.length.value > MOST_STEPS for scan in scans)
    return long or any(_is_long(module, module.functions[name]) for name in function.called)


def _module_error(before: Module, after: Module, function: Function) -> float:
    """The largest difference of a function's results in two modules."""
    sizes = {**SIZES, **before.sizes}
    args = [array_shape(p.type, sizes) for p in function.params]
    rng, worst = np.random.default_rng(0), 0.0
    given = [np.asarray(rng.uniform(0.3, 1.7, shape)) for shape in args]
    weights = {w.name: rng.uniform(0.3, 1.7, w.shape) for w in before.weights}
    old, new = (Interpreter(m).run(function.name, given, weights) for m in (before, after))
    for a, b in zip(old, new, strict=True):
        worst = max(worst, relative_error(a, b, np.asarray(finite_size(a))))
    return worst


def step_undone(result: Function, step: Function, *_: object) -> Iterator[Broken]:
    """The function leads from the results of a step back to its states, with any field."""
    error = broken((result, step), SAME, lambda: _undone_error(result, step))
    if error is not None:
        words = [cut("; ".join(map(short, f.expressions))) for f in (step, result)]
        yield words[0], words[1], error


def _undone_error(back: Function, step: Function) -> float:
    (values,) = next(draws(*step.params))
    behind, n = by_lines(step, values), len(back.results)
    given = [*behind, *(values[p] for p in step.params[n:])]
    found = by_lines(back, dict(zip(back.params, given, strict=True)))
    starts = [values[p] for p in step.params[:n]]
    scale = np.asarray(finite_size(*starts, *behind))
    return max(relative_error(a, b, scale) for a, b in zip(starts, found, strict=True))


def by_lines(function: Function, values: Values) -> list[Array]:
    """What the statements of a function give whose calls are of any function."""
    known = dict(values)
    for let in function.body:
        (target,), (value,) = let.targets, let.operands
        known[target] = Nodes(value)(known)[value]
    return [Nodes(e)(known)[e] for e in function.values]


def slope_kept(
    result: Sequence[Sequence[Expr]], outputs: Sequence[tuple[Expr, Expr]], wrt: Sequence[Expr]
) -> Iterator[Broken]:
    """Σ ⟨g, ∂f/∂x v⟩ = Σ ⟨cotangent, v⟩, all outputs f, all variables x and their uses together."""
    claim = (*(e for pair in outputs for e in pair), *wrt, *map(tuple, result))
    found = dict(zip(wrt, result, strict=True))
    error = broken(claim, DIFFERENCES, lambda: _slope_error(outputs, found))
    if error is not None:
        before = "; ".join(short(f) for f, _ in outputs)
        yield cut(before), cut("; ".join(short(part) for parts in result for part in parts)), error


def broken(claim: tuple[object, ...], limit: float, error: Callable[[], float]) -> float | None:
    """The error of a claim where it is beyond the limit. A claim that holds is tried once."""
    if claim in _kept:
        return None
    try:
        with np.errstate(all="ignore"):
            found = error()
    except (ValueError, TypeError, IndexError, KeyError):  # operands that do not fit any more
        found = np.inf
    if found <= limit:
        _kept.add(claim)
        return None
    return found


def short(e: Expr) -> str:
    """The expression as text."""
    return cut(mathematics(e))


def cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def _value_error(before: Expr, after: Expr) -> float:
    """The largest error; where the value before is not finite, positive numbers are tried too."""
    if before.type != after.type:
        return np.inf
    run, worst = Nodes(before, after), 0.0
    for (values,) in draws(before, after):
        done = run(values)
        old, new = np.broadcast_arrays(done[before], done[after])
        size = finite_size(*(np.asarray(value) for value in done.values()))
        worst = max(worst, relative_error(old, new, np.asarray(size)))
        if np.isfinite(done[before]).all():
            break
    return worst


def relative_error(old: Array, new: Array, scale: Array) -> float:
    """The largest |new − old| / scale where `old` is finite; ∞ where `new` is not."""
    with np.errstate(all="ignore"):
        error = np.abs(new - old) / np.where(scale > 0, scale, 1.0)
    error = np.where(np.isnan(error), np.inf, error)[np.isfinite(old)]
    return float(error.max(initial=0.0))


def _slope_error(
    outputs: Sequence[tuple[Expr, Expr]], found: Mapping[Expr, Sequence[Expr]]
) -> float:
    """The error of the cotangents `found` of variables, relative to the terms of the sums.

    Where a draw gives something that is not finite, positive numbers are tried; where it lies near
    a kink, its difference quotient is wrong, and another draw counts.
    """
    parts = [(x, part) for x, parts in found.items() for part in parts]
    bars = [g for _, g in outputs]
    run = Nodes(*(f for f, _ in outputs), *bars, *(part for _, part in parts))
    ahead = Nodes(*(f for f, _ in outputs))

    def error(values: Values) -> float:
        here = run(values)
        if not all(_fits(here[part], part, x, values[x]) for x, part in parts):
            return np.inf
        return _slope_error_at(here, ahead, values, outputs, parts, list(found))

    for drawn in draws(*run.order, *found, times=2):
        best = _best(map(error, drawn))
        if not np.isnan(best):
            return best
    return 0.0


def _slope_error_at(
    here: Values,
    ahead: Nodes,
    values: Values,
    outputs: Sequence[tuple[Expr, Expr]],
    parts: Sequence[tuple[Expr, Expr]],
    wrt: Sequence[Expr],
) -> float:
    """Σ ⟨part, v⟩ against five-point differences of Σ ⟨g, f⟩ along v; NaN: nothing is known."""
    rng = np.random.default_rng(0)
    directions = {x: rng.normal(size=np.shape(values[x])) for x in wrt}
    bars = [(f, here[g]) for f, g in outputs]

    def along(by: float) -> float:
        there = {e: v + by * directions[e] if e in directions else v for e, v in values.items()}
        done = ahead(there)
        return sum(float((done[f] * g).sum()) for f, g in bars)

    pulled = sum(float((here[part] * directions[x]).sum()) for x, part in parts)
    slope = _quotient(along, STEP)
    size = sum(float(np.abs(here[f] * g).sum()) for f, g in bars)
    return abs(pulled - slope) / (max(abs(slope), abs(pulled), 1e-3 * size) or 1.0)


def _fits(cotangent: Array, part: Expr, x: Expr, value: Array) -> bool:
    """Is a cotangent of its variable's form, or a number for all its entries?"""
    if part.type.rank not in (0, x.type.rank):
        return False
    return np.broadcast(cotangent, value).size == value.size
