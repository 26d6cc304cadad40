"""Error recovery: a spec with its errors mended, so that the rest of it can be checked as well.

What was probably meant takes the place of a typo; what cannot be guessed is left out, so that its
default stands in. A wrong kind without a guess gives up: everything else depends on it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

from .compose import Composed, Loc
from .diagnostics import Span
from .fields import value_at
from .issues import Issue
from .source import Document

_HOPELESS = ("E106", "E107")


@dataclass
class Mended:
    """A document under repair, and the places that no longer say what the user wrote."""

    document: Document
    spans: list[Span] = field(default_factory=list)
    dropped: set[Loc] = field(default_factory=set)

    @classmethod
    def of(cls, document: Document) -> Mended:
        composed = document.composed
        copied = Composed(
            copy.deepcopy(composed.value), dict(composed.places), mended=set(composed.mended)
        )
        return cls(replace(document, composed=copied))

    def mend(self, issues: list[Issue]) -> bool:
        """Mend what each issue is about; False when one of them is beyond repair."""
        return all(self._mend(issue) for issue in issues)

    def _mend(self, issue: Issue) -> bool:
        code, loc = issue.diagnostic.code, issue.loc
        if any(loc[:end] in self.dropped for end in range(len(loc))):
            return True  # it went with what held it
        if code == "E103":
            home = loc[:-1] if issue.home is None else issue.home
            key = issue.choice or str(loc[-1])
            return self._move(loc, (*home, key)) or self._drop(loc)
        if code == "E105" and issue.choice:
            return self._replace(loc, issue.choice)
        if code in _HOPELESS or (code == "E105" and issue.type == "refused"):
            return False
        return self._drop(loc[:-1] if issue.type == "missing" else loc)

    def _move(self, loc: Loc, to: Loc) -> bool:
        """Put the entry where it was meant to be, unless something is there already."""
        home = self._container(to[:-1])
        if not isinstance(home, dict) or str(to[-1]) in home:
            return False
        home[str(to[-1])] = value_at(self.document.value, loc[:-1]).pop(str(loc[-1]))
        places = self.document.composed.places
        for known in [known for known in places if known[: len(loc)] == loc]:
            places[(*to, *known[len(loc) :])] = places[known]
        return True

    def _container(self, loc: Loc) -> Any:
        """What is at `loc`, made on the way where nothing is."""
        value: Any = self.document.value
        for item in loc:
            if not isinstance(value, dict):
                return value_at(self.document.value, loc)
            value = value.setdefault(str(item), {})
        return value

    def _replace(self, loc: Loc, choice: str) -> bool:
        container = value_at(self.document.value, loc[:-1])
        container[loc[-1]] = choice
        self.spans.append(self.document.span(loc))
        return True

    def _drop(self, loc: Loc) -> bool:
        """Leave out the entry at `loc`; of a list all, since its items are counted."""
        while loc and (isinstance(loc[-1], int) or loc in self.dropped):
            loc = loc[:-1]
        container: Any = value_at(self.document.value, loc[:-1])
        if not loc or not isinstance(container, dict):
            return False
        self.spans += [self.document.span(loc), self.document.span(loc, key=True)]
        self.dropped.add(loc)
        self.document.composed.mended.add(loc)
        container.pop(str(loc[-1]), None)
        return True
