"""A difference for the terminal: what, where, the spec's line, and the programs' lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap

from ..checking.locate.difference import Departure, Difference, Excerpt, Line
from ..checking.report import name_of
from ..spec.diagnostics import marked, visible

WIDTH = 100
LONGEST = 16
"""Lines of a function that are shown at most: those about a departure, or the first ones."""
HUNKS = 6
"""Departures from the emitted text that are shown at most."""

QUANTITIES = {
    "weights": "the initial weights",
    "vector field": "the field y'",
    "initial state": "the state y(0)",
    "one step": "the state after one step",
    "trajectory": "the trajectory",
    "final state": "the state y(T)",
    "logits": "the logits",
    "regularizer": "the regularizer",
    "loss": "the loss",
}

EQUATIONS = {
    "init": "how the weights start",
    "parametrization": "what a weight of the layer is made of",
    "field": "the right-hand side of a block",
    "lift": "how the features become the initial state",
    "step": "the integrator's formula",
    "path": "which weight and time each step uses, and which states are kept",
    "readout": "from y(T) to the logits",
    "loss": "from logits and targets to the loss",
    "regularizer": "the penalty on raw weights",
    "gradient": "the derivative by a weight; the values are right",
    "derivative": "a rule of the compiler's derivative table",
    "pass": "a pass of the compiler",
    "optimizer": "the update of the weights",
    "schedule": "the learning rate of each update",
    "data": "which examples are in which batch",
    "program": "the program gives no answer",
}
"""What each equation is, by the first word of its name."""


def summary(difference: Difference) -> str:
    """One sentence: rung, quantity, backend, place, and what stands there."""
    d, name = difference, name_of(difference.backend)
    what = QUANTITIES.get(d.quantity, d.quantity)
    head = f"{d.rung}: {what} of {name} in {d.dtype}"
    if d.reason and d.where.found is None:
        return f"{head}: {d.reason}."
    if d.where.found is None or d.where.expected is None:
        return f"{head} differs: {d.element}." if d.element else f"{head} differs."
    place = ", ".join(_place(d))
    at = f" at {place}" if place else ""
    return f"{head} differs{at}: {d.where.found:.9g}, not {d.where.expected:.9g}."


def _place(d: Difference) -> Iterator[str]:
    w = d.where
    if w.time is not None:
        yield f"t = {w.time:.6g} (step {w.step})"
    elif w.step is not None:
        yield f"time index {w.step}"
    if w.weight and not d.quantity.endswith(f" {w.weight}"):
        yield f"weight {w.weight}"
    if w.entry:
        yield f"entry [{', '.join(map(str, w.entry))}]"
    if w.row is not None:
        yield f"row {w.row}"
    if w.component is not None:
        yield f"component {w.component}"


def side_by_side(difference: Difference) -> str:
    """The difference as a text of at most 100 columns.

    The words, the spec's line with carets, the function of both programs that computes the
    equation (`>` marks lines that the emitted text does not have), and the departures of a file
    from the emitted text.
    """
    d = difference
    lines = [*_wrapped(summary(d)), *_wrapped(f"Equation: {d.equation}{_meaning(d)}.")]
    if d.agree:
        lines += ["Both programs say the same: what they share, or the reference, is wrong."]
    if d.note:
        lines += _wrapped(f"Suspect: {d.note}.")
    lines += _spec(d)
    for shown in d.excerpts:
        lines += ["", *_excerpt(shown)]
    lines += _departures(d)
    return "\n".join(line.rstrip() for line in lines)


def _meaning(d: Difference) -> str:
    meaning = EQUATIONS.get(d.equation.partition(" ")[0], "")
    weight = f", weight {d.weight}" if d.weight and d.weight not in d.equation.split() else ""
    return f" ({meaning}{weight})" if meaning else ""


def _spec(d: Difference) -> list[str]:
    span = d.span
    if span is None:
        return []
    lines = [f"{visible(span.source)}:{span.line}:{span.column}: the spec"]
    return ["", *lines, *(_cut(line) for line in marked(span))] if span.text.strip() else lines


def _excerpt(shown: Excerpt) -> list[str]:
    name = name_of(shown.backend)
    head = f"{name}, `{shown.function}`, from line {shown.lines[0][0]}:"
    return [head, *_numbered(_window(shown), shown.departs)]


def _window(shown: Excerpt) -> tuple[Line, ...]:
    """The head of the function and the lines about its first departure."""
    if len(shown.lines) <= LONGEST:
        return shown.lines
    numbers = [number for number, _ in shown.lines]
    middle = numbers.index(shown.departs[0]) if shown.departs else 0
    start = min(max(middle - LONGEST // 2, 0), len(shown.lines) - LONGEST)
    return shown.lines[start : start + LONGEST]


def _numbered(lines: Iterable[Line], departs: Iterable[int] = (), sign: str = "") -> list[str]:
    marks = set(departs)
    return [
        _cut(f"{sign or ('>' if number in marks else ' ')} {number:4} | {visible(text)}")
        for number, text in lines
    ]


def _departures(d: Difference) -> list[str]:
    """The hunks of an edited file; only their number for another program altogether."""
    if not d.departures:
        return []
    name = name_of(d.backend)
    if d.rewritten:
        return ["", f"The file for {name} is not the emitted text edited, but another program."]
    head = f"Where the file for {name} departs from the emitted text (- emitted, + file):"
    shown = [line for hunk in _nearest(d) for line in _hunk(hunk)]
    more = len(d.departures) - HUNKS
    return ["", head, *shown, *([f"… and {more} more places"] if more > 0 else [])]


def _nearest(d: Difference) -> list[Departure]:
    """Departures inside the excerpt first, then in the order of the file."""
    inside = {number for e in d.excerpts if e.backend == d.backend for number, _ in e.lines}
    order = sorted(d.departures, key=lambda hunk: not any(n in inside for n, _ in hunk.given))
    return order[:HUNKS]


def _hunk(hunk: Departure) -> list[str]:
    emitted, given = hunk.emitted[:LONGEST], hunk.given[:LONGEST]
    return [*_numbered(emitted, sign="-"), *_numbered(given, sign="+")]


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _wrapped(text: str) -> list[str]:
    """Broken at spaces to the width."""
    return wrap(visible(text), WIDTH, break_long_words=False, break_on_hyphens=False)
