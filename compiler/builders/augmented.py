"""Numbers that are integrated along the path with the state: blocks of a problem that no right-hand
side depends on. The change of a log-density and every penalty along the path are one each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..ir.expr import Expr, build, constant, variable
from ..ir.integrals import Integral
from ..ir.module import Call, Function, Let, Result, Role
from ..ir.naming import free, numbered
from ..ir.problem import Block, Loc, Problem
from ..ir.problem import Role as Part
from ..ir.types import PROBE, Size, columns, rows
from . import adaptive, path
from .body import CARRIED, Body
from .names import DENSITY, HORIZON, PENALIZED, own_name
from .stacked import blocks_of, stack

LOGP = "logp"
DIVERGENCE = ("model", "divergence")


def with_density(problem: Problem) -> Problem:
    """The problem with the change of the log-density along the path as one more block."""
    density = problem.density
    assert density is not None
    probes = () if density.probes is None else (density.probes,)
    return _augmented(problem, DENSITY, tuple(_log_density(problem)), probes)


def with_penalties(problem: Problem) -> Problem:
    """The problem with the integrals of its penalties too: what the loss is made of."""
    found = list(_log_density(problem))
    taken = {*problem.blocks, *(i.name for i in found)}
    for penalty in problem.path_penalties:
        name = numbered(penalty.regularizer.block, taken)
        taken.add(name)
        equation = f"{name}' = {penalty.regularizer.rate}{penalty.how}"
        found.append(Integral(name, penalty.rate, equation, penalty.loc))
    return _augmented(problem, PENALIZED, tuple(found), problem.probes)


def fullest(problem: Problem) -> Problem:
    """The problem with everything that any of its functions integrates."""
    if problem.is_penalized:
        return with_penalties(problem)
    return problem if problem.density is None else with_density(problem)


def _log_density(problem: Problem) -> Iterator[Integral]:
    density = problem.density
    if density is not None:
        equation = f"(log p)' = −tr ∂f/∂y, {density.words}"
        name = free(LOGP, problem.blocks)
        yield Integral(name, -density.trace, equation, DIVERGENCE)


def _augmented(
    problem: Problem, carries: str, integrals: tuple[Integral, ...], given: tuple[Expr, ...]
) -> Problem:
    blocks = {
        i.name: Block(i.name, Size(1), Part.QUADRATURE, variable(i.name, columns()))
        for i in integrals
    }
    return replace(
        problem,
        blocks={**problem.blocks, **blocks},
        rhs={**problem.rhs, **{i.name: i.rate for i in integrals}},
        rhs_locs={**problem.rhs_locs, **{i.name: i.loc for i in integrals}},
        integrals=integrals,
        carries=carries,
        given=given,
    )


# --- along the path ----------------------------------------------------------------------------


def state(whole: Problem, lift: Function, weights: Function | None, doc: str, loc: Loc) -> Function:
    """The blocks at T of rows that are y(0)."""
    x, probes, body = features(whole), probe_rows(whole), Body()
    start = _start(whole, body, lift, x)
    found = _end(whole, body, start, _given(body, weights, probes))
    return _function(whole, "state", (x, *probes), body, found, doc, loc)


def state_of_base(
    whole: Problem, lift: Function, weights: Function | None, doc: str, loc: Loc
) -> Function:
    """The blocks at 0 of rows that are y(T)."""
    x, probes, body = features(whole), probe_rows(whole), Body()
    given = _given(body, weights, probes)
    found = _end(whole, body, _start(whole, body, lift, x), given, reverse=True)
    return _function(whole, "state_of_base", (x, *probes), body, found, doc, loc)


def _function(
    whole: Problem,
    name: str,
    params: tuple[Expr, ...],
    body: Body,
    found: Mapping[str, Expr],
    doc: str,
    loc: Loc,
) -> Function:
    return Function(
        name=own_name(whole, name),
        role=Role.PATH,
        params=params,
        body=tuple(body.lets),
        results=tuple(Result(n, found[n], CARRIED[whole.carries]) for n in whole.blocks),
        doc=(doc,),
        loc=loc,
        takes_weights=True,
        groups=body.groups,
    )


def read(whole: Problem, name: str, given: tuple[Expr, ...]) -> tuple[Body, list[Expr], list[Expr]]:
    """A body that begins with a call of such a function; the states in it, and the integrals."""
    found = tuple(variable(n, block.variable.type) for n, block in whole.blocks.items())
    group = CARRIED[whole.carries]
    body = Body([Let(found, Call(own_name(whole, name), given))], dict.fromkeys(found, group))
    count = len(found) - len(whole.integrals)
    return body, list(found[:count]), list(found[count:])


def _start(whole: Problem, body: Body, lift: Function, x: Expr) -> list[Expr]:
    """The blocks where a path begins: rows, and no integral yet."""
    (first, *others) = body.call(lift, x)
    zeros = [body.named(i.name, build("per_example", constant(0), first)) for i in whole.integrals]
    return [first, *others, *zeros]


def _given(body: Body, weights: Function | None, probes: Sequence[Expr]) -> tuple[Expr, ...]:
    """What steps or a solver take besides the states."""
    found = body.call(weights) if weights is not None else ()
    return found + tuple(body.named("columns", build("flip", e)) for e in probes)


def _end(
    whole: Problem,
    body: Body,
    start: Sequence[Expr],
    given: tuple[Expr, ...],
    *,
    reverse: bool = False,
) -> dict[str, Expr]:
    """The blocks at T from those at 0, in reverse those at 0 from those at T."""
    if not whole.is_adaptive:
        return path.scanned(whole, body, tuple(start), given, reverse=reverse)
    state = body.named(adaptive.STACKED, stack(start))
    if whole.is_one_solve:
        along = adaptive.read_at(whole, body, state, ends(whole, reverse), given)
        after = build("last", along)
    else:
        (after,) = path.scanned(whole, body, (state,), given, reverse=reverse).values()
    state = after if after.op == "variable" else body.named(adaptive.STACKED, after)
    return blocks_of(whole, state)


def ends(problem: Problem, reverse: bool) -> Expr:
    """0 and T, or T and 0."""
    ends = constant(0.0), constant(problem.spec.model.time.horizon, HORIZON)
    return build("interval", *(reversed(ends) if reverse else ends))


def features(problem: Problem) -> Expr:
    """Rows as they come in."""
    return variable("x", rows((problem.features.value,)))


def probe_rows(problem: Problem) -> tuple[Expr, ...]:
    """The random vectors of an augmented problem, as they come in."""
    return tuple(variable("probes", rows(e.shape).along(PROBE)) for e in problem.given)


def noise(problem: Problem) -> str:
    """What documentation says of them."""
    return "".join(f"; probes are ({problem.probe_count}, s, {e.shape[0]})" for e in problem.given)
