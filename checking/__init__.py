"""Do the emitted programs of a spec compute what the spec says?

rung         a step of the ladder L0 … L7: what is compared there needs what is below it
check        one quantity on its rung, a row of `checks`: what is asked, what is expected
probes       the weights, rows, states and times on which programs are asked
answer       the arrays that a program gave, or the reason why it gave none
leaf         one named array of an answer
standard     what a leaf should be, with scale and tolerance
growth       how much a spec magnifies rounding; tolerances are multiples of it
drift        how far training carries a program from itself, one ulp away at the start
difference   what is wrong with a program: place, equation, lines
evidence     what a program that failed answers to further questions
bug          a mistake planted on purpose, which the ladder has to catch
"""

from .ladder import check
from .report import Report
from .rungs import Rung

__all__ = ["Report", "Rung", "check"]
