"""Tasks of series: what is observed of a path that starts from a first observation."""

from __future__ import annotations

from collections.abc import Mapping

from ...data.sources import counted
from ...spec.integrators import Splitting
from ...spec.model import Gradient, Spec, Task
from ...spec.vector_fields import Custom, PlanarMixture
from ..ir.expr import build
from ..ir.observed import Observed
from ..ir.problem import Block, LayerWeight
from ..ir.types import Size
from ..language.elaborate import elaborate
from ..language.syntax import ExpressionError
from ..passes.simplify import simplify
from .declare import FIELD
from .equations import PI
from .facts import Facts
from .refusals import Refusals, either

OBSERVE, TIME = ("model", "observe"), ("model", "time")
CHANNELS = "FEATURES"
"""What a program calls the number of channels: a row that a path starts from is an observation."""


def with_horizon(spec: Spec, facts: Facts) -> Spec:
    """The spec with T said: the last time of the training data, where it leaves it out."""
    time = spec.model.time
    if not spec.task.is_of_series or "horizon" in time.model_fields_set or facts.horizon is None:
        return spec
    said = time.model_copy(update={"horizon": facts.horizon})
    return spec.model_copy(update={"model": spec.model.model_copy(update={"time": said})})


def check_combination(spec: Spec, refusals: Refusals) -> None:
    """What fitting to series has and has not, and what other tasks have not."""
    if not spec.task.is_of_series:
        _check_others(spec, refusals)
        return
    model, kind = spec.model, spec.task.kind
    if model.readout is not None:
        message = f"{kind} has no readout: the loss is of what is observed of the state"
        refusals.add("E206", message, "model", "readout", key=True, help="observe: y[0]")
    if spec.data is not None and spec.data.target_kind != "observations":
        message = f"{kind} learns from observations in time, the data has {_of(spec)}"
        help = "a table: {kind: csv, path: …, time: t, channels: [x1, x2]}"
        refusals.add("E206", message, "data", help=help)
    if isinstance(model.vector_field, PlanarMixture):
        message = f"{model.vector_field.kind} has matrices that are made of t, one for all examples"
        label = "every series has a time of its own"
        refusals.add("E202", message, "model", "vector_field", label=label)
        refusals.stop()  # it has no right-hand side then
    method = model.integrator.method
    if isinstance(method, Splitting) and method.lag and not spec.mended("model", "integrator"):
        message = f"{method.kind} has position and momentum at different times"
        label = "an observation is of one time"
        help = "{kind: verlet, form: kick-drift-kick}, or a Runge–Kutta method"
        refusals.add("E202", message, "model", "integrator", label=label, help=help)
    if not model.gradient.keeps_paths:
        modes = either(k for k, m in Gradient.members().items() if m.keeps_paths)
        message = f"{kind} takes the gradient by {modes}, not by {model.gradient.kind}"
        label = "observations are of states all along the path"
        refusals.add("E215", message, "model", "gradient", label=label)


def _check_others(spec: Spec, refusals: Refusals) -> None:
    kinds = either(k for k, task in Task.members().items() if task.is_of_series)
    if spec.model.observe is not None:
        refusals.add("E206", "observe is a key of task: dynamics", *OBSERVE, key=True)
    if spec.train is not None and spec.train.window is not None:
        message = f"window is of series of observations, of task: {kinds}"
        refusals.add("E206", message, "train", "window", key=True)
    if spec.data is not None and spec.data.target_kind == "observations":
        message = f"observations in time are for task: {kinds}, not {spec.task.kind}"
        refusals.add("E206", message, "data", help=f"task: {kinds}")
    if "horizon" not in spec.model.time.model_fields_set and not spec.mended(*TIME):
        message = "the key 'horizon' is missing in time"
        refusals.add("E104", message, *TIME, "horizon", help=f"only for task: {kinds}")


def _of(spec: Spec) -> str:
    assert spec.data is not None
    kind = spec.data.target_kind
    return {"classes": "classes", "values": "values to predict"}.get(kind, "rows alone")


def check_weights(spec: Spec, layer: list[LayerWeight], refusals: Refusals) -> None:
    """All of them are shared: every series starts at a time of its own."""
    for weight in layer if spec.task.is_of_series else ():
        if weight.mode != "shared":
            message = f"{weight.name} is {weight.mode}, {spec.task.kind} takes shared weights"
            label = "a series starts when it starts, not at t_0"
            own = _own_time(spec, weight)
            loc = (*FIELD, "weights", weight.name, "time") if own else (*TIME, "weights")
            refusals.add("E202", message, *loc, label=label, help="weights: shared")
            return


def _own_time(spec: Spec, weight: LayerWeight) -> bool:
    """Does the user's declaration of it say how it depends on time?"""
    field = spec.model.vector_field
    declared = field.weights.get(weight.name) if isinstance(field, Custom) else None
    return declared is not None and declared.time is not None


def observed(
    spec: Spec, blocks: Mapping[str, Block], facts: Facts, refusals: Refusals
) -> Observed | None:
    """The channels in terms of the states: the user's expression, or their first components."""
    if not spec.task.is_of_series:
        return None
    text = spec.model.observe
    if text is not None and not spec.mended(*OBSERVE):
        return _by_expression(text, blocks, facts, refusals)
    size = sum(block.size.value for block in blocks.values())
    count = size if facts.features is None else facts.features
    if count > size:
        message = (
            f"the data has {counted(count, 'channel')}, the state {counted(size, 'component')}"
        )
        refusals.add("E201", message, "model", "state", label=f"{size} < {count}")
        count = size
    whole = [block.variable for block in blocks.values()]
    value = whole[0] if len(whole) == 1 else build("concat", *whole)
    if count < size:
        value = simplify(build("slice", value, attributes=(Size(0), Size(count, CHANNELS))))
    return Observed(Size(count, CHANNELS), value)


def _by_expression(
    text: str, blocks: Mapping[str, Block], facts: Facts, refusals: Refusals
) -> Observed | None:
    states = {name: block.variable for name, block in blocks.items()}
    try:
        value = simplify(elaborate(text, {**states, "pi": PI}))
        if value.type.is_operator or value.type.rank > 1 or not value.type.batched:
            what = f"is {value.type}" if value.type.batched else "does not depend on the state"
            help = "what is observed is a number or a vector of every state: y[0]"
            raise ExpressionError("E303", f"what is observed {what}", 0, len(text), help)
    except ExpressionError as error:
        refusals.add_expression(error, text, *OBSERVE)
        return None
    count = value.type.height
    if facts.features is not None and facts.features != count:
        has = counted(facts.features, "channel")
        message = f"the data has {has}, observe gives {counted(count, 'number')}"
        refusals.add("E201", message, *OBSERVE, label=f"{count} ≠ {facts.features}")
    vector = value if value.shape else build("broadcast", value, attributes=(Size(1),))
    return Observed(Size(count, CHANNELS), vector)
