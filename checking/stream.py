"""Rungs as they become known: each is told once all programs have answered what it asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock

from ..compiler.pipeline import Compiled
from .checks import CHECKS, Expect
from .expectation import Expectation
from .quantities import PROGRAM, Answer, Key
from .rungs import Rung, judge, judge_all

Seen = Callable[[Sequence[Rung]], None]


class Stream:
    """Takes the answers of all programs, from their threads, and tells what comes of them.

    What is held to the training of another backend is judged at the end.
    """

    def __init__(self, case: Compiled, planned: Mapping[str, tuple[Key, ...]], seen: Seen) -> None:
        self.case, self.planned, self.seen = case, planned, seen
        self.answers: dict[str, dict[Key, Answer]] = {name: {} for name in planned}
        self.expected: Expectation | None = None
        self.told: set[Key] = set()
        self.lock = Lock()

    def tell(self, rungs: Sequence[Rung]) -> None:
        """What is known without asking a program."""
        with self.lock:
            self.seen(rungs)

    def add(self, backend: str, key: Key, answer: Answer) -> None:
        """What a program has answered."""
        with self.lock:
            self.answers[backend][key] = answer
            if key.quantity == PROGRAM:
                self.seen(judge(self.case, backend, key, answer, Expectation({}, {}), {}))
            self._tell()

    def expect(self, expected: Expectation) -> None:
        """What the reference has answered: from now on answers can be judged."""
        with self.lock:
            self.expected = expected
            self._tell()

    def _tell(self) -> None:
        if self.expected is None:
            return
        for key in dict.fromkeys(key for keys in self.planned.values() for key in keys):
            if key not in self.told and self._is_known(key):
                self.told.add(key)
                if CHECKS[key.quantity].expect is not Expect.PEER:
                    self.seen(judge_all(self.case, key, self.answers, self.expected))

    def _is_known(self, key: Key) -> bool:
        """Of programs that do not load no answer comes."""
        waited = [
            given
            for name, given in self.answers.items()
            if key in self.planned[name] and not any(k.quantity == PROGRAM for k in given)
        ]
        return bool(waited) and all(key in given for given in waited)
