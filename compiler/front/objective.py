"""What is around the field: lift, readout, loss and regularizers, typed and checked."""

from __future__ import annotations

from dataclasses import dataclass

from ..spec.diagnostics import did_you_mean
from ..spec.model import LinearLift, Spec
from ..spec.readouts import Classifier
from ..spec.regularizers import Regularizer
from .elaborate import elaborate
from .ir.expr import Expr, build, constant, variable
from .ir.program import Penalty, RawWeight
from .problems import Problems
from .weights import is_of_a_wrong_readout, raw_weight

READOUT = ("model", "readout")


@dataclass(frozen=True)
class Readout:
    """Logits of y(T), what they stand for, the loss of one example; and the weights of it all."""

    logits: Expr
    hypothesis: Expr
    loss: Expr
    weights: tuple[RawWeight, ...]


def lift(spec: Spec, n: int, d: int, problems: Problems) -> tuple[Expr, tuple[RawWeight, ...]]:
    """y(0) from the features x: zeros appended, or L x."""
    x = variable("x", (d,), batched=True)
    if isinstance(spec.model.lift, LinearLift):
        L = raw_weight(variable("L", (n, d)), 0, ("n", "d"), spec, ("model", "lift"))
        return L.variable @ x, (L,)
    if n < d:
        help = f"a state of at least {d}, or lift: linear"
        message = f"the data has {d} features, the state y has {n}"
        problems.add("E201", message, "model", "state", label=f"{n} < {d}", help=help)
    return (x if n == d else build("pad", x, attributes=(0, max(n, d)))), ()


def readout(spec: Spec, n: int) -> Readout | None:
    """logits = Wᵀ y + μ as a column; the loss of one example in terms of logits and target C."""
    head = spec.model.readout
    if head is None:
        return None
    k = head.outputs_count
    W, mu = variable("W", (n, k)), variable("mu", (k,))
    outputs = "classes" if isinstance(head, Classifier) else "outputs"
    weights = (
        raw_weight(W, 0, ("n", outputs), spec, READOUT),
        raw_weight(mu, 0, (outputs,), spec, READOUT),
    )
    logits = W.T @ variable("y", (n,), batched=True) + mu
    x, C = (variable(name, (k,), batched=True) for name in ("x", "C"))
    hypothesis = elaborate(head.hypothesis_expression, {"x": x}, catalogue=True)
    loss = elaborate(head.loss_expression, {"x": x, "C": C}, catalogue=True)
    return Readout(logits, hypothesis, loss, weights)


def penalties(spec: Spec, weights: list[RawWeight], problems: Problems) -> tuple[Penalty, ...]:
    """The regularizers, each one scalar of the raw weights."""
    if spec.regularizers and spec.model.readout is None and not spec.wrote(*READOUT):
        problems.add("E211", "regularizers need a readout", "regularizers", key=True)
    found = (_penalty(r, i, spec, weights, problems) for i, r in enumerate(spec.regularizers))
    return tuple(p for p in found if p is not None)


def _penalty(
    regularizer: Regularizer,
    index: int,
    spec: Spec,
    weights: list[RawWeight],
    problems: Problems,
) -> Penalty | None:
    known = {w.name: w for w in weights}
    fitting: list[RawWeight] = []
    for i, name in enumerate(regularizer.of):
        loc = ("regularizers", index, "of", i)
        if name not in known and is_of_a_wrong_readout(name, spec):
            continue
        if name not in known:
            help = did_you_mean(name, known) or f"weights: {', '.join(known)}"
            problems.add("E204", f"there is no weight {name}", *loc, help=help)
        elif regularizer.needs_path and not known[name].stacked:
            _no_path(name, spec, loc, problems)
        elif not regularizer.needs_path or known[name].stacked > 1:
            fitting.append(known[name])  # the only node of a single step has no neighbour: 0
    return _total(regularizer, index, fitting, spec) if fitting else None


def _no_path(name: str, spec: Spec, loc: tuple[str | int, ...], problems: Problems) -> None:
    shared = spec.model.time.weights == "shared" and name not in ("W", "mu", "L")
    why = "it is shared by all steps" if shared else "it belongs to no time step"
    problems.add("E205", f"{name} has no smoothness in time", *loc, label=why)


def _total(regularizer: Regularizer, index: int, weights: list[RawWeight], spec: Spec) -> Penalty:
    symbol = "ALPHA" if len(spec.regularizers) == 1 else f"ALPHA_{index + 1}"
    numbers = {
        "alpha": constant(regularizer.alpha, symbol),
        "h": constant(spec.model.time.step, "H"),
    }
    factor = elaborate(regularizer.factor, numbers, catalogue=True)
    terms = (elaborate(regularizer.term, {"w": w.stack}, catalogue=True) for w in weights)
    return Penalty(regularizer, tuple(weights), factor, tuple(terms))
