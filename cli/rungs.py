"""The rows of the table of a check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..checking.quantities import GRADIENT
from ..checking.report import name_of, number
from ..checking.rungs import Rung

VERDICTS = ("ok", "not judged", "ill-posed", "FAILED")
"""The worse ones last."""


def columns(backends: Sequence[str]) -> list[str]:
    """The head of the table."""
    return ["rung", "quantity", "dtype", *map(name_of, backends), "tolerance", "verdict"]


def rows(found: Iterable[Rung], backends: Sequence[str]) -> Iterator[list[str]]:
    """A line for each quantity and dtype: the worst of all weights in every backend.

    The tolerance is that of the entry that comes nearest to it.
    """
    groups: dict[tuple[str, str, str], list[Rung]] = {}
    for rung in found:
        groups.setdefault((rung.rung, _family(rung), rung.dtype), []).append(rung)
    for key, rungs in groups.items():
        nearest = [_nearest([r for r in rungs if r.backend == b]) for b in backends]
        tightest = _nearest([r for r in nearest if r])
        worst = [number(r.worst) if r else "" for r in nearest]
        verdict = max(map(_verdict, rungs), key=VERDICTS.index)
        yield [*key, *worst, number(tightest and tightest.tolerance), verdict]


def every_row(found: Iterable[Rung]) -> Iterator[list[str]]:
    """Rung, quantity, backend, dtype, worst, tolerance, between, verdict, remark as texts."""
    for r in found:
        numbers = map(number, (r.worst, r.tolerance, r.between))
        said = _verdict(r), r.reason or r.element
        yield [r.rung, r.quantity, r.backend, r.dtype, *numbers, *said]


def _family(rung: Rung) -> str:
    """`gradient` of `gradient K`."""
    return GRADIENT if rung.quantity.startswith(f"{GRADIENT} ") else rung.quantity


def _nearest(rungs: list[Rung]) -> Rung | None:
    """The rung that failed, or is nearest to its tolerance; None of none."""
    return max(rungs, key=lambda r: (not r.passed, r.ratio, r.worst or 0.0), default=None)


def _verdict(rung: Rung) -> str:
    if rung.ill_posed:
        return "ill-posed" if not rung.passed else "not judged"
    return "ok" if rung.passed else "FAILED"
