"""Divergence: which number was the first that is not finite, where in the spec, and why there."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..compiler.analysis.findings import Finding
from ..compiler.analysis.modes import Modes, figure, plain
from ..compiler.reference.failed_solve import FailedSolve
from ..compiler.reference.first_bad import BadNumber, Largest
from ..spec.diagnostics import Span, visible

RANGE = {"float32": "3.4e38", "float64": "1.8e308"}
"""The largest number of a dtype, as it is written."""
INTEGRATOR = ("model", "integrator")
LONGEST = 120
"""Characters of an expression that are shown."""


@dataclass(frozen=True)
class Divergence:
    """The update that was not finite, and what the reference says of the same batch and weights."""

    epoch: int
    step: int
    """Within the epoch, from 1."""
    backend: str
    dtype: str
    loss: float
    gradient_norm: float
    """What the backend had."""
    found: BadNumber | Largest | FailedSolve
    """The first bad number of the reference, or the largest where it stays finite; of an adaptive
    method the solve that fails."""
    span: Span | None = None
    """Where the spec says what the number belongs to."""
    layers: int = 0
    example: int | None = None
    """The row of the training data."""
    modes: Modes | None = None
    findings: tuple[Finding, ...] = ()
    """What the analysis had said of stability, where the number belongs to a layer."""

    def __str__(self) -> str:
        saw = f"loss {figure(self.loss)}, gradient norm {figure(self.gradient_norm)}"
        said = [f"the analysis had said: {finding}" for finding in self.findings]
        modes = [str(self.modes)] if self.modes is not None else []
        lines = [*self._reference(), *modes, *said]
        head = f"diverged at epoch {self.epoch}, step {self.step} ({self.backend}: {saw})"
        return "\n  ".join([head, *lines])

    def to_json(self) -> dict[str, Any]:
        """As plain data; a number that is not finite as the text `inf`, `-inf` or `nan`."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "backend": self.backend,
            "dtype": self.dtype,
            "loss": plain(self.loss),
            "gradient_norm": plain(self.gradient_norm),
            "first_bad": self._first_bad_json(),
            "largest": self._largest_json(),
            "failed_solve": asdict(self.found) if isinstance(self.found, FailedSolve) else None,
            "modes": None if self.modes is None else self.modes.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
            "message": str(self),
        }

    # --- in words ----------------------------------------------------------------------------

    def _reference(self) -> list[str]:
        if isinstance(self.found, FailedSolve):
            row = f"row {self.found.row} of the batch, example {self.example} of the training data"
            at = f" ({self.place})" if self.place else ""
            return [f"the solve fails{at}: {self.found}", *[row] * (self.found.row is not None)]
        if isinstance(self.found, Largest):
            met = f"|{self.found.part}| = {figure(self.found.magnitude)} ({self._where()})"
            replay = f"the reference, rounded to {self.dtype}, stays finite on this batch"
            return [f"{replay}: its largest number is {met}", "`wellposed check` compares the two"]
        facts = ", ".join(f"{text} = {figure(value)}" for text, value in self.found.operands)
        return [self._said(self.found), *filter(None, [facts, self._row(self.found)])]

    def _said(self, bad: BadNumber) -> str:
        """`layer 37 of 64, y' = tanh(K y + b): |K y| = 4.1e38 > 3.4e38 (m.yaml:6:10)`."""
        value = f"{bad.part} = {figure(bad.value)}"
        if math.isfinite(bad.exact):
            limit = f"{RANGE[self.dtype]}, the range of {self.dtype}"
            overflows = abs(bad.exact) > float(np.finfo(self.dtype).max)
            on_the_way = f"{value}: what it is made of is beyond {limit}"
            value = (
                f"|{bad.part}| = {figure(abs(bad.exact))} > {limit}" if overflows else on_the_way
            )
        place = f" ({self.place})" if self.place else ""
        return f"{self._where()}, {_shortened(bad.expression)}: {value}{place}"

    def _where(self) -> str:
        """`gradient by K, layer 37 of 64`."""
        assert not isinstance(self.found, FailedSolve)
        place = self.found.place
        by = f"gradient by {place.by}" if place.by else ""
        layer = f"layer {place.layer} of {self.layers}" if place.layer is not None else ""
        return ", ".join(filter(None, [by, layer, "" if place.is_in_step else place.equation]))

    @property
    def place(self) -> str:
        """`m.yaml:6:10`; the key where the spec comes from no file."""
        if self.span is None:
            if isinstance(self.found, FailedSolve):
                return ".".join(INTEGRATOR)
            return ".".join(map(str, self.found.place.loc))
        return f"{visible(self.span.source)}:{self.span.line}:{self.span.column}"

    def _row(self, bad: BadNumber) -> str:
        if bad.row is None:
            return ""
        return f"row {bad.row} of the batch, example {self.example} of the training data"

    # --- as data -----------------------------------------------------------------------------

    def _first_bad_json(self) -> dict[str, Any] | None:
        bad = self.found
        if not isinstance(bad, BadNumber):
            return None
        return {
            **self._place_json(),
            "expression": bad.expression,
            "part": bad.part,
            "value": plain(bad.value),
            "magnitude": plain(abs(bad.exact)),
            "operands": {text: plain(value) for text, value in bad.operands},
            "row": bad.row,
            "example": self.example,
            "entry": list(bad.entry),
        }

    def _largest_json(self) -> dict[str, Any] | None:
        if not isinstance(self.found, Largest):
            return None
        return {**self._place_json(), "part": self.found.part, "magnitude": self.found.magnitude}

    def _place_json(self) -> dict[str, Any]:
        assert not isinstance(self.found, FailedSolve)
        place, span = self.found.place, self.span
        return {
            "equation": place.equation,
            "gradient_by": place.by or None,
            "layer": place.layer,
            "layers": self.layers,
            "key": ".".join(map(str, place.loc)),
            "file": span and span.source,
            "line": span and span.line,
            "column": span and span.column,
        }


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
