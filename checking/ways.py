"""The disagreement matrix: how far apart any two ways of running a spec are.

A way is a backend with a dtype, a device, and eager or compiled; the reference is one of them.
Distances are over the scale of the reference, entry by entry, the largest counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np

from ..backends import registry
from ..backends.texts import text_of
from ..compiler.front.facts import facts_known
from ..compiler.pipeline import Compiled, compiled
from ..spec.model import Spec
from . import process
from .checks import plan
from .compare import Leaves, Standard, errors
from .expectation import REFERENCE, expectation
from .job import Job
from .ladder import OWN_LIMIT
from .probes import Probes, draw
from .process import Outcome
from .quantities import DTYPES, FIELD, FINAL, GRADIENT, LOGITS, LOSS, PREDICTIONS, TRAJECTORY, Key
from .rungs import rung_of

QUANTITIES = (FIELD, TRAJECTORY, FINAL, LOGITS, PREDICTIONS, LOSS, GRADIENT)
DEVICES = ("cpu", "cuda")
VERDICT = "float64"
ABSENT = ("NoDevice: ", "InvalidCxxCompiler: ")
"""What is said where the machine has no GPU, or no C++ compiler for torch.compile."""


@dataclass(frozen=True)
class Way:
    """One way to run a spec."""

    backend: str
    dtype: str
    device: str = "cpu"
    compiled: bool = False

    def __str__(self) -> str:
        name = f"{self.backend}.compile" if self.compiled else self.backend
        where = "" if self.device == "cpu" else f" {self.device}"
        return f"{name} {self.dtype}{where}"


@dataclass(frozen=True)
class Matrix:
    """Distances of every pair of ways, by quantity.

    `distances[quantity][i, j]` is NaN where one of the two has no such answer. `missing` says which
    ways this machine does not have, `failed` which ones gave no answer for another reason.
    """

    spec: str
    ways: tuple[Way, ...]
    distances: Mapping[str, np.ndarray]
    allowed: Mapping[tuple[str, str], float]
    missing: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no two ways, of two at least, are farther apart than rounding lets them be."""
        return len(self.ways) > 1 and not any(self.departures())

    def departures(self) -> Iterator[str]:
        """The ways that failed, the quantities of which nothing can be said, and for every two
        ways that disagree the first quantity in which they do."""
        yield from self.failed
        for quantity in self.distances:
            if not np.isfinite(self.allowed[quantity, VERDICT]):
                yield f"{rung_of(quantity)}, {quantity}: not judged, the spec is ill-posed"
        for i, j in combinations(range(len(self.ways)), 2):
            beyond = [q for q in self.distances if not self._agree(q, i, j)]
            if beyond:
                apart = self.distances[beyond[0]][i, j]
                pair = f"{self.ways[i]} and {self.ways[j]}"
                yield f"{pair} part at {rung_of(beyond[0])}, {beyond[0]}: {apart:.1e}"

    def _agree(self, quantity: str, i: int, j: int) -> bool:
        """Two programs may each be one tolerance off the reference; NaN agrees with nothing.

        Where nothing can be said of a dtype, that has been said.
        """
        allowed = sum(self.allowed[quantity, self.ways[k].dtype] for k in (i, j))
        if not np.isfinite(allowed):
            return True
        return bool(self.distances[quantity][i, j] <= allowed)

    def rows(self, quantity: str) -> Iterable[tuple[str, ...]]:
        """A row for each way: its name, and its distance from every other."""
        table = self.distances[quantity]
        for way, row in zip(self.ways, table, strict=True):
            yield str(way), *("–" if np.isnan(d) else f"{d:.1e}" if d else "0" for d in row)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        tables = {quantity: table.tolist() for quantity, table in self.distances.items()}
        return {
            "passed": self.passed,
            "spec": self.spec,
            "ways": [str(way) for way in self.ways],
            "distances": tables,
            "departures": [*self.departures()],
            "missing": [*self.missing],
            "failed": [*self.failed],
        }


def matrix(spec: Spec, backends: Iterable[str] = ("torch", "jax")) -> Matrix:
    """Run the spec in every way that this machine has. Raises SpecError, BackendError."""
    case = compiled(spec)
    probes = draw(case).rounded("float32")  # numbers that every way can be given
    keys = tuple(key for key in plan(case, probes, DTYPES) if key.quantity in QUANTITIES)
    jobs = _jobs(case, probes, keys, tuple(backends))
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda job: process.run(job, OWN_LIMIT), jobs))
    done = [(job, o, _reason(o)) for job, o in zip(jobs, outcomes, strict=True)]
    there = [(job, o) for job, o, reason in done if not reason]
    lacking = [f"{_name(job)}: {reason}" for job, _, reason in done if reason]
    expected = expectation(case, keys, probes).standards
    answers = {way: _leaves(o, way) for job, o in there for way in _ways(job)}
    standards = {k.quantity: expected[k] for k in keys if k.dtype == "float64"}
    reference = {q: {n: s.value for n, s in found.items()} for q, found in standards.items()}
    everything = {Way(REFERENCE, "float64"): reference} | answers

    def allowed(key: Key) -> float:
        """The widest tolerance of its leaves; an ill-posed one allows everything."""
        return max(float(np.max(s.tolerance)) for s in expected[key].values())

    return Matrix(
        spec=spec.name,
        ways=tuple(everything),
        distances=_distances(everything, standards),
        allowed={(k.quantity, k.dtype): allowed(k) for k in keys},
        missing=tuple(words for words in lacking if _is_absence(words)),
        failed=tuple(words for words in lacking if not _is_absence(words)),
    )


def _jobs(
    case: Compiled, probes: Probes, keys: tuple[Key, ...], backends: tuple[str, ...]
) -> list[Job]:
    """One process for each backend and device, and one for the compiler of an eager framework."""
    found = []
    for device, name in product(DEVICES, backends):
        text = text_of(case, name)
        job = Job(name, device, text, case.spec, facts_known(case), probes, keys)
        found += [job, *([replace(job, is_compiled=True)] if registry.get(name).eager else [])]
    return found


def _ways(job: Job) -> list[Way]:
    return [Way(job.backend, dtype, job.device, job.is_compiled) for dtype in DTYPES]


def _reason(outcome: Outcome) -> str:
    """Why there are not all the answers; '' where there are."""
    reasons = (answer.reason for answer in outcome.answers.values())
    return outcome.ending or next(filter(None, reasons), "")


def _is_absence(words: str) -> bool:
    return any(kind in words for kind in ABSENT)


def _name(job: Job) -> str:
    return str(replace(_ways(job)[0], dtype="")).replace("  ", " ").strip()


def _leaves(outcome: Outcome, way: Way) -> dict[str, Leaves]:
    asked = {k: a for k, a in outcome.answers.items() if k.dtype == way.dtype}
    return {key.quantity: answer.leaves for key, answer in asked.items()}


def _distances(
    answers: Mapping[Way, Mapping[str, Leaves]],
    standards: Mapping[str, Mapping[str, Standard]],
) -> dict[str, np.ndarray]:
    ways = list(answers)
    tables: dict[str, np.ndarray] = {}
    for quantity, wanted in standards.items():
        leaves = [answers[way].get(quantity) for way in ways]
        tables[quantity] = np.array([[_distance(a, b, wanted) for b in leaves] for a in leaves])
    return tables


def _distance(a: Leaves | None, b: Leaves | None, wanted: Mapping[str, Standard]) -> float:
    """The largest difference of an entry over the scale of the reference; NaN without answers."""
    if a is None or b is None or any(n not in a or n not in b for n in wanted):
        return np.nan
    return max(float(np.max(errors(a[n], b[n], s.scale))) for n, s in wanted.items())
