"""What no flow can do whose state is no wider than the data.

The solutions of y' = f(t, y) do not cross, so that y(0) ↦ y(T) is a homeomorphism of R^n: what
encloses goes on enclosing, and on a line the order is kept (Dupont, Doucet & Teh 2019). A readout
that is affine in y(T) cannot undo that. A component more is room to pass each other.
"""

from __future__ import annotations

from ...data.sources import counted
from ...spec.integrators import Splitting
from ...spec.model import BlockLift, LinearLift
from ..ir.problem import Problem
from .findings import Finding


def limits(problem: Problem) -> tuple[Finding, ...]:
    """What the network cannot learn, whatever its weights; nothing of a state wider than the data,
    in which velocities and all blocks count."""
    width, features = problem.size * problem.order, problem.features.value
    if problem.readout is None or width > features:
        return ()
    sizes = f"{counted(width, 'component')}, {counted(features, 'feature')}"
    return (
        Finding(
            "N207",
            "note",
            f"the state is no wider than the data ({sizes}): {_impossible(problem)}",
            _assumption(problem),
            _evidence(problem),
            f"{_wider(problem)}, an augmented neural ODE (Dupont et al. 2019)",
            problem.spec.span("model", "state"),
        ),
    )


def _impossible(problem: Problem) -> str:
    features = problem.features.value
    if problem.is_classifier:
        lies = "lies on both sides of" if features == 1 else "surrounds"
        return f"a class that {lies} another cannot be told from it"
    if problem.size > 1:
        return "the prediction has no peak and no valley in x"
    assert problem.readout is not None
    turned = problem.readout.weights or _is_learned(problem)  # by a weight of either sign
    of = "x" if features == 1 else "L x"
    return f"the prediction {'only rises or only falls' if turned else 'rises'} with {of}"


def _assumption(problem: Problem) -> str:
    """A step of a splitting adds to each block what the others say, which can be taken back; one of
    another method is y + h φ(y), one-to-one for sure where h φ has a Lipschitz constant below 1."""
    rank = ", L of full rank" if _is_learned(problem) and not problem.is_classifier else ""
    if isinstance(problem.integrator, Splitting):
        steps = f"steps of {problem.integrator.name}, which can all be walked back"
    else:
        steps = "steps that are short against 1/‖∂f/∂y‖ (long ones may pass over each other)"
    return f"exact solutions, or {steps}; f Lipschitz in y{rank}"


def _evidence(problem: Problem) -> str:
    start = "y(0) = L x" if _is_learned(problem) else "x"
    what = "keeps the order on the line" if problem.size == 1 else "is a homeomorphism"
    assert problem.readout is not None
    read = "the readout is affine" if problem.readout.weights else "the prediction is y(T)"
    return f"solutions do not cross, so the map from {start} to y(T) {what}; {read}"


def _is_learned(problem: Problem) -> bool:
    return isinstance(problem.spec.model.lift, LinearLift)


def _wider(problem: Problem) -> str:
    """The keys that give the state more components than the data has."""
    name, features = problem.first.name, problem.features.value
    if isinstance(problem.spec.model.lift, BlockLift) and len(problem.blocks) > 1:
        return f"lift: zeros, with {counted(features, 'component')} in {name}"
    size = str(features + 1)
    state = size if isinstance(problem.spec.model.state, int) else f"{{{name}: {size}}}"
    return f"state: {state}" if _is_learned(problem) else f"state: {state} with lift: zeros"
