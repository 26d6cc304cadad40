"""Series of observations: a path from the first of each, read at the times of the others.

Times only read a path: it is computed at the times of a grid, from the start of each series on.
Under an adaptive method the grid has every time that is read; a fixed-step method takes steps of h,
between two of which it has the cubic Hermite polynomial of states and slopes (Hairer, Nørsett &
Wanner, "Solving Ordinary Differential Equations I", II.6).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..ir.expr import Expr, build, call, constant, substitute, variable
from ..ir.module import Call, Function, Let, Result, Role
from ..ir.observed import Observed
from ..ir.problem import Problem
from ..ir.text import mathematics
from ..ir.types import BATCH, GRID, OBSERVATION, SCALAR, Layout, Type, columns, rows
from . import adaptive, path
from .body import STATE, Body
from .field import rhs
from .stacked import blocks_of
from .starts import START, starts

PATH, BETWEEN, STATES = "path", "between", "states"
TASK, OBSERVE = ("task",), ("model", "observe")
MANY = (OBSERVATION, BATCH)


def functions(problem: Problem, lift: Function, weights: Function | None) -> Iterator[Function]:
    """From series to predictions."""
    yield _path(problem, lift, weights)
    if not problem.is_adaptive:
        yield _between(problem)
    states = _states(problem, weights)
    yield states
    yield _forward(problem, states)


def in_words(problem: Problem) -> str:
    """What the head of a program says."""
    text = mathematics(_observed(problem).value)
    return f"{text} at the times of the data, each series from its first; ½ mean squared error"


# --- the path ----------------------------------------------------------------------------------


def _path(problem: Problem, lift: Function, weights: Function | None) -> Function:
    """The states at the times of a grid, from rows that belong to its first."""
    x, grid, body = _start_rows(problem), _grid(), Body()
    init = body.call(lift, x)
    given = body.call(weights) if weights is not None else ()
    if problem.is_adaptive:
        consts = (*starts(problem), *given)
        found = {init[0].name: adaptive.read_at(problem, body, init[0], grid, consts)}
    else:
        steps = build("head", grid)
        time = START + build("column", steps) if starts(problem) else steps
        found = path.scanned(problem, body, init, given, time, path=True, over=steps)
    several = len(found) > 1
    return Function(
        name=PATH,
        role=Role.PATH,
        params=(x, *starts(problem), grid),
        body=tuple(body.lets),
        results=tuple(Result(e.name, e, STATE if several else None) for e in found.values()),
        doc=(f"{path.stacked(problem)} at the times of a grid, from rows x at the first of them.",),
        loc=TASK,
        takes_weights=True,
        groups=body.groups,
    )


def _between(problem: Problem) -> Function:
    """The cubic Hermite polynomial between two nodes."""
    theta = variable("theta", columns())
    left, right, f, g = (
        variable(name, columns(problem.first.shape)) for name in ("left", "right", "f", "g")
    )
    rise = right - left
    bend = (1 - 2 * theta) * rise + problem.H * ((theta - 1) * f + theta * g)
    value = left + theta * (rise + (theta - 1) * bend)
    return Function(
        name=BETWEEN,
        role=Role.PATH,
        params=(theta, left, right, f, g),
        results=(Result("y", value),),
        doc=("A part θ of a step behind its beginning: the cubic with these ends and slopes.",),
        loc=path.TIME,
        generic=len(problem.blocks) > 1,
    )


# --- predictions -------------------------------------------------------------------------------


def _states(problem: Problem, weights: Function | None) -> Function:
    """The blocks at the times of all observations, as so many columns."""
    values, times, grid, body = _values(problem), _times(), _grid(), Body()
    own = (body.named("start", _start_of(times)),) if starts(problem) else ()
    since = body.named("since", build("flip", times - build("at", times, constant(0))))
    paths = _called(problem, body, (build("at", values, constant(0)), *own, grid))
    if problem.is_adaptive:
        places = body.named("places", build("nearest", grid, since))
        whole = body.named("state", _as_columns(build("taken", paths[0], places)))
        found = blocks_of(problem, whole)
    else:
        found = _between_nodes(problem, body, weights, _Nodes(grid, since, paths, own))
    several = len(found) > 1
    return Function(
        name=STATES,
        role=Role.PATH,
        params=(values, times, grid),
        body=tuple(body.lets),
        results=tuple(Result(n, e, STATE if several else None) for n, e in found.items()),
        doc=(
            f"{path.stacked(problem)} at the times of the observations, each series from its "
            "first: one column each, those of the first time before the others.",
        ),
        loc=TASK,
        takes_weights=True,
        groups=body.groups,
    )


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Paths of blocks at the times of a grid, and the times `since` the start that are read;
    `starts` are those of a field that depends on time."""

    grid: Expr
    since: Expr
    paths: tuple[Expr, ...]
    starts: tuple[Expr, ...]


def _between_nodes(
    problem: Problem, body: Body, weights: Function | None, given: _Nodes
) -> dict[str, Expr]:
    """The blocks between two nodes, by the cubic of states and slopes."""
    held = body.call(weights) if weights is not None else ()
    j = body.named("j", build("before", given.grid, given.since))
    nodes = build("taken", build("column", given.grid), j)
    theta = body.named("theta", _as_columns((given.since - nodes) / problem.H))
    left, right = (
        {
            n: body.named(f"{n}_{side}", _as_columns(build("taken", along, at)))
            for n, along in zip(problem.blocks, given.paths, strict=True)
        }
        for side, at in (("left", j), ("right", j + 1))
    )
    t, after = constant(0.0), constant(0.0)  # which a field is not given that has no starts
    if given.starts:
        t = body.named("t", _as_columns(given.starts[0] + nodes))
        after = t + problem.H
    f, g = _slopes(problem, t, left, held), _slopes(problem, after, right, held)
    return {
        n: body.named(n, call(BETWEEN, (theta, left[n], right[n], f[n], g[n]), left[n].type))
        for n in problem.blocks
    }


def _slopes(
    problem: Problem, t: Expr, states: dict[str, Expr], weights: tuple[Expr, ...]
) -> dict[str, Expr]:
    """The right-hand sides of all blocks."""
    held = {e.name: e for e in weights}
    return {
        n: rhs(problem, n, t, states, [held[w.name] for w in problem.layer_of(n)])
        for n in problem.blocks
    }


def _called(problem: Problem, body: Body, given: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """What `path` gives."""
    like = [adaptive.state(problem)] if problem.is_adaptive else [*problem.states.values()]
    found = tuple(variable(f"{e.name}s", e.type.along(GRID)) for e in like)
    body.lets.append(Let(found, Call(PATH, given)))
    if len(found) > 1:
        body.groups |= dict.fromkeys(found, STATE)
    return found


def _forward(problem: Problem, states: Function) -> Function:
    """What is observed at the times of the observations."""
    values, times, grid, body = _values(problem), _times(), _grid(), Body()
    blocks = [block.variable for block in problem.blocks.values()]
    found = body.call(states, values, times, grid)
    if len(found) > 1:
        body.groups |= dict.fromkeys(found, STATE)
    value = substitute(_observed(problem).value, dict(zip(blocks, found, strict=True)))
    channels = _observed(problem).channels.value
    return Function(
        name="forward",
        role=Role.READOUT,
        params=(values, times, grid),
        body=tuple(body.lets),
        results=(Result("predicted", build("parted", build("flip", value), values)),),
        doc=(
            f"{mathematics(_observed(problem).value)} at the times of the observations.",
            f"Values are (L, s, {channels}), NaN where one is missing, but for the first;",
            "times (L, s), behind the end of a series its last; grid = grid_of(times).",
        ),
        loc=OBSERVE,
        takes_weights=True,
        groups=body.groups,
    )


# --- the loss ----------------------------------------------------------------------------------


def loss(problem: Problem) -> Function:
    """½ the mean squared error of what was observed, and the regularizers."""
    values, times, grid, body = _values(problem), _times(), _grid(), Body()
    predicted = body.named("predicted", call("forward", (values, times, grid), values.type))
    known = body.named("known", build("known", values))
    error = body.named("error", known * (predicted - build("filled", values)))
    total = build("total", error**2) / (2 * build("total", known))
    penalty = ""
    if problem.penalties:
        total, penalty = total + call("regularizer", (), SCALAR), ", plus R"
    return Function(
        name="loss",
        role=Role.LOSS,
        params=(values, times, grid),
        body=tuple(body.lets),
        results=(Result("loss", total),),
        doc=(f"½ the mean of (predicted − observed)² over all that was observed{penalty}.",),
        loc=TASK,
        takes_weights=True,
    )


# --- common ------------------------------------------------------------------------------------


def _observed(problem: Problem) -> Observed:
    assert problem.observed is not None
    return problem.observed


def _start_rows(problem: Problem) -> Expr:
    return variable("x", rows((problem.features.value,)))


def _values(problem: Problem) -> Expr:
    """Observations, time first, a row for each series."""
    return variable("values", Type((_observed(problem).channels.value,), MANY, Layout.ROWS))


def _times() -> Expr:
    return variable("times", Type((), MANY, Layout.ROWS))


def _grid() -> Expr:
    return variable("grid", Type((), (GRID,)))


def _start_of(times: Expr) -> Expr:
    """The first time of each, as a column."""
    return build("flip", build("at", times, constant(0)))


def _as_columns(along: Expr) -> Expr:
    """Values at all observations as the columns of so many examples."""
    return build("flip", build("merged", build("flip", along)))
