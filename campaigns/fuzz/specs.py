"""Random valid specs over the whole language, as plain dicts; the simplest are the smallest.

Kinds, keys and choices are drawn from the registries of the language; this module knows only which
of them go together. A spec made here that the compiler refuses is a find.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from wellposed.spec import data, generated, initializers, model, readouts, training
from wellposed.spec.integrators import Integrator, Leapfrog, Verlet
from wellposed.spec.observations import TimeSeries
from wellposed.spec.parametrizations import Free, HamiltonianBlock, Parametrization
from wellposed.spec.regularizers import Regularizer
from wellposed.spec.vector_fields import Custom, Extent, VectorField

from .along_path import along_path
from .coverage import NOT_DRAWN
from .expressions import SIZES, customs
from .tasks import with_task
from .values import Plain, member, node, of_kind, rarely, short

CSV, NPZ = "data.csv", "data.npz"
NAMES = ("net", "a-b", "class", "torch", "Jax_2", "x")
REFERENCES = ("", 'Haber & Ruthotto "2017"', "a\nb", "\\", '"""', "'''", "é – ∂", "{x} %s", "#")
SEEDS = (0, 5, 2**32 - 1)


def write_data(folder: Path) -> None:
    """The files that specs with data of kind csv and npz refer to."""
    rows = [f"{i / 4},{(i * 7) % 5},{i % 2},{i / 8}" for i in range(8)]
    (folder / CSV).write_text("\n".join(["a,b,label,target", *rows, ""]), encoding="utf-8")
    x = np.arange(16.0).reshape(8, 2)
    np.savez(folder / NPZ, x=x, label=np.arange(8) % 2, targets=x[:, :1])


@dataclass(frozen=True)
class Field:
    """A vector field with what depends on it: state, parametrization, weights by shape."""

    plain: Plain | str
    state: Plain | int
    n: int
    shapes: Mapping[str, tuple[int, ...]]
    """Raw weights of one step."""
    blocks: Mapping[str, int] = field(default_factory=dict)
    times: Mapping[str, str] = field(default_factory=dict)
    """How weights depend on time that say so themselves."""
    given: frozenset[str] = frozenset()
    """Weights that say what they start at."""
    fixed: frozenset[str] = frozenset()
    """Weights that are not trained."""
    parametrization: Plain | str | None = None
    separable: bool = False
    second_order: bool = False


@st.composite
def specs(draw: st.DrawFn) -> Plain:
    """A valid spec."""
    field = draw(_fields())
    head = draw(_heads())
    features, classes, source = draw(_sources(head, field.n))
    net = draw(_models(field, head, None if source is None else features, classes))
    source = _with_as_many_targets(source, net)
    spec: Plain = {"wellposed": 1, "name": draw(_rare(NAMES)), "model": net}
    spec |= draw(
        _optional({"seed": SEEDS, "dtype": ("float64", "float32"), "reference": REFERENCES})
    )
    task = draw(_task(head))
    spec |= {key: part for key, part in (("task", task), ("data", source)) if part is not None}
    if "readout" in net:
        found = draw(_regularizers(net, field)) + draw(along_path(net))
        spec |= {"regularizers": found} if found else {}
    if draw(rarely()) and _learns(net, field):
        spec["train"] = draw(node(training.Train, without=("window",)))
    return draw(with_task(spec))


def _with_as_many_targets(source: Plain | str | None, net: Plain) -> Plain | str | None:
    """Data without their one target, where the readout predicts more numbers."""
    if not isinstance(source, dict) or "targets" not in source or "readout" not in net:
        return source
    if readouts.Readout._choose(net["readout"]).outputs_count in (None, 1):
        return source
    return {key: value for key, value in source.items() if key != "targets"}


def _learns(net: Plain, field: Field) -> bool:
    """Is there a weight that is trained, or nothing that could be?"""
    if net.get("lift") == "linear" or "readout" not in net:
        return True
    outputs = readouts.Readout._choose(net["readout"]).outputs_count
    return bool(outputs or field.shapes.keys() - field.fixed)


@st.composite
def _rare(draw: st.DrawFn, choices: tuple[Any, ...]) -> Any:
    """The first choice, rarely another one."""
    return draw(st.sampled_from(choices)) if draw(rarely()) else choices[0]


@st.composite
def _optional(draw: st.DrawFn, keys: dict[str, tuple[Any, ...]]) -> Plain:
    return {key: draw(st.sampled_from(c)) for key, c in keys.items() if draw(rarely())}


# --- the field ---------------------------------------------------------------------------------


@st.composite
def _fields(draw: st.DrawFn) -> Field:
    cls = draw(st.sampled_from(list(VectorField.members().values())))
    if issubclass(cls, Custom):
        return draw(_custom())
    plain = draw(of_kind(cls))
    chosen = draw(_parametrizations(cls)) if cls.takes_parametrization else None
    built = Parametrization._choose(chosen) if chosen else Free()
    two = cls.two_blocks or isinstance(built, HamiltonianBlock)
    state, blocks = draw(_states(cls, two))
    described = VectorField._choose(plain).describe(blocks, built)
    shapes = {w.raw: tuple(_size(d, blocks) for d in w.shape) for w in described.weights}
    return Field(
        plain,
        state,
        blocks["y"],
        shapes,
        blocks,
        parametrization=chosen,
        separable=two,
        second_order=described.order == 2,
    )


def _size(extent: Extent, blocks: Mapping[str, int]) -> int:
    if isinstance(extent, tuple):
        return sum(_size(part, blocks) for part in extent)
    return blocks[extent] if isinstance(extent, str) else extent


@st.composite
def _parametrizations(draw: st.DrawFn, cls: type[VectorField]) -> Plain | str | None:
    """Mostly a kind; None for the default."""
    fitting = [
        kind
        for kind, k in Parametrization.members().items()
        if cls.kind == "layer" or not issubclass(k, HamiltonianBlock)
    ]
    square = [kind for kind in fitting if not Parametrization.members()[kind].square]
    kinds = square if cls.kind == "hamiltonian" else fitting
    return draw(member(Parametrization, kinds)) if draw(st.booleans()) else None


@st.composite
def _states(
    draw: st.DrawFn, cls: type[VectorField], two: bool
) -> tuple[Plain | int, dict[str, int]]:
    """The state as the spec gives it, and the sizes of its blocks."""
    n = draw(st.sampled_from(SIZES))
    blocks = {"y": n, "z": n} if two else {"y": n}
    if not draw(rarely()):
        return n, blocks
    if two and cls.kind != "double-layer-hamiltonian":
        blocks["z"] = draw(st.sampled_from(SIZES))
    return dict(blocks), blocks


@st.composite
def _custom(draw: st.DrawFn) -> Field:
    found = draw(customs())
    weights = found.plain.get("weights", {})
    shapes = {n: tuple(_size(d, found.blocks) for d in w["shape"]) for n, w in weights.items()}
    blocks = found.blocks
    if "y" in blocks:  # which comes first wherever it stands
        blocks = {"y": blocks["y"], **blocks}
    n = next(iter(blocks.values()))
    bare = {n} == set(blocks.values()) and "y" in blocks and blocks.keys() <= {"y", "z"}
    state = n if bare and draw(st.booleans()) else dict(blocks)
    given = {name for name in weights if draw(rarely()) and draw(rarely())}
    for name in given:
        weights[name]["value"] = draw(_nested(shapes[name]))
    times = {name: w["time"] for name, w in weights.items() if "time" in w}
    return Field(
        found.plain,
        state,
        n,
        shapes | found.inner,
        blocks,
        times,
        frozenset(given),
        frozenset(name for name, w in weights.items() if not w.get("trainable", True)),
        separable=found.separable,
    )


# --- the data, the task and the readout ----------------------------------------------------------


@st.composite
def _heads(draw: st.DrawFn) -> type[readouts.Readout] | None:
    """The class of the readout; rarely none."""
    kinds = list(readouts.Readout.members().values())
    return draw(st.sampled_from([*kinds, *kinds, None, None]))


@st.composite
def _gradients(draw: st.DrawFn, steps: int, net: Plain) -> Plain | str:
    """A mode of the gradient that takes the integrator; of the states fewer than all are kept."""
    method = type(Integrator._choose(net.get("integrator", model.Euler.kind)))
    kinds = [kind for kind, mode in model.Gradient.members().items() if mode.takes(method)]
    found = draw(member(model.Gradient, kinds))
    if isinstance(found, str) or "every" not in found:
        return found
    return found | {"every": draw(st.integers(1, max(1, steps - 1)))}


@st.composite
def _task(draw: st.DrawFn, head: type[readouts.Readout] | None) -> str | None:
    if head is None:
        return draw(_optional({"task": ("classification", "regression")})).get("task")
    if issubclass(head, readouts.LeastSquares):
        return draw(st.sampled_from(("regression", None)))
    return "classification" if draw(rarely()) else None


@st.composite
def _sources(
    draw: st.DrawFn, head: type[readouts.Readout] | None, n: int
) -> tuple[int, int, Plain | str | None]:
    """The number of features and of classes at least, and the data node: mostly none where there
    is a readout, mostly one where there is none."""
    if draw(rarely()) is (head is None):
        return n, 2, None
    members, densities = data.Data.members(), generated.PlanarDensity.members().keys()
    series = TimeSeries.members().keys()
    regression = head is not None and issubclass(head, readouts.LeastSquares)
    fit = {"csv", "npz", "points"} if regression else members.keys() - {"flip"} - densities
    fit |= {"flip"} if head is readouts.State else set()  # it has one target, whatever is asked for
    fit = fit if head else {"csv", *densities}  # of which no readout can predict anything
    cls = members[draw(st.sampled_from([k for k in members if k in fit - series]))]
    if issubclass(cls, data.File):
        return 2, 2, draw(_file(cls, regression))
    if issubclass(cls, data.Points):
        return draw(_points(n, regression))
    found = draw(of_kind(cls))
    built = data.Data._choose(found)
    return built.dimension or n, built.class_count or 2, found


@st.composite
def _file(draw: st.DrawFn, cls: type[data.File], regression: bool) -> Plain:
    csv = issubclass(cls, data.Csv)
    found: Plain = {"kind": cls.kind, "path": CSV if csv else NPZ}
    found |= {"features": ["a", "b"]} if csv else {}
    if draw(st.booleans()):
        targets = {"targets": ["target"] if csv else "targets"}
        found |= targets if regression else {"label": "label"}
    return found | draw(_optional({"validation": (0.25, 2, 0), "standardize": (True, False)}))


@st.composite
def _points(draw: st.DrawFn, n: int, regression: bool) -> tuple[int, int, Plain]:
    d = draw(st.integers(1, n))
    row = st.lists(st.sampled_from((0.5, -1.0, 2)), min_size=d, max_size=d)
    points = draw(st.lists(row, min_size=1, max_size=3))
    found: Plain = {"kind": "points", "features": points}
    if not regression and draw(st.booleans()):
        found["labels"] = [draw(st.integers(0, 2)) for _ in points]
    elif regression and draw(st.booleans()):
        found["targets"] = [[draw(st.sampled_from((0.5, -1.0)))] for _ in points]
    return d, max(found.get("labels", [0])) + 1, found


# --- the model -----------------------------------------------------------------------------------


@st.composite
def _models(
    draw: st.DrawFn,
    field: Field,
    head: type[readouts.Readout] | None,
    features: int | None,
    classes: int,
) -> Plain:
    """`features` are those of the data, if there are any."""
    time = {"horizon": 1.0, "steps": 1, **draw(node(model.Time))}
    net: Plain = {"state": field.state, "vector_field": field.plain, "time": time}
    if (features or 0) > field.n or draw(rarely()):
        fitting = {
            "zeros": features is None or features <= field.n,
            "blocks": features in (None, sum(field.blocks.values())),
        }
        kinds = [k for k in model.Lift.members() if fitting.get(k, True)]
        net["lift"] = draw(member(model.Lift, kinds))
    if field.parametrization is not None:
        net["parametrization"] = field.parametrization
    net |= draw(_integrators(field))
    if draw(rarely()):
        net["gradient"] = draw(_gradients(time["steps"], net))
    if head is not None:
        net["readout"] = draw(_readouts(head, classes))
    found = draw(_initializers(_all_shapes(net, field, features or field.n), time, field))
    return net | ({"initializers": found} if found else {})


@st.composite
def _integrators(draw: st.DrawFn, field: Field) -> Plain:
    """Leapfrog for fields of second order and for them alone; verlet for separable ones."""
    if field.second_order:
        return {"integrator": draw(member(Integrator, [Leapfrog.kind]))}
    others = [k for k in Integrator.members() if k not in (*NOT_DRAWN, "leapfrog", "verlet")]
    kind = draw(st.sampled_from([*others, *[Verlet.kind] * 3] if field.separable else others))
    named = kind != others[0] or draw(rarely())
    return {"integrator": draw(member(Integrator, [kind]))} if named else {}


@st.composite
def _readouts(draw: st.DrawFn, head: type[readouts.Readout], classes: int) -> Plain | str:
    if not issubclass(head, readouts.Classifier):
        return draw(of_kind(head))
    found = draw(node(head, without=("classes",)))
    return {"kind": head.kind, "classes": draw(st.integers(0, 2)) + max(classes, 2), **found}


def _all_shapes(net: Plain, field: Field, features: int) -> dict[str, tuple[int, ...]]:
    """Raw weights by name, of the field, the lift and the readout; sizes of one step."""
    shapes = dict(field.shapes)
    if net.get("lift") == "linear":
        shapes["L"] = (field.n, features)
    if "readout" in net:
        outputs = readouts.Readout._choose(net["readout"]).outputs_count
        shapes |= {"W": (field.n, outputs), "mu": (outputs,)} if outputs else {}
    return shapes


@st.composite
def _initializers(
    draw: st.DrawFn, shapes: dict[str, tuple[int, ...]], time: Plain, field: Field
) -> Plain:
    """Initializers of some weights."""
    found: Plain = {}
    for name, shape in shapes.items():
        if name not in field.given and draw(rarely()) and draw(st.booleans()):
            stacked = name not in ("W", "mu", "L")
            found[name] = draw(_initializer(shape, _nodes(name, time, field) if stacked else 0))
    return found


def _nodes(name: str, time: Plain, field: Field) -> int:
    steps, mode = time["steps"], _mode(name, time, field)
    return {"per-step": steps, "linear": steps + 1, "shared": 0}[mode]


def _mode(name: str, time: Plain, field: Field) -> str:
    return field.times.get(name) or time.get("weights", "per-step")


@st.composite
def _initializer(draw: st.DrawFn, shape: tuple[int, ...], nodes: int) -> Plain | str:
    members = initializers.Initializer.members()
    kinds = [k for k, c in members.items() if len(shape) == 2 or c is not initializers.Identity]
    cls = members[draw(st.sampled_from(kinds))]
    if issubclass(cls, initializers.Values):
        full = (nodes, *shape) if nodes and draw(st.booleans()) else shape
        return {"kind": cls.kind, "values": draw(_nested(full))}
    if issubclass(cls, initializers.Uniform):
        found = draw(node(cls))
        ends = sorted((found.get("low", -1.0), found.get("high", 1.0)))
        return short({"kind": cls.kind, **found, **dict(zip(("low", "high"), ends, strict=True))})
    return draw(of_kind(cls))


@st.composite
def _nested(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    count = int(np.prod(shape))
    pool = st.sampled_from((0.5, -0.25, 1, 0.0, -1.5))
    flat = draw(st.lists(pool, min_size=count, max_size=count))
    return np.array(flat, dtype=object).reshape(shape).tolist()


@st.composite
def _regularizers(draw: st.DrawFn, net: Plain, field: Field) -> list[Any]:
    """Up to two penalties; those that need a path act on weights along time."""
    along_time = [n for n in field.shapes if _mode(n, net["time"], field) != "shared"]
    of_readout = ["W", "mu"] if readouts.Readout._choose(net["readout"]).outputs_count else []
    everything = [*field.shapes, *(["L"] if net.get("lift") == "linear" else []), *of_readout]
    found = []
    for _ in range(draw(st.sampled_from((0, 0, 1, 2)))):
        kind, cls = draw(st.sampled_from(list(Regularizer.members().items())))
        if names := along_time if cls.needs_path else everything:
            of = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
            found.append({"kind": kind, "of": of, **draw(node(cls, without=("of",)))})
    return found
