"""What is around the field: lift, readout, loss and regularizers, typed and checked."""

from __future__ import annotations

from ...spec.diagnostics import did_you_mean
from ...spec.model import LinearLift, Spec
from ...spec.readouts import Classifier
from ...spec.regularizers import Regularizer
from ..ir.expr import Expr, build, constant, variable
from ..ir.operators import as_operator
from ..ir.problem import Block, Loc, Penalty, RawWeight, Readout
from ..ir.types import Size, columns, stored
from ..language.elaborate import elaborate
from .refusals import Refusals
from .weights import is_of_a_wrong_readout, raw_weight

READOUT = ("model", "readout")


def lift(
    spec: Spec, y: Block, x: Expr, features: Size, refusals: Refusals
) -> tuple[Expr, tuple[RawWeight, ...]]:
    """y(0) from the features x: zeros appended, or L x."""
    n, d = y.size.value, features.value
    if isinstance(spec.model.lift, LinearLift):
        variable_ = variable("L", stored((n, d)))
        L = raw_weight(variable_, (y.size, features), ("n", "d"), spec, ("model", "lift"))
        return as_operator(L.stack) @ x, (L,)
    if n < d:
        help = f"a state of at least {d}, or lift: linear"
        message = f"the data has {d} features, the state y has {n}"
        refusals.add("E201", message, "model", "state", label=f"{n} < {d}", help=help)
    if n == d:
        return x, ()
    return build("pad", x, attributes=(Size(0), y.size if n > d else features)), ()


def readout(spec: Spec, y: Block) -> Readout | None:
    """logits u = Wᵀ y + μ as a column; the loss of one example in terms of u and the target C."""
    head = spec.model.readout
    if head is None:
        return None
    is_classifier = isinstance(head, Classifier)
    k = Size(head.outputs_count, "CLASSES" if is_classifier else "OUTPUTS")
    letter = "classes" if is_classifier else "outputs"
    W = raw_weight(
        variable("W", stored((y.size.value, k.value))),
        (y.size, k),
        ("n", letter),
        spec,
        READOUT,
        fan_in=y.size,
    )
    mu = raw_weight(variable("mu", stored((k.value,))), (k,), (letter,), spec, READOUT)
    logits = as_operator(W.stack).T @ y.variable + build("column", mu.stack)
    u, C = (variable(name, columns((k.value,))) for name in ("u", "C"))
    hypothesis = elaborate(head.hypothesis_expression, {"u": u}, catalogue=True)
    loss = elaborate(head.loss_expression, {"u": u, "C": C}, catalogue=True)
    return Readout(u, C, logits, hypothesis, loss, (W, mu))


def penalties(spec: Spec, weights: list[RawWeight], refusals: Refusals) -> tuple[Penalty, ...]:
    """The regularizers, each one scalar of the raw weights."""
    if spec.regularizers and spec.model.readout is None and not spec.wrote(*READOUT):
        refusals.add("E211", "regularizers need a readout", "regularizers", key=True)
    found = (_penalty(r, i, spec, weights, refusals) for i, r in enumerate(spec.regularizers))
    return tuple(p for p in found if p is not None)


def _penalty(
    regularizer: Regularizer,
    index: int,
    spec: Spec,
    weights: list[RawWeight],
    refusals: Refusals,
) -> Penalty | None:
    known = {w.name: w for w in weights}
    fitting: list[RawWeight] = []
    for i, name in enumerate(regularizer.of):
        loc = ("regularizers", index, "of", i)
        if name not in known and is_of_a_wrong_readout(name, spec):
            continue
        if name not in known:
            help = did_you_mean(name, known) or f"weights: {', '.join(known)}"
            refusals.add("E204", f"there is no weight {name}", *loc, help=help)
        elif regularizer.needs_path and not known[name].nodes:
            _no_path(name, spec, loc, refusals)
        elif not regularizer.needs_path or known[name].nodes > 1:
            fitting.append(known[name])  # the only node of a single step has no neighbour: 0
    return _total(regularizer, index, fitting, spec) if fitting else None


def _no_path(name: str, spec: Spec, loc: Loc, refusals: Refusals) -> None:
    shared = spec.model.time.weights == "shared" and name not in ("W", "mu", "L")
    why = "it is shared by all steps" if shared else "it belongs to no time step"
    refusals.add("E205", f"{name} has no smoothness in time", *loc, label=why)


def _total(regularizer: Regularizer, index: int, weights: list[RawWeight], spec: Spec) -> Penalty:
    symbol = "ALPHA" if len(spec.regularizers) == 1 else f"ALPHA_{index + 1}"
    w = variable("w", weights[0].stack.type)
    scope = {
        "alpha": constant(regularizer.alpha, symbol),
        "h": constant(spec.model.time.step, "H"),
        "w": w,
    }
    value = elaborate(regularizer.expression, scope, catalogue=True)
    return Penalty(regularizer, index, tuple(weights), w, value)
