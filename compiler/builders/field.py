"""The functions that a step is made of: parametrizations, and right-hand sides of blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..ir.expr import Expr, build, call, substitute, variable
from ..ir.module import Function, Result, Role
from ..ir.problem import LayerWeight, Problem
from ..ir.text import equations, mathematics
from ..ir.types import columns, stored
from .names import parametrization_names, rhs_name


def right_hand_sides(problem: Problem) -> Iterator[Function]:
    """The right-hand side of every block as a function of what it depends on."""
    texts = equations(problem.rhs, problem.order)
    integrals = {i.name: i.equation for i in problem.integrals}
    for block, text in zip(problem.blocks, texts, strict=True):
        yield Function(
            name=rhs_name(problem, block),
            role=Role.FIELD,
            params=problem.depends_on(block),
            results=(Result(f"d{block}", problem.rhs[block]),),
            doc=(f"{integrals.get(block, text)}.",),
            loc=problem.rhs_locs[block],
            subject=block,
        )


def rhs(
    problem: Problem,
    block: str,
    t: Expr,
    states: dict[str, Expr],
    weights: Sequence[Expr],
    given: Sequence[Expr] | None = None,
    slopes: Mapping[str, Expr] | None = None,
) -> Expr:
    """A block's right-hand side at a time and states, with these weights of `layer_of(block)`, what
    else it is given by other names than the problem's own, and slopes of blocks before it."""
    values = _values(problem, block, t, states, weights, given, slopes)
    args = [values[parameter] for parameter in problem.depends_on(block)]
    return call(rhs_name(problem, block), args, columns(problem.blocks[block].shape))


def written_out(
    problem: Problem,
    block: str,
    t: Expr,
    states: dict[str, Expr],
    weights: Sequence[Expr],
    slopes: Mapping[str, Expr] | None = None,
) -> Expr:
    """The same without a call: what right-hand sides of one place have in common is one
    expression, and computed once where they stand in one statement."""
    values = _values(problem, block, t, states, weights, None, slopes)
    return substitute(problem.rhs[block], values)


def _values(
    problem: Problem,
    block: str,
    t: Expr,
    states: dict[str, Expr],
    weights: Sequence[Expr],
    given: Sequence[Expr] | None,
    slopes: Mapping[str, Expr] | None,
) -> dict[Expr, Expr]:
    """What stands for the variables that a right-hand side names."""
    values = {problem.t: t} | {problem.blocks[name].variable: e for name, e in states.items()}
    values |= {w.variable: e for w, e in zip(problem.layer_of(block), weights, strict=True)}
    values |= zip(problem.given, problem.given if given is None else given, strict=True)
    return values | {problem.slopes[n]: k for n, k in (slopes or {}).items() if n in problem.slopes}


def parametrizations(problem: Problem) -> Iterator[Function]:
    """One function for every way in which the weights of a layer are made of raw ones."""
    seen: set[str] = set()
    for weight, name in parametrization_names(problem).items():
        if name not in seen:
            seen.add(name)
            yield _parametrization(weight, name)


def _parametrization(weight: LayerWeight, name: str) -> Function:
    raw = variable(weight.parametrization.raw, stored(weight.raw.step_shape))
    made = substitute(weight.definition, {weight.raw.variable: raw})
    of = "matrix" if made.type.is_operator else "weight"
    return Function(
        name=name,
        role=Role.PARAMETRIZATION,
        params=(raw,),
        results=(Result(weight.name, _array(made)),),
        doc=(f"{mathematics(made)}, of one {of} or of a stack of them.",),
        loc=weight.loc,
        subject=weight.name,
        generic=True,
    )


def made(names: Mapping[LayerWeight, str], weight: LayerWeight, raw: Expr) -> Expr:
    """The weight of a layer, or of all layers at once, made of the raw one by the function that
    `names` has for it."""
    if weight.is_raw:
        return raw
    value = _array(substitute(weight.definition, {weight.raw.variable: raw}))
    return call(names[weight], (raw,), value.type)


def _array(made: Expr) -> Expr:
    """What a function gives: of an operator its array."""
    return build("entries", made) if made.type.is_operator else made
