"""Passes that are checked by value: what a pass makes of an expression has the expression's value.

A pass declares what it promises, `@checked(claims.same_value)`. Under the switch the promise is
evaluated on random numbers after every application; without it a call costs one look at it.

    with value_checked():                  # raises PassError at the first broken promise
    with value_checked(found.append):      # collects PassViolations
    WELLPOSED_CHECK_PASSES=1               # the whole process raises
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

SWITCH = "WELLPOSED_CHECK_PASSES"


@dataclass(frozen=True)
class PassViolation:
    """A pass (of it, a law: a law of algebra, a rule of differentiation, a method) changed a value.

    `error` is relative to the size of the numbers it is an error of; `expression` and `result`
    are what went in and came out, as text.
    """

    pass_: str
    law: str
    expression: str
    result: str
    error: float

    def __str__(self) -> str:
        name = f"{self.pass_}, {self.law}" if self.law else self.pass_
        return f"pass {name}: {self.expression} became {self.result}, off by {self.error:.2g}"


class PassError(AssertionError):
    """A pass of the compiler broke its promise."""

    def __init__(self, violation: PassViolation) -> None:
        super().__init__(str(violation))
        self.violation = violation


Report = Callable[[PassViolation], None]
Check = Callable[..., Iterator[PassViolation]]
"""(what the pass returned, its positional arguments…) → the promises that it broke."""


def _raise(violation: PassViolation) -> None:
    raise PassError(violation)


_report: ContextVar[Report | None] = ContextVar(
    "report", default=_raise if os.environ.get(SWITCH) == "1" else None
)


@contextmanager
def value_checked(report: Report | None = _raise) -> Iterator[None]:
    """Check the passes of this context; each violation goes to `report`. None: do not check."""
    token = _report.set(report)
    try:
        yield
    finally:
        _report.reset(token)


Pass = TypeVar("Pass", bound=Callable[..., Any])


def checked(check: Check) -> Callable[[Pass], Pass]:
    """Declare what a pass promises."""

    def declare(run: Pass) -> Pass:
        @wraps(run)
        def checked_run(*args: Any, **options: Any) -> Any:
            result = run(*args, **options)
            report = _report.get()
            if report is not None:
                with value_checked(None):  # a check uses passes of its own
                    broken = list(check(result, *args))
                for violation in broken:
                    report(violation)
            return result

        return checked_run  # pyright: ignore[reportReturnType]

    return declare
