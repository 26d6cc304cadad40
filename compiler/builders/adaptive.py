"""Adaptive methods: what a solver is given, and the states that it gives.

Weights that all times share make one solve of [0, T]. With weights in time a step is a solve of
[t_j, t_{j+1}]: where a right-hand side jumps or has a kink, no step of the solver lies across it.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from ...spec.adaptive import Adaptive
from ..ir.expr import Expr, build, constant, times, variable
from ..ir.module import Function, Let, Result, Role, Solve
from ..ir.problem import LayerWeight, Problem
from ..ir.text import definition
from ..ir.types import ENDS, NODE, OBSERVATION, Size, Type, columns, rows
from .body import Body
from .field import made, rhs, written_out
from .layer import Entry, Layer, as_layer
from .names import HORIZON, STEPS, own_name, parametrization_names, rhs_name
from .stacked import blocks_of, stack
from .starts import starts, zeros
from .step import LOC

SLOPES, STACKED = "slopes", "state"


def state(problem: Problem) -> Expr:
    """A new variable for the stacked state, which is what a solver carries."""
    if len(problem.blocks) == 1:
        return variable(problem.first.name, problem.first.variable.type)
    return variable(STACKED, columns((problem.size,)))


# --- the field -------------------------------------------------------------------------------


def _is_alone(problem: Problem) -> bool:
    """Is the one right-hand side itself what the solver takes: (t, y, weights)?"""
    own = problem.depends_on(problem.first.name)
    is_whole = len(problem.blocks) == 1 and problem.first.variable in own
    return is_whole and not _has_kinks(problem) and not problem.has_starts


def _has_kinks(problem: Problem) -> bool:
    """Are there weights that are linear in time, between the nodes?"""
    return "linear" in problem.modes


def _takes_time(problem: Problem) -> bool:
    return not problem.is_autonomous or _has_kinks(problem)


def slopes(problem: Problem, layer: Layer) -> Function | None:
    """The slopes of the stacked state as a function of (t, state, weights), where that is not the
    right-hand side of a block itself."""
    if _is_alone(problem):
        return None
    t, whole, body = variable("t"), state(problem), Body()
    since = (variable("t_j"),) if _has_kinks(problem) and not problem.is_autonomous else ()
    own = starts(problem)
    time = body.named("time", own[0] + t) if own else t
    given = {e: variable(e.variable.name, e.variable.type) for e in layer.entries}
    values = {e.weight: value for e, value in given.items() if not e.is_raw}
    if _has_kinks(problem):
        theta = body.named("theta", (t - since[0] if since else t) / problem.H)
        values |= _between(problem, given, theta, body)
    states = blocks_of(problem, whole)
    if len(states) > 1:
        states = {n: body.named(n, e) for n, e in states.items()}
    # the trace of ∂f/∂y is made of what f is made of: an eager framework would compute it twice
    side = written_out if problem.is_augmented else rhs
    found: dict[str, Expr] = {}
    for b in problem.blocks:
        weights = [values[w] for w in problem.layer_of(b)]
        k = side(problem, b, time, states, weights, slopes=found)
        found[b] = body.named(f"d{b}", k) if problem.reads_slope(b) else k
    takes = (t,) if _takes_time(problem) else ()
    return Function(
        name=own_name(problem, SLOPES),
        role=Role.FIELD,
        params=(*takes, whole, *since, *own, *given.values(), *problem.given),
        body=tuple(body.lets),
        results=(Result(f"d{whole.name}", stack([*found.values()])),),
        doc=(_slopes_doc(problem),),
        loc=problem.rhs_locs[problem.first.name],
        subject=", ".join(problem.blocks),
    )


def _between(
    problem: Problem, given: Mapping[Entry, Expr], theta: Expr, body: Body
) -> dict[LayerWeight, Expr]:
    """The weights a part θ of a step behind its beginning, made of what lies between both ends."""
    names, found = parametrization_names(problem), dict[LayerWeight, Expr]()
    ends = {(e.weight, e.stage): value for e, value in given.items() if e.is_raw}
    for weight in dict.fromkeys(w for w, _ in ends):
        raw = (1 - theta) * ends[weight, Fraction(0)] + theta * ends[weight, Fraction(1)]
        found[weight] = body.named(weight.name, as_layer(made(names, weight, raw)))
    return found


def _slopes_doc(problem: Problem) -> str:
    names = ", ".join(f"{name}'" for name in problem.blocks)
    text = names if len(problem.blocks) == 1 else f"({names}) of the stacked state"
    if _has_kinks(problem):
        made_of = [
            f"; {definition(w.name, w.raw.name, w.definition)}"
            for w in problem.layer
            if w.mode == "linear" and not w.is_raw
        ]
        text += f" at t_j + θ h, weights linear between both ends of the step{''.join(made_of)}"
    if problem.is_augmented:
        text += "; what they have in common is computed once"
    return f"{text}."


# --- the solves ------------------------------------------------------------------------------


def solve(problem: Problem, start: Expr, at: Expr, consts: tuple[Expr, ...]) -> Solve:
    """The states at these times from the one at the first."""
    integrator = problem.integrator
    assert isinstance(integrator, Adaptive)
    alone = _is_alone(problem)
    return Solve(
        field=rhs_name(problem, problem.first.name) if alone else own_name(problem, SLOPES),
        init=(start,),
        times=at,
        consts=consts,
        by=integrator,
        timed=_takes_time(problem),
    )


def solved(
    problem: Problem,
    body: Body,
    start: Expr,
    weights: tuple[Expr, ...],
    *,
    path: bool,
) -> Expr:
    """The state at T, or at t_0 … t_N."""
    if path:
        at = times(problem.H, Size(problem.steps, STEPS) + Size(1), (NODE,))
        return read_at(problem, body, start, at, weights)
    horizon = constant(problem.spec.model.time.horizon, HORIZON)
    at = build("interval", constant(0.0), horizon)
    return build("last", read_at(problem, body, start, at, weights))


def read_at(problem: Problem, body: Body, start: Expr, at: Expr, weights: tuple[Expr, ...]) -> Expr:
    """The states at these times from the one at the first."""
    along = variable(f"{start.name}s", start.type.along(at.type.path[0]))
    body.lets.append(Let((along,), solve(problem, start, at, weights)))
    return along


def step(problem: Problem, layer: Layer, *, reverse: bool = False) -> Function:
    """`step(state, t, weights of a layer, h)` → the state at t + h, from there in reverse."""
    before, t, h = state(problem), variable("t"), variable("h")
    given = tuple(e.variable for e in layer.entries)
    takes_t = not problem.is_autonomous
    since = (t,) if takes_t and _has_kinks(problem) else ()
    ends = (h, constant(0.0)) if reverse else (constant(0.0), h)
    at = build("interval", *ends)
    at = t + at if takes_t else at
    along = variable(f"{before.name}s", before.type.along(ENDS))
    groups = {e.variable: group for e in layer.entries if (group := layer.group(e))}
    return Function(
        name=own_name(problem, "reverse_step" if reverse else "step"),
        role=Role.STEP,
        params=(before, *(t,) * takes_t, *given, *problem.given, h),
        body=(Let((along,), solve(problem, before, at, (*since, *given, *problem.given))),),
        results=(Result(before.name, build("last", along)),),
        doc=(
            f"{problem.integrator.name} over a step{', from its end back' * reverse}, "
            "in as many of its own as it needs.",
        ),
        loc=LOC,
        numbers=(h,),
        groups=groups,
    )


def solution(problem: Problem, lift: Function, weights: Function | None) -> Function:
    """`solve(x, times)`: the stacked states at any times, x being that at the first."""
    x, body = variable("x", rows((problem.features.value,))), Body()
    at = variable("times", Type((), (OBSERVATION,)))
    (start,) = body.call(lift, x)
    given = body.call(weights) if weights is not None else ()
    given = (*zeros(problem, start), *given)
    along = variable(f"{start.name}s", start.type.along(OBSERVATION))
    body.lets.append(Let((along,), solve(problem, start, at, given)))
    return Function(
        name="solve",
        role=Role.PATH,
        params=(x, at),
        body=tuple(body.lets),
        results=(Result("states", build("flip", along)),),
        doc=(
            f"The states at these times, x belongs to the first: (times, s, {problem.size}).",
            "The times increase or decrease; they only read the solution.",
        ),
        loc=("model", "time"),
        takes_weights=True,
        groups=body.groups,
        rows={x: problem.features},
    )
