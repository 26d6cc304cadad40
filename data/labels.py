"""From the labels of a file to the classes 0, 1, …

Integer labels stand for themselves. Words are classes in sorted order. A list of `classes` fixes
the order of either.
"""

from __future__ import annotations

import numpy as np

from ..spec.data import Column
from ..spec.diagnostics import Span, SpecError, did_you_mean, quote
from .dataset import Integers
from .sources import Labels, Source, Table, counted, few, integer, listing, number

MOST = 10_000


def encode(
    source: Source,
    table: Table,
    labels: Labels,
    declared: tuple[Column, ...] | None,
    expected: int | None,
    span: Span | None,
) -> tuple[Integers, tuple[str, ...]]:
    """The classes (s,) of the rows, and the names of the classes 0, 1, …

    `declared` are the names in their order, if they are known; `expected` is how many the model
    has: the names of integer labels are as many, though none of the highest occurs. Raises
    SpecError at `span` for a label that is no class, and for more classes than the model has.
    """
    if declared is not None:
        codes, names = _declared(source, table, labels, tuple(map(str, declared)), span)
    elif any(number(text) is None for text in labels.texts):
        codes, names = _words(source, table, labels, span)
    else:
        codes, names = _integers(source, table, labels, expected or 0, span)
    if expected is not None and len(names) > expected:
        raise _too_many(source, labels, names, declared is not None, expected, span)
    return np.array(codes, dtype=np.int64)[labels.codes], names


def _declared(
    source: Source, table: Table, labels: Labels, names: tuple[str, ...], span: Span | None
) -> tuple[list[int], tuple[str, ...]]:
    index = {name: k for k, name in enumerate(names)}
    texts = [text if text in index else _plain(text) for text in labels.texts]
    for k, text in enumerate(texts):
        if text not in index:
            known = did_you_mean(text, names) or listing("classes", list(names))
            message = f"{_place(table, labels, k)}: label {quote(text)} is no class"
            raise source.error("E408", message, span=span, help=known)
    return [index[text] for text in texts], names


def _plain(text: str) -> str:
    value = integer(text)
    return text if value is None else str(value)


def _words(
    source: Source, table: Table, labels: Labels, span: Span | None
) -> tuple[list[int], tuple[str, ...]]:
    for k, text in enumerate(labels.texts):
        if not text:
            raise _no_label(source, table, labels, k, span)
        if number(text) is not None:
            message = f"{_place(table, labels, k)}: label {quote(text)} is a number among words"
            raise source.error("E408", message, span=span, help="list the labels as `classes`")
    names = tuple(sorted(labels.texts))
    if len(names) > MOST:
        message = f"has {len(names):,} different labels, at most {MOST:,} can be classes"
        raise source.error("E408", message, span=span, help="use `targets` to predict numbers")
    index = {name: k for k, name in enumerate(names)}
    return [index[text] for text in labels.texts], names


def _integers(
    source: Source, table: Table, labels: Labels, least: int, span: Span | None
) -> tuple[list[int], tuple[str, ...]]:
    codes = []
    for k, text in enumerate(labels.texts):
        code = integer(text)
        if code is None or not 0 <= code < MOST:
            message = f"label {quote(text)} is no integer from 0 to {MOST - 1}"
            help = "list the labels as `classes`, or use `targets` to predict numbers"
            place = _place(table, labels, k)
            raise source.error("E408", f"{place}: {message}", span=span, help=help)
        codes.append(code)
    return codes, tuple(map(str, range(max(least, max(codes) + 1))))


def _no_label(source: Source, table: Table, labels: Labels, k: int, span: Span | None) -> SpecError:
    count = int((labels.codes == k).sum())
    also = f", as in {counted(count - 1, 'more row')}" if count > 1 else ""
    message = f"{_place(table, labels, k)}: the label is missing{also}"
    return source.error("E408", message, span=span, help="leave such rows out, or label them")


def _place(table: Table, labels: Labels, k: int) -> str:
    return table.row(labels.first[k])


def _too_many(
    source: Source,
    labels: Labels,
    names: tuple[str, ...],
    are_declared: bool,
    expected: int,
    span: Span | None,
) -> SpecError:
    """More classes than the model has, or numbers that do not begin at 0."""
    codes = [integer(text) for text in labels.texts]
    found = list(names)
    if None not in codes and not are_declared:
        found = list(map(str, sorted({code for code in codes if code is not None})))
    has = f"the model has {counted(expected, 'class', 'classes')}"
    if len(found) <= expected:
        message = f"the labels are {few(found)}, not 0 to {expected - 1}, and {has}"
        help = f"classes: [{few(found)}] says that they are the classes"
    else:
        message = f"{len(found):,} classes in the data, {has}: {few(found)}"
        help = ""
    return source.error("E409", message, span=span, help=help)
