"""The kill matrix: every bug is planted in turn, and has to be caught and located.

planted ─▶ the ladder, lowest rung first, until one fails ─▶ caught at a rung
        ─▶ the failed report and the programs, taken apart ─▶ located in an equation
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar

from ...backends.texts import text_of
from ...compiler.pipeline import compiled
from ...compiler.promises import checked
from ...spec.model import Spec
from .. import inline
from ..inline import SINGLE, climb
from ..locate.find import locate
from ..report import Report
from . import plant
from .mutants import mutants
from .plant import BOTH, Bug
from .planted import PLANTED
from .pool import mapping
from .specs import specs

BUGS = (*PLANTED, *mutants())
LOCATED = 0.95
"""The share of bugs that have to be located in the right equation."""
Progress = Callable[[str], None]
Row = tuple[str, ...]


@dataclass(frozen=True)
class Trial:
    """What became of a planted bug: the rung and quantity that failed first ('' for a survivor),
    and the equation that the failure was traced to."""

    bug: Bug
    caught: str
    located: str
    seconds: float

    @property
    def is_located(self) -> bool:
        return f"{self.located} ".startswith(f"{self.bug.equation} ")

    def row(self) -> Row:
        """The trial as texts, in the order of the matrix's columns."""
        bug, caught = self.bug, self.caught or "SURVIVED"
        located = "yes" if self.is_located else self.located or "no"
        backends, seconds = " ".join(bug.backends), f"{self.seconds:.1f}"
        return bug.place, bug.name, backends, bug.caught, caught, bug.equation, located, seconds


@dataclass(frozen=True)
class Matrix:
    """All trials; `alarms` are the specs that failed without a bug, with what was said."""

    trials: tuple[Trial, ...]
    alarms: tuple[str, ...] = ()
    columns: ClassVar[Row] = (
        *("place", "bug", "backend", "expected", "caught by"),
        *("equation", "located", "seconds"),
    )

    @property
    def survivors(self) -> tuple[str, ...]:
        return tuple(trial.bug.name for trial in self.trials if not trial.caught)

    @property
    def caught(self) -> int:
        return sum(bool(trial.caught) for trial in self.trials)

    @property
    def located(self) -> int:
        return sum(trial.is_located for trial in self.trials)

    @property
    def passed(self) -> bool:
        """No alarm without a bug, no bug without an alarm, and enough of them located."""
        enough = self.located >= LOCATED * len(self.trials)
        return bool(self.trials) and not self.alarms and not self.survivors and enough

    def to_json(self) -> dict[str, Any]:
        """Plain values that are valid JSON."""
        return {
            "passed": self.passed,
            "caught": self.caught,
            "located": self.located,
            "survivors": list(self.survivors),
            "alarms": list(self.alarms),
            "bugs": [dict(zip(self.columns, row, strict=True)) for row in self.rows()],
            "message": self.message,
        }

    def rows(self) -> Iterator[Row]:
        """A line of the table for every bug."""
        return (trial.row() for trial in self.trials)

    @property
    def message(self) -> str:
        """The outcome in words."""
        bugs = len(self.trials)
        said = [
            f"{self.caught} of {bugs} planted bugs caught, {self.located} of them located in the"
            " right equation."
        ]
        said += [f"Survived: {name}." for name in self.survivors]
        said += [f"False alarm without a bug: {alarm}" for alarm in self.alarms]
        return " ".join(said)


def run_matrix(
    backends: Collection[str] = BOTH,
    progress: Progress = lambda line: None,
    processes: int = 2,
) -> Matrix:
    """Plant every bug whose backends are at hand, one after the other in `processes` processes.

    `progress` is called with a line of words as every bug is done. Most of the time goes into JAX,
    which compiles every program anew.
    """
    numbers = [i for i, bug in enumerate(BUGS) if set(bug.backends) <= set(backends)]
    with mapping(processes) as mapped:
        alarms = tuple(filter(None, mapped(_alarm, _grounds(BUGS[i] for i in numbers))))
        trials: list[Trial] = []
        for number, found in zip(numbers, mapped(tried, numbers), strict=True):
            trials.append(Trial(BUGS[number], *found))
            progress(f"{len(trials)}/{len(numbers)} {trials[-1].bug.name}")
    return Matrix(tuple(trials), alarms)


def _grounds(bugs: Iterable[Bug]) -> Iterator[tuple[str, tuple[str, ...], str, str]]:
    """Specs, backends, dtypes and last rungs that have to pass before a bug is planted: two
    backends at once only if they are compared."""
    last: dict[tuple[str, tuple[str, ...], str], str] = {}
    for bug in bugs:
        alone = [(backend,) for backend in bug.backends]
        for backends in alone if bug.rung != SINGLE else [bug.backends]:
            key = bug.spec, backends, bug.dtype
            last[key] = max(last.get(key, ""), bug.rung)
    return ((*key, rung) for key, rung in last.items())


def _alarm(ground: tuple[str, tuple[str, ...], str, str]) -> str:
    """What the ladder says against a spec without a bug; nothing where all is well."""
    spec, backends, dtype, last = ground
    report = climb(specs()[spec], backends, (dtype,), last)
    return "" if report.first_failure is None else f"{spec}: {report.message}"


def tried(number: int) -> tuple[str, str, float]:
    """Where a bug was caught, the equation it was located in, the seconds it took."""
    bug, start = BUGS[number], time.perf_counter()
    spec = specs()[bug.spec]
    # No pass raises by itself, in any thread, whatever the switch says: the ladder is to speak.
    quiet = plant.member(checked, "_report", ContextVar("report", default=None))
    with quiet, bug.plant():
        report = climb(spec, bug.backends, (bug.dtype,))
        located = _located(spec, bug.backends, report)
    failure = report.first_failure
    caught = "" if failure is None else f"{failure.rung} {failure.quantity}"
    return caught, located, time.perf_counter() - start


def _located(spec: Spec, backends: Sequence[str], report: Report) -> str:
    case = compiled(spec)
    texts = {name: text_of(case, name) for name in backends}
    found = locate(report, case, texts, run=inline.run_fast)
    return found.equation if found is not None else ""
