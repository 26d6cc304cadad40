"""From a failed rung to the equation that is to blame.

The functions of the program tell, callees first; where a program has other functions, its public
ones on chosen weights do. What is not computed by functions (weights, training, the compiler's own
passes) is put down by the quantity that differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...compiler.ir.expr import walk
from ...compiler.ir.module import Function, Role
from ...compiler.ir.problem import LayerWeight, Loc
from ...compiler.pipeline import Compiled
from ...compiler.violations import violations
from .. import quantities as q
from ..compare import Verdict
from ..probes import RANDOM, Probes
from ..rungs import INITIAL_STATE, ONE_STEP, Rung
from . import public
from .calls import STEADY
from .difference import Where
from .evidence import Evidence


@dataclass(frozen=True)
class Case:
    """A failed rung with all that is known of it; `passed` are quantities in which the same
    program agrees."""

    rung: Rung
    compiled: Compiled
    probes: Probes
    evidence: Evidence
    where: Where
    passed: frozenset[str] = frozenset()

    def function(self, name: str) -> Function:
        return self.compiled.module.functions[name]


@dataclass(frozen=True)
class Cause:
    """An equation, the functions of the module that compute it (the nearest first), the raw weight
    that it is about, and its key in the spec."""

    equation: str
    functions: tuple[str, ...] = ()
    weight: str = ""
    loc: Loc = ("model",)
    note: str = ""


def cause(case: Case, quantity: str) -> Cause:
    """The equation to blame for a failed rung of this quantity."""
    if case.rung.quantity in COMPUTED:
        found = _by_functions(case)
        if found is not None:
            return found
    rule = RULES.get(case.rung.quantity) or RULES.get(quantity)
    return rule(case) if rule else Cause(quantity)


def of_function(function: Function, weight: str = "") -> Cause:
    """The equation that a function computes."""
    return Cause(function.equation, (function.name,), weight, function.loc)


# --- by the functions of the program -----------------------------------------------------------


def _by_functions(case: Case) -> Cause | None:
    """The first function, callees first, that is wrong on the reference's own arguments."""
    for function in case.compiled.module.functions.values():
        wrong = case.evidence.wrong(q.FUNCTIONS, f"{RANDOM}/{function.name}/")
        if wrong:
            _, name, call, result = wrong[0].split("/")
            return _of_wrong(case, case.function(name), int(call), result)
    return None


def _of_wrong(case: Case, function: Function, call: int, result: str) -> Cause:
    weights = _weights_in(function, result)
    if function.role is Role.PATH and function.name.startswith(("layer_", "weights_")) and weights:
        return _of_layer_weight(case, function, result, weights.pop())
    if function.role is Role.LIFT and result not in case.compiled.module.signature.blocks:
        return Cause("step", (function.name, "step"), loc=case.function("step").loc)
    if function.role is Role.PENALTY and not function.subject:
        return _regularizer(case)
    if function.role is Role.PENALTY:
        return of_function(function, _weight_of(case, function, call))
    if function.role is Role.PARAMETRIZATION:
        raw = _weight_of(case, function, call)
        layer = case.compiled.problem.layer
        made = next(
            w for w in layer if raw == w.raw.name or (not raw and w.name == function.subject)
        )
        return Cause(f"parametrization {made.name}", (function.name,), made.raw.name, function.loc)
    return of_function(function)


def _weights_in(function: Function, result: str) -> set[str]:
    """The raw weights that a result is made of within a function."""
    made = {t: let.operands for let in function.body for t in let.targets}
    found: set[str] = set()
    waiting = [r.value for r in function.results if r.name == result]
    while waiting:
        for node in walk(waiting.pop()):
            found |= {node.name} if node.op == "weight" else set()
            waiting += made.pop(node, ())
    return found


def _of_layer_weight(case: Case, function: Function, result: str, raw: str) -> Cause:
    """Wrong where it stands still in time too, or only where it moves, as another step's does."""
    made = next((w for w in case.compiled.problem.layer if w.raw.name == raw), None)
    still = case.evidence.wrong(q.FUNCTIONS, f"{STEADY}/{function.name}/")
    if made is not None and not made.is_raw and any(leaf.endswith(f"/{result}") for leaf in still):
        return parametrization(case, made, function.name)
    return of_function(function, raw)


def parametrization(case: Case, made: LayerWeight, *functions: str) -> Cause:
    """What makes a weight of the layer of its raw weight: in these functions, or in its own."""
    module = case.compiled.module
    own = [f for f in module.of_role(Role.PARAMETRIZATION) if f.subject == made.name]
    loc = own[0].loc if own else made.loc
    names = (*functions, *(f.name for f in own))
    return Cause(f"parametrization {made.name}", names, made.raw.name, loc)


def _weight_of(case: Case, function: Function, call: int) -> str:
    """The raw weight that a function of one weight is called on; '' where that is not seen."""
    (given,) = case.probes.calls[function.name][call].args
    for name, w in case.probes.weights[RANDOM].items():
        of_one = [w] if w.shape == given.shape else w if w.shape[1:] == given.shape else ()
        if any(np.array_equal(each, given) for each in of_one):
            return name
    return ""


# --- by the public functions of a program of any structure -------------------------------------


def _field(case: Case) -> Cause:
    function = case.function("vector_field")
    if case.evidence.agrees(q.PUBLIC, public.STEADY_FIELD):
        return of_function(function)
    return _twin(case) or _block(case)


def _twin(case: Case) -> Cause | None:
    """Raw weights of which the same weights of the layer are made give another field."""
    found = case.evidence.found.get(q.PUBLIC, {})
    own = case.evidence.found.get(q.FIELD, {})
    for at in case.probes.times:
        twin, field = found.get(f"{public.TWIN_FIELD}/{at}"), own.get(f"{RANDOM}/{at}")
        if twin is None or field is None or np.allclose(twin, field, rtol=1e-4, atol=1e-7):
            continue
        made = next(w for w in case.compiled.problem.layer if not w.is_raw)
        return parametrization(case, made, "vector_field")
    return None


def _block(case: Case) -> Cause:
    """The block of the component that is wrong."""
    blocks = case.compiled.problem.sizes
    rows = [block for block, n in blocks.items() for _ in range(n)]
    block = rows[min(case.where.component or 0, len(rows) - 1)]
    fields = {f.subject: f for f in case.compiled.module.of_role(Role.FIELD)}
    made = [w.name for w in case.compiled.problem.layer if not w.is_raw]
    note = f"the field, or what it makes of the raw {' and '.join(made)}" if made else ""
    f = fields[block]
    return Cause(f.equation, (f.name, "vector_field"), loc=f.loc, note=note)


def _path(case: Case) -> Cause:
    """Of a program without a step of its own: is its first step wrong, or a later one?"""
    steady = case.evidence.judged(q.PUBLIC, public.STEADY_PATH).values()
    trajectory, step = case.function("trajectory"), case.function("step")
    if any(c.verdict is Verdict.DIFFERS and c.first == 1 for c in steady):
        return Cause("step", ("step", "trajectory"), loc=step.loc)
    return Cause("path", ("trajectory", "final_state"), loc=trajectory.loc)


def _final(case: Case) -> Cause:
    """y(T) as `forward` gives it, where the trajectory is right."""
    return Cause("path", ("final_state", "forward"), loc=case.function("trajectory").loc)


def _logits(case: Case) -> Cause:
    """The readout, unless what it sees is another state of the trajectory than the last."""
    seen = case.evidence.found.get(q.PUBLIC, {}).get(public.SEEN)
    path = case.evidence.found.get(q.TRAJECTORY, {}).get(RANDOM)
    if seen is not None and path is not None:
        n = seen.shape[1]
        if any(np.allclose(seen, y[:, :n], 1e-6, 1e-9) for y in path[:-1]):
            return _final(case)
    return of_function(case.function("forward"))


def _regularizer(case: Case) -> Cause:
    """The penalty that is wrong when all weights but one are zero."""
    penalties, evidence = case.compiled.problem.penalties, case.evidence
    for w in case.compiled.module.weights:
        if not evidence.wrong(q.PUBLIC, f"{public.ALONE}/{w.name}"):
            continue
        of = [p for p in penalties if w in p.weights] or list(penalties)
        still = bool(evidence.wrong(q.PUBLIC, f"{public.ALONE_STEADY}/{w.name}"))
        fitting = [p for p in of if p.regularizer.needs_path is not still] or of
        return _penalty(fitting[0].regularizer.kind, fitting[0].loc, w.name)
    return _penalty(penalties[0].regularizer.kind, penalties[0].loc)


def _penalty(kind: str, loc: Loc, weight: str = "") -> Cause:
    return Cause(f"regularizer {kind}", ("regularizer",), weight, loc)


# --- gradients ---------------------------------------------------------------------------------


def _gradient(case: Case) -> Cause:
    """The reference's own rules if they are wrong, else the function that a framework
    differentiates to something else."""
    found = _of_passes(case)
    if found is not None:
        return found
    weight = _differentiated_by(case.rung) or _named(case)
    wrong = case.evidence.wrong(q.PULLBACKS)
    order = list(case.compiled.module.functions)
    culprits = sorted({leaf.split("/")[1] for leaf in wrong}, key=order.index)[:1]
    weight = weight or case.compiled.module.weights[0].name
    return Cause(f"gradient {weight}", (*culprits, "loss", "final_state", "forward"), weight)


def _differentiated_by(rung: Rung) -> str:
    """The weight of `gradient K`; of leaves that should not be there, the last one's."""
    if not rung.quantity.startswith(q.GRADIENT):
        return ""
    return rung.quantity.removeprefix(q.GRADIENT).strip() or rung.reason.rpartition("/")[2]


def _named(case: Case) -> str:
    """The weight that the words of the worst element name; '' for none."""
    said = "" if case.rung.quantity == q.DOT else case.rung.element  # that is of all weights
    words = set(re.findall(r"\w+", said))
    return next((w.name for w in case.compiled.module.weights if w.name in words), "")


# --- the compiler ------------------------------------------------------------------------------


def _of_passes(case: Case) -> Cause | None:
    """The innermost rule or pass of the compiler that breaks its promise on this spec."""
    found = violations(case.compiled.problem.spec)
    if not found:
        return None
    first = found[0]
    equation = f"derivative {first.operation}" if first.operation else f"pass {first.pass_}"
    users = [
        f.name
        for f in case.compiled.module.functions.values()
        if any(e.op == first.operation for e in walk(*f.expressions))
    ]
    return Cause(equation, tuple(users), loc=("model", "vector_field"), note=str(first))


# --- invariants, training ----------------------------------------------------------------------


def _structure(case: Case) -> Cause:
    """The weight of the layer that the worst element is of."""
    layer = case.compiled.problem.layer
    made = [w for w in layer if not w.is_raw] or list(layer)
    named = [w for w in made if re.search(rf"\b{w.name}:", case.rung.element)]
    return parametrization(case, (named or made)[0], "layer_weights")


def _integrator(case: Case) -> Cause:
    return Cause("step", ("step", "initial_state"), loc=case.function("step").loc)


def _energy(case: Case) -> Cause:
    """An integrator of the right order follows a field that keeps no energy."""
    if q.ORDER in case.passed:
        return of_function(case.compiled.module.of_role(Role.FIELD)[-1])
    return _integrator(case)


def _awkward(case: Case) -> Cause:
    """By the function that was given the awkward input."""
    for name, rule in AWKWARD_RULES.items():
        if name in case.rung.element or name in case.rung.reason:
            return rule(case)
    return of_function(case.function("forward"))


def _setting(case: Case, key: str) -> Cause:
    """`optimizer adam`, `schedule cosine`."""
    train = case.compiled.problem.spec.train
    kind = getattr(train, key).kind if train else ""
    return Cause(f"{key} {kind}".strip(), loc=("train", key))


def _data(case: Case) -> Cause:
    return Cause("data order", loc=("train", "batch"))


def _training(case: Case) -> Cause:
    """An update from other examples shows in its loss before any weight has moved."""
    seen = case.evidence.wrong(q.PUBLIC, public.FIRST_LOSS)
    return _data(case) if seen else _setting(case, "optimizer")


def _init(case: Case) -> Cause:
    weight = case.where.weight
    loc: Loc = next(
        (w.initializer_loc for w in case.compiled.module.weights if w.name == weight), ()
    )
    return Cause("init", ("init",), weight, loc or ("seed",))


def _rule_of(name: str) -> Callable[[Case], Cause]:
    return lambda case: of_function(case.function(name))


KEPT = "right in a new network, wrong in one that had other weights and is then set to evaluate"
AWKWARD_RULES: dict[str, Callable[[Case], Cause]] = {
    "other weights before": lambda case: Cause("path", ("forward",), note=KEPT),
    "vector field": _block,
    "trajectory": _rule_of("trajectory"),
    "gradient": _gradient,
    "loss": _rule_of("loss"),
}
COMPUTED = (
    *(q.FIELD, INITIAL_STATE, ONE_STEP, q.TRAJECTORY, q.FINAL, q.LOGITS, q.REGULARIZER, q.LOSS),
    *(q.PREDICTIONS, q.PATH_PENALTY, q.AWKWARD, q.LAYER),
)
"""What the functions of a program compute."""
RULES: dict[str, Callable[[Case], Cause]] = {
    q.WEIGHTS: _init,
    q.FEATURES: lambda case: Cause("features", ("features",), loc=("data", "standardize")),
    q.FIELD: _field,
    INITIAL_STATE: _rule_of("initial_state"),
    ONE_STEP: _path,
    q.TRAJECTORY: _path,
    q.FINAL: _final,
    q.LOGITS: _logits,
    q.PREDICTIONS: _rule_of("forward"),
    q.REGULARIZER: _regularizer,
    q.PATH_PENALTY: _rule_of("path_penalty"),
    q.LOSS: _rule_of("loss"),
    q.GRADIENT: _gradient,
    q.MODE: lambda case: Cause(case.rung.quantity, loc=("model", "gradient")),
    q.AWKWARD: _awkward,
    q.PASSES: lambda case: _of_passes(case) or Cause("pass", note=case.rung.reason),
    q.OPTIMIZER: lambda case: _setting(case, "optimizer"),
    q.RATES: lambda case: _setting(case, "schedule"),
    q.BATCHES: _data,
    q.TRAINING: _training,
    q.LAYER: _structure,
    q.STRUCTURE: _structure,
    q.ORDER: _integrator,
    q.ENERGY: _energy,
    q.REVERSIBILITY: _integrator,
    q.DOT: _gradient,
}
