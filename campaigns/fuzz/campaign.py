"""A campaign: random specs until the time or their number is spent; every find shrunk and saved.

Hypothesis does the searching. A find is raised as an exception whose class is named after it: by
its class hypothesis tells one find from another, shrinks each of them, and keeps it in a database
of examples, from which the next campaign in the same folder begins.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import SkipTest

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from . import near, trial
from .coverage import Coverage
from .housekeeping import load_frameworks, tidy
from .specs import specs, write_data
from .trial import EVERYTHING, Outcome, Scope

ROUND = 50
"""Specs of one search. It ends soon after its first find, where a campaign goes on; and the longer
it is, the more hypothesis varies what it has had."""
TIDY_EVERY = 40
"""Specs after which what the frameworks have compiled is dropped."""
REPLAY, SEARCH = (Phase.reuse,), (Phase.generate, Phase.shrink)
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
"""Complaints of hypothesis about specs, which are slow and large."""


class Find(Exception):
    """A spec, as the text that shows it, and what was wrong with it."""

    def __init__(self, text: str | bytes, outcome: Outcome) -> None:
        super().__init__(outcome.find)
        self.what, self.detail, self.text = outcome.find, outcome.detail, text


@cache
def kind(what: str) -> type[Find]:
    """The class of all finds of that name."""
    return type(what, (Find,), {})


@dataclass
class Campaign:
    """Specs of one kind (valid or nearly valid) against the compiler."""

    folder: Path
    seed: int = 0
    near: bool = False
    minutes: float | None = None
    count: int | None = None
    scope: Scope = EVERYTHING
    said: Callable[[str], None] = lambda line: None
    found: dict[str, Find] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)
    again: int = 0
    coverage: Coverage = field(default_factory=Coverage)
    attempts: int = 0
    started: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Replay the database, then search until all is spent. Finds are saved as they come."""
        write_data(self.folder)
        if not self.near:
            load_frameworks()
        seeds = random.Random(self.seed)
        self._round(seeds.getrandbits(64), REPLAY)
        while not self.spent:
            self._round(seeds.getrandbits(64), SEARCH)
            if not self.spent:
                self.said(self.summary())

    @property
    def spent(self) -> bool:
        """No time, or no spec, is left."""
        late = self.minutes is not None and self.seconds > 60 * self.minutes
        return late or (self.count is not None and self.tried >= self.count)

    @property
    def tried(self) -> int:
        """Specs that were drawn, without those that made a find smaller."""
        return self.verdicts.total()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def _left(self) -> int:
        """Specs of the next search."""
        return ROUND if self.count is None else min(ROUND, self.count - self.tried)

    @property
    def _name(self) -> str:
        return "nearly valid" if self.near else "valid"

    def summary(self) -> str:
        """One line."""
        words = ", ".join(f"{n} {verdict}" for verdict, n in self.verdicts.most_common())
        rate = self.tried / max(self.seconds, 1e-9)
        covered = "" if self.near else f"; {self.coverage}"
        return (
            f"{self.tried} {self._name} specs in {self.seconds:.0f} s ({rate:.2f} specs/s): {words}"
            f"{covered}; {len(self.found)} finds, seen again {self.again} times"
        )

    def _round(self, seed: int, phases: Sequence[Phase]) -> None:
        """One search, with the finds that come of it."""
        strategy: st.SearchStrategy[Any] = near.texts() if self.near else specs()
        chosen = settings(
            max_examples=self._left if phases == SEARCH else ROUND,
            database=DirectoryBasedExampleDatabase(self.folder / "examples" / self._name),
            deadline=None,
            phases=phases,
            report_multiple_bugs=True,
            suppress_health_check=SLOW,
        )
        scope: Scope | None = None

        def one(given: Any) -> None:
            nonlocal scope
            is_new = scope is None and phases == SEARCH  # what comes after a find makes it smaller
            if is_new and self.spent:
                return
            outcome = self._outcome(given, scope or self.scope)
            if is_new:
                self._count(given, outcome)
            if outcome.find and outcome.find not in self.found:
                scope = outcome.scope if is_new else scope
                raise kind(outcome.find)(self._text(given), outcome)

        try:  # the settings come last: a seed switches the database off
            chosen(hypothesis.seed(seed)(hypothesis.given(strategy)(one)))()
        except* Find as group:
            for find in _leaves(group):
                self._save(find)
        except* SkipTest:
            pass  # hypothesis complains of a database without examples

    def _outcome(self, given: Any, scope: Scope) -> Outcome:
        self.attempts += 1
        if self.attempts % TIDY_EVERY == 0:
            tidy()
        if self.near:
            return trial.nearly_valid(given, self.folder)
        return trial.valid(given, self.folder, scope)

    def _text(self, given: Any) -> str | bytes:
        return given if self.near else trial.to_text(given)

    def _count(self, given: Any, outcome: Outcome) -> None:
        """Enter a spec that was tried. One that cannot be judged is kept to be looked at, and so is
        one whose find goes by the name of one that is known: it may have another cause."""
        self.verdicts[outcome.verdict] += 1
        if not self.near:
            self.coverage.add(given)
        if outcome.verdict == "ill-posed":
            number = self.verdicts["ill-posed"]
            self._write(f"ill-posed-{number:03}", self._text(given), outcome.detail)
        if outcome.find in self.found:
            self.again += 1
            self._write(f"again-{self.again:03}", self._text(given), outcome.detail)

    def _save(self, find: Find) -> None:
        self.found[find.what] = find
        name = f"{len(self.found):03}"
        self._write(name, find.text, f"{find.what}\n\n{find.detail}")
        self.said(f"find {name}: {find.what}")

    def _write(self, name: str, text: str | bytes, words: str) -> None:
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        (self.folder / f"{name}.yaml").write_bytes(data)
        (self.folder / f"{name}.txt").write_text(f"{words}\n", encoding="utf-8")


def _leaves(group: BaseExceptionGroup[Find]) -> Iterator[Find]:
    """The finds of a group. One in a group of its own is not the same every time it is tried."""
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each
