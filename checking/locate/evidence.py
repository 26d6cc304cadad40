"""What a failed program answers to further questions, compared with the reference.

The questions go to the program as those of the ladder do: to a process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...compiler.pipeline import Compiled
from ..compare import Array, Comparison, Leaves, Standard, Verdict, compare_leaves, errors
from ..expectation import expectation
from ..job import Job
from ..process import Runner
from ..quantities import WEIGHTS


@dataclass(frozen=True)
class Evidence:
    """Leaves of all questions as found and as they should be, by the name of the leaf; `ending`
    says why the program did not answer them all, '' where it did."""

    found: Mapping[str, Leaves] = field(default_factory=dict)
    expected: Mapping[str, Mapping[str, Standard]] = field(default_factory=dict)
    ending: str = ""

    def comparison(self, quantity: str, leaf: str) -> Comparison | None:
        """One leaf; None where either side has none of that shape."""
        found = self.found.get(quantity, {}).get(leaf)
        standard = self.expected.get(quantity, {}).get(leaf)
        if found is None or standard is None or found.shape != standard.value.shape:
            return None
        return compare_leaves({leaf: found}, {leaf: standard}, str(found.dtype))

    def judged(self, quantity: str, start: str = "") -> dict[str, Comparison]:
        """Every leaf of such a name that can be compared, in the order of the reference."""
        names = [n for n in self.expected.get(quantity, {}) if n.startswith(start)]
        compared = {n: self.comparison(quantity, n) for n in names}
        return {name: c for name, c in compared.items() if c is not None}

    def wrong(self, quantity: str, start: str = "") -> list[str]:
        """The names of those that differ."""
        judged = self.judged(quantity, start).items()
        return [name for name, c in judged if c.verdict is Verdict.DIFFERS]

    def agrees(self, quantity: str, start: str = "") -> bool:
        """Is there such a leaf, and none that differs?"""
        return bool(self.judged(quantity, start)) and not self.wrong(quantity, start)


def gather(case: Compiled, job: Job, run: Runner, limit: float) -> Evidence:
    """Put the job's questions (all in one dtype) to its program and to the reference."""
    outcome = run(job, limit)
    expected = expectation(case, job.keys, job.probes)
    standards = {key.quantity: found for key, found in expected.standards.items()}
    return Evidence(
        {key.quantity: answer.leaves for key, answer in outcome.answers.items()},
        standards | {WEIGHTS: _exact(expected.weights)},
        outcome.ending,
    )


def _exact(leaves: Leaves) -> dict[str, Standard]:
    """Leaves that allow no error."""
    zero = np.asarray(0.0)
    scales = {name: np.asarray(np.abs(leaf).max() or 1.0) for name, leaf in leaves.items()}
    return {name: Standard(leaf, scales[name], zero) for name, leaf in leaves.items()}


def worst(found: Array, standard: Standard) -> tuple[int, ...]:
    """The index of the largest error."""
    error = errors(found, np.asarray(standard.value, np.float64), standard.scale)
    return tuple(int(i) for i in np.unravel_index(np.argmax(error), error.shape))
