"""What is seen of a state."""

from __future__ import annotations

from dataclasses import dataclass

from .expr import Expr
from .types import Size


@dataclass(frozen=True, eq=False)
class Observed:
    """What series of observations are of: `value`, the channels, in terms of the states."""

    channels: Size
    value: Expr
