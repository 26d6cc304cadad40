"""Overrides from the command line: `model.time.steps=64`, `regularizers.0.alpha=0`.

The value is YAML by the rules of the file; places in it are places in the override's text.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn

from .compose import MAX_DEPTH, Composed, Loc, Place, compose, lines_of
from .diagnostics import COMMAND_LINE, Diagnostic, Span, SpecError, quote


class _Part(NamedTuple):
    """One name of the dotted path and its place."""

    name: str
    span: Span


def override(base: Composed, text: str) -> Composed:
    """What `base` becomes under the override; SpecError when the override itself is wrong.

    Mappings on the way are created; a bare string on the way is read as the kind it stands for.
    """
    parts = _parts(text)
    start = len(text) - len(text.partition("=")[2])
    given = compose(" " * start + text[start:], COMMAND_LINE, shown=text)
    result = Composed(
        copy.deepcopy(base.value), dict(base.places), [*base.problems], set(base.mended)
    )
    container, loc = result.value, ()
    for part in parts[:-1]:
        container, loc = _descend(result, container, loc, part)
    key = _key(container, parts[-1])
    container[key] = given.value
    _place(result, given, (*loc, key), parts[-1].span)
    return result


def _parts(text: str) -> list[_Part]:
    path, equals, value = text.partition("=")
    whole = Span(COMMAND_LINE, 1, 1, 1, len(text) + 1, text)
    if not equals or len(lines_of(text)) > 1:
        _fail("an override is one line of the form key.sub=value", whole)
    parts, column = [], 1
    for name in path.split("."):
        span = replace(whole, column=column, end_column=column + len(name))
        if not name.strip():
            _fail("a name is missing here", span)
        parts.append(_Part(name.strip(), span))
        column += len(name) + 1
    if len(parts) > MAX_DEPTH:
        _fail(f"nested deeper than {MAX_DEPTH} levels", whole)
    if not value.strip():
        _fail("a value is missing after the equals sign", replace(whole, column=column))
    return parts


def _descend(result: Composed, container: Any, loc: Loc, part: _Part) -> tuple[Any, Loc]:
    """The mapping or list below `container` that the part names, made where there is none."""
    key = _key(container, part)
    below = (*loc, key)
    value = container[key] if isinstance(key, int) else container.get(key)
    if value is None:
        value = {}
        result.places.setdefault(below, Place(part.span, part.span))
    elif isinstance(value, str):
        value = {"kind": value}
        result.places[(*below, "kind")] = result.places[below]
    elif not isinstance(value, (dict, list)):
        _fail(f"{part.name} is {value!r}: there is nothing below it", part.span)
    container[key] = value
    return value, below


def _key(container: dict[str, Any] | list[Any], part: _Part) -> str | int:
    is_number = part.name.isascii() and part.name.isdigit()
    if isinstance(container, dict):
        if is_number:
            _fail(f"there is no list of which this is item {quote(part.name)[1:-1]}", part.span)
        return part.name
    if not is_number:
        _fail(f"an item of a list is named by its number, not by {quote(part.name)}", part.span)
    if len(part.name) > 9 or int(part.name) >= len(container):
        _fail(f"the list has {len(container)} items, counted from 0", part.span)
    return int(part.name)


def _place(result: Composed, given: Composed, loc: Loc, key: Span) -> None:
    """Put the places of the given value where those of the old one at `loc` were."""
    for stale in [known for known in result.places if known[: len(loc)] == loc]:
        del result.places[stale]
    result.mended = {known for known in result.mended if known[: len(loc)] != loc}
    result.mended |= {(*loc, *below) for below in given.mended}
    own_key = key if isinstance(loc[-1], str) else None
    for below, place in given.places.items():
        result.places[(*loc, *below)] = place if below else Place(own_key, place.value)
    result.problems += given.problems


def _fail(message: str, span: Span) -> NoReturn:
    raise SpecError(Diagnostic("E014", message, span))
