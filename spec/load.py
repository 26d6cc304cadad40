"""Validation of a document by a root node: every error at once, each in its place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from pydantic import ValidationError

from .compose import MAX_PROBLEMS
from .diagnostics import Diagnostic, SpecError
from .issues import Issue, issues
from .mend import Mended
from .node import Root
from .source import Document, read

R = TypeVar("R", bound=Root)
Checks = Callable[[R], Iterable[Diagnostic]]

_ROUNDS = 12  # of mending: each one may bring to light what the one before had hidden


def open_document(
    path: str | os.PathLike[str], overrides: Iterable[str] = (), name: str = ""
) -> Document:
    """The file under the overrides; errors of an override join the document's problems.

    `name` is what diagnostics call the file, by default its path.
    """
    document = read(path, name)
    for text in overrides:
        try:
            document = document.with_override(text)
        except SpecError as error:
            problems = [*document.problems, *error.diagnostics]
            document = replace(document, composed=replace(document.composed, problems=problems))
    return document


def validate(document: Document, root: type[R], checks: Checks[R] = lambda _: ()) -> R:
    """The root node that the document describes; SpecError with every error in it.

    `checks` finds what concerns several fields at once. Where single fields are wrong it runs on
    a mended spec, and what it says about a mended place is left out.
    """
    outcome = _attempt(document, root)
    if not isinstance(outcome, list):
        found = [*document.problems, *checks(outcome)]
        if any(each.severity == "error" for each in found):
            raise SpecError(found)
        return outcome
    own = _beside(document.problems, outcome)
    raise SpecError([*document.problems, *own, *_beyond(document, root, checks, outcome)])


def _attempt(document: Document, root: type[R]) -> R | list[Issue]:
    try:
        node = root.model_validate(document.value)
    except ValidationError as error:
        return issues(error, document, root)
    node._document = document
    return node


def _beside(problems: Iterable[Diagnostic], found: list[Issue]) -> list[Diagnostic]:
    """The issues that are no mere consequence of a problem with the very same value."""
    spans = [problem.span for problem in problems]
    return [each for each in _told(found) if each.span not in spans]


def _told(found: Iterable[Issue]) -> list[Diagnostic]:
    return [each.diagnostic for each in found if not each.follows]


def _beyond(
    document: Document, root: type[R], checks: Checks[R], found: list[Issue]
) -> list[Diagnostic]:
    """What is wrong besides the issues: later errors of the fields, and the checks."""
    mended, later = Mended.of(document), []
    for _ in range(_ROUNDS):
        if len(found) >= MAX_PROBLEMS or not mended.mend(found):
            return later
        outcome = _attempt(mended.document, root)
        if not isinstance(outcome, list):
            return later + _untouched(mended, checks(outcome))
        found = outcome
        later += _untouched(mended, _told(found))
    return later


def _untouched(mended: Mended, found: Iterable[Diagnostic]) -> list[Diagnostic]:
    return [
        each
        for each in found
        if each.span is None or not any(each.span.overlaps(span) for span in mended.spans)
    ]
