"""What a failed program answers to further questions, compared with the reference.

The questions go to the program as those of the ladder do: to a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ...compiler.ir.program import Program
from ..compare import Array, Comparison, Leaves, Standard, Verdict, compare_leaves, errors
from ..expectation import expectation
from ..job import Job, base_folder
from ..probes import Probes
from ..process import Outcome
from ..quantities import WEIGHTS, Key

Runner = Callable[[Job, float], Outcome]


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

    def judged(self, quantity: str) -> dict[str, Comparison]:
        """Every leaf that can be compared, in the order of the reference."""
        compared = {n: self.comparison(quantity, n) for n in self.expected.get(quantity, {})}
        return {name: c for name, c in compared.items() if c is not None}

    def piece(self, quantity: str, name: str) -> dict[str, Comparison]:
        """The parts of a piece, with every set of weights: `set/name/part`."""
        judged = self.judged(quantity)
        return {leaf: c for leaf, c in judged.items() if leaf.split("/", 2)[1] == name}

    def wrong(self, quantity: str, name: str) -> list[str]:
        """The parts of a piece that differ, each once."""
        piece = self.piece(quantity, name).items()
        differing = (n for n, c in piece if c.verdict is Verdict.DIFFERS)
        return list(dict.fromkeys(leaf.split("/", 2)[2] for leaf in differing))

    def has(self, quantity: str, name: str) -> bool:
        """Does the program have that piece?"""
        return bool(self.piece(quantity, name))

    def agrees(self, quantity: str, name: str) -> bool:
        """Is the piece there and right?"""
        return self.has(quantity, name) and not self.wrong(quantity, name)


def gather(
    program: Program,
    backend: str,
    device: str,
    text: str,
    keys: tuple[Key, ...],
    probes: Probes,
    run: Runner,
    limit: float,
) -> Evidence:
    """Ask a program's text these questions (all in one dtype) and the reference the same."""
    job = Job(backend, device, text, program.spec, base_folder(program.spec), probes, keys)
    outcome = run(job, limit)
    expected = expectation(program, keys, probes)
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
