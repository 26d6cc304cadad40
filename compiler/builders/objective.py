"""From y(T) to the objective: logits, the mean loss of the examples, the regularizers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import add

from ..ir.expr import Expr, build, call, substitute, variable
from ..ir.module import Function, Result, Role
from ..ir.problem import Problem
from ..ir.text import mathematics
from ..ir.types import SCALAR, Size, columns, rows
from . import penalized
from .names import penalty_names
from .path import Body

READOUT = ("model", "readout")


def functions(problem: Problem) -> Iterator[Function]:
    """`forward`, and with a readout `loss` and what it adds up."""
    if problem.observed is None:
        yield _forward(problem)
    if problem.penalties:
        yield _regularizer(problem)
    if problem.readout is not None:
        yield _loss(problem)


def _forward(problem: Problem) -> Function:
    x, body = variable("x", rows((problem.features.value,))), Body()
    final = call("final_state", (x,), columns(problem.first.shape))
    doc, value = f"{problem.first.name}(T), one row per example.", final
    if problem.readout is not None and not problem.readout.weights:
        value = substitute(problem.readout.logits, {problem.first.variable: final})
        formula = mathematics(_of_the_end(problem))
        doc = f"The prediction {formula}, one row per example: (s, {problem.outputs})."
    elif problem.readout is not None:
        block = problem.first.variable
        y = body.named(block.name, final)
        value = body.named("logits", substitute(problem.readout.logits, {block: y}))
        formula = mathematics(_of_the_end(problem))
        doc = f"Logits {formula}, one row per example: (s, {problem.outputs})."
    return Function(
        name="forward",
        role=Role.READOUT,
        params=(x,),
        body=tuple(body.lets),
        results=(Result("logits", build("flip", value)),),
        doc=(doc,),
        loc=READOUT,
        takes_weights=True,
    )


def _of_the_end(problem: Problem) -> Expr:
    """The logits in terms of y(T)."""
    assert problem.readout is not None
    y = problem.first.variable
    return substitute(problem.readout.logits, {y: variable(f"{y.name}(T)", y.type)})


# --- regularizers ----------------------------------------------------------------------------


def penalties(problem: Problem) -> Iterator[Function]:
    """The regularizer of one weight, as a function of the whole weight."""
    for penalty, name in zip(problem.penalties, penalty_names(problem), strict=True):
        yield Function(
            name=name,
            role=Role.PENALTY,
            params=(penalty.w,),
            results=(Result(name, penalty.value),),
            doc=(f"{penalty.regularizer.formula}; w is one weight at all its times.",),
            loc=penalty.loc,
            subject=penalty.regularizer.kind,
            generic=True,
        )


def _regularizer(problem: Problem) -> Function:
    terms = [
        call(name, (w.stack,), SCALAR)
        for penalty, name in zip(problem.penalties, penalty_names(problem), strict=True)
        for w in penalty.weights
    ]
    kinds = [
        f"{p.regularizer.kind} of {', '.join(w.name for w in p.weights)}" for p in problem.penalties
    ]
    return Function(
        name="regularizer",
        role=Role.PENALTY,
        params=(),
        results=(Result("R", reduce(add, terms)),),
        doc=(f"R: {'; '.join(kinds)}.",),
        loc=("regularizers",),
        takes_weights=True,
    )


# --- loss ------------------------------------------------------------------------------------


def _loss(problem: Problem) -> Function:
    readout = problem.readout
    assert readout is not None
    k = readout.outputs
    x, targets = variable("x", rows((problem.features.value,))), variable("targets", rows((k,)))
    body, params, along = Body(), (x, targets), None
    if problem.is_penalized:
        x, (_, *probes), body, (y, *_), integrals = penalized.read(problem)
        params = (x, targets, *probes)
        along = penalized.mean(problem, body, integrals)
        logits = substitute(readout.logits, {problem.first.variable: y})
    else:
        logits = build("flip", call("forward", (x,), rows((k,))))
    given = targets
    if problem.is_classifier:
        given = build("class_probabilities", targets, attributes=(Size(k, "CLASSES"),))
    u = body.named("logits" if readout.weights else "u", logits)
    C = body.named("C", build("flip", given))
    losses = body.named("losses", in_a_row(substitute(readout.loss, {readout.u: u, readout.C: C})))
    total = build("mean", losses) if along is None else build("mean", losses) + along
    what = f"(s, {k})"
    if problem.is_classifier:
        what = "classes (s,) or their probabilities (s, classes)"
    u_is = "logits" if readout.weights else "prediction"
    mean = (
        f"Mean over the examples of {mathematics(readout.loss)}, u the {u_is}{plus_words(problem)}"
    )
    return Function(
        name="loss",
        role=Role.LOSS,
        params=params,
        body=tuple(body.lets),
        results=(Result("loss", plus_regularizer(problem, total)),),
        doc=(f"{mean}; targets C are {what}.", *penalized.in_words(problem)),
        loc=(*READOUT, "loss"),
        takes_weights=True,
        groups=body.groups,
        rows={x: problem.features} if problem.is_penalized else {},
    )


def plus_regularizer(problem: Problem, total: Expr) -> Expr:
    """A loss with what its weights add to it."""
    return total + call("regularizer", (), SCALAR) if problem.penalties else total


def plus_words(problem: Problem) -> str:
    return ", plus R" if problem.penalties else ""


def in_a_row(e: Expr) -> Expr:
    """A number of every example as a row (s,), where it is a column of one component (1, s)."""
    if e.op == "neg":
        return -in_a_row(e.args[0])
    if e.op in ("mul", "div") and not e.args[1].type.batched:
        return build(e.op, in_a_row(e.args[0]), e.args[1])
    return build("flip", e)
