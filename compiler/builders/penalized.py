"""The regularizers along the path: the loss goes to y(T) by steps that carry their integrals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import add

from ..ir.expr import Expr, build
from ..ir.module import Function, Result, Role
from ..ir.problem import Problem
from ..ir.text import number
from . import adaptive, augmented
from .augmented import features, noise, probe_rows, with_penalties
from .body import Body
from .layer import layer_of
from .step import reverse_step, step

LOC = ("regularizers",)


def steps_of(problem: Problem) -> Iterator[Function]:
    """A step with the integrals, in the direction in which the loss goes."""
    if not problem.is_penalized:
        return
    whole, back = with_penalties(problem), problem.is_matched
    layer = layer_of(whole, reverse=back)
    if not problem.is_adaptive:
        yield reverse_step(whole, layer) if back else step(whole, layer)
        return
    slopes = adaptive.slopes(whole, layer)
    assert slopes is not None  # there are two blocks at least
    yield slopes
    if not problem.is_shared:
        yield adaptive.step(whole, layer, reverse=back)


def functions(problem: Problem, known: Mapping[str, Function]) -> Iterator[Function]:
    """The path with the integrals, and what they come to for every row; `known` are the functions
    of the path, by name."""
    if not problem.is_penalized:
        return
    whole, lift = with_penalties(problem), known["initial_state"]
    weights = known.get("layer_weights")
    integrals = ", ".join(i.name for i in whole.integrals)
    if problem.is_matched:
        weights = known.get("reverse_layer_weights", weights)
        doc = f"The states at 0 from those at T, and from there the integrals {integrals}."
        yield augmented.state_of_base(whole, lift, weights, doc, LOC)
    else:
        doc = f"The states at T, and the integrals {integrals}; one column per example."
        yield augmented.state(whole, lift, weights, doc, LOC)
    yield _of_rows(problem)


def in_words(problem: Problem) -> list[str]:
    """What documentation says of the terms of a loss."""
    terms = [f"{number(p.regularizer.alpha)} {p.integral}" for p in problem.path_penalties]
    return [f"Along the path: {'; '.join(terms)}."] if terms else []


def read(problem: Problem) -> tuple[Expr, tuple[Expr, ...], Body, list[Expr], list[Expr]]:
    """Rows, the parameters with them first, and a body with the states at the end of the path and
    the integrals."""
    whole, x = with_penalties(problem), features(problem)
    given = (x, *probe_rows(whole))
    name = "state_of_base" if problem.is_matched else "state"
    body, states, integrals = augmented.read(whole, name, given)
    return x, given, body, states, integrals


def mean(problem: Problem, body: Body, integrals: Sequence[Expr]) -> Expr:
    """The penalties, averaged over the examples."""
    return build("mean", body.named("along_path", _total(problem, integrals)))


def _total(problem: Problem, integrals: Sequence[Expr]) -> Expr:
    """Σ α ∫ of each example, as a row; an integral from T to 0 has the other sign."""
    own = integrals[len(integrals) - len(problem.path_penalties) :]
    pairs = zip(problem.path_penalties, own, strict=True)
    total = reduce(add, (p.alpha * integral for p, integral in pairs))
    return build("flip", -total if problem.is_matched else total)


def _of_rows(problem: Problem) -> Function:
    """What the path of every row adds to the loss."""
    x, params, body, _, integrals = read(problem)
    return Function(
        name="path_penalty",
        role=Role.LOSS,
        params=params,
        body=tuple(body.lets),
        results=(Result("along_path", _total(problem, integrals)),),
        doc=(
            f"What the path of each row adds to the loss: (s,){noise(with_penalties(problem))}.",
            *in_words(problem),
        ),
        loc=LOC,
        subject="along the path",
        takes_weights=True,
        groups=body.groups,
        rows={x: problem.features},
    )
