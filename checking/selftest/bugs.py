"""All bugs that can be planted, in the order of the compiler."""

from __future__ import annotations

from .compiler_bugs import COMPILER_BUGS
from .printer_bugs import PRINTER_BUGS
from .text_bugs import TEXT_BUGS
from .training_bugs import TRAINING_BUGS

BUGS = (*COMPILER_BUGS, *PRINTER_BUGS, *TEXT_BUGS, *TRAINING_BUGS)
