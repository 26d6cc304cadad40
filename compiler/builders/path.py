"""From features to states: the weights of all steps, the initial state, the scan over the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import add

from ...spec.integrators import Splitting, times_h
from ..ir.expr import Expr, build, constant, substitute, times, variable
from ..ir.module import Function, Group, Let, Result, Role, Scan
from ..ir.problem import Problem, RawWeight
from ..ir.text import definition, mathematics
from ..ir.types import STEP, Axis, Size, Type, rows
from ..passes.segments import FINAL_STATE
from . import adaptive
from .body import STATE, Body
from .field import made, rhs
from .layer import Layer, as_layer, at_stage
from .names import STEPS, own_name, parametrization_names
from .stacked import blocks_of, stack
from .starts import zeros
from .step import VELOCITY, carried, start

TIME = ("model", "time")
LIFT = ("model", "lift")
LAYER = Group("layer", "Layer")


def layer_weights(problem: Problem, layer: Layer, name: str = "layer_weights") -> Function:
    """The weights of all steps, as steps take them."""
    results, names = [], parametrization_names(problem)
    for entry in layer.entries:
        value = at_stage(entry.weight.raw, entry.stage)
        if not entry.is_raw:
            value = as_layer(made(names, entry.weight, value))
        results.append(Result(entry.variable.name, value, layer.group(entry) or LAYER))
    return Function(
        name=name,
        role=Role.PATH,
        params=(),
        results=tuple(results),
        doc=(_weights_doc(problem, layer),),
        loc=TIME,
        takes_weights=True,
    )


def _weights_doc(problem: Problem, layer: Layer) -> str:
    raw = {e.weight for e in layer.entries if e.is_raw}
    made = [w for w in problem.layer if w not in raw]
    found = [definition(w.name, w.raw.name, w.definition) for w in made if not w.is_raw]
    if any(w.variable.type.rank == 1 for w in made):
        found.append("vectors as columns")
    whose = "The one layer's weights" if problem.is_shared else "The weights of all steps"
    return f"{'; '.join([whose, *found])}."


def weights_at(problem: Problem) -> Function:
    """The weights at any time t."""
    t, H, names = variable("t"), problem.H, parametrization_names(problem)
    body = Body()
    j = body.named("j", build("step_of", t, H, attributes=(Size(problem.steps, STEPS),)))
    theta = body.named("theta", t / H - j) if "linear" in problem.modes else None
    results = [
        Result(w.name, as_layer(made(names, w, _at(w.raw, j, theta))), LAYER) for w in problem.layer
    ]
    return Function(
        name="weights_at",
        role=Role.PATH,
        params=(t,),
        numbers=(t,),
        body=tuple(body.lets),
        results=tuple(results),
        doc=(_at_doc(problem),),
        loc=TIME,
        takes_weights=True,
    )


def _at_doc(problem: Problem) -> str:
    words = {
        "per-step": "The weights of step j, t_j ≤ t < t_{j+1}",
        "linear": "Weights interpolated at t",
    }
    if len(problem.modes) == 1:
        return f"{words[next(iter(problem.modes))]}."
    words = {"per-step": "of step j, t_j ≤ t < t_{j+1}", "linear": "interpolated", "shared": ""}
    parts = [f"{listed(of)} {words[m]}" for m, of in problem.modes.items() if words[m]]
    return f"The weights at t: {', '.join(parts)}."


def listed(weights: Sequence[RawWeight]) -> str:
    return ", ".join(w.name for w in weights)


def _at(weight: RawWeight, j: Expr, theta: Expr | None) -> Expr:
    """The raw weight of step j, or its interpolant between the nodes j and j + 1."""
    if weight.mode == "shared":
        return weight.stack
    before = build("at", weight.stack, j)
    if weight.mode != "linear" or theta is None:
        return before
    return (1 - theta) * before + theta * build("at", weight.stack, j + 1)


def initial_state(problem: Problem, weights: Function | None) -> Function:
    """What the first step starts from, as columns."""
    x = variable("x", rows((problem.features.value,)))
    body = Body()
    across = build("flip", x)
    if len(problem.lift) > 1:
        across = body.named("columns", across)
    found = {n: substitute(e, {problem.x: across}) for n, e in problem.lift.items()}
    zero = build("per_example", constant(0), across)
    for name, block in problem.blocks.items():
        if name not in found:
            found[name] = build("broadcast", zero, attributes=(block.size,))
    states = list(carried(problem))
    if VELOCITY in states:
        y = found["y"] = body.named("y", found["y"])
        found[VELOCITY] = start(problem, _first_layer(problem, weights, body), y)
    results = [Result(n, found[n], STATE if len(states) > 1 else None) for n in states]
    if problem.is_adaptive:  # a solver carries the stacked state
        whole = stack([found[name] for name in problem.blocks])
        results = [Result(adaptive.state(problem).name, whole)]
    return Function(
        name="initial_state",
        role=Role.LIFT,
        params=(x,),
        body=tuple(body.lets),
        results=tuple(results),
        doc=(_start_doc(problem),),
        loc=LIFT,
        takes_weights=True,
        groups=body.groups,
        rows={x: problem.features},
    )


def _first_layer(problem: Problem, weights: Function | None, body: Body) -> list[Expr]:
    """The weights that the right-hand side takes before the first step."""
    if weights is None:
        return []
    stacks = dict(zip((r.name for r in weights.results), body.call(weights), strict=True))
    found: list[Expr] = []
    for w in problem.layer_of("y"):
        stack = stacks[w.name] if w.name in stacks else stacks[f"{w.name}_start"]
        found.append(stack if w.mode == "shared" else build("at", stack, constant(0)))
    return found


def initial_blocks(problem: Problem) -> list[str]:
    """`y(0) = …`, and `z(0) = 0` of every block that is not filled."""
    if len(problem.lift) > 1:
        return [f"({', '.join(f'{name}(0)' for name in problem.lift)}) = x"]
    filled = [f"{name}(0) = {mathematics(e)}" for name, e in problem.lift.items()]
    return filled + [f"{name}(0) = 0" for name in problem.blocks if name not in problem.lift]


def _start_doc(problem: Problem) -> str:
    parts = initial_blocks(problem)
    if problem.order == 2:
        parts.append("v at −h/2 from y'(0) = 0")
    return f"{', '.join(parts)}; one column per example."


def stacked(problem: Problem) -> str:
    """The state as the user sees it: `(y, z)`."""
    names = ", ".join(problem.blocks)
    return f"({names})" if len(problem.blocks) > 1 else names


def _path(problem: Problem) -> str:
    """`(y, z) at t_0, …, t_N`, and what of it is taken at other times."""
    integrator, (_, *others) = problem.integrator, problem.blocks
    nodes = f"{stacked(problem)} at t_0, …, t_N"
    if not (isinstance(integrator, Splitting) and integrator.lag and others):
        return nodes
    return f"{nodes}, {' and '.join(others)} by {times_h(integrator.lag)} behind"


def final_state(problem: Problem, lift: Function, weights: Function | None) -> Function:
    """y(T) as columns."""
    x, body = variable("x", rows((problem.features.value,))), Body()
    after = _states(problem, body, lift, weights, x, path=False)
    first = problem.first.name
    if problem.is_adaptive:
        after = blocks_of(problem, *after.values())
    return Function(
        name=FINAL_STATE,
        role=Role.PATH,
        params=(x,),
        body=tuple(body.lets),
        results=(Result(first, after[first]),),
        doc=(f"{first}(T), one column per example.",),
        loc=TIME,
        takes_weights=True,
        groups=body.groups,
    )


def trajectory(problem: Problem, lift: Function, weights: Function | None) -> Function:
    """The stacked blocks at t_0 … t_N as rows."""
    x, body = variable("x", rows((problem.features.value,))), Body()
    paths = _states(problem, body, lift, weights, x, path=True)
    is_whole = problem.is_adaptive
    whole = stack([paths[n] for n in (paths if is_whole else problem.blocks)])
    return Function(
        name="trajectory",
        role=Role.PATH,
        params=(x,),
        body=tuple(body.lets),
        results=(Result("states", build("flip", whole)),),
        doc=(f"{_path(problem)}: (N + 1, s, {problem.size}).",),
        loc=TIME,
        takes_weights=True,
        groups=body.groups,
    )


def _states(
    problem: Problem,
    body: Body,
    lift: Function,
    weights: Function | None,
    x: Expr,
    *,
    path: bool,
) -> dict[str, Expr]:
    """What a step carries, at T or at all nodes: the blocks, or the stacked state of a solver."""
    init = body.call(lift, x)
    given = body.call(weights) if weights is not None else ()
    own = zeros(problem, init[0])
    if problem.is_one_solve:
        whole = adaptive.solved(problem, body, init[0], (*own, *given), path=path)
        return {init[0].name: whole}
    times_of_steps = times(problem.H, Size(problem.steps, STEPS), (STEP,))
    time = own[0] + build("column", times_of_steps) if own else times_of_steps
    return scanned(problem, body, init, given, time, path=path)


def scanned(
    problem: Problem,
    body: Body,
    init: tuple[Expr, ...],
    given: tuple[Expr, ...],
    time: Expr | None = None,
    *,
    path: bool = False,
    reverse: bool = False,
    over: Expr | None = None,
) -> dict[str, Expr]:
    """The states after the last step, or at all nodes; in reverse from those at the last one.

    `time` are the times of the steps, by default 0, h, …; with `over` there are as many as this has
    entries."""
    length = Size(problem.steps, STEPS)
    if time is None:
        time = times(problem.H, length, (STEP,))
    axis = time.type.path[0]
    h = (problem.H,) if problem.is_adaptive else ()
    scan = Scan(
        step=own_name(problem, "reverse_step" if reverse else "step"),
        init=init,
        xs=(*(() if problem.is_autonomous else (time,)), *(e for e in given if is_along(e))),
        consts=(*(e for e in given if not is_along(e)), *h),
        length=length,
        axis=axis,
        path=path,
        reverse=reverse,
        over=over,
    )
    names = [e.name for e in init]
    nodes = axis.longer() if path else None
    targets = tuple(_after(n, e.type, nodes) for n, e in zip(names, init, strict=True))
    body.lets.append(Let(targets, scan))
    return dict(zip(names, targets, strict=True))


def is_along(e: Expr) -> bool:
    """Is there one for every step?"""
    return e.type.path[:1] == (STEP,)


def _after(name: str, type: Type, nodes: Axis | None) -> Expr:
    return variable(name, type) if nodes is None else variable(f"{name}s", type.along(nodes))


def vector_field(problem: Problem, weights: Function | None) -> Function:
    """f(t, y) on rows at any time."""
    t, y = variable("t"), variable("y", rows((problem.size,)))
    body = Body()
    given = at_any_time(body, weights, t)
    time = t if problem.is_autonomous else body.named("time", build("scalar", t, y))
    states = split(problem, body, build("flip", y))
    if problem.has_starts:
        time = build("per_example", time, next(iter(states.values())))
    slopes = [
        rhs(problem, b, time, states, [given[w.name] for w in problem.layer_of(b)])
        for b in problem.blocks
    ]
    whole = stack(slopes)
    what = "y''" if problem.order == 2 else "f(t, y)"
    return Function(
        name="vector_field",
        role=Role.PATH,
        params=(t, y),
        numbers=(t,),
        body=tuple(body.lets),
        results=(Result("dy", build("flip", whole)),),
        doc=(f"{what}, rows (s, {problem.size}) in and out{_rule(problem)}.",),
        loc=TIME,
        takes_weights=True,
        groups=body.groups,
        rows={y: reduce(add, (block.size for block in problem.blocks.values()))},
    )


def at_any_time(body: Body, weights: Function | None, t: Expr) -> dict[str, Expr]:
    """The weights of the field at a time, by name."""
    if weights is None:
        return {}
    found = body.call(weights, *((t,) if weights.params else ()))
    return dict(zip((r.name for r in weights.results), found, strict=True))


def _rule(problem: Problem) -> str:
    """Which weights are taken at a time t."""
    words = {"per-step": "weight j for t_j ≤ t < t_{j+1}", "linear": "weights interpolated at t"}
    found = [word for mode, word in words.items() if mode in problem.modes]
    return f", with {' and '.join(found)}" if found else ""


def split(problem: Problem, body: Body, across: Expr) -> dict[str, Expr]:
    """The blocks of the stacked state as columns."""
    if len(problem.blocks) > 1:
        across = body.named("columns", across)
    return {n: body.named(n, e) for n, e in blocks_of(problem, across).items()}


def functions(problem: Problem, layer: Layer) -> Iterator[Function]:
    """All of them, callees first."""
    weights = layer_weights(problem, layer) if layer.entries else None
    if weights is not None:
        yield weights
    in_time = weights
    if weights is not None and not problem.is_shared:
        in_time = weights_at(problem)
        yield in_time
    lift = initial_state(problem, weights)
    yield lift
    if problem.observed is None:
        yield final_state(problem, lift, weights)
    yield trajectory(problem, lift, weights)
    if problem.is_one_solve:
        yield adaptive.solution(problem, lift, weights)
    yield vector_field(problem, in_time)
