"""Regularizers along the path: what is integrated with the state, and how a derivative's norm is
taken: in closed form, by products with all unit vectors, or by random ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce
from operator import add

from ...data.sources import counted
from ...spec.adaptive import Adaptive
from ...spec.density import Hutchinson
from ...spec.integrators import Integrator, RungeKutta
from ...spec.model import Spec
from ...spec.regularizers import JacobianFrobenius, PathRegularizer
from ..ir.expr import Expr, build, constant, units, variable
from ..ir.integrals import PathPenalty
from ..ir.naming import free
from ..ir.problem import Block, slices
from ..ir.types import PROBE, columns
from ..passes.linearize import linearize
from ..passes.simplify import simplify
from ..passes.traces import closed_flops, squared_norm
from ..passes.words import Words, jvp, product_flops, vjp
from .density import spread, total, whole
from .refusals import Refusals, either

Blocks = Mapping[str, Block]
Jacobian = Mapping[tuple[str, str], Words]
"""∂ y'/∂ z for every pair of blocks (y, z)."""


def check_integrator(spec: Spec, refusals: Refusals) -> None:
    """An integral is stepped by the method that steps the state: one that goes through all blocks
    at once."""
    method = type(spec.model.integrator)
    if spec.task.is_of_series:
        _refuse_series(spec, refusals)
        return
    if issubclass(method, RungeKutta | Adaptive) or spec.mended("model", "integrator"):
        return
    takes = [k for k, m in Integrator.members().items() if issubclass(m, RungeKutta | Adaptive)]
    for i, regularizer in enumerate(spec.regularizers):
        if isinstance(regularizer, PathRegularizer):
            message = f"{regularizer.kind} goes with {either(takes)}, not {method.kind}"
            label = "its halves move in turn, an integral along the path has no half"
            refusals.add("E202", message, "regularizers", i, label=label)


def _refuse_series(spec: Spec, refusals: Refusals) -> None:
    """Each series has a path of a length of its own, not one of [0, T]."""
    for i, regularizer in enumerate(spec.regularizers):
        if isinstance(regularizer, PathRegularizer):
            message = f"{regularizer.kind} is no regularizer of task: {spec.task.kind}"
            label = "paths of series end when their observations do, not at T"
            refusals.add("E202", message, "regularizers", i, label=label)


def slopes_of(blocks: Blocks, names: Iterable[str]) -> dict[str, Expr]:
    """What stands for the slopes of blocks, by names that nothing else has."""
    taken = {*blocks, *names}
    return {n: variable(free(f"d{n}", taken), b.variable.type) for n, b in blocks.items()}


def penalties(
    spec: Spec,
    blocks: Blocks,
    rhs: Mapping[str, Expr],
    slopes: Mapping[str, Expr],
    drawn: Expr | None,
) -> tuple[PathPenalty, ...]:
    """The regularizers along the path, as rates of what is integrated; `drawn` are the random
    vectors that a trace is estimated by."""
    if rhs.keys() != blocks.keys():
        return ()
    probes = variable("probes", columns((whole(blocks).value,)).along(PROBE))
    probes = probes if drawn is None else drawn
    return tuple(
        _norm(spec, each, i, blocks, rhs, probes)
        if isinstance(each, JacobianFrobenius)
        else PathPenalty(each, i, alpha(spec, i), simplify(_squares(slopes.values(), blocks)))
        for i, each in enumerate(spec.regularizers)
        if isinstance(each, PathRegularizer)
    )


def alpha(spec: Spec, index: int) -> Expr:
    """The factor of a regularizer, by the name that programs have for it."""
    symbol = "ALPHA" if len(spec.regularizers) == 1 else f"ALPHA_{index + 1}"
    return constant(spec.regularizers[index].alpha, symbol)


def check_draws(spec: Spec, refusals: Refusals) -> None:
    """The vectors of a solve are the same for trace and norms: as many, of one law."""
    asked = [(r.estimate if isinstance(r, JacobianFrobenius) else None) for r in spec.regularizers]
    drawn = [each for each in (spec.model.divergence, *asked) if isinstance(each, Hutchinson)]
    for i, each in enumerate(asked):
        if isinstance(each, Hutchinson) and _drawn(each) != _drawn(drawn[0]):
            message = f"one draw serves a solve: {_drawn(drawn[0])}, not {_drawn(each)}"
            probes, law = drawn[0].probes, drawn[0].law
            help = f"estimate: {{kind: hutchinson, probes: {probes}, law: {law}}}"
            refusals.add("E206", message, "regularizers", i, "estimate", help=help)


def _drawn(asked: Hutchinson) -> str:
    return counted(asked.probes, f"{asked.law} vector")


# --- ‖∂f/∂y‖²_F --------------------------------------------------------------------------------


def _norm(
    spec: Spec,
    regularizer: JacobianFrobenius,
    index: int,
    blocks: Blocks,
    rhs: Mapping[str, Expr],
    probes: Expr,
) -> PathPenalty:
    J = {(a, b): linearize(rhs[a], blocks[b].variable) for a in blocks for b in blocks}
    found = PathPenalty(regularizer, index, alpha(spec, index), constant(0))
    asked, n = regularizer.estimate, whole(blocks)
    if isinstance(asked, Hutchinson):
        mean = _by_products(J, blocks, probes, pulled=True) / constant(asked.probes)
        reason = f"{_drawn(asked)} for a row and a solve"
        drawn = replace(found, probes=probes, count=asked.probes)
        return replace(drawn, rate=simplify(mean), kind=asked.kind, reason=reason)
    closed = _closed(J, blocks)
    exact = simplify(_by_products(J, blocks, units(n), pulled=False))
    by_products = n.value * sum(map(product_flops, J.values()))
    if closed is None:
        return replace(found, rate=exact, kind="exact", reason="there is no closed form")
    costs = f"{closed_flops(closed):,} operations against {by_products:,}"
    if closed_flops(closed) > by_products:
        return replace(found, rate=exact, kind="exact", reason=f"{costs} in closed form")
    reason = f"{costs} of {counted(n.value, 'product')} with the derivative"
    return replace(found, rate=closed, kind="closed-form", reason=reason)


def _closed(J: Jacobian, blocks: Blocks) -> Expr | None:
    """Σ ‖∂y'/∂z‖²_F over the pairs of blocks."""
    found = [squared_norm(words, blocks[b].variable) for (_, b), words in J.items()]
    known = [e for e in found if e is not None]
    return simplify(spread(total(known), blocks)) if len(known) == len(found) else None


def _by_products(J: Jacobian, blocks: Blocks, vectors: Expr, *, pulled: bool) -> Expr:
    """Σ ‖J v‖² over the vectors, or Σ ‖Jᵀ v‖² where they are pulled back."""
    parts = dict(zip(blocks, slices(blocks.values()), strict=True))
    v = {
        n: vectors if len(blocks) == 1 else build("slice", vectors, attributes=at)
        for n, at in parts.items()
    }
    squares: list[Expr] = []
    for name in blocks:
        terms = [
            vjp(J[other, name], v[other]) if pulled else jvp(J[name, other], v[other])
            for other in blocks
        ]
        known = [e for e in terms if e is not None]
        if known:
            squares.append(build("inner_sum", reduce(add, known) ** 2))
    summed = build("reduce", total(squares), attributes=(PROBE,)) if squares else constant(0)
    return spread(summed, blocks)


def _squares(slopes: Iterable[Expr], blocks: Blocks) -> Expr:
    """‖y'‖² of all blocks together."""
    return spread(total(build("inner_sum", k**2) for k in slopes), blocks)
