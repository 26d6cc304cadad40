"""From YAML text to plain values with a place for every key and value.

The events of PyYAML's parser are composed here, not by its constructor: aliases, tags and merge
keys are refused instead of obeyed, depth and size are bounded before anything is built, and
scalars follow YAML 1.2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

import yaml
from yaml.reader import Reader

from .diagnostics import Diagnostic, Span, SpecError, quote
from .scalars import resolve

MAX_DEPTH = 40
MAX_VALUES = 20_000
MAX_PROBLEMS = 100
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # those that PyYAML counts

Loc = tuple[str | int, ...]


class Place(NamedTuple):
    """Where a value stands, and its key if it has one."""

    key: Span | None
    value: Span


@dataclass
class Composed:
    """Plain values, their places by loc, and the errors after which reading could go on.

    `mended` are the places where something that the user wrote is left out: of a mapping an entry,
    of a value all. They have an error of their own, and nothing else is said of them.
    """

    value: Any = None
    places: dict[Loc, Place] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)
    mended: set[Loc] = field(default_factory=set)


def compose(text: str, name: str, shown: str | None = None) -> Composed:
    """Compose one document; SpecError where the text is no YAML or exceeds a bound.

    `shown` is what diagnostics quote instead of the text, place for place.
    """
    lines = lines_of(text if shown is None else shown)
    if forbidden := Reader.NON_PRINTABLE.search(text):
        message = f"character U+{ord(forbidden[0]):04X} is not text"
        raise SpecError(
            Diagnostic("E002", message, span_at(lines, text[: forbidden.start()], name))
        )
    composer = _Composer(text, lines, name)
    try:
        return composer.document()
    except yaml.MarkedYAMLError as error:
        raise SpecError(composer.syntax_error(error)) from None


def lines_of(text: str) -> list[str]:
    """The lines of the text, split where PyYAML counts a new line."""
    return _LINE_BREAK.split(text)


def span_at(lines: list[str], before: str, name: str) -> Span:
    """The place of the one character that follows the text `before`."""
    above = lines_of(before)
    line, column = len(above), len(above[-1]) + 1
    return Span(name, line, column, line, column + 1, lines[line - 1])


class _Composer:
    """One pass over the events of a text, none of which is looked at twice."""

    def __init__(self, text: str, lines: list[str], name: str) -> None:
        self._loader = yaml.SafeLoader(text)
        self._lines = lines
        self._name = name
        self._result = Composed()
        self._depth = 0

    def document(self) -> Composed:
        self._loader.get_event()
        start = self._loader.get_event()
        if isinstance(start, yaml.StreamEndEvent):
            self._empty(start)
        if start.version or start.tags:
            self._fail("E004", "a directive is not part of the language", start)
        self._root()
        return self._result

    def _root(self) -> None:
        event = self._loader.get_event()
        if isinstance(event, yaml.ScalarEvent) and event.start_mark.index == event.end_mark.index:
            self._empty(event)
        self._result.value = self._node(event, (), None)
        self._loader.get_event()
        if not isinstance(after := self._loader.get_event(), yaml.StreamEndEvent):
            self._fail("E013", "a second document begins here: a spec is one document", after)

    def _empty(self, event: yaml.Event) -> NoReturn:
        self._fail("E005", "the document is empty", event)

    def _node(self, event: Any, loc: Loc, key: Span | None) -> Any:
        self._bound_size(event)
        self._result.places[loc] = Place(key, self._span(event))
        value, end = self._value(event, loc)
        span = self._span(event, end)
        self._result.places[loc] = Place(key, span)
        self._refuse_properties(event, span)
        return value

    def _value(self, event: Any, loc: Loc) -> tuple[Any, Any]:
        """The value that begins with the event, and the event that ends it."""
        if isinstance(event, (yaml.AliasEvent, yaml.ScalarEvent)):
            return self._leaf(event, loc), event
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail("E012", f"nested deeper than {MAX_DEPTH} levels", event)
        sequence = isinstance(event, yaml.SequenceStartEvent)
        value, end = self._sequence(loc) if sequence else self._mapping(loc)
        self._depth -= 1
        return value, end

    def _leaf(self, event: Any, loc: Loc) -> Any:
        """A scalar; None for an alias, which is a problem of its own."""
        known = len(self._result.problems)
        alias = isinstance(event, yaml.AliasEvent)
        value = None if alias else self._scalar(event)
        if alias or len(self._result.problems) > known:
            self._result.mended.add(loc)
        return value

    def _bound_size(self, event: Any) -> None:
        if len(self._result.places) >= MAX_VALUES:
            self._fail("E003", f"more than {MAX_VALUES} values in one file", event)

    def _sequence(self, loc: Loc) -> tuple[list[Any], Any]:
        items: list[Any] = []
        while not isinstance(event := self._loader.get_event(), yaml.SequenceEndEvent):
            items.append(self._node(event, (*loc, len(items)), None))
        return items, event

    def _mapping(self, loc: Loc) -> tuple[dict[str, Any], Any]:
        entries: dict[str, Any] = {}
        while not isinstance(event := self._loader.get_event(), yaml.MappingEndEvent):
            self._entry(event, entries, loc)
        return entries, event

    def _entry(self, event: Any, entries: dict[str, Any], loc: Loc) -> None:
        """One key and its value; an entry that is refused is composed aside and left out."""
        key, span = self._key(event)
        after = self._loader.get_event()
        if key is not None and key in entries:
            self._duplicate(key, span, loc)
            key = None
        elif key is not None and event.style is None and _is_glued(key, after):
            self._glued(key, span)
            key = None
        if key is None:
            self._result.mended.add(loc)
            self._node(after, (*loc, "", len(self._result.places)), span)
        else:
            entries[key] = self._node(after, (*loc, key), span)

    def _key(self, event: Any) -> tuple[str | None, Span]:
        """The key, or None when it is refused, and its place."""
        if not isinstance(event, yaml.ScalarEvent):
            return None, self._compound_key(event)
        span = self._span(event)
        self._refuse_properties(event, span)
        if event.value == "<<" and event.style is None:
            self._problem("E010", "merge keys are not part of the language", span)
        elif not isinstance(self._scalar(event), str):
            help = "a key that reads as a number, a truth value or null needs quotes"
            self._problem("E008", f"the key {quote(event.value)} is not a string", span, help=help)
        else:
            return event.value, span
        return None, span

    def _compound_key(self, event: Any) -> Span:
        aside = ("", len(self._result.places))
        self._node(event, aside, None)
        span = self._result.places[aside].value
        if not isinstance(event, yaml.AliasEvent):
            self._problem("E008", "a key must be a word, not a list or a mapping", span)
        return span

    def _glued(self, key: str, span: Span) -> None:
        """`{kind:adam}` is the key `kind:adam`, with nothing as its value."""
        message = f"{quote(key)} is one word: a space goes after the colon"
        self._problem("E103", message, span, f"write {quote(key.replace(':', ': ', 1))[1:-1]}")

    def _duplicate(self, key: str, span: Span, loc: Loc) -> None:
        first = self._result.places[(*loc, key)].key or span
        label = f"first given at line {first.line}, column {first.column}"
        self._problem("E007", f"duplicate key {quote(key)}", span, label)

    def _refuse_properties(self, event: Any, span: Span) -> None:
        alias = isinstance(event, yaml.AliasEvent)
        if event.anchor is not None:
            name = ("alias *" if alias else "anchor &") + quote(event.anchor)[1:-1]
            message = f"{name}: anchors and aliases are not allowed"
            self._problem("E010", message, span)
        if not alias and event.tag is not None:
            message = f"the tag {quote(event.tag)} is not allowed: values are plain data"
            self._problem("E011", message, span)

    def _scalar(self, event: Any) -> Any:
        if event.style is not None:  # quoted, or a block: text whatever it looks like
            return event.value
        try:
            return resolve(event.value)
        except OverflowError:
            message = f"{quote(event.value)[1:-1]} is beyond the range of numbers"
            self._problem("E108", message, self._span(event))
            return 0

    def _problem(
        self, code: str, message: str, span: Span, label: str = "", help: str = ""
    ) -> None:
        self._result.problems.append(Diagnostic(code, message, span, label, help))
        if len(self._result.problems) >= MAX_PROBLEMS:
            raise SpecError(self._result.problems)

    def _fail(self, code: str, message: str, event: Any) -> NoReturn:
        raise SpecError([*self._result.problems, Diagnostic(code, message, self._span(event))])

    def syntax_error(self, error: yaml.MarkedYAMLError) -> list[Diagnostic]:
        """What PyYAML found wrong, in place, after what had been found before."""
        mark = error.problem_mark or error.context_mark
        assert mark is not None  # the scanner and the parser always give one
        span = self._from_marks(mark, mark)
        code, message, help = "E004", _in_plain_words(str(error.problem)), ""
        if error.context and error.context_mark:
            help = f"{error.context} that begins at line {error.context_mark.line + 1}"
        if span.text[span.column - 1 : span.column] == "\t":
            code, message, help = "E009", "a tab is not allowed here", "indent with spaces"
        return [*self._result.problems, Diagnostic(code, message, span, help=help)]

    def _span(self, event: Any, end: Any = None) -> Span:
        return self._from_marks(event.start_mark, (end or event).end_mark)

    def _from_marks(self, start: yaml.Mark, end: yaml.Mark) -> Span:
        text = self._lines[start.line]
        return Span(
            self._name, start.line + 1, start.column + 1, end.line + 1, end.column + 1, text
        )


def _is_glued(key: str, after: Any) -> bool:
    """Is the value inside the key, for want of a space after the colon?"""
    nothing = isinstance(after, yaml.ScalarEvent) and not (after.value or after.style)
    name, colon, value = key.partition(":")
    return nothing and bool(name and colon and value)


def _in_plain_words(problem: str) -> str:
    """PyYAML's account of a syntax error without the names of its tokens."""
    if "<block end>" in problem:
        return "the indentation fits no open mapping or list"
    return (
        problem.replace("'<stream end>'", "the end of the text").replace("<", "").replace(">", "")
    )
