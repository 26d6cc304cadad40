"""Lowering: a validated spec becomes a program, or the list of all that is wrong with it."""

from __future__ import annotations

from .. import data as datasets
from ..spec.diagnostics import Diagnostic, SpecError
from ..spec.integrators import Leapfrog, Verlet
from ..spec.model import Spec
from ..spec.parametrizations import Free, HamiltonianBlock
from ..spec.readouts import Classifier, Regression
from ..spec.vector_fields import Custom, Equations
from . import equations as eqs
from . import objective, weights
from .ir.program import Program, RawWeight
from .names import refusal
from .passes.discretize import discretize
from .problems import Problems

IMAGE_KEYS = frozenset({"channels", "height", "width"})


def lower(spec: Spec) -> Program:
    """The program of a spec. Raises SpecError with every combination or dimension that fails."""
    problems = Problems(spec)
    _check_combination(spec, problems)
    blocks = _blocks(spec, problems)
    problems.stop()
    described = spec.model.vector_field.describe(blocks, spec.model.parametrization)
    return _lower_described(spec, described, problems)


def diagnose(spec: Spec) -> list[Diagnostic]:
    """What lowering says against a spec; nothing when all is well."""
    try:
        lower(spec)
    except SpecError as error:
        return list(error.diagnostics)
    return []


def _lower_described(spec: Spec, described: Equations, problems: Problems) -> Program:
    blocks, n = described.blocks, described.blocks["y"]
    features = _features(spec, n, problems)
    declared = eqs.declare(described, problems)
    complete = len(declared) == len(described.weights)
    field = eqs.Field({}, None)
    if complete:
        field = eqs.field(described, declared, problems)
    else:
        eqs.check_syntax(described, problems)
    operands = weights.operands(declared, spec)
    y0, lift_weights = objective.lift(spec, n, features, problems)
    readout = objective.readout(spec, n)
    raw = [o.raw for o in operands]
    all_weights = [*raw, *lift_weights, *(readout.weights if readout else ())]
    _check_unique(all_weights, problems)
    if complete:
        weights.check(all_weights, spec, problems)
    penalties = objective.penalties(spec, all_weights, problems) if complete else ()
    _check_integrator(spec, described, field, problems)
    problems.stop()
    return Program(
        spec=spec,
        blocks=blocks,
        features=features,
        weights=tuple(all_weights),
        operands=tuple(operands),
        field=field.right_hand_sides,
        hamiltonian=field.hamiltonian,
        order=described.order,
        integrator=spec.model.integrator,
        step=discretize(spec.model.integrator, blocks, spec.model.time.step),
        lift=y0,
        readout=readout and readout.logits,
        hypothesis=readout and readout.hypothesis,
        loss=readout and readout.loss,
        penalties=penalties,
    )


def _check_combination(spec: Spec, problems: Problems) -> None:
    model = spec.model
    field, kind = model.vector_field, model.parametrization
    loc = ("model", "parametrization")
    if not field.takes_parametrization and not isinstance(kind, Free):
        help = "custom weights have a parametrization each" if isinstance(field, Custom) else ""
        problems.add("E203", f"{field.kind} takes no parametrization", *loc, help=help)
    elif isinstance(kind, HamiltonianBlock) and field.kind != "layer":
        help = "use vector_field: layer, or another parametrization"
        message = f"the hamiltonian parametrization is for layer, not for {field.kind}"
        problems.add("E203", message, *loc, help=help)
    if isinstance(field, Custom):
        _check_custom(field, problems)
    _check_task(spec, problems)


def _check_custom(field: Custom, problems: Problems) -> None:
    here = ("model", "vector_field")
    if (field.equations is None) == (field.hamiltonian is None):
        message = "custom has either equations or a hamiltonian"
        problems.add("E212", message, *here, key=True)


def _check_task(spec: Spec, problems: Problems) -> None:
    readout, data = spec.model.readout, spec.data
    wanted = {"classification": Classifier, "regression": Regression}[spec.task.kind]
    if readout is not None and not isinstance(readout, wanted):
        message = f"task {spec.task.kind} does not go with the readout {readout.kind}"
        problems.add("E206", message, "model", "readout", help=f"task: {_task_of(readout)}")
        return
    if readout is None or data is None:
        return
    targets = "classes" if isinstance(readout, Classifier) else "values"
    if data.target_kind not in (targets, "none"):
        message = f"the readout predicts {targets}, the data has {data.target_kind}"
        problems.add("E206", message, "model", "readout")


def _task_of(readout: object) -> str:
    return "classification" if isinstance(readout, Classifier) else "regression"


def _blocks(spec: Spec, problems: Problems) -> dict[str, int]:
    """The blocks of the state with their sizes, y first."""
    state, model = spec.model.state, spec.model
    here = ("model", "state")
    two = model.vector_field.two_blocks or isinstance(model.parametrization, HamiltonianBlock)
    if isinstance(state, int):
        return {"y": state, "z": state} if two or _needs_z(model.vector_field) else {"y": state}
    if IMAGE_KEYS & set(state):
        problems.add("E107", "image states are not supported by this version", *here)
        return {}
    if isinstance(model.vector_field, Custom):
        _check_block_names(state, problems)
    elif set(state) != ({"y", "z"} if two else {"y"}):
        wanted = "y and z" if two else "y only"
        message = f"{model.vector_field.kind} has the blocks {wanted}, got {', '.join(state)}"
        problems.add("E213", message, *here)
    if model.vector_field.kind == "double-layer-hamiltonian" and len(set(state.values())) > 1:
        problems.add("E213", "double-layer-hamiltonian has y and z of one size", *here)
    if "y" not in state:
        problems.add("E213", "the state has no block y", *here, help="lift and readout act on y")
    return {"y": 0, **state}


def _needs_z(field: object) -> bool:
    """A custom field on a bare `state: n` has a second block when its own text says so."""
    if not isinstance(field, Custom):
        return False
    return field.hamiltonian is not None or "z" in (field.equations or {})


def _check_block_names(state: dict[str, int], problems: Problems) -> None:
    for name in state:
        reason = refusal(name)
        if reason:
            loc = ("model", "state", name)
            message = f"a block cannot be called {name}"
            problems.add("E207", message, *loc, key=True, label=reason)


def _features(spec: Spec, n: int, problems: Problems) -> int:
    """The number d of features: what the data has; without data, n."""
    if spec.data is None:
        return n
    _check_classes(spec, problems)
    try:
        found = datasets.features(spec.data, spec.folder, lambda *loc: spec.span("data", *loc))
    except SpecError as error:
        problems.extend(error)
        return n
    return found if found is not None else n


def _check_classes(spec: Spec, problems: Problems) -> None:
    readout, classes = spec.model.readout, spec.data and spec.data.class_count
    if isinstance(readout, Classifier) and classes is not None and classes > readout.classes:
        message = f"the data has {classes} classes, the readout has {readout.classes}"
        problems.add("E206", message, "model", "readout", "classes", label="too few")


def _check_unique(all_weights: list[RawWeight], problems: Problems) -> None:
    seen: set[str] = set()
    for w in all_weights:
        if w.name in seen:
            message = f"two weights are called {w.name}"
            first = next(v for v in all_weights if v.name == w.name)
            problems.add("E207", message, *first.loc, key=True, label="rename this one")
        seen.add(w.name)


def _check_integrator(
    spec: Spec, described: Equations, field: eqs.Field, problems: Problems
) -> None:
    integrator, kind = spec.model.integrator, spec.model.vector_field.kind
    here = ("model", "integrator")
    _check_blocks_have_equations(described, field, problems)
    if (described.order == 2) != isinstance(integrator, Leapfrog):
        if described.order == 2:
            message, help = f"{kind} goes with leapfrog, not {integrator.kind}", "leapfrog"
        else:
            message = f"leapfrog takes a second-order field, {kind} is of first order"
            help = "use euler, midpoint, heun, rk4" + (
                ", verlet" if "z" in described.blocks else ""
            )
        problems.add("E202", message, *here, help=help)
    elif isinstance(integrator, Verlet) and _is_not_separable(described, field):
        message = f"verlet takes a field y' = f(t, z), z' = g(t, y), {kind} is none"
        problems.add("E202", message, *here, help="use euler, midpoint, heun or rk4")


def _is_not_separable(described: Equations, field: eqs.Field) -> bool:
    """False too where a right-hand side is missing: that is an error of its own."""
    complete = set(field.right_hand_sides) == set(described.blocks)
    return complete and not eqs.is_separable(field.right_hand_sides)


def _check_blocks_have_equations(
    described: Equations, field: eqs.Field, problems: Problems
) -> None:
    blocks, here = set(described.blocks), ("model", "vector_field")
    if described.hamiltonian:
        if blocks != {"y", "z"} or len(set(described.blocks.values())) > 1:
            message = "a Hamiltonian field has the blocks y and z, of one size"
            problems.add("E213", message, *here, "hamiltonian")
        return
    given = set(described.right_hand_sides)
    for name in sorted(blocks - given):
        if problems.spec.wrote(*here, "equations", name):
            continue  # what stands there is an error of its own
        problems.add("E212", f"block {name} has no equation", *here, "equations", key=True)
    for name in sorted(given - blocks):
        loc = (*here, "equations", name)
        problems.add("E212", f"the state has no block {name}", *loc, key=True)
