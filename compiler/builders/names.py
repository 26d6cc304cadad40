"""What the functions of a module are called; those that are named by a kind make way for others.

Kinds are a plugin's to choose: a parametrization of the kind `step` is the function `step_`.
"""

from __future__ import annotations

import re

from ..ir.expr import Expr, substitute, weight
from ..ir.naming import free
from ..ir.problem import LayerWeight, Problem
from ..ir.types import stored
from ..passes.adjoint import LOSS_GRADIENT
from ..passes.reversible import ADDED
from ..passes.segments import SEGMENT

STEPS, HORIZON = "STEPS", "HORIZON"
"""Constants of every program."""
PUBLIC = (
    *("trajectory", "solve", "vector_field", "forward", "regularizer"),
    *("divergence", "log_density", "sample", "free_energy", "path_penalty", "loss"),
)
DENSITY, PENALIZED = "density", "penalized"
"""What functions are called by that carry a log-density, or penalties, along the path."""
OTHERS = (
    *("step", "layer_weights", "weights_at", "initial_state", "final_state"),
    *("reverse_step", "reverse_layer_weights", "density_step", "density_state", "energy"),
    *("path", "between", "states", "grid_of"),
    *("density_reverse_step", "density_state_of_base"),
    *("penalized_step", "penalized_state", "penalized_reverse_step", "penalized_state_of_base"),
)
SOLVERS = (
    "slopes",
    "density_slopes",
    "penalized_slopes",
    "integrate",
    "largest_rms",
    "adjoint_norm",
)
"""What a solver is given, and the functions of a program that call it."""
PASSES = (LOSS_GRADIENT, SEGMENT, *ADDED)
"""Functions that passes add."""


def rhs_name(problem: Problem, block: str) -> str:
    """`dy_dt`, or `d2y_dt2` for a second-order field."""
    return f"d{block}_dt" if problem.order == 1 else f"d2{block}_dt2"


def own_name(problem: Problem, name: str) -> str:
    """`step`, where the log-density is carried too `density_step`, or penalties, too
    `penalized_step`."""
    return f"{problem.carries}_{name}" if problem.carries else name


def parametrization_names(problem: Problem) -> dict[LayerWeight, str]:
    """`antisymmetric` for all weights of the field that are made alike, `antisymmetric_K2` for
    another that is not; of a weight with a parametrization of its own `antisymmetric_A`."""
    taken = _taken(problem)
    names: dict[tuple[str, Expr], str] = {}
    found: dict[LayerWeight, str] = {}
    for each in problem.layer:
        if each.is_raw:
            continue
        kind, made = _word(each.parametrization.kind), _in_one_letter(each)
        key = (each.name if each.is_custom else kind, made)
        if key not in names:
            is_first = not each.is_custom and all(known != kind for known, _ in names)
            names[key] = _take(kind if is_first else f"{kind}_{each.name}", taken)
        found[each] = names[key]
    return found


def _in_one_letter(each: LayerWeight) -> Expr:
    """How a weight is made, the same expression for all that are made alike."""
    letter = weight(each.parametrization.raw, stored(each.raw.step_shape))
    return substitute(each.definition, {each.raw.variable: letter})


def penalty_names(problem: Problem) -> list[str]:
    """`weight_decay`, of a second one of its kind `weight_decay_2`."""
    taken = _taken(problem) | set(parametrization_names(problem).values())
    found: list[str] = []
    kinds: set[str] = set()
    for i, penalty in enumerate(problem.penalties, start=1):
        kind = _word(penalty.regularizer.kind)
        found.append(_take(kind if kind not in kinds else f"{kind}_{i}", taken))
        kinds.add(kind)
    return found


def _taken(problem: Problem) -> set[str]:
    return {
        *PUBLIC,
        *OTHERS,
        *SOLVERS,
        *PASSES,
        *(rhs_name(problem, block) for block in problem.blocks),
    }


def _word(kind: str) -> str:
    """A kind as a name: `weight_decay`."""
    word = re.sub(r"\W", "_", kind)
    return word if word.isidentifier() else f"_{word}"


def _take(wanted: str, taken: set[str]) -> str:
    """A name that is free, and then no more."""
    name = free(wanted, taken)
    taken.add(name)
    return name
