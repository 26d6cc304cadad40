"""Passes that are checked by value: what a pass makes of an expression has the expression's value.

A pass declares what it promises, `@checked("simplify", claims.value_kept)`. Under the switch the
promise is evaluated on random numbers after every application; without it a call costs one look
at it.

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
    """A pass changed a value or a slope.

    `error` is relative to the size of the numbers it is an error of; `expression` and `result`
    are what went in and came out, as text. `operation` is the one whose derivative rule is wrong,
    where it was tried by itself.
    """

    pass_: str
    expression: str
    result: str
    error: float
    operation: str = ""

    def __str__(self) -> str:
        made = f"{self.expression} became {self.result}"
        return f"pass {self.pass_}: {made}, off by {self.error:.2g}"


class PassError(AssertionError):
    """A pass of the compiler broke its promise."""

    def __init__(self, violation: PassViolation) -> None:
        super().__init__(str(violation))
        self.violation = violation


Report = Callable[[PassViolation], None]
Broken = tuple[str, str, float]
"""What went in, what came out, the error."""
Claim = Callable[..., Iterator[Broken]]
"""(what the pass returned, its positional arguments…) → where that breaks the promise."""


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


def checked(name: str, claim: Claim) -> Callable[[Pass], Pass]:
    """Declare what the pass of that name promises."""

    def declare(run: Pass) -> Pass:
        @wraps(run)
        def checked_run(*args: Any, **options: Any) -> Any:
            result = run(*args, **options)
            report = _report.get()
            if report is not None:
                with value_checked(None):  # a claim uses passes of its own
                    broken = list(claim(result, *args))
                for found in broken:
                    report(PassViolation(name, *found))
            return result

        return checked_run  # pyright: ignore[reportReturnType]

    return declare
