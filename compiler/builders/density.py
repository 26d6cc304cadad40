"""The density of a flow: log p(x) = log N(y(T); 0, I) + ∫₀ᵀ tr ∂f/∂y dt for y(0) = x (Chen et al.
2018, theorem 1), and samples of it, which go from y(T) back to y(0)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from math import log, pi
from operator import add

from ...spec.density import Hutchinson
from ...spec.model import Density as Task
from ..ir.expr import Expr, build, call, constant, variable
from ..ir.module import Call, Chance, Constant, Function, Let, Result, Role
from ..ir.naming import free
from ..ir.problem import Block, Density, Problem
from ..ir.problem import Role as Part
from ..ir.types import PROBE, SCALAR, Size, columns, rows
from . import adaptive, path
from .body import FLOW, Body
from .field import rhs
from .layer import Layer, layer_of
from .names import HORIZON
from .objective import in_a_row
from .stacked import blocks_of, stack
from .step import reverse_step, step

LOGP, NORMALIZER, STATE_AND_CHANGE = "logp", "NORMALIZER", "density_state"
STATE_OF_BASE, FREE_ENERGY = "density_state_of_base", "free_energy"
TASK, DIVERGENCE = ("task",), ("model", "divergence")


def augmented(problem: Problem) -> Problem:
    """The problem with the change of the log-density along the path as one more block."""
    density = _density(problem)
    name = free(LOGP, problem.blocks)
    block = Block(name, Size(1), Part.QUADRATURE, variable(name, columns()))
    return replace(
        problem,
        blocks={**problem.blocks, name: block},
        rhs={**problem.rhs, name: -density.trace},
        rhs_locs={**problem.rhs_locs, name: DIVERGENCE},
        given=_probes(problem),
    )


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


def chance(problem: Problem) -> Chance | None:
    """What is drawn for every row."""
    asked = problem.spec.model.divergence
    return Chance(asked.probes, asked.law) if isinstance(asked, Hutchinson) else None


def sizes(problem: Problem) -> dict[str, int]:
    """How many vectors a derivative is multiplied by."""
    density = problem.density
    return {} if density is None else {PROBE.name: density.count or problem.size}


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
    whole = augmented(problem)
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
        yield _state(problem, lift, weights)
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
        yield _state_of_base(problem, lift, weights_back)
        yield _free_energy(problem)


def loss(problem: Problem) -> Function:
    """Minus the mean log-density of rows of the data, or the mean free energy of rows of the base;
    and the regularizers."""
    x, probes, is_matched = _rows(problem), _probe_rows(problem), problem.is_matched
    of_rows = call(FREE_ENERGY if is_matched else "log_density", (x, *probes), rows())
    mean = build("mean", of_rows)
    total, penalty = mean if is_matched else -mean, ""
    if problem.penalties:
        total, penalty = total + call("regularizer", (), SCALAR), ", plus R"
    what = "log q(y(0)) + U(y(0)), y(T) = x" if is_matched else "−log p(x)"
    return Function(
        name="loss",
        role=Role.LOSS,
        params=(x, *probes),
        results=(Result("loss", total),),
        doc=(f"Mean over the examples of {what}{penalty}.",),
        loc=TASK,
        takes_weights=True,
    )


# --- from data to the base ---------------------------------------------------------------------


def _state(problem: Problem, lift: Function, weights: Function | None) -> Function:
    """y(T), and what log p has changed by on the way."""
    whole, x, probes, body = augmented(problem), _rows(problem), _probe_rows(problem), Body()
    start = _start(whole, body, lift, x)
    found = _end(whole, body, start, _given(body, weights, probes))
    return Function(
        name=STATE_AND_CHANGE,
        role=Role.PATH,
        params=(x, *probes),
        body=tuple(body.lets),
        results=tuple(Result(n, found[n], FLOW) for n in whole.blocks),
        doc=("y(T), and log p(y(T)) − log p(y(0)); one column per example.",),
        loc=TASK,
        takes_weights=True,
        groups=body.groups,
    )


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
        along = adaptive.read_at(whole, body, state, _ends(whole, reverse), given)
        after = build("last", along)
    else:
        (after,) = path.scanned(whole, body, (state,), given, reverse=reverse).values()
    state = after if after.op == "variable" else body.named(adaptive.STACKED, after)
    return blocks_of(whole, state)


def _log_density(problem: Problem) -> Function:
    """log N(y(T); 0, I) less what log p has changed by."""
    whole, x, probes = augmented(problem), _rows(problem), _probe_rows(problem)
    found = tuple(variable(n, block.variable.type) for n, block in whole.blocks.items())
    *states, change = found
    body = Body([Let(found, Call(STATE_AND_CHANGE, (x, *probes)))], dict.fromkeys(found, FLOW))
    value = body.named("log_p", _log_normal(problem, states) - change)
    return Function(
        name="log_density",
        role=Role.READOUT,
        params=(x, *probes),
        body=tuple(body.lets),
        results=(Result("log_p", in_a_row(value)),),
        doc=(f"log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,){_noise(problem)}.",),
        loc=TASK,
        takes_weights=True,
        rows={x: problem.features},
    )


def _divergence(problem: Problem, weights: Function | None) -> Function:
    """tr ∂f/∂y on rows at any time."""
    whole, probes, body = augmented(problem), _probe_rows(problem), Body()
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
        doc=(f"tr ∂f/∂y of rows (s, {problem.size}): (s,){_noise(problem)}.",),
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
        at = _ends(problem, reverse=True)
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


def _state_of_base(problem: Problem, lift: Function, weights: Function | None) -> Function:
    """y(0) of rows that are y(T), and what log q has changed by on the way back."""
    whole, x, probes, body = augmented(problem), _rows(problem), _probe_rows(problem), Body()
    given = _given(body, weights, probes)
    found = _end(whole, body, _start(whole, body, lift, x), given, reverse=True)
    return Function(
        name=STATE_OF_BASE,
        role=Role.PATH,
        params=(x, *probes),
        body=tuple(body.lets),
        results=tuple(Result(n, found[n], FLOW) for n in whole.blocks),
        doc=("y(0) for y(T) = x, and log q(y(0)) − log N(y(T)); one column per example.",),
        loc=TASK,
        takes_weights=True,
        groups=body.groups,
    )


def _free_energy(problem: Problem) -> Function:
    """log q(y(0)) + U(y(0)) of rows that are y(T): its mean is KL(q ‖ e⁻ᵁ/Z) − log Z."""
    whole, x, probes = augmented(problem), _rows(problem), _probe_rows(problem)
    found = tuple(variable(n, block.variable.type) for n, block in whole.blocks.items())
    *states, change = found
    body = Body([Let(found, Call(STATE_OF_BASE, (x, *probes)))], dict.fromkeys(found, FLOW))
    z = body.named("z", build("flip", x))
    log_q = body.named("log_q", _log_normal(problem, [z]) + change)
    U = body.named("U", call("energy", states, columns()))
    return Function(
        name=FREE_ENERGY,
        role=Role.READOUT,
        params=(x, *probes),
        body=tuple(body.lets),
        results=(Result("F", in_a_row(log_q + U)),),
        doc=(f"log q(y(0)) + U(y(0)) of each row y(T) = x: (s,){_noise(problem)}.",),
        loc=TASK,
        takes_weights=True,
        rows={x: problem.features},
    )


# --- common ------------------------------------------------------------------------------------


def _density(problem: Problem) -> Density:
    assert problem.density is not None
    return problem.density


def _start(whole: Problem, body: Body, lift: Function, x: Expr) -> list[Expr]:
    """The blocks where a path begins: rows, and no change of the log-density."""
    (first, *others) = body.call(lift, x)
    *_, name = whole.blocks
    return [first, *others, body.named(name, build("per_example", constant(0), first))]


def _given(body: Body, weights: Function | None, probes: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """What steps or a solver take besides the states."""
    found = body.call(weights) if weights is not None else ()
    return found + tuple(body.named("columns", build("flip", e)) for e in probes)


def _log_normal(problem: Problem, states: Sequence[Expr]) -> Expr:
    """log N(y; 0, I) of all blocks together."""
    squares = reduce(add, (build("inner_sum", y**2) for y in states))
    return -squares / 2 - constant(_normalizer(problem), NORMALIZER)


def _normalizer(problem: Problem) -> float:
    return problem.size / 2 * log(2 * pi)


def _rows(problem: Problem) -> Expr:
    return variable("x", rows((problem.features.value,)))


def _ends(problem: Problem, reverse: bool) -> Expr:
    """0 and T, or T and 0."""
    ends = constant(0.0), constant(problem.spec.model.time.horizon, HORIZON)
    return build("interval", *(reversed(ends) if reverse else ends))


def _probes(problem: Problem) -> tuple[Expr, ...]:
    probes = _density(problem).probes
    return () if probes is None else (probes,)


def _probe_rows(problem: Problem) -> tuple[Expr, ...]:
    """The random vectors of an estimate, as they come in."""
    return tuple(variable("probes", rows((problem.size,)).along(PROBE)) for _ in _probes(problem))


def _noise(problem: Problem) -> str:
    count = _density(problem).count
    return f"; probes are ({count}, s, {problem.size})" if count else ""
