"""The comparator: what a program gave against what it should have given, element by element.

The error of an element is |found − expected| / scale, held to a tolerance; scale and tolerance
come with the expectation. The rules, each with a test of its own:

- A shape or a dtype that differs is a failure, never broadcast or converted away.
- A leaf that is missing, or one too many, is a failure, and so is an empty comparison.
- NaN and infinities are failures where a finite number is expected; NaN equals nothing.
- Where the tolerance is infinite, or the expectation is not finite, nothing can be judged: the
  element counts as ill-posed, neither as equal nor as different.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Leaves = Mapping[str, Array]


class Verdict(StrEnum):
    """What a comparison says."""

    AGREES = "agrees"
    DIFFERS = "differs"
    ILL_POSED = "ill-posed"


@dataclass(frozen=True)
class Standard:
    """What a leaf should be: `scale` and `tolerance` broadcast against `value`."""

    value: Array
    scale: Array
    tolerance: Array

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) & (np.asarray(self.scale) > 0)).all():
            raise ValueError("a scale is finite and positive")


@dataclass(frozen=True)
class Element:
    """One entry of one leaf, as found and as expected."""

    leaf: str
    index: tuple[int, ...]
    found: float
    expected: float


@dataclass(frozen=True)
class Comparison:
    """`worst` and `tolerance` belong to `element`, the entry nearest to (or farthest beyond) its
    tolerance; None where nothing was measured. `first` is the first index along axis 0 that
    differs, `horizon` the first that is ill-posed."""

    verdict: Verdict
    worst: float | None = None
    tolerance: float | None = None
    element: Element | None = None
    reason: str = ""
    first: int | None = None
    horizon: int | None = None
    leaf: str = ""
    """What cannot be judged at all, where there is no element."""

    @property
    def ratio(self) -> float:
        """The worst error as a multiple of its tolerance."""
        if self.worst is None or self.tolerance is None:
            return np.inf if self.verdict is Verdict.DIFFERS else 0.0
        return float(_ratio(np.asarray(self.worst), np.asarray(self.tolerance)))


def differs(reason: str) -> Comparison:
    """A failure that is none of numbers."""
    return Comparison(Verdict.DIFFERS, reason=reason)


def structure(found: Leaves, expected: Leaves, dtype: str) -> str:
    """Why two dicts of arrays cannot be compared: names, shapes, dtypes; '' when they can."""
    if not expected:
        return "nothing to compare"
    missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
    if missing:
        return f"missing: {', '.join(sorted(missing))}"
    if extra:
        return f"not part of the spec: {', '.join(sorted(extra))}"
    reasons = (_misfit(name, found[name], expected[name].shape, dtype) for name in expected)
    return next(filter(None, reasons), "")


def _misfit(name: str, found: Array, shape: tuple[int, ...], dtype: str) -> str:
    if found.shape != shape:
        return f"{name} has shape {found.shape}, not {shape}"
    if found.dtype != np.dtype(dtype):
        return f"{name} has dtype {found.dtype}, not {dtype}"
    return "" if found.size else f"{name} is empty: nothing to compare"


def compare_leaves(found: Leaves, standards: Mapping[str, Standard], dtype: str) -> Comparison:
    """The worst comparison of all leaves."""
    reason = structure(found, {name: s.value for name, s in standards.items()}, dtype)
    if reason:
        return differs(reason)
    compared = [_compare(name, found[name], s) for name, s in standards.items()]
    return max(compared, key=_badness)


def _badness(c: Comparison) -> tuple[int, float]:
    order = (Verdict.AGREES, Verdict.ILL_POSED, Verdict.DIFFERS)
    return order.index(c.verdict), c.ratio


def _compare(leaf: str, found: Array, standard: Standard) -> Comparison:
    expected = np.asarray(standard.value, np.float64)
    tolerance = np.broadcast_to(standard.tolerance, expected.shape)
    error = errors(found, expected, standard.scale)
    hopeless = ~np.isfinite(tolerance) | ~np.isfinite(expected)
    ratio = np.where(hopeless, -1.0, _ratio(error, tolerance))
    index = np.unravel_index(np.argmax(ratio), ratio.shape)
    place = tuple(int(i) for i in index)
    verdict = _verdict(ratio, hopeless)
    element = Element(leaf, place, float(found[place]), float(expected[place]))
    horizon = _first(hopeless)
    if hopeless.all():
        return Comparison(verdict, horizon=horizon, leaf=leaf)
    worst, allowed = float(error[place]), float(tolerance[place])
    return Comparison(verdict, worst, allowed, element, "", _first(ratio > 1), horizon)


def _verdict(ratio: Array, hopeless: Array) -> Verdict:
    if (ratio > 1).any():
        return Verdict.DIFFERS
    return Verdict.ILL_POSED if hopeless.any() else Verdict.AGREES


def errors(found: Array, expected: Array, scale: Array) -> Array:
    """|found − expected| / scale; 0 for equal infinities, ∞ for NaN and for all else not finite."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    with np.errstate(all="ignore"):
        error = np.abs(found - expected) / scale
    error = np.where(found == expected, 0.0, error)
    return np.where(np.isnan(error), np.inf, error)


def _ratio(error: Array, tolerance: Array) -> Array:
    """error / tolerance, where 0 / 0 is 0 and anything else above a tolerance of 0 is ∞."""
    with np.errstate(all="ignore"):
        ratio = error / tolerance
    return np.where(error == 0, 0.0, np.where(np.isnan(ratio), np.inf, ratio))


def _first(mask: Array) -> int | None:
    """The first index along axis 0 where the mask holds; None for a number and for nowhere."""
    if mask.ndim == 0 or not mask.any():
        return None
    return int(np.argmax(mask.reshape(len(mask), -1).any(axis=1)))


def compare_bytes(found: Leaves, expected: Leaves) -> Comparison:
    """Names, shapes, dtypes and every byte, signs of zeros too; all leaves are of one dtype."""
    dtypes = {str(array.dtype) for array in expected.values()}
    reason = structure(found, expected, *dtypes) if len(dtypes) == 1 else "nothing to compare"
    if reason:
        return differs(reason)
    unequal = (name for name in expected if _unequal(found[name], expected[name]).any())
    leaf = next(unequal, next(iter(expected)))
    return _of_bytes(leaf, found[leaf], expected[leaf])


def _unequal(a: Array, b: Array) -> Array:
    return (a != b) | (np.signbit(a) != np.signbit(b))


def _of_bytes(leaf: str, found: Array, expected: Array) -> Comparison:
    mask = _unequal(found, expected)
    place = tuple(int(i) for i in np.unravel_index(np.argmax(mask), mask.shape))
    element = Element(leaf, place, float(found[place]), float(expected[place]))
    scale = np.asarray(np.max(np.abs(expected)) or 1.0)
    worst = float(errors(found, expected, scale)[place])
    return Comparison(Verdict.DIFFERS if mask.any() else Verdict.AGREES, worst, 0.0, element)
