"""What each pass promises, evaluated on random numbers: nothing but the promises it broke is said.

Laws and rules are tried on a generic operand: the parts of an expression that they cannot see are
variables, so that the same law is tried once for all expressions of that form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from operator import add
from weakref import WeakKeyDictionary

import numpy as np

from ..ir.expr import Expr, rebuild, variable
from ..ir.text import mathematics
from .checked import PassViolation
from .samples import Array, Interpreter, Values, draws, finite_size, some_rate

EXACT = 1e-14
"""A law of algebra may move an entry by the rounding of the operations it removes, a few ulp."""
CONDITIONED = 1e-8
"""A whole expression, whose parts may cancel: relative to the largest number in it."""
DIFFERENCES = 1e-6
"""A derivative against central differences, extrapolated once."""
STEP = 1e-4
LONGEST_TEXT = 200
SEEN_BY_A_LAW = 3
"""No law looks deeper than the operands of the operands of its operands."""

_kept: set[tuple[object, ...]] = set()
"""Promises that were found kept, as the expressions that they speak of."""
_numbers: WeakKeyDictionary[Expr, bool] = WeakKeyDictionary()


def law(
    result: Expr, apply: Callable[[Expr], Expr | None], node: Expr, _: Expr
) -> Iterator[PassViolation]:
    """A law of algebra keeps the value of every entry, wherever it is finite."""
    example = _generic(node, SEEN_BY_A_LAW)
    again = apply(example)
    pair = (node, result) if again is None else (example, again)
    error = broken(pair, EXACT, lambda: _value_error(*pair, _of_entries))
    if error is not None:
        name = (apply.__doc__ or apply.__name__).strip()
        yield PassViolation("simplify", name, short(node), short(result), error)


def same_value(result: Expr, expression: Expr) -> Iterator[PassViolation]:
    """The simplified expression has the value of the expression."""
    if result is expression:
        return
    pair = (expression, result)
    error = broken(pair, CONDITIONED, lambda: _value_error(*pair, _of_all))
    if error is not None:
        yield PassViolation("simplify", "", short(expression), short(result), error)


def rule(
    result: Sequence[Expr | None],
    apply: Callable[[Expr, Expr], Sequence[Expr | None]],
    node: Expr,
    cotangent: Expr,
) -> Iterator[PassViolation]:
    """⟨g, ∂f/∂x v⟩ = ⟨cotangent of x, v⟩ for every operand x of the operation.

    What an operand was repeated over is not yet summed in its cotangent; the product does it.
    """
    example = rebuild(node, tuple(_fresh(a, f"x{i}") for i, a in enumerate(node.args)))
    g = _fresh(cotangent, "g")
    for x, part, found in zip(example.args, apply(example, g), result, strict=True):
        if x.op == "variable":
            error = _slopes([(example, g)], [x], [part], summed=False)
            if error is not None:
                yield PassViolation("derive", node.op, short(node), short(found), error)


def cotangents(
    result: Sequence[Expr | None], outputs: Sequence[tuple[Expr, Expr]], wrt: Sequence[Expr]
) -> Iterator[PassViolation]:
    """Σ ⟨g, ∂f/∂x v⟩ = Σ ⟨cotangent of x, v⟩, all outputs f and all variables x together."""
    error = _slopes(outputs, wrt, result, summed=True)
    if error is not None:
        before = "; ".join(short(f) for f, _ in outputs)
        yield PassViolation("derive", "", cut(before), cut("; ".join(map(short, result))), error)


def cotangents_by_use(
    result: Sequence[Sequence[Expr]], outputs: Sequence[tuple[Expr, Expr]], wrt: Sequence[Expr]
) -> Iterator[PassViolation]:
    """The cotangents of all uses of a variable add up to that of the variable."""
    total = [reduce(add, parts) if parts else None for parts in result]
    yield from cotangents(total, outputs, wrt)


def _slopes(
    outputs: Sequence[tuple[Expr, Expr]],
    wrt: Sequence[Expr],
    result: Sequence[Expr | None],
    summed: bool,
) -> float | None:
    """The error of cotangents where they are wrong."""
    claim = (summed, *(e for pair in outputs for e in pair), *wrt, *result)
    found = dict(zip(wrt, result, strict=True))
    return broken(claim, DIFFERENCES, lambda: _slope_error(outputs, found, summed))


def broken(claim: tuple[object, ...], limit: float, error: Callable[[], float]) -> float | None:
    """The error of a claim where it is beyond the limit. A claim that holds is tried once."""
    if claim in _kept:
        return None
    try:
        found = error()
    except (ValueError, TypeError, IndexError, KeyError):  # operands that do not fit any more
        found = np.inf
    if found <= limit:
        _kept.add(claim)
        return None
    return found


def short(e: Expr | None) -> str:
    """The expression as text; no expression is 0."""
    return "0" if e is None else cut(mathematics(e))


def cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


# --- values ----------------------------------------------------------------------------------


def _value_error(before: Expr, after: Expr, measure: Callable[..., float]) -> float:
    """The largest error; where the value before is not finite, positive numbers are tried too."""
    if before.type != after.type:
        return np.inf
    run, worst = Interpreter(before, after), 0.0
    for (values,) in draws(before, after):
        done = run(values, some_rate)
        worst = max(worst, measure(done, before, after))
        if np.isfinite(done[before]).all():
            break
    return worst


def _of_entries(done: Mapping[Expr, Array], before: Expr, after: Expr) -> float:
    """Relative to each entry."""
    old, new = np.broadcast_arrays(done[before], done[after])
    return relative_error(old, new, np.abs(old))


def _of_all(done: Mapping[Expr, Array], before: Expr, after: Expr) -> float:
    """Relative to the largest number on the way."""
    old, new = np.broadcast_arrays(done[before], done[after])
    size = finite_size(*(np.asarray(value) for value in done.values()))
    return relative_error(old, new, np.asarray(size))


def relative_error(old: Array, new: Array, scale: Array) -> float:
    """The largest |new − old| / scale where `old` is finite; ∞ where `new` is not."""
    with np.errstate(all="ignore"):
        error = np.abs(new - old) / np.where(scale > 0, scale, 1.0)
    error = np.where(np.isnan(error), np.inf, error)[np.isfinite(old)]
    return float(error.max(initial=0.0))


def _generic(root: Expr, depth: int) -> Expr:
    """The expression with variables for what is deeper than `depth`, one for each part."""
    known: dict[Expr, Expr] = {}

    def seen(e: Expr, depth: int) -> Expr:
        if e in known or not depth or not e.args or e.op == "rate":
            return known.setdefault(e, _fresh(e, f"x{len(known)}"))
        return rebuild(e, tuple(seen(arg, depth - 1) for arg in e.args))

    return seen(root, depth)


def _fresh(e: Expr, name: str) -> Expr:
    """A variable of the expression's type; numbers stay what they are."""
    if _is_number(e):
        return e
    return variable(name, e.shape, batched=e.type.batched, stacked=e.type.stacked)


def _is_number(e: Expr) -> bool:
    """Is it made of numbers alone?"""
    found = _numbers.get(e)
    if found is None:
        found = e.op not in ("variable", "rate") and all(map(_is_number, e.args))
        _numbers[e] = found
    return found


# --- derivatives -----------------------------------------------------------------------------


def _slope_error(
    outputs: Sequence[tuple[Expr, Expr]], found: Mapping[Expr, Expr | None], summed: bool
) -> float:
    """The error of the cotangents `found` of variables, relative to the terms of the sums.

    A draw in which something is not finite says nothing, and then positive numbers are tried; one
    beside a kink says something wrong, and then another counts.
    """
    parts = {x: part for x, part in found.items() if part is not None}
    bars = [g for _, g in outputs]
    run = Interpreter(*(f for f, _ in outputs), *bars, *parts.values())
    ahead = Interpreter(*(f for f, _ in outputs))
    for drawn in draws(*run.order, *found, times=2):
        errors: list[float] = []
        for values in drawn:
            here = run(values, some_rate)
            if not all(_fits(here[p], p, x, _of(x, values), summed) for x, p in parts.items()):
                return np.inf
            errors.append(_slope_error_at(here, ahead, values, outputs, parts, list(found)))
            if errors[-1] <= DIFFERENCES:
                break
        if not np.isnan(errors).all():
            return float(np.nanmin(errors))
    return 0.0


def _slope_error_at(
    here: Mapping[Expr, Array],
    ahead: Interpreter,
    values: Values,
    outputs: Sequence[tuple[Expr, Expr]],
    parts: Mapping[Expr, Expr],
    wrt: Sequence[Expr],
) -> float:
    """Σ ⟨part, v⟩ against five-point differences of Σ ⟨g, f⟩ along v; NaN: nothing is known."""
    rng = np.random.default_rng(0)
    directions = {str(x.attributes[0]): rng.normal(size=_of(x, values).shape) for x in wrt}
    bars = [(f, here[g]) for f, g in outputs]

    def along(by: float) -> float:
        there = {n: v + by * directions[n] if n in directions else v for n, v in values.items()}
        done = ahead(there, some_rate)
        return sum(float((done[f] * g).sum()) for f, g in bars)

    pulled = sum(float((here[part] * _of(x, directions)).sum()) for x, part in parts.items())
    near, far = along(STEP) - along(-STEP), along(2 * STEP) - along(-2 * STEP)
    slope = (8 * near - far) / (12 * STEP)
    size = sum(float(np.abs(here[f] * g).sum()) for f, g in bars)
    return abs(pulled - slope) / (max(abs(slope), abs(pulled), 1e-3 * size) or 1.0)


def _of(x: Expr, values: Values) -> Array:
    return values[str(x.attributes[0])]


def _fits(cotangent: Array, part: Expr, x: Expr, value: Array, summed: bool) -> bool:
    """Is a cotangent of its variable's form, or a number for all its entries?"""
    if part.type.rank not in (0, x.type.rank):
        return not summed
    return not summed or np.broadcast(cotangent, value).size == value.size
