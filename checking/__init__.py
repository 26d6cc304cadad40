"""The equivalence ladder: emitted programs against the float64 reference of the same spec."""

from .ladder import check
from .report import Report
from .rungs import Rung

__all__ = ["Report", "Rung", "check"]
