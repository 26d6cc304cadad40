"""From the errors of pydantic to diagnostics with their exact places, in plain words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .compose import MAX_PROBLEMS, Loc
from .diagnostics import COMMAND_LINE, Diagnostic, Span, nearest, position, quote
from .fields import Home, choices_at, homes, keys_at, value_at, why_at
from .node import Node
from .source import Document

_EXPECTED = {
    "int_type": "an integer",
    "float_type": "a number",
    "string_type": "a string",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "family_type": "a kind or a mapping with one",
    "none_required": "null",
}
_LIMITS: dict[str, tuple[str, str]] = {
    "greater_than_equal": ("≥ {}", "ge"),
    "greater_than": ("> {}", "gt"),
    "less_than_equal": ("≤ {}", "le"),
    "less_than": ("< {}", "lt"),
    "multiple_of": ("a multiple of {}", "multiple_of"),
}
_LENGTHS: dict[str, tuple[str, str]] = {
    "too_short": ("at least {} items", "min_length"),
    "too_long": ("at most {} items", "max_length"),
    "string_too_short": ("at least {} characters", "min_length"),
    "string_too_long": ("at most {} characters", "max_length"),
}
_LISTED = 14  # keys or choices that a help lists at most
_PLACES = 3  # places of a key that a label names at most


@dataclass(frozen=True)
class Issue:
    """One error: its loc in the document, what to say, and what was probably meant (if known): a
    `choice`, or the place `home` for a key that stands in the wrong one.

    What `follows` from another error, as a key is missing that was refused, is not told.
    """

    loc: Loc
    type: str
    diagnostic: Diagnostic
    choice: str = ""
    follows: bool = False
    home: Loc | None = None


@dataclass(frozen=True)
class _Located:
    """An error of pydantic whose loc is split into a place in the document and a union's branch."""

    error: ErrorDetails
    loc: Loc
    union: Loc = ()
    branch: str = ""

    @property
    def mismatch(self) -> bool:
        """Whether the branch of the union was the wrong one altogether."""
        kind, value = self.error["type"], self.error["input"]
        is_no_word = kind == "literal_error" and isinstance(value, dict | list)
        return self.loc == self.union and (kind in _EXPECTED or is_no_word)


def issues(error: ValidationError, document: Document, root: type[Node]) -> list[Issue]:
    """The errors in the order of the file, the first MAX_PROBLEMS of them."""
    located = [_locate(each, document.value) for each in error.errors(include_url=False)]
    located = [each for each in located if not _is_miscounted(each, document.value)]
    places = sorted(_without_wrong_branches(located), key=lambda e: _order(e, document))
    translate = _Translator(document, root)
    found = [translate(each) for each in places[:MAX_PROBLEMS]]
    meant = [(*i.loc[:-1], i.choice) for i in found if i.type == "extra_forbidden" and i.choice]
    meant += [(*i.home, str(i.loc[-1])) for i in found if i.home is not None]
    begun = {loc[:end] for loc in meant for end in range(1, len(loc) + 1)}
    return [i for i in found if not (i.type == "missing" and i.loc in begun)]


def wanted(error: ErrorDetails) -> str:
    """What a number has to be: `≥ 1`, `an integer`; nothing of other errors."""
    kind = error["type"].removesuffix("_parsing").removesuffix("_type")
    if error["type"] not in _LIMITS:
        return _EXPECTED.get(f"{kind}_type", "")
    words, key = _LIMITS[error["type"]]
    limit = error.get("ctx", {})[key]
    return words.format(format(limit, "g") if isinstance(limit, float) else limit)


def _is_miscounted(each: _Located, value: Any) -> bool:
    """Is it false of the list that the user wrote, of which pydantic has counted the good items?"""
    if each.error["type"] not in ("too_short", "too_long"):
        return False
    context, count = each.error.get("ctx", {}), len(value_at(value, each.loc))
    return context.get("min_length", 0) <= count <= context.get("max_length", count)


def _locate(error: ErrorDetails, value: Any) -> _Located:
    """Drop from the loc the names of union branches and validators, which the document lacks."""
    missing = error["type"] == "missing"
    loc: Loc = ()
    union, branch = (), ""
    for item in error["loc"][:-1] if missing else error["loc"]:
        known = item in value if isinstance(value, dict) else _is_index(item, value)
        if known:
            loc, value = (*loc, item), value[item]
        elif not branch:
            union, branch = loc, str(item)
    return _Located(error, (*loc, error["loc"][-1]) if missing else loc, union, branch)


def _is_index(item: str | int, value: Any) -> bool:
    return isinstance(value, list) and isinstance(item, int) and item < len(value)


def _without_wrong_branches(errors: list[_Located]) -> list[_Located]:
    """For each union the errors of the one branch that the value was probably meant for."""
    unions: dict[Loc, dict[str, list[_Located]]] = {}
    for each in errors:
        if each.branch:
            unions.setdefault(each.union, {}).setdefault(each.branch, []).append(each)
    kept = [each for each in errors if not each.branch]
    for branches in unions.values():
        fitting = [b for b in branches.values() if not any(each.mismatch for each in b)]
        kept += min(fitting, key=len) if fitting else [_merged([*branches.values()])]
    return kept


def _merged(branches: list[list[_Located]]) -> _Located:
    """One error for a value of which no branch can be made."""
    first = branches[0][0]
    types = [each.error["type"] for branch in branches for each in branch if each.mismatch]
    words = dict.fromkeys(_EXPECTED.get(each, "a word") for each in types)
    error: Any = {**first.error, "type": "union_type", "ctx": {"expected": " or ".join(words)}}
    return _Located(error, first.union)


def _order(each: _Located, document: Document) -> tuple[bool, str, int, int]:
    return position(Diagnostic("E109", "", document.span(each.loc)))


class _Translator:
    """Says each error in plain words."""

    def __init__(self, document: Document, root: type[Node]) -> None:
        self._document = document
        self._root = root

    def __call__(self, each: _Located) -> Issue:
        kind = each.error["type"]
        say = self._SAY.get(kind) or _Translator._other
        return say(self, each)

    def _unknown_key(self, each: _Located) -> Issue:
        """Of a key in the wrong place the right one, else the key here that is nearest to it."""
        *here, key = each.loc
        keys = keys_at(self._root, self._document.value, tuple(here))
        found = homes(self._root, self._document.value, str(key))
        found = [h for h in found if h.loc[: len(here)] == tuple(here)] or found  # below, if there
        near = "" if found and not found[0].kinds else nearest(str(key), keys)
        if near or not found:
            return self._unknown(each, str(key), near, keys)
        label = " or ".join(_home(home, str(key), tuple(here)) for home in found[:_PLACES])
        help = self._pasted(each, found[0])
        issue = self._unknown(each, str(key), "", [], label, help)
        sure = len(found) == 1 and not found[0].kinds
        return replace(issue, home=found[0].loc if sure else None)

    def _pasted(self, each: _Located, home: Home) -> str:
        """The override that was meant, to be pasted."""
        span = self._document.span(each.loc, key=True)
        path = "".join(f"{part}." for part in home.loc)
        return f"{path}{span.text[span.column - 1 :]}" if span.source == COMMAND_LINE else ""

    def _unknown(
        self,
        each: _Located,
        word: str,
        choice: str,
        keys: list[str],
        label: str = "",
        help: str = "",
    ) -> Issue:
        where = f" in {_name(each.loc[:-1])}" if len(each.loc) > 1 else ""
        help = help if choice or not keys else f"keys here: {_list(keys)}"
        message = f"unknown key {quote(word)}{where}"
        return self._issue(each, "E103", message, label=label, help=help, choice=choice, key=True)

    def _missing(self, each: _Located) -> Issue:
        *parent, key = each.loc
        where = f" in {_name(tuple(parent))}" if parent else ""
        return self._issue(each, "E104", f"the key {quote(str(key))} is missing{where}")

    def _wrong_type(self, each: _Located) -> Issue:
        context = each.error.get("ctx", {})
        expected = context.get("expected") or _EXPECTED[each.error["type"]]
        return self._issue(each, "E101", self._must(each, f"be {expected}"))

    def _limit(self, each: _Located) -> Issue:
        return self._issue(each, "E102", self._must(each, f"be {wanted(each.error)}"), why=True)

    def _length(self, each: _Located) -> Issue:
        words, key = _LENGTHS[each.error["type"]]
        limit = each.error.get("ctx", {})[key]
        words = words.format(limit).removesuffix("s" if limit == 1 else "no plural")
        value = value_at(self._document.value, each.loc)
        message = f"{_name(each.loc)} must have {words}, got {len(value)}"
        return self._issue(each, "E102", message, why=True)

    def _not_finite(self, each: _Located) -> Issue:
        return self._issue(each, "E108", self._must(each, "be finite"))

    def _choice(self, each: _Located) -> Issue:
        choices = [str(c) for c in choices_at(self._root, self._document.value, each.loc)]
        value = value_at(self._document.value, each.loc)
        near = nearest(value, choices) if isinstance(value, str) else ""
        message = f"{self._must(each, 'be ' + ' | '.join(choices))}"
        return self._issue(each, "E105", message, choice=near)

    def _refused(self, each: _Located) -> Issue:
        context = each.error.get("ctx", {})
        if context["code"] == "E103":
            return self._unknown(each, str(each.loc[-1]), context["choice"], [])
        parts = {part: context[part] for part in ("label", "help", "choice")}
        issue = self._issue(each, context["code"], context["message"], **parts)
        needed = {(*each.loc[:-1], key) for key in context["needs"]}
        mended = self._document.composed.mended
        return replace(issue, follows=issue.follows or not mended.isdisjoint(needed))

    def _other(self, each: _Located) -> Issue:
        """In the words of the validator, where it is one of ours, never in those of pydantic."""
        reason = each.error.get("ctx", {}).get("error")
        said = f"{_name(each.loc)} cannot be {self._value(each)}"
        if reason is not None:
            said = f"{_name(each.loc)}: {reason}" if each.loc else str(reason)
        return self._issue(each, "E109", said, why=True)

    def _must(self, each: _Located, what: str) -> str:
        return f"{_name(each.loc)} must {what}, got {self._value(each)}"

    def _value(self, each: _Located) -> str:
        value = value_at(self._document.value, each.loc)
        return _shown(value, self._document.span(each.loc))

    def _issue(
        self,
        each: _Located,
        code: str,
        message: str,
        *,
        label: str = "",
        help: str = "",
        choice: str = "",
        key: bool = False,
        why: bool = False,
    ) -> Issue:
        if why:
            label = why_at(self._root, self._document.value, each.loc)
        if choice and not label:
            label = f"did you mean {choice}?"
        diagnostic = Diagnostic(code, message, self._document.span(each.loc, key=key), label, help)
        incomplete = {"E104": each.loc[:-1], "E106": each.loc, "E102": each.loc}.get(code)
        follows = incomplete in self._document.composed.mended
        return Issue(each.loc, each.error["type"], diagnostic, choice, follows)

    _SAY: ClassVar[dict[str, Callable[[_Translator, _Located], Issue]]] = {
        "extra_forbidden": _unknown_key,
        "missing": _missing,
        "union_type": _wrong_type,
        "finite_number": _not_finite,
        "literal_error": _choice,
        "refused": _refused,
        **dict.fromkeys(_EXPECTED, _wrong_type),
        **dict.fromkeys(_LIMITS, _limit),
        **dict.fromkeys(_LENGTHS, _length),
    }


def _name(loc: Loc) -> str:
    """The last key of the loc, with the numbers of list items after it: `of[1]`."""
    name = ""
    for item in reversed(loc):
        if isinstance(item, str):
            return item + name
        name = f"[{item}]{name}"
    return name or "the spec"


def _home(home: Home, key: str, here: Loc) -> str:
    """`steps belongs in model.time`."""
    if home.loc == here:
        return f"{key} is a key of {_list(home.kinds)}"
    place = ".".join(map(str, home.loc)) or "the outermost mapping"
    kinds = f", of {_list(home.kinds)}" if home.kinds else ""
    return f"{key} belongs in {place}{kinds}"


def _list(words: list[str]) -> str:
    more = len(words) - _LISTED
    return ", ".join(words[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _shown(value: Any, span: Span) -> str:
    """The value as an error names it; numbers as they are written."""
    if isinstance(value, str):
        return f"the string {quote(value)}"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return quote(span.text[span.column - 1 : span.end_column - 1])[1:-1]
    return "a list" if isinstance(value, list) else "a mapping"
