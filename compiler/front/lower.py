"""Lowering: a validated spec becomes a learning problem, or the list of all its errors."""

from __future__ import annotations

from ...spec.diagnostics import Diagnostic, SpecError
from ...spec.generated import PlanarDensity
from ...spec.integrators import Integrator
from ...spec.model import BlockLift, Checkpoint, Density, Gradient, Spec
from ...spec.parametrizations import Free, HamiltonianBlock
from ...spec.readouts import Classifier
from ...spec.vector_fields import Custom, Equations
from ..ir.expr import variable
from ..ir.problem import Block, Loc, Problem, RawWeight
from ..ir.types import SCALAR, Size, columns
from . import along, density, objective, ranges, series, weights
from . import equations as eqs
from .blocks import blocks_of
from .declare import FIELD, declare
from .facts import Facts
from .networks import check_called, networks_of
from .refusals import Refusals, either


def lower(spec: Spec, facts: Facts) -> Problem:
    """The problem of a spec. Raises SpecError with every combination or dimension that fails."""
    spec = series.with_horizon(spec, facts)
    refusals = Refusals(spec)
    _check_combination(spec, refusals)
    blocks = blocks_of(spec, refusals)
    if spec.mended("model", "state"):
        raise SpecError(refusals.found)  # what follows from its sizes is not known
    refusals.stop()
    sizes = {name: block.size.value for name, block in blocks.items()}
    described = spec.model.vector_field.describe(sizes, spec.model.parametrization)
    return _lower_described(spec, facts, blocks, described, refusals)


def diagnose(spec: Spec, facts: Facts) -> list[Diagnostic]:
    """The errors that lowering finds in a spec; none when it is valid."""
    try:
        lower(spec, facts)
    except SpecError as error:
        return list(error.diagnostics)
    return []


def _lower_described(
    spec: Spec,
    facts: Facts,
    blocks: dict[str, Block],
    described: Equations,
    refusals: Refusals,
) -> Problem:
    t = variable("t", columns() if spec.task.is_of_series else SCALAR)
    y = next(iter(blocks.values()))
    refusals.extend(facts.problems)
    observed = series.observed(spec, blocks, facts, refusals)
    features = _features(spec, facts, blocks, refusals) if observed is None else observed.channels
    declared = declare(described.weights, blocks, refusals)
    networks = networks_of(described, blocks, refusals)
    complete = len(declared) == len(described.weights) and not _weights_are_mended(spec)
    complete = complete and len(networks) == len(described.networks)
    field = eqs.Field()
    if complete:
        field = eqs.field_of(described, declared, networks, blocks, t, refusals)
        complete = not networks or field.rhs.keys() == blocks.keys()
    else:
        eqs.check_syntax(described, refusals)
    if complete:
        check_called(networks, refusals)
    declared = [*declared, *(d for network in networks.values() for d in network.weights)]
    layer = weights.layer_weights(declared, spec, refusals)
    series.check_weights(spec, layer, refusals)
    x = variable("x", columns((features.value,)))
    lifted, lift_weights = objective.lift(spec, blocks, x, features, refusals)
    readout = objective.readout(spec, y, facts, refusals)
    raw = [w.raw for w in layer]
    all_weights = [*raw, *lift_weights, *(readout.weights if readout else ())]
    _check_unique(all_weights, refusals)
    ranges.check(spec, refusals)
    if complete:
        weights.check(all_weights, spec, refusals)
        _check_something_is_trained(all_weights, spec, refusals)
    together = {name: [d.raw.name for d in n.weights] for name, n in networks.items()}
    log_density = density.density_of(spec, blocks, field.rhs, refusals) if complete else None
    penalties = objective.penalties(spec, all_weights, together, refusals) if complete else ()
    slopes = along.slopes_of(blocks, [w.name for w in (*all_weights, *layer)])
    drawn = None if log_density is None else log_density.probes
    along_path = along.penalties(spec, blocks, field.rhs, slopes, drawn) if complete else ()
    _check_integrator(spec, described, blocks, field, refusals)
    refusals.stop()
    return Problem(
        spec=spec,
        blocks=blocks,
        t=t,
        x=x,
        features=features,
        weights=tuple(all_weights),
        layer=tuple(layer),
        # all of them, but for a document with errors that validation has told of already
        rhs={name: field.rhs[name] for name in blocks if name in field.rhs},
        rhs_locs={name: _rhs_loc(described, name) for name in blocks},
        hamiltonian=field.hamiltonian,
        order=described.order,
        lift=lifted,
        readout=readout,
        penalties=penalties,
        density=log_density,
        path_penalties=along_path,
        slopes=slopes if along_path else {},
        observed=observed,
    )


def _weights_are_mended(spec: Spec) -> bool:
    """Is one of them wrong, so that a name may be missing for that reason alone?"""
    field = ("model", "vector_field")
    is_custom = isinstance(spec.model.vector_field, Custom)
    parts = [("weights",), ("networks",)] if is_custom else [()]
    return any(spec.mended(*field, *part) for part in parts) or spec.mended(
        "model", "parametrization"
    )


def _rhs_loc(described: Equations, block: str) -> Loc:
    """The equation of a block where the user wrote one, else the field of the catalogue."""
    return described.locs.get(block if described.hamiltonian is None else "H", FIELD)


def _features(spec: Spec, facts: Facts, blocks: dict[str, Block], refusals: Refusals) -> Size:
    """The number d of features: what the data has; without data, what the lift fills."""
    if spec.data is not None and not spec.mended("data"):
        _check_classes(spec, refusals)
    sizes = [block.size.value for block in blocks.values()]
    is_whole = isinstance(spec.model.lift, BlockLift) or isinstance(spec.task, Density)
    filled = sum(sizes) if is_whole else sizes[0]
    return Size(filled if facts.features is None else facts.features, "FEATURES")


def _check_combination(spec: Spec, refusals: Refusals) -> None:
    model = spec.model
    field, kind = model.vector_field, model.parametrization
    loc = ("model", "parametrization")
    if not field.takes_parametrization and not isinstance(kind, Free):
        help = "custom weights have a parametrization each" if isinstance(field, Custom) else ""
        refusals.add("E203", f"{field.kind} takes no parametrization", *loc, help=help)
    elif isinstance(kind, HamiltonianBlock) and field.kind != "layer":
        help = "use vector_field: layer, or another parametrization"
        message = f"the hamiltonian parametrization is for layer, not for {field.kind}"
        refusals.add("E203", message, *loc, help=help)
    if isinstance(field, Custom):
        _check_custom(field, refusals)
    _check_gradient(spec, refusals)
    density.check_combination(spec, refusals)
    along.check_integrator(spec, refusals)
    along.check_draws(spec, refusals)
    series.check_combination(spec, refusals)
    _check_task(spec, refusals)


def _check_gradient(spec: Spec, refusals: Refusals) -> None:
    mode, steps = spec.model.gradient, spec.model.time.steps
    if isinstance(mode, Checkpoint) and mode.every is not None and mode.every >= steps > 1:
        message = f"every must be < steps, {steps}, got {mode.every}"
        label = "no state would be kept between the first and the last"
        refusals.add("E102", message, "model", "gradient", "every", label=label)
    method = type(spec.model.integrator)
    if not mode.takes(method) and not spec.mended("model", "integrator"):
        methods = either(k for k, m in Integrator.members().items() if mode.takes(m))
        modes = either(k for k, other in Gradient.members().items() if other.takes(method))
        message = f"{mode.kind} goes with {methods}, not {method.kind}"
        label = mode.why_not.format(method.kind)
        help = f"use one of these methods, or gradient: {modes}"
        refusals.add("E215", message, "model", "gradient", label=label, help=help)


def _check_custom(field: Custom, refusals: Refusals) -> None:
    here = ("model", "vector_field")
    if refusals.spec.mended(*here):
        return
    if (field.equations is None) == (field.hamiltonian is None):
        message = "custom has either equations or a hamiltonian"
        refusals.add("E212", message, *here, key=True)


def _check_task(spec: Spec, refusals: Refusals) -> None:
    readout, data = spec.model.readout, spec.data
    if isinstance(spec.task, Density) or spec.task.is_of_series:
        return
    if readout is not None and readout.task != spec.task.kind:
        message = f"task {spec.task.kind} does not go with the readout {readout.kind}"
        refusals.add("E206", message, "model", "readout", help=f"task: {readout.task}")
        return
    if readout is None or data is None or spec.mended("data"):
        return
    targets = "classes" if readout.task == "classification" else "values"
    if isinstance(data, PlanarDensity):  # a file without a label may still be shown to a network
        message = f"the readout predicts {targets}, {data.kind} has samples of a density alone"
        help = f"leave the readout out, or use data with {targets}"
        refusals.add("E206", message, "model", "readout", help=help)
    elif data.target_kind not in (targets, "none"):
        message = f"the readout predicts {targets}, the data has {data.target_kind}"
        refusals.add("E206", message, "model", "readout")


def _check_classes(spec: Spec, refusals: Refusals) -> None:
    readout, classes = spec.model.readout, spec.data and spec.data.class_count
    if isinstance(readout, Classifier) and classes is not None and classes > readout.classes:
        message = f"the data has {classes} classes, the readout has {readout.classes}"
        refusals.add("E206", message, "model", "readout", "classes", label="too few")


def _check_something_is_trained(
    all_weights: list[RawWeight], spec: Spec, refusals: Refusals
) -> None:
    has_loss = spec.model.readout is not None or isinstance(spec.task, Density)
    has_loss = has_loss or spec.task.is_of_series
    learns = spec.train is not None and (all_weights or has_loss)
    if learns and not any(w.trainable for w in all_weights):
        message = "the network has no weight that is trained"
        refusals.add("E208", message, "train", key=True, label="nothing to train")


def _check_unique(all_weights: list[RawWeight], refusals: Refusals) -> None:
    seen: dict[str, RawWeight] = {}
    for w in all_weights:
        first = seen.setdefault(w.name, w)
        if first is not w:
            message = f"two weights are called {w.name}"
            other = f"the other is that of the {str(w.loc[1]).replace('_', ' ')}"
            refusals.add("E207", message, *first.loc, key=True, label=other)


def _check_integrator(
    spec: Spec,
    described: Equations,
    blocks: dict[str, Block],
    field: eqs.Field,
    refusals: Refusals,
) -> None:
    integrator, kind = spec.model.integrator.method, spec.model.vector_field.kind
    here = ("model", "integrator")
    _check_blocks_have_equations(described, refusals)
    if described.order != integrator.field_order:
        methods = _methods(described.order, _is_separable(blocks, field))
        message = f"{integrator.kind} takes a second-order field, {kind} is of first order"
        if described.order == 2:
            message = f"{kind} goes with {methods}, not {integrator.kind}"
        refusals.add("E202", message, *here, help=f"use {methods}")
    elif integrator.needs_separable and _is_not_separable(blocks, field):
        message = f"{integrator.kind} takes a field y' = f(t, z), z' = g(t, y), {kind} is none"
        refusals.add("E202", message, *here, help=f"use {_methods(1, separable=False)}")
    elif _has_linear(spec, described) and not all(0 <= c <= 1 for c in integrator.places()):
        message = f"{integrator.kind} looks beyond its step, linear weights end with it"
        refusals.add("E202", message, *here, help="time: {weights: per-step} or shared")


def _has_linear(spec: Spec, described: Equations) -> bool:
    modes = {w.time or spec.model.time.weights for w in described.weights}
    return "linear" in (modes or {spec.model.time.weights})


def _is_not_separable(blocks: dict[str, Block], field: eqs.Field) -> bool:
    """False too where a right-hand side is missing: that is an error of its own."""
    return set(field.rhs) == set(blocks) and not _is_separable(blocks, field)


def _is_separable(blocks: dict[str, Block], field: eqs.Field) -> bool:
    return eqs.is_separable(field.rhs, {name: block.variable for name, block in blocks.items()})


def _methods(order: int, separable: bool) -> str:
    """The kinds of methods that take such a field, those of plugins too: `heun, rk4 or verlet`."""
    members = [m for m in Integrator.members().values() if m.field_order == order]
    return either(m.kind for m in members if separable or not m.needs_separable)


def _check_blocks_have_equations(described: Equations, refusals: Refusals) -> None:
    blocks, here = set(described.blocks), ("model", "vector_field")
    if described.hamiltonian is not None:
        if len(blocks) != 2 or len(set(described.blocks.values())) > 1:
            message = "a Hamiltonian field has two blocks of one size, positions and momenta"
            refusals.add("E213", message, *here, "hamiltonian")
        return
    given = set(described.right_hand_sides)
    missing = set() if refusals.spec.mended(*here, "equations") else blocks - given
    for name in sorted(missing):
        refusals.add("E212", f"block {name} has no equation", *here, "equations", key=True)
    for name in sorted(given - blocks):
        loc = (*here, "equations", name)
        refusals.add("E212", f"the state has no block {name}", *loc, key=True)
