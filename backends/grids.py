"""The function of a program by which times of series become the grid that a path is computed at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiler.ir.module import solve_of
from .document import docstring

if TYPE_CHECKING:
    from .program import ProgramPrinter

GRID_OF = "grid_of"


def grid_of(program: ProgramPrinter) -> list[str]:
    """Every time since the start, but for rounding; or steps of h, as many as the longest takes."""
    head = f"def {program.own(GRID_OF)}(times: np.ndarray) -> np.ndarray:"
    if solve_of(program.module) is not None:
        return [
            head,
            docstring(["All times (L, s) since the first of their series, each once."]),
            "    since = np.unique(times - times[0])",
            "    close = 8 * np.finfo(times.dtype).eps * np.abs(times).max()",
            "    return since[np.diff(since, prepend=-np.inf) > close]",
        ]
    h = program.constant("H")
    return [
        head,
        docstring(["0, h, 2 h, … up to the last of the times (L, s) since the first."]),
        f"    steps = np.ceil((times - times[0]).max() / {h} - 1e-6)",
        f"    return {h} * np.arange(max(steps, 1) + 1, dtype=times.dtype)",
    ]
