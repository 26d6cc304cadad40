"""The first answer of a program that is wrong: no further question is put, and none twice.

The parts of the ladder are those of `check`; what does not depend on the text of the program (the
probes, what the reference expects) is worked out once for a spec.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from wellposed.backends import registry
from wellposed.backends.framework_model import compiled_fast
from wellposed.backends.model import Model
from wellposed.checking.asking import answers
from wellposed.checking.checks import DOUBLE, RUNGS, plan
from wellposed.checking.expectation import Expectation, expectation
from wellposed.checking.probes import Probes, draw
from wellposed.checking.quantities import Key
from wellposed.checking.rungs import Rung, judge
from wellposed.checking.selftest.specs import specs
from wellposed.compiler.pipeline import Compiled, compiled

ASKED = RUNGS[:4]
"""What one program is asked; the rungs above are for what all programs share."""


@dataclass(frozen=True)
class Prepared:
    """A spec with all that is put to its programs and expected of them."""

    case: Compiled
    probes: Probes
    keys: tuple[Key, ...]
    expected: Expectation


@cache
def prepared(name: str) -> Prepared:
    """What a spec of `specs` asks of a program of the user's."""
    case = compiled(specs()[name])
    probes = draw(case)
    keys = plan(case, probes, DOUBLE, ASKED, given=True)
    return Prepared(case, probes, keys, expectation(case, keys, probes))


def first_failure(name: str, backend: str, text: str) -> Rung | None:
    """The first failed rung of a program's text; None where it passes all."""
    given = prepared(name)

    def load(dtype: str) -> Model:
        module = given.case.module
        return compiled_fast(registry.get(backend).load(module, text, dtype=dtype))

    judged = (
        rung
        for key, answer in answers(load, given.case, given.keys, given.probes)
        for rung in judge(given.case, backend, key, answer, given.expected, {})
    )
    return next((rung for rung in judged if not rung.passed), None)
