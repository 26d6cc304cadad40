"""What is integrated along the path with the state: the change of a log-density, penalties."""

from __future__ import annotations

from dataclasses import dataclass

from ...spec.compose import Loc
from ...spec.regularizers import PathRegularizer
from .expr import Expr


@dataclass(frozen=True, eq=False)
class Density:
    """What the log-density changes by along a flow: `trace` is tr ∂f/∂y of every example.

    `kind` says how it is taken, `reason` why so; `probes` are the random vectors that an estimate
    is a mean over, a stack of states.
    """

    trace: Expr
    kind: str
    reason: str
    probes: Expr | None = None
    count: int = 0
    """How many vectors there are for every row."""
    energy: Expr | None = None
    """U of every example, with the wall of its box, where e⁻ᵁ is to be matched."""

    @property
    def words(self) -> str:
        """How it is taken, for readers of a program."""
        if self.kind == "log-det":
            return f"log|det| of a step over h, {self.reason}"
        return {
            "closed-form": "in closed form",
            "exact": "by products with all unit vectors",
            "hutchinson": f"the mean of εᵀ (∂f/∂y) ε over {self.reason}",
        }[self.kind]


@dataclass(frozen=True, eq=False)
class PathPenalty:
    """A regularizer along the path: `rate` is what is integrated, a number of every example; `kind`
    says how it is taken, `reason` why so.

    `probes` are as those of a density, and the same ones where both have some.
    """

    regularizer: PathRegularizer
    index: int
    alpha: Expr
    rate: Expr
    kind: str = ""
    reason: str = ""
    probes: Expr | None = None
    count: int = 0

    @property
    def loc(self) -> Loc:
        return ("regularizers", self.index)

    @property
    def integral(self) -> str:
        """What it is α times the mean of, for readers of a program."""
        return f"∫ {self.regularizer.rate} dt{self.how}"

    @property
    def how(self) -> str:
        """How what is integrated is taken, where there is more than one way."""
        return {
            "": "",
            "closed-form": ", in closed form",
            "exact": ", by products with all unit vectors",
            "hutchinson": f", the mean of ‖εᵀ ∂f/∂y‖² over {self.reason}",
        }[self.kind]


@dataclass(frozen=True, eq=False)
class Integral:
    """A number of every example that is integrated along the path, with the state: the change of
    the log-density, a penalty. `rate` is its slope, `equation` that in words."""

    name: str
    rate: Expr
    equation: str
    loc: Loc
