"""What is around the field: lift, readout, loss and regularizers, typed and checked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import add

from ...spec.diagnostics import did_you_mean
from ...spec.model import BlockLift, Density, LinearLift, Spec
from ...spec.readouts import Classifier, Regression
from ...spec.readouts import Readout as Head
from ...spec.regularizers import Regularizer
from ..ir.expr import Expr, build, constant, variable
from ..ir.operators import as_operator
from ..ir.problem import Block, Loc, Penalty, RawWeight, Readout, slices
from ..ir.types import Size, columns, stored
from ..language.elaborate import elaborate
from .along import alpha
from .facts import Facts
from .refusals import Refusals
from .weights import is_of_a_wrong_readout, raw_weight

READOUT = ("model", "readout")


def lift(
    spec: Spec, blocks: Mapping[str, Block], x: Expr, features: Size, refusals: Refusals
) -> tuple[dict[str, Expr], tuple[RawWeight, ...]]:
    """What blocks start at that the features x fill: y at x with zeros appended, or at L x, or all
    blocks one after the other."""
    if isinstance(spec.model.lift, BlockLift) or isinstance(spec.task, Density):
        return _in_order(spec, blocks, x, features, refusals), ()
    y = next(iter(blocks.values()))
    start, weights = _first_block(spec, y, x, features, refusals)
    return {y.name: start}, weights


def _in_order(
    spec: Spec, blocks: Mapping[str, Block], x: Expr, features: Size, refusals: Refusals
) -> dict[str, Expr]:
    whole = reduce(add, (block.size for block in blocks.values()))
    total = whole.value
    if spec.task.is_of_series and features.value < total:
        x = build("pad", x, attributes=(Size(0), whole))
    elif total != features.value:
        message = f"the data has {features.value} features, the blocks have {total} components"
        key, help = "lift", "lift: blocks fills every block"
        if isinstance(spec.task, Density):
            key, help = "state", "a flow has as many components as the data has features"
        refusals.add("E201", message, "model", key, label=f"{total} ≠ {features.value}", help=help)
        return {}
    if len(blocks) == 1:
        return dict.fromkeys(blocks, x)
    places = zip(blocks, slices(blocks.values()), strict=True)
    return {name: build("slice", x, attributes=place) for name, place in places}


def _first_block(
    spec: Spec, y: Block, x: Expr, features: Size, refusals: Refusals
) -> tuple[Expr, tuple[RawWeight, ...]]:
    n, d = y.size.value, features.value
    if isinstance(spec.model.lift, LinearLift):
        variable_ = variable("L", stored((n, d)))
        L = raw_weight(variable_, (y.size, features), ("n", "d"), spec, ("model", "lift"))
        return as_operator(L.stack) @ x, (L,)
    if n < d and not spec.mended("model", "lift"):
        help = f"a state of at least {d}, or lift: linear"
        message = f"the data has {d} features, the state {y.name} has {n}"
        refusals.add("E201", message, "model", "state", label=f"{n} < {d}", help=help)
    if n == d:
        return x, ()
    return build("pad", x, attributes=(Size(0), y.size if n > d else features)), ()


def readout(spec: Spec, y: Block, facts: Facts, refusals: Refusals) -> Readout | None:
    """Logits u = Wᵀ y + μ as a column, or y itself; the loss of one example in terms of u and the
    target C."""
    head = spec.model.readout
    if head is None:
        return None
    is_classifier = isinstance(head, Classifier)
    count = head.outputs_count or facts.targets or y.size.value
    _check_outputs(head, facts, refusals)
    k = Size(count, "CLASSES" if is_classifier else "OUTPUTS")
    logits, weights = (
        _affine(spec, y, k) if head.outputs_count else (_components(y, k, refusals), ())
    )
    u, C = (variable(name, columns((k.value,))) for name in ("u", "C"))
    hypothesis = elaborate(head.hypothesis_expression, {"u": u}, catalogue=True)
    loss = elaborate(head.loss_expression, {"u": u, "C": C}, catalogue=True)
    return Readout(u, C, logits, hypothesis, loss, weights)


def _check_outputs(head: Head, facts: Facts, refusals: Refusals) -> None:
    """As many outputs as the data have targets."""
    if isinstance(head, Regression) and facts.targets not in (None, head.outputs):
        has = f"the data has {facts.targets} target{'s' * (facts.targets != 1)}"
        message = f"{has}, the readout predicts {head.outputs}"
        refusals.add("E206", message, *READOUT, "outputs", help=f"outputs: {facts.targets}")


def _components(y: Block, k: Size, refusals: Refusals) -> Expr:
    """The first k components of y."""
    n = y.size.value
    if k.value > n:
        message = f"the data has {k.value} targets, the state {y.name} has {n}"
        refusals.add("E206", message, *READOUT, label=f"{n} < {k.value}")
    if k.value >= n:
        return y.variable
    return build("slice", y.variable, attributes=(Size(0), k))


def _affine(spec: Spec, y: Block, k: Size) -> tuple[Expr, tuple[RawWeight, ...]]:
    """Wᵀ y + μ with its weights."""
    letter = "classes" if k.name == "CLASSES" else "outputs"
    W = raw_weight(
        variable("W", stored((y.size.value, k.value))),
        (y.size, k),
        ("n", letter),
        spec,
        READOUT,
        fan_in=y.size,
    )
    mu = raw_weight(variable("mu", stored((k.value,))), (k,), (letter,), spec, READOUT)
    return as_operator(W.stack).T @ y.variable + build("column", mu.stack), (W, mu)


def penalties(
    spec: Spec,
    weights: list[RawWeight],
    networks: Mapping[str, list[str]],
    refusals: Refusals,
) -> tuple[Penalty, ...]:
    """The regularizers, each one scalar of the raw weights; the name of a network stands for all of
    its weights."""
    learns = spec.model.readout is not None or isinstance(spec.task, Density)
    learns = learns or spec.task.is_of_series
    if spec.regularizers and not learns and not spec.mended(*READOUT):
        refusals.add("E211", "regularizers need a readout", "regularizers", key=True)
    given = (weights, networks, refusals)
    found = (
        _penalty(r, i, spec, *given)
        for i, r in enumerate(spec.regularizers)
        if isinstance(r, Regularizer)
    )
    return tuple(p for p in found if p is not None)


def _penalty(
    regularizer: Regularizer,
    index: int,
    spec: Spec,
    weights: list[RawWeight],
    networks: Mapping[str, list[str]],
    refusals: Refusals,
) -> Penalty | None:
    known = {w.name: w for w in weights}
    fitting: list[RawWeight] = []
    named = [(i, w) for i, name in enumerate(regularizer.of) for w in networks.get(name, [name])]
    for i, name in named:
        loc = ("regularizers", index, "of", i)
        if name not in known and is_of_a_wrong_readout(name, spec):
            continue
        if name not in known:
            names, what = (*networks, *known), "weights and networks" if networks else "weights"
            help = did_you_mean(name, names) or f"{what}: {', '.join(names)}"
            refusals.add("E204", f"there is no weight {name}", *loc, help=help)
        elif regularizer.needs_path and not known[name].nodes:
            if name == networks.get(regularizer.of[i], [name])[0]:  # one error for a network
                _no_path(known[name], loc, refusals)
        elif not regularizer.needs_path or known[name].nodes > 1:
            fitting.append(known[name])  # the only node of a single step has no neighbour: 0
    return _total(regularizer, index, fitting, spec) if fitting else None


def _no_path(weight: RawWeight, loc: Loc, refusals: Refusals) -> None:
    is_of_the_field = weight.name not in ("W", "mu", "L")
    why = "it is shared by all steps" if is_of_the_field else "it belongs to no time step"
    refusals.add("E205", f"{weight.name} has no smoothness in time", *loc, label=why)


def _total(regularizer: Regularizer, index: int, weights: list[RawWeight], spec: Spec) -> Penalty:
    w = variable("w", weights[0].stack.type)
    scope = {
        "alpha": alpha(spec, index),
        "h": constant(spec.model.time.step, "H"),
        "w": w,
    }
    value = elaborate(regularizer.expression, scope, catalogue=True)
    return Penalty(regularizer, index, tuple(weights), w, value)
