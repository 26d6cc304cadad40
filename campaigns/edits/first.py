"""The first answer of a program that is wrong: no further question is put, and none twice.

The parts of the ladder are those of `check`; what does not depend on the text of the program (the
probes, what the reference expects) is worked out once for a spec.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ...backends import registry
from ...backends.model import Model
from ...compiler.ir.program import Program
from ...compiler.lower import lower
from ..asking import answers
from ..expectation import Expectation, expectation
from ..inputs import asked_once
from ..probes import Probes, draw
from ..quantities import Key
from ..questions import plan
from ..rungs import Rung, judge
from .specs import specs

DTYPES = ("float64",)
LEVELS = ("L0", "L1", "L2", "L3")
"""What one program is asked; the rungs above are for what all programs share."""


@dataclass(frozen=True)
class Prepared:
    """A spec with all that is put to its programs and expected of them."""

    program: Program
    probes: Probes
    keys: tuple[Key, ...]
    expected: Expectation


@cache
def prepared(name: str) -> Prepared:
    """What a spec of `specs` asks of a program of the user's."""
    program = lower(specs()[name])
    probes = draw(program)
    keys = plan(program, probes, DTYPES, LEVELS, given=True)
    return Prepared(program, probes, keys, expectation(program, keys, probes))


def first_failure(name: str, backend: str, text: str) -> Rung | None:
    """The first failed rung of a program's text; None where it passes all."""
    given = prepared(name)

    def load(dtype: str) -> Model:
        return asked_once(registry.get(backend).load(given.program, text, dtype=dtype))

    judged = (
        rung
        for key, answer in answers(load, given.keys, given.probes)
        for rung in judge(given.program, backend, key, answer, given.expected, {})
    )
    return next((rung for rung in judged if not rung.passed), None)
