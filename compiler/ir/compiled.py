"""What compiling a spec gives: the mathematics, and the program that computes it."""

from __future__ import annotations

from dataclasses import dataclass

from .module import Module
from .problem import Problem


@dataclass(frozen=True, eq=False)
class Compiled:
    """A spec's learning problem, and the module that computes it."""

    problem: Problem
    module: Module
