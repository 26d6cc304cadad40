"""From the labels of a file to the classes 0, 1, …

Integer labels stand for themselves. Words are classes in sorted order. A list of `classes` fixes
the order of either.
"""

from __future__ import annotations

import numpy as np

from ..spec.data import Column
from ..spec.diagnostics import Span, did_you_mean, quote
from .dataset import Integers
from .sources import Labels, Source, Table, integer, listing, number

MOST = 10_000


def encode(
    source: Source,
    table: Table,
    labels: Labels,
    declared: tuple[Column, ...] | None,
    least: int,
    span: Span | None,
) -> tuple[Integers, tuple[str, ...]]:
    """The classes (s,) of the rows, and the names of the classes 0, 1, …

    `declared` are the names in their order, if they are known; `least` is a number of classes that
    integer labels have at least, though none of the highest occurs. Raises SpecError at `span` for
    a label that is no class.
    """
    if declared is not None:
        codes, names = _declared(source, table, labels, tuple(map(str, declared)), span)
    elif any(number(text) is None for text in labels.texts):
        codes, names = _words(source, table, labels, span)
    else:
        codes, names = _integers(source, table, labels, least, span)
    return np.array(codes, dtype=np.int64)[labels.codes], names


def _declared(
    source: Source, table: Table, labels: Labels, names: tuple[str, ...], span: Span | None
) -> tuple[list[int], tuple[str, ...]]:
    index = {name: k for k, name in enumerate(names)}
    texts = [text if text in index else _plain(text) for text in labels.texts]
    for text, row in zip(texts, labels.first, strict=True):
        if text not in index:
            known = did_you_mean(text, names) or listing("classes", list(names))
            message = f"{table.row(row)}: label {quote(text)} is no class"
            raise source.error("E408", message, span=span, help=known)
    return [index[text] for text in texts], names


def _plain(text: str) -> str:
    value = integer(text)
    return text if value is None else str(value)


def _words(
    source: Source, table: Table, labels: Labels, span: Span | None
) -> tuple[list[int], tuple[str, ...]]:
    for text, row in zip(labels.texts, labels.first, strict=True):
        if not text or number(text) is not None:
            what = (
                f"label {quote(text)} is a number among words" if text else "the label is missing"
            )
            message = f"{table.row(row)}: {what}"
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
    for text, row in zip(labels.texts, labels.first, strict=True):
        code = integer(text)
        if code is None or not 0 <= code < MOST:
            message = f"{table.row(row)}: label {quote(text)} is no integer from 0 to {MOST - 1}"
            help = "list the labels as `classes`, or use `targets` to predict numbers"
            raise source.error("E408", message, span=span, help=help)
        codes.append(code)
    return codes, tuple(map(str, range(max(least, max(codes) + 1))))
