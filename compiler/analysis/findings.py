"""What the analysis says of a network: a claim, what it assumes, what supports it, where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ...spec.diagnostics import Diagnostic, Span

Level = Literal["warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One statement on stability, never a bare yes or no.

    `claim` is what holds (or what is not known), `assumption` under what, `evidence` why: a
    structure of the weights, or numbers at the initial weights; `cure` what would change it.
    """

    code: str
    level: Level
    claim: str
    assumption: str
    evidence: str
    cure: str = ""
    span: Span | None = None

    @property
    def diagnostic(self) -> Diagnostic:
        """The finding in the form of an error message, located in the spec."""
        return Diagnostic(
            self.code,
            self.claim,
            self.span,
            label=self.assumption,
            help=self.cure,
            severity=self.level,
        )

    def to_json(self) -> dict[str, Any]:
        span = self.span
        return {
            "code": self.code,
            "level": self.level,
            "claim": self.claim,
            "assumption": self.assumption,
            "evidence": self.evidence,
            "cure": self.cure,
            "file": span and span.source,
            "line": span and span.line,
        }

    def __str__(self) -> str:
        return f"{self.claim} ({self.assumption})" if self.assumption else self.claim
