"""The density of a flow: log p(x) = log N(y(T); 0, I) + ∫₀ᵀ tr ∂f/∂y dt for y(0) = x (Chen et al.
2018, theorem 1), and samples of it, which go from y(T) back to y(0)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from math import log, pi
from operator import add

from ...spec.model import Density as Task
from ..ir.expr import Expr, build, call, constant, variable
from ..ir.integrals import Density
from ..ir.module import Constant, Function, Result, Role
from ..ir.problem import Problem
from ..ir.types import columns, rows
from . import adaptive, path, penalized
from .augmented import (
    DIVERGENCE,
    ends,
    features,
    noise,
    probe_rows,
    read,
    state,
    state_of_base,
    with_density,
)
from .body import Body
from .field import rhs
from .layer import Layer, layer_of
from .objective import in_a_row, plus_regularizer, plus_words
from .stacked import stack
from .step import reverse_step, step

NORMALIZER, FREE_ENERGY = "NORMALIZER", "free_energy"
TASK = ("task",)


def in_words(problem: Problem) -> str:
    """What the head of a program says."""
    found = _density(problem)
    target = "; matched to exp(−U) by KL(q ‖ p)" if problem.is_matched else ""
    if problem.is_discrete:
        return f"log N(y(T); 0, I) + Σ log|det| of the steps; {found.reason}{target}"
    return f"log N(y(T); 0, I) + ∫ tr ∂f/∂y dt; the trace {found.words}{target}"


def constants(problem: Problem) -> Iterator[Constant]:
    """What a density has of its own."""
    yield Constant(NORMALIZER, _normalizer(problem), "n/2 log 2π, of the standard normal")


def base_rows(problem: Problem) -> int:
    """How many rows are drawn for a step, where there are no data."""
    task = problem.spec.task
    return task.samples if problem.is_matched and isinstance(task, Task) else 0


def reverse_layer(problem: Problem, layer: Layer) -> Layer | None:
    """What a step in reverse takes, where that is not what a step takes."""
    found = layer_of(problem, reverse=True)
    known = {(e.weight, e.stage) for e in layer.entries}
    return None if {(e.weight, e.stage) for e in found.entries} == known else found


def steps_of(problem: Problem, layer: Layer) -> Iterator[Function]:
    """A step with the log-density, and one of the states alone in reverse."""
    whole = with_density(problem)
    own, back = layer_of(whole), layer_of(problem, reverse=True)
    if not problem.is_adaptive:
        if not problem.is_inverted:
            yield step(whole, own)
        if problem.is_matched or not problem.is_discrete:
            yield reverse_step(problem, back)
        if problem.is_matched:
            yield reverse_step(whole, layer_of(whole, reverse=True))
        return
    slopes = adaptive.slopes(whole, own)
    assert slopes is not None  # there are two blocks at least
    yield slopes
    if not problem.is_shared:
        yield adaptive.step(whole, own)
        yield adaptive.step(problem, back, reverse=True)
        if problem.is_matched:
            yield adaptive.step(whole, layer_of(whole, reverse=True), reverse=True)


def functions(problem: Problem, layer: Layer, known: Mapping[str, Function]) -> Iterator[Function]:
    """From rows to their log-densities, and back from rows of the base; `known` are the functions
    of the path, by name."""
    weights, lift = known.get("layer_weights"), known["initial_state"]
    at_any_time = known.get("weights_at", weights)
    yield _divergence(problem, at_any_time)
    if not problem.is_inverted:
        change = "y(T), and log p(y(T)) − log p(y(0)); one column per example."
        yield state(with_density(problem), lift, weights, change, TASK)
        yield _log_density(problem)
    if problem.is_discrete and not problem.is_matched:
        return
    back, weights_back = reverse_layer(problem, layer), weights
    if back is not None and not problem.is_one_solve:
        weights_back = path.layer_weights(problem, back, "reverse_layer_weights")
        yield weights_back
    yield _sample(problem, lift, weights_back)
    if _density(problem).energy is not None:
        yield _energy(problem)
        change = "y(0) for y(T) = x, and log q(y(0)) − log N(y(T)); one column per example."
        yield state_of_base(with_density(problem), lift, weights_back, change, TASK)
        yield _free_energy(problem)


def loss(problem: Problem) -> Function:
    """Minus the mean log-density of rows of the data, or the mean free energy of rows of the base;
    and the regularizers."""
    if problem.is_penalized:
        x, params, body, mean = _penalized_mean(problem)
    else:
        x, body, whole = features(problem), Body(), with_density(problem)
        params = (x, *probe_rows(whole))
        of_rows = call(FREE_ENERGY if problem.is_matched else "log_density", params, rows())
        mean = build("mean", of_rows) if problem.is_matched else -build("mean", of_rows)
    what = "log q(y(0)) + U(y(0)), y(T) = x" if problem.is_matched else "−log p(x)"
    return Function(
        name="loss",
        role=Role.LOSS,
        params=params,
        body=tuple(body.lets),
        results=(Result("loss", plus_regularizer(problem, mean)),),
        doc=(
            f"Mean over the examples of {what}{plus_words(problem)}.",
            *penalized.in_words(problem),
        ),
        loc=TASK,
        takes_weights=True,
        groups=body.groups,
        rows={x: problem.features} if problem.is_penalized else {},
    )


def _penalized_mean(problem: Problem) -> tuple[Expr, tuple[Expr, ...], Body, Expr]:
    """Rows, all parameters, the statements and the mean of what is learnt with its penalties."""
    x, params, body, states, integrals = penalized.read(problem)
    change, *_ = integrals
    if problem.is_matched:
        value = body.named("F", in_a_row(_free(problem, body, x, states, change)))
        mean = build("mean", value)
    else:
        value = body.named("log_p", in_a_row(_log_p(problem, states, change)))
        mean = -build("mean", value)
    return x, params, body, mean + penalized.mean(problem, body, integrals)


# --- from data to the base ---------------------------------------------------------------------


def _log_density(problem: Problem) -> Function:
    """log N(y(T); 0, I) less what log p has changed by."""
    whole, x = with_density(problem), features(problem)
    probes = probe_rows(whole)
    body, states, (change,) = read(whole, "state", (x, *probes))
    value = body.named("log_p", _log_p(problem, states, change))
    return Function(
        name="log_density",
        role=Role.READOUT,
        params=(x, *probes),
        body=tuple(body.lets),
        results=(Result("log_p", in_a_row(value)),),
        doc=(f"log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,){noise(whole)}.",),
        loc=TASK,
        takes_weights=True,
        rows={x: problem.features},
    )


def _divergence(problem: Problem, weights: Function | None) -> Function:
    """tr ∂f/∂y on rows at any time."""
    whole, body = with_density(problem), Body()
    probes = probe_rows(whole)
    *_, name = whole.blocks
    t, y = variable("t"), variable("y", rows((problem.size,)))
    given = path.at_any_time(body, weights, t)
    time = t if whole.is_autonomous else body.named("time", build("scalar", t, y))
    states = path.split(problem, body, build("flip", y))
    states[name] = build("per_example", constant(0), next(iter(states.values())))
    held = [given[w.name] for w in whole.layer_of(name)]
    across = [build("flip", e) for e in probes]
    rate = body.named("rate", rhs(whole, name, time, states, held, across))
    return Function(
        name="divergence",
        role=Role.PATH,
        params=(t, y, *probes),
        numbers=(t,),
        body=tuple(body.lets),
        results=(Result("trace", in_a_row(-rate)),),
        doc=(f"tr ∂f/∂y of rows (s, {problem.size}): (s,){noise(whole)}.",),
        loc=DIVERGENCE,
        takes_weights=True,
        groups=body.groups,
        rows={y: reduce(add, (block.size for block in problem.blocks.values()))},
    )


# --- from the base to data ---------------------------------------------------------------------


def _sample(problem: Problem, lift: Function, weights: Function | None) -> Function:
    """y(0) of rows of the base."""
    z, body = variable("z", rows((problem.size,))), Body()
    init = body.call(lift, z)
    given = body.call(weights) if weights is not None else ()
    if problem.is_one_solve:
        at = ends(problem, reverse=True)
        after = [build("last", adaptive.read_at(problem, body, init[0], at, given))]
    else:
        after = [*path.scanned(problem, body, init, given, reverse=True).values()]
    return Function(
        name="sample",
        role=Role.PATH,
        params=(z,),
        body=tuple(body.lets),
        results=(Result("x", build("flip", stack(after))),),
        doc=(f"Rows z of the base, which is y(T), as rows of the data: (s, {problem.size}).",),
        loc=TASK,
        takes_weights=True,
        groups=body.groups,
        rows={z: problem.features},
    )


# --- from the base to a target -----------------------------------------------------------------


def _energy(problem: Problem) -> Function:
    """U of states: the target is e⁻ᵁ but for a factor."""
    energy = _density(problem).energy
    assert energy is not None
    return Function(
        name="energy",
        role=Role.READOUT,
        params=tuple(problem.states.values()),
        results=(Result("U", energy),),
        doc=("U of every column: the target is e⁻ᵁ but for a factor.",),
        loc=(*TASK, "target"),
    )


def _free_energy(problem: Problem) -> Function:
    """log q(y(0)) + U(y(0)) of rows that are y(T): its mean is KL(q ‖ e⁻ᵁ/Z) − log Z."""
    whole, x = with_density(problem), features(problem)
    probes = probe_rows(whole)
    body, states, (change,) = read(whole, "state_of_base", (x, *probes))
    F = _free(problem, body, x, states, change)
    return Function(
        name=FREE_ENERGY,
        role=Role.READOUT,
        params=(x, *probes),
        body=tuple(body.lets),
        results=(Result("F", in_a_row(F)),),
        doc=(f"log q(y(0)) + U(y(0)) of each row y(T) = x: (s,){noise(whole)}.",),
        loc=TASK,
        takes_weights=True,
        rows={x: problem.features},
    )


# --- common ------------------------------------------------------------------------------------


def _density(problem: Problem) -> Density:
    assert problem.density is not None
    return problem.density


def _log_p(problem: Problem, states: Sequence[Expr], change: Expr) -> Expr:
    """log p(y(0)) from y(T) and what log p has changed by on the way there."""
    return _log_normal(problem, states) - change


def _free(problem: Problem, body: Body, x: Expr, states: Sequence[Expr], change: Expr) -> Expr:
    """log q + U at y(0), from y(T) = x and what log q has changed by on the way back."""
    z = body.named("z", build("flip", x))
    log_q = body.named("log_q", _log_normal(problem, [z]) + change)
    return log_q + body.named("U", call("energy", states, columns()))


def _log_normal(problem: Problem, states: Sequence[Expr]) -> Expr:
    """log N(y; 0, I) of all blocks together."""
    squares = reduce(add, (build("inner_sum", y**2) for y in states))
    return -squares / 2 - constant(_normalizer(problem), NORMALIZER)


def _normalizer(problem: Problem) -> float:
    return problem.size / 2 * log(2 * pi)
