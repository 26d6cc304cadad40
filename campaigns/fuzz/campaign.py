"""A campaign: specs until the time or their number is spent; every find shrunk and saved."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from . import near, trial
from .coverage import Coverage
from .housekeeping import load_frameworks, tidy
from .specs import specs, write_data
from .trial import EVERYTHING, Outcome, Scope

ROUND = 50
"""Specs of one search by hypothesis. It begins each with its simplest ones, and the longer it
goes on, the more it varies what it has had."""
TIDY_EVERY = 40
"""Specs after which what the frameworks have compiled is dropped."""
SHRINKING = 300
"""Attempts to make a find smaller."""
KEPT = 20
"""Specs that are kept as they are: the first ones that cannot be judged, or show a known find."""
SILENCE = 300.0
"""Seconds without a word on how far it is."""
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
"""Complaints of hypothesis about specs, which are slow and large."""


@dataclass(frozen=True)
class Found:
    """A find with the smallest text that shows it."""

    what: str
    detail: str
    text: str | bytes


@dataclass
class Campaign:
    """Specs of one kind (valid or nearly valid) against the compiler."""

    folder: Path
    seed: int = 0
    near: bool = False
    minutes: float | None = None
    count: int | None = None
    shrinking: int = SHRINKING
    scope: Scope = EVERYTHING
    said: Callable[[str], None] = lambda line: None
    found: list[Found] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    coverage: Coverage = field(default_factory=Coverage)
    tried: int = 0
    attempts: int = 0
    started: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Rounds until all is spent. Finds are saved as they come."""
        write_data(self.folder)
        if not self.near:
            load_frameworks()
        rng = random.Random(self.seed)
        spoken = 0.0
        while not self.spent:
            self._round(random.Random(rng.getrandbits(64)))
            if self.seconds > spoken + SILENCE and not self.spent:
                spoken = self.seconds
                self.said(self.summary())

    @property
    def spent(self) -> bool:
        """No time, or no spec, is left."""
        late = self.minutes is not None and self.seconds > 60 * self.minutes
        return late or (self.count is not None and self.tried >= self.count)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def summary(self) -> str:
        """One line."""
        words = ", ".join(f"{n} {verdict}" for verdict, n in self.verdicts.most_common())
        rate = self.tried / max(self.seconds, 1e-9)
        kind = "nearly valid" if self.near else "valid"
        covered = "" if self.near else f"; {self.coverage}"
        return (
            f"{self.tried} {kind} specs in {self.seconds:.0f} s ({rate:.2f} specs/s): {words}"
            f"{covered}; {len(self.found)} finds, seen again {self.again.total()} times"
        )

    def _round(self, rng: random.Random) -> None:
        search = _Search(self)
        left = ROUND if self.count is None else min(ROUND, self.count - self.tried)
        given = settings(
            max_examples=left,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=SLOW,
        )
        strategy: st.SearchStrategy[Any] = near.texts() if self.near else specs()
        with suppress(NoSuchExample, Enough):
            find(strategy, search, settings=given, random=rng)
        if search.smallest is not None:
            self._save(search.smallest)

    def _save(self, one: Found) -> None:
        self.found.append(one)
        name = f"{len(self.found):03}"
        self._write(name, one.text, f"{one.what}\n\n{one.detail}")
        self.said(f"find {name}: {one.what}")

    def _write(self, name: str, text: str | bytes, words: str) -> None:
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        (self.folder / f"{name}.yaml").write_bytes(data)
        (self.folder / f"{name}.txt").write_text(f"{words}\n", encoding="utf-8")

    def try_one(self, given: Any, scope: Scope) -> Outcome:
        """The outcome of one spec."""
        self.attempts += 1
        if self.attempts % TIDY_EVERY == 0:
            tidy()
        if self.near:
            return trial.nearly_valid(given, self.folder)
        return trial.valid(given, self.folder, scope)

    def count_in(self, given: Any, outcome: Outcome) -> None:
        """Enter a spec that was tried; one that cannot be judged is kept to be looked at."""
        self.tried += 1
        self.verdicts[outcome.verdict] += 1
        if not self.near:
            self.coverage.add(given)
        number = self.verdicts["ill-posed"]
        if outcome.verdict == "ill-posed" and number <= KEPT:
            self._write(f"ill-posed-{number:03}", trial.to_text(given), outcome.detail)

    def count_again(self, given: Any, outcome: Outcome) -> None:
        """Enter a find that goes by the name of one that is known; it may have another cause."""
        self.again[outcome.find] += 1
        if self.again.total() <= KEPT:
            text = given if self.near else trial.to_text(given)
            self._write(f"again-{self.again.total():03}", text, outcome.detail)


class Enough(BaseException):
    """Ends a search: time, specs or attempts are spent. No Exception, which would be a find."""


class _Search:
    """The condition that hypothesis searches for: a find that is not known yet.

    Once there is one, only smaller specs with the same find count.
    """

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.smallest: Found | None = None
        self.scope = campaign.scope
        self.attempts = 0
        self.known: dict[str, bool] = {}

    def __call__(self, given: Any) -> bool:
        key = repr(given)
        if key not in self.known:  # hypothesis asks for the last one again, and for the same answer
            self.known[key] = self._shrinks(given) if self.smallest else self._finds(given)
        return self.known[key]

    def _finds(self, given: Any) -> bool:
        campaign = self.campaign
        if campaign.spent:
            raise Enough
        outcome = campaign.try_one(given, self.scope)
        campaign.count_in(given, outcome)
        if not outcome.find:
            return False
        if outcome.find in {one.what for one in campaign.found}:
            campaign.count_again(given, outcome)
            return False
        self.scope = outcome.scope
        self._keep(given, outcome)
        return True

    def _shrinks(self, given: Any) -> bool:
        if self.attempts >= self.campaign.shrinking:
            raise Enough
        self.attempts += 1
        outcome = self.campaign.try_one(given, self.scope)
        if self.smallest is None or outcome.find != self.smallest.what:
            return False
        self._keep(given, outcome)
        return True

    def _keep(self, given: Any, outcome: Outcome) -> None:
        """Remember it if it is smaller than what there is."""
        text = given if self.campaign.near else trial.to_text(given)
        if self.smallest is None or len(text) <= len(self.smallest.text):
            self.smallest = Found(outcome.find, outcome.detail, text)
