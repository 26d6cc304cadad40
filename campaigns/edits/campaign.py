"""Random edits of the emitted programs of all specs: how many of them does the ladder catch?"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

from wellposed.backends import registry
from wellposed.checking.selftest.plant import BOTH
from wellposed.checking.selftest.pool import mapping
from wellposed.checking.selftest.specs import specs
from wellposed.data.rng import rng

from .edits import Edit, edits
from .equivalent import reason
from .first import first_failure, prepared

CAUGHT = 0.95
"""The share of edits that have to be caught."""


@dataclass(frozen=True)
class Mutant:
    """One edit of the program of one spec in one backend."""

    spec: str
    backend: str
    edit: Edit

    def __str__(self) -> str:
        return f"{self.spec} in {self.backend}, {self.edit}"


@dataclass(frozen=True)
class Survivor:
    """An edit that the ladder did not see; `why` it changes nothing, '' where that is not known."""

    mutant: Mutant
    why: str


@dataclass(frozen=True)
class Outcome:
    """`caught_by` counts the edits that each rung caught; `total` are all that were tried."""

    total: int
    caught_by: dict[str, int]
    survivors: tuple[Survivor, ...]

    @property
    def unexplained(self) -> tuple[Survivor, ...]:
        return tuple(s for s in self.survivors if not s.why)

    @property
    def passed(self) -> bool:
        """Enough edits were caught, and the rest change nothing for a reason that is known."""
        caught = self.total - len(self.survivors)
        return self.total > 0 and caught >= CAUGHT * self.total and not self.unexplained

    def lines(self) -> list[str]:
        """The outcome in words."""
        caught = self.total - len(self.survivors)
        by_rung = ", ".join(f"{count} at {rung}" for rung, count in sorted(self.caught_by.items()))
        head = f"{caught} of {self.total} random edits caught ({by_rung})."
        return [head, *(f"survived: {s.mutant}: {s.why or 'UNEXPLAINED'}" for s in self.survivors)]


def mutants(backends: Collection[str] = BOTH) -> tuple[Mutant, ...]:
    """Every edit of every program."""
    return tuple(
        Mutant(name, backend, edit)
        for name in specs()
        for backend in backends
        for edit in edits(program_text(name, backend))
    )


def draw(count: int, seed: int, backends: Collection[str] = BOTH) -> list[Mutant]:
    """Some of the edits, none twice."""
    found = mutants(backends)
    chosen = rng(seed, "edits").permutation(len(found))[:count]
    return [found[i] for i in chosen]


def program_text(spec: str, backend: str) -> str:
    """The unedited text."""
    return registry.get(backend).emit(prepared(spec).case.module)


def run_edits(
    count: int,
    seed: int = 0,
    backends: Collection[str] = BOTH,
    progress: Callable[[str], None] = lambda line: None,
    processes: int = 1,
) -> Outcome:
    """Try `count` edits."""
    chosen = draw(count, seed, backends)
    caught: Counter[str] = Counter()
    survivors: list[Survivor] = []
    with mapping(processes) as mapped:
        for mutant, rung in zip(chosen, mapped(caught_at, chosen), strict=True):
            if rung:
                caught[rung] += 1
                continue
            text = program_text(mutant.spec, mutant.backend)
            survivors.append(Survivor(mutant, reason(mutant.edit, text, mutant.backend)))
            progress(f"survived: {mutant}")
    return Outcome(len(chosen), dict(caught), tuple(survivors))


def caught_at(mutant: Mutant) -> str:
    """The rung that catches an edit, '' for none."""
    text = mutant.edit.apply(program_text(mutant.spec, mutant.backend))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an edited program may well provoke some
        failure = first_failure(mutant.spec, mutant.backend, text)
    return failure.rung if failure is not None else ""
