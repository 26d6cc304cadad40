"""Adaptive solvers: to what programs that choose their steps are held.

Such programs never agree to rounding. An error estimate that lies one digit apart makes another
step, and every step has an error of the size of the tolerances: two libraries, two dtypes, even
two batches go different ways. What they have in common is the exact solution, to which every
accepted step is near to rtol |y| + atol, in the RMS over the state of a row; from there on the flow
magnifies that error as it magnifies rounding. So the reference solves far below every tolerance,
and a program is held to ALLOWED × (rtol + atol / scale) × growth.

ALLOWED is how many such errors add up, or exceed the RMS in one component.

That is coarse: with rtol 1e-5 a wrong digit in the fifth place would pass. In float64 the very same
text is therefore run with TIGHT in the place of its tolerances, and held to those; in float32 it is
run as it is written.
"""

from __future__ import annotations

from ..backends.model import Model
from ..backends.program_model import ProgramModel
from ..compiler.pipeline import Compiled
from ..spec.adaptive import Adaptive
from ..spec.model import Adjoint
from . import quantities as q
from .quantities import Key

ALLOWED = 30.0
RTOL, ATOL = 1e-10, 1e-12
TIGHT = {"RTOL": RTOL, "ATOL": ATOL, "ADJOINT_RTOL": RTOL, "ADJOINT_ATOL": ATOL}
MOST_STEPS = 100_000
"""In the place of `max_steps`, which would end a tighter solve early."""
SOLVED = frozenset(
    {q.TRAJECTORY, q.FINAL, q.SAMPLE, q.LOG_DENSITY, q.LOGITS, q.PREDICTIONS, q.LOSS, q.GRADIENT}
    | {q.PATH_PENALTY, q.AWKWARD}
)
"""The quantities that a solver has a part in."""
IN_WORDS = (
    "The solvers choose their steps, so the programs agree to tolerances and never to rounding: "
    "in float64 they are run with rtol {rtol:g}, in float32 as they are written."
)


def tightened(model: Model, case: Compiled) -> Model:
    """The program with other tolerances, where it is one in float64."""
    is_asked = model.dtype == "float64" and case.problem.is_adaptive
    if is_asked and isinstance(model, ProgramModel):
        model.set_constants({**TIGHT, "MAX_STEPS": MOST_STEPS})
    return model


def tolerance(case: Compiled, key: Key) -> tuple[float, float]:
    """(rtol, atol) of the solver that answers; zeros where none does."""
    integrator, mode = case.problem.integrator, case.problem.spec.model.gradient
    if not isinstance(integrator, Adaptive) or key.quantity not in SOLVED:
        return 0.0, 0.0
    if key.dtype == "float64":
        return RTOL, ATOL
    rtol, atol = integrator.rtol, integrator.atol
    if isinstance(mode, Adjoint) and key.quantity == q.GRADIENT:
        back = mode.tolerances(integrator)
        return max(rtol, back[0]), max(atol, back[1])
    return rtol, atol
