"""What came of the checks: which part of which answer is compared, and how it compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..compiler.pipeline import Compiled
from . import drift, modes, single
from . import quantities as q
from .checks import CHECKS, Expect
from .compare import (
    Array,
    Comparison,
    Leaves,
    Standard,
    Verdict,
    compare_bytes,
    compare_leaves,
    differs,
    errors,
    structure,
)
from .expectation import Expectation
from .probes import INITIAL, RANDOM, TRAINED
from .quantities import Answer, Key
from .tolerances import EPSILON, GRADIENTS, LIMIT, VALUES

INITIAL_STATE, ONE_STEP = "initial state", "one step"
WITNESS = "the reference"
"""Under this name the reference's own training stands among the answers of the backends."""
GROWTH = "the growth of rounding that the reference shows when its inputs move by one ε"


@dataclass(frozen=True)
class Rung:
    """One line of the report: a quantity on its rung of the ladder, the worst of all its leaves.

    `worst` is an error relative to the scale of the reference, `tolerance` what it was held to
    (None where nothing was measured), `element` the place as words; `between` is the error of this
    backend against the other one. `step` is the first time step whose state differs.
    """

    rung: str
    backend: str
    dtype: str
    quantity: str
    passed: bool
    worst: float | None = None
    tolerance: float | None = None
    element: str = ""
    reason: str = ""
    between: float | None = None
    ill_posed: bool = False
    step: int | None = None

    @property
    def ratio(self) -> float:
        """The worst error as a part of what is allowed."""
        return (self.worst or 0.0) / self.tolerance if self.tolerance else 0.0


@dataclass(frozen=True)
class Part:
    """A quantity of the table as part of an answer: which leaves, and what of them."""

    quantity: str
    select: Callable[[str], bool] = lambda leaf: True
    cut: Callable[[Array], Array] = lambda array: array

    def of(self, leaves: Leaves) -> dict[str, Array]:
        return {name: self.cut(array) for name, array in leaves.items() if self.select(name)}

    def standards(self, standards: Mapping[str, Standard]) -> dict[str, Standard]:
        """The same part of what is expected."""
        return {
            name: replace(
                s, value=self.cut(s.value), scale=self.cut(s.scale), tolerance=self.cut(s.tolerance)
            )
            for name, s in standards.items()
            if self.select(name)
        }


def parts(case: Compiled, quantity: str) -> list[Part]:
    """What the table says of one answer, in the order of its rows."""
    if quantity == q.TRAJECTORY:
        start, first = (lambda a: a[:1]), (lambda a: a[1:2])
        return [Part(INITIAL_STATE, cut=start), Part(ONE_STEP, cut=first), Part(q.TRAJECTORY)]
    if quantity == q.GRADIENT:
        names = [w.name for w in case.module.trained]
        return [Part(f"{quantity} {n}", lambda leaf, n=n: leaf.endswith(f"/{n}")) for n in names]
    if quantity == q.MODE:
        kinds = [mode.kind for mode in modes.allowed(case)]
        return [Part(f"{quantity} {k}", lambda leaf, k=k: leaf.startswith(f"{k}/")) for k in kinds]
    return [Part(quantity)]


def rung_of(quantity: str) -> str:
    """`L3` of `gradient K`."""
    return "L0" if quantity in (q.PROGRAM, q.PASSES) else CHECKS[asked_as(quantity)].rung


def asked_as(quantity: str) -> str:
    """The check that asked for it, of which it is a part: `gradient` of `gradient K`."""
    if quantity in (INITIAL_STATE, ONE_STEP):
        return q.TRAJECTORY
    return quantity if quantity in CHECKS else quantity.split()[0]


def basis(rung: Rung) -> str:
    """Where its tolerance comes from, as one phrase: every figure of a certificate has a reason."""
    if rung.tolerance is None:
        return "nothing was measured"
    if rung.quantity == q.PASSES:
        return "the same operations in another order, on random numbers"
    if rung.rung == "L7":
        least = f"that taken as {single.ROUNDING:g} at least"
        return f"{single.RATIO:g} × the other backend's error, {least}; in units of ε × {GROWTH}"
    check = CHECKS[asked_as(rung.quantity)]
    if check.basis:
        return check.basis
    if check.expect is Expect.BYTES:
        return "equality"
    if check.expect is Expect.PEER:
        return (
            f"{drift.DISTANCE:g} × self-drift: how far one backend parts from itself, one ulp away"
        )
    multiple = GRADIENTS[rung.dtype] if rung.quantity.startswith(q.GRADIENT) else VALUES
    unit = multiple * EPSILON[rung.dtype]
    return f"{unit:.2g} ({multiple:.4g} ε of {rung.dtype}) × {GROWTH}"


def judge_all(
    case: Compiled, key: Key, reached: Mapping[str, Mapping[Key, Answer]], expected: Expectation
) -> list[Rung]:
    """The rungs of one question, by backend; each is compared with the other backend too, or with
    the reference where that was asked as well."""
    answers = {n: a[key] for n, a in reached.items() if key in a and a[key].offered}
    return [
        rung
        for backend, answer in answers.items()
        if backend != WITNESS
        for rung in judge(case, backend, key, answer, expected, _peer(backend, answers))
    ]


def _peer(backend: str, answers: Mapping[str, Answer]) -> Leaves:
    others = {name: answer.leaves for name, answer in answers.items() if name != backend}
    return others.get(WITNESS, next(iter(others.values()), {}))


def judge(
    case: Compiled, backend: str, key: Key, answer: Answer, expected: Expectation, peer: Leaves
) -> list[Rung]:
    """The rungs of one answer; `peer` are the other backend's leaves, where there are any."""
    if answer.reason:
        return [_rung(backend, key, key.quantity, differs(answer.reason))]
    check = CHECKS[key.quantity]
    if check.expect is Expect.BYTES:
        found = compare_bytes(answer.leaves, expected.weights)
        return [_rung(backend, key, key.quantity, found)]
    if check.expect is Expect.PEER:
        return [_judge_drift(backend, key, answer.leaves, peer)] if peer else []
    standards, leaves = expected.standards[key], answer.leaves
    if check.lenient and not standards:
        return []
    if check.lenient:
        leaves = {name: leaf for name, leaf in leaves.items() if name in standards}
    misfit = structure(leaves, {n: s.value for n, s in standards.items()}, key.dtype)
    if misfit:
        return [_rung(backend, key, key.quantity, differs(misfit))]
    return [
        _judge_part(backend, key, part, leaves, standards, peer)
        for part in parts(case, key.quantity)
        if any(map(part.select, standards))
    ]


def _judge_drift(backend: str, key: Key, leaves: Leaves, peer: Leaves) -> Rung:
    """Training against the other backend's, as far as both agree with themselves."""
    wanted = drift.standards(leaves, peer)
    if not wanted:
        return _rung(backend, key, key.quantity, Comparison(Verdict.ILL_POSED))
    own = {name: leaves[name] for name in wanted if name in leaves}
    rung = _rung(backend, key, key.quantity, compare_leaves(own, wanted, key.dtype))
    return replace(rung, between=rung.worst)


def judge_single(reached: Mapping[str, Mapping[Key, Answer]], expected: Expectation) -> list[Rung]:
    """L7: the float32 errors of every backend against those of another one.

    Leaves that cannot be compared have failed a lower rung.
    """
    found: list[Rung] = []
    for key in (Key("float32", quantity) for quantity in single.QUANTITIES):
        standards = expected.standards.get(key, {})
        values = {name: s.value for name, s in standards.items()}
        leaves = {name: a[key].leaves for name, a in reached.items() if key in a}
        whole = {n: own for n, own in leaves.items() if not structure(own, values, key.dtype)}
        for backend, own in whole.items():
            peer = next((other for n, other in whole.items() if n != backend), {})
            points = single.points(key.quantity, own, peer, standards)
            found += [] if points is None else [_of_points(backend, key, points)]
    return found


def _of_points(backend: str, key: Key, found: single.Points) -> Rung:
    said = (
        f"{found.error:.2g} ε × growth, {found.ratio:.2g} times the other backend's; "
        f"worst entry {found.worst_entry:.2g} against {found.other_worst_entry:.2g}"
    )
    numbers = found.agrees, found.error, found.allowed, said
    return Rung("L7", backend, key.dtype, key.quantity, *numbers, between=found.other)


def _judge_part(
    backend: str,
    key: Key,
    part: Part,
    leaves: Leaves,
    standards: Mapping[str, Standard],
    peer: Leaves,
) -> Rung:
    own, wanted = part.of(leaves), part.standards(standards)
    comparison = compare_leaves(own, wanted, key.dtype)
    rung = _rung(backend, key, part.quantity, comparison)
    return replace(rung, between=_between(own, part.of(peer), wanted))


def _between(own: Leaves, peer: Leaves, wanted: Mapping[str, Standard]) -> float | None:
    """The largest difference of two backends over the scale of the reference."""
    if any(n not in peer or peer[n].shape != own[n].shape for n in wanted):
        return None
    found = [np.max(errors(own[n], peer[n], s.scale)) for n, s in wanted.items()]
    return float(max(found))


def _rung(backend: str, key: Key, quantity: str, c: Comparison) -> Rung:
    ill_posed = c.verdict is Verdict.ILL_POSED
    judged = key.dtype == "float64" or not ill_posed
    return Rung(
        rung=rung_of(quantity),
        backend=backend,
        dtype=key.dtype,
        quantity=quantity,
        passed=c.verdict is Verdict.AGREES or not judged,
        worst=c.worst,
        tolerance=c.tolerance,
        element=_element(quantity, c),
        reason=c.reason or (_ill_posed(quantity, key.dtype, c) if ill_posed else ""),
        ill_posed=ill_posed,
        step=c.first if quantity == q.TRAJECTORY else None,
    )


def _ill_posed(quantity: str, dtype: str, c: Comparison) -> str:
    leaf = c.element.leaf if c.element is not None else c.leaf
    where = f" ({', '.join(_leaf(quantity, leaf))})" if leaf else ""
    if quantity == q.TRAJECTORY and c.horizon is not None:
        where += f" from step {c.horizon} on"
    why = f"the spec magnifies rounding beyond {LIMIT[dtype]:g} or overflows"
    return f"not judged{where}: {why}" + ("; float64 decides" if dtype != "float64" else "")


def _element(quantity: str, c: Comparison) -> str:
    """`random weights, step 3, row 1, component 0: 0.25, not 0.5`."""
    if c.element is None:
        return ""
    where = [*_leaf(quantity, c.element.leaf), *_place(quantity, c.element.index)]
    values = f"{c.element.found:.9g}"
    if c.verdict is Verdict.DIFFERS:
        values += f", not {c.element.expected:.9g}"
    return f"{', '.join(where)}: {values}"


def _leaf(quantity: str, name: str) -> list[str]:
    """The parts of a leaf's name, as words."""
    first, _, rest = name.partition("/")
    if quantity == q.TRAINING:
        first = f"update {first}"
    elif rung_of(quantity) <= "L3" and first in (RANDOM, INITIAL, TRAINED):
        first = f"{first} weights"
    return [first] + [rest] * bool(rest and not quantity.endswith(f" {rest}"))


def _place(quantity: str, index: tuple[int, ...]) -> list[str]:
    if quantity in (INITIAL_STATE, ONE_STEP):
        index = index[1:]
    names = {
        q.TRAJECTORY: ("step", "row", "component"),
        q.FIELD: ("row", "component"),
        INITIAL_STATE: ("row", "component"),
        ONE_STEP: ("row", "component"),
        q.FINAL: ("row", "component"),
        q.LOGITS: ("row", "output"),
        q.PREDICTIONS: ("observation", "row", "channel"),
    }.get(quantity)
    if names:
        return [f"{name} {i}" for name, i in zip(names, index, strict=True)]
    return [f"[{', '.join(map(str, index))}]"] if index else []
