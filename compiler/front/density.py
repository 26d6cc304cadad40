"""tr ∂f/∂y of a flow: in closed form, by products with all unit vectors, or by random ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np

from ...data.rng import rng
from ...data.sources import counted
from ...spec.adaptive import Adaptive
from ...spec.density import WALL, ClosedForm, Hutchinson, LogDet
from ...spec.integrators import Euler, Integrator, RungeKutta
from ...spec.model import Density as Task
from ...spec.model import Spec, ZeroLift
from ..ir.expr import Expr, build, component, constant, units, variable
from ..ir.integrals import Density
from ..ir.problem import Block, slices
from ..ir.types import PROBE, Size, columns
from ..language.elaborate import elaborate
from ..language.syntax import ExpressionError
from ..passes.linearize import linearize
from ..passes.simplify import simplify
from ..passes.traces import closed_flops, trace
from ..passes.words import (
    Column,
    Factor,
    Matrix,
    Row,
    Words,
    in_words,
    jvp,
    product_flops,
)
from ..semantics.evaluate import evaluate
from .equations import PI
from .refusals import Refusals, either

HERE = ("model", "divergence")
BASE_ROWS = 1000
"""At which an energy has to be a number."""


def check_combination(spec: Spec, refusals: Refusals) -> None:
    """What a flow has and has not: no readout, no lift, a method that goes through all blocks at
    once; and what other tasks have not."""
    model = spec.model
    if not isinstance(spec.task, Task):
        if model.divergence is not None:
            message = "divergence is a key of task: density"
            refusals.add("E206", message, *HERE, key=True, help="task: density")
        return
    _check_data(spec, spec.task, refusals)
    if model.readout is not None:
        message = "a density has no readout: y(T) is standard normal"
        refusals.add("E206", message, "model", "readout", key=True)
    if not isinstance(model.lift, ZeroLift):  # which appends nothing here
        message = "a density has no lift: the state is a row of the data"
        refusals.add("E206", message, "model", "lift", key=True)
    method = type(model.integrator)
    if isinstance(model.divergence, LogDet) and not isinstance(model.integrator, Euler):
        message = f"log-det goes with euler, not {method.kind}"
        refusals.add("E202", message, *HERE, help="the steps of euler are the layers of the flow")
    if not issubclass(method, RungeKutta | Adaptive) and not spec.mended("model", "integrator"):
        takes = [k for k, m in Integrator.members().items() if issubclass(m, RungeKutta | Adaptive)]
        message = f"task density goes with {either(takes)}, not {method.kind}"
        help = "a field of two blocks that move in turn keeps volume: its density only moves"
        refusals.add("E202", message, "model", "integrator", help=help)


def _check_data(spec: Spec, task: Task, refusals: Refusals) -> None:
    """A target is matched without data; what has data has no steps of its own."""
    for key in ("box", "samples"):
        is_said = getattr(task, key) != type(task).model_fields[key].default
        if task.target is None and is_said and not spec.mended("task"):
            message = f"{key} is a key of a density with a target"
            refusals.add("E206", message, "task", key, key=True, help="target: potential-1")
    if task.target is not None and spec.data is not None:
        message = "a density learns from data or from a target, not from both"
        refusals.add("E206", message, "task", "target", key=True)
    if spec.train is None:
        return
    if task.target is None and spec.train.steps is not None:
        message = "steps is for a training without data"
        refusals.add("E206", message, "train", "steps", key=True, help="batch says what a step is")
    if task.target is not None and spec.train.batch is not None:
        message = "batch is of data; rows of the base are drawn for each step"
        refusals.add("E206", message, "train", "batch", key=True, help="task: {samples: 1000}")


def density_of(
    spec: Spec, blocks: Mapping[str, Block], rhs: Mapping[str, Expr], refusals: Refusals
) -> Density | None:
    """How the log-density changes along the flow, for a task of densities."""
    if not isinstance(spec.task, Task) or rhs.keys() != blocks.keys():
        return None
    found = _of_flow(spec, blocks, rhs, refusals)
    return replace(found, energy=_energy(spec, spec.task, blocks, refusals))


def _of_flow(
    spec: Spec, blocks: Mapping[str, Block], rhs: Mapping[str, Expr], refusals: Refusals
) -> Density:
    words = {name: linearize(rhs[name], block.variable) for name, block in blocks.items()}
    size = sum(block.size.value for block in blocks.values())
    asked = spec.model.divergence
    if isinstance(asked, LogDet):
        return _discrete(spec, words, blocks, refusals)
    if isinstance(asked, Hutchinson):
        probes = variable("probes", columns((size,)).along(PROBE))
        mean = _products(words, blocks, probes) / constant(asked.probes)
        reason = f"{counted(asked.probes, f'{asked.law} vector')} for a row and a solve"
        return Density(simplify(mean), asked.kind, reason, probes, asked.probes)
    closed = _closed(words, blocks)
    exact = simplify(_products(words, blocks, units(whole(blocks))))
    if asked is not None and not isinstance(asked, ClosedForm):
        return Density(exact, "exact", "as the spec says")
    by_products = size * sum(map(product_flops, words.values()))
    if closed is None:
        if asked is not None:
            message = "the trace of this field has no closed form"
            label = "a product of more than two matrices with functions between"
            help = "divergence: exact or hutchinson"
            refusals.add("E202", message, *HERE, label=label, help=help)
        return Density(exact, "exact", "there is no closed form")
    costs = f"{closed_flops(closed):,} operations against {by_products:,}"
    if asked is None and closed_flops(closed) > by_products:
        return Density(exact, "exact", f"{costs} backwards")
    reason = f"{costs} of {counted(size, 'product')} with the derivative"
    return Density(closed, "closed-form", reason)


def _discrete(
    spec: Spec, words: Mapping[str, Words], blocks: Mapping[str, Block], refusals: Refusals
) -> Density:
    """± log|det(I ± h ∂f/∂y)| / h, in the direction in which the flow learns."""
    size, (name, *others) = sum(b.size.value for b in blocks.values()), blocks
    of, y = words[name], blocks[name].variable
    if others or not (size <= 2 or _has_rank_one(of)):
        message = (
            "log-det takes a field of one block whose derivative has rank one, or two components"
        )
        label = f"{in_words(of)}, of {counted(size, 'component')}"
        refusals.add("E202", message, *HERE, label=label, help="divergence: closed-form or exact")
        return Density(y, "log-det", "")
    h = constant(spec.model.time.step, "H")
    is_matched = isinstance(spec.task, Task) and spec.task.target is not None
    signed = -h if is_matched else h
    what, inside = "rank one", constant(1) + signed * _closed_or_products(words, blocks)
    if not _has_rank_one(of) and size == 2:
        what, inside = "two components", _determinant(of, signed, inside)
    value = build("log", build("abs", inside)) / signed
    reason = f"the derivative has {what}: 1 {'−' if is_matched else '+'} h tr ∂f/∂y"
    if what != "rank one":
        reason += " and h² det ∂f/∂y"
    return Density(simplify(spread(value, blocks)), "log-det", reason)


def _has_rank_one(words: Words) -> bool:
    """One product of factors, through a single number."""
    return len(words) == 1 and any(map(_is_narrow, words[0].factors))


def _is_narrow(factor: Factor) -> bool:
    if isinstance(factor, Matrix):
        return 1 in (*factor.operator.shape, *(factor.operator.type.domain or ()))
    return isinstance(factor, Row | Column)


def _closed_or_products(words: Mapping[str, Words], blocks: Mapping[str, Block]) -> Expr:
    closed = _closed(words, blocks)
    return _products(words, blocks, units(whole(blocks))) if closed is None else closed


def _determinant(words: Words, h: Expr, without: Expr) -> Expr:
    """det(I + h J) = 1 + h tr J + h² (J₁₁ J₂₂ − J₁₂ J₂₁) of two components."""
    columns = jvp(words, units(Size(2)))
    if columns is None:
        return without
    (a, c), (b, d) = (
        tuple(component(build("at", columns, constant(i)), k) for k in (0, 1)) for i in (0, 1)
    )
    return without + h * h * (a * d - b * c)


# --- the target --------------------------------------------------------------------------------


def _energy(spec: Spec, task: Task, blocks: Mapping[str, Block], refusals: Refusals) -> Expr | None:
    """U with the wall of its box, a number for every example."""
    text = task.energy
    if text is None or spec.mended("task", "target"):
        return None
    is_ours, states = isinstance(task.target, str), {n: b.variable for n, b in blocks.items()}
    loc = ("task", "target") if is_ours else ("task", "target", "energy")
    if is_ours and [(n, b.size.value) for n, b in blocks.items()] != [("y", 2)]:
        message = f"{task.target} is a density of the plane: state 2"
        refusals.add("E201", message, *loc)
        return None
    try:
        value = _number(elaborate(text, {**states, "pi": PI}), text)
        wall = _wall(task, states)
        value = simplify(value if wall is None else value + wall)
        _require_finite(spec, value, text, blocks)
    except ExpressionError as error:
        refusals.add_expression(error, text, *loc)
        return None
    return value


def _number(value: Expr, text: str) -> Expr:
    if value.shape or value.type.is_operator or not value.type.batched:
        is_fixed = not value.shape and not value.type.is_operator
        message = "the energy does not depend on the state" if is_fixed else f"it is {value.type}"
        help = "an energy is a number for every row: sum(y ** 2) / 2"
        raise ExpressionError("E303", message, 0, len(text), help)
    return value


def _wall(task: Task, states: Mapping[str, Expr]) -> Expr | None:
    if task.interval is None:
        return None
    low, high = map(constant, task.interval)
    return total(elaborate(WALL, {"y": y, "low": low, "high": high}) for y in states.values())


def _require_finite(spec: Spec, energy: Expr, text: str, blocks: Mapping[str, Block]) -> None:
    """On rows of the base, where a training begins."""
    random, shapes = rng(spec.seed, "base"), {b.variable: b.shape for b in blocks.values()}
    rows = {y: random.normal(size=(*shape, BASE_ROWS)) for y, shape in shapes.items()}
    with np.errstate(all="ignore"):
        found = np.broadcast_to(evaluate(energy, rows), (1, BASE_ROWS))
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        at = ", ".join(f"{v:.3g}" for y in rows.values() for v in y[:, bad[0]])
        message = f"the energy is {found[0, bad[0]]} at y = ({at}), a row of the base"
        raise ExpressionError("E301", message, 0, len(text))


# --- the trace ---------------------------------------------------------------------------------


def _closed(words: Mapping[str, Words], blocks: Mapping[str, Block]) -> Expr | None:
    found = [trace(of, blocks[name].variable) for name, of in words.items()]
    known = [e for e in found if e is not None]
    return simplify(spread(total(known), blocks)) if len(known) == len(found) else None


def _products(words: Mapping[str, Words], blocks: Mapping[str, Block], vectors: Expr) -> Expr:
    """Σ vᵀ J v over the vectors, block by block: what couples blocks is no part of the trace."""
    found: list[Expr] = []
    for name, place in zip(blocks, slices(blocks.values()), strict=True):
        v = vectors if len(blocks) == 1 else build("slice", vectors, attributes=place)
        product = jvp(words[name], v)
        if product is not None:
            found.append(build("inner_sum", v * product))
    summed = build("reduce", total(found), attributes=(PROBE,)) if found else constant(0)
    return spread(summed, blocks)


def whole(blocks: Mapping[str, Block]) -> Size:
    """The number of components of all blocks together."""
    return reduce(add, (block.size for block in blocks.values()))


def total(terms: Iterable[Expr]) -> Expr:
    return reduce(add, terms, constant(0))


def spread(number: Expr, blocks: Mapping[str, Block]) -> Expr:
    """A number for every example, also where it is the same for all."""
    like = next(iter(blocks.values())).variable
    return number if number.type.batched else build("per_example", number, like)
