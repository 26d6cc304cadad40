"""The table of a check, printed rung by rung as each becomes known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .output import Lines, say

if TYPE_CHECKING:
    from ..checking.rungs import Rung

EVERY = {
    **{"rung": 4, "quantity": 16, "backend": 7, "dtype": 7, "worst": 7, "tolerance": 9},
    **{"other backend": 13, "verdict": 10, "worst element": 13},
}
NUMBERS = ("worst", "tolerance", "other backend", "PyTorch", "JAX")
WIDTHS = {"rung": 4, "quantity": 14, "dtype": 7, "tolerance": 9, "verdict": 7}


class Climb:
    """Prints every row once, and below the first that fails what is wrong there."""

    def __init__(self, backends: Sequence[str], verbose: bool) -> None:
        from .rungs import columns

        self.backends, self.verbose = backends, verbose
        widths = EVERY if verbose else {name: WIDTHS.get(name, 7) for name in columns(backends)}
        self.lines = Lines(widths, NUMBERS, "FAILED")
        self.printed: set[tuple[str, ...]] = set()
        self.has_failed = False

    def __call__(self, rungs: Iterable[Rung]) -> None:
        from .rungs import every_row, rows

        found = list(rungs)
        for row in every_row(found) if self.verbose else rows(found, self.backends):
            name = tuple(row[: 4 if self.verbose else 3])
            if name not in self.printed:
                self.printed.add(name)
                self.lines.print(row)
        failed = next((rung for rung in found if not rung.passed), None)
        if failed is not None and not self.has_failed:
            self.has_failed = True
            say(f"       {failed.reason or failed.element}")
