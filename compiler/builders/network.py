"""The builder of all tasks: features to logits, rows to densities, series to predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...data.sources import counted
from ...spec.adaptive import Adaptive
from ...spec.density import Hutchinson
from ...spec.integrators import Splitting
from ...spec.model import Adjoint, Reversible
from ...spec.node import content_hash
from ...spec.readouts import Classifier
from ...spec.regularizers import Regularizer
from ..ir.expr import walk
from ..ir.header import Header
from ..ir.module import Chance, Constant, Function, Module, Signature
from ..ir.problem import LETTERS, LayerWeight, Penalty, Problem
from ..ir.text import GREEK, constant_symbol, definition, equations, mathematics, number
from ..ir.types import ENDS, PROBE, STEP, Size
from ..ir.verify import InvalidModule
from . import adaptive, density, field, objective, path, penalized, series
from .augmented import fullest
from .layer import Layer, layer_of
from .names import PUBLIC
from .step import step

WEIGHTS_IN_TIME = {
    "per-step": "one weight for each step",
    "linear": "linear in time between N + 1 nodes",
    "shared": "one weight shared by all steps",
}


def build(problem: Problem, claims: Sequence[str]) -> Module:
    """The module of a problem; `claims` are what its head says of stability."""
    functions = _by_name(_functions(problem))
    time = problem.spec.model.time
    return Module(
        name=problem.name,
        dtype=problem.spec.dtype,
        seed=problem.spec.seed,
        steps=time.steps,
        h=problem.h,
        horizon=time.horizon,
        signature=Signature(
            problem.features.value,
            problem.sizes,
            problem.outputs,
            problem.is_classifier,
            is_of_series=problem.observed is not None,
        ),
        constants=tuple(_constants(problem)),
        weights=problem.weights,
        functions=functions,
        public=tuple(name for name in PUBLIC if name in functions),
        header=_header(problem, claims),
        names=problem.names,
        sizes={STEP.name: time.steps, ENDS.name: 2, **_probes(problem)},
        chance=_chance(problem),
        base_rows=density.base_rows(problem),
        is_staggered=isinstance(problem.integrator, Splitting) and problem.integrator.lag != 0,
    )


def _by_name(functions: Iterator[Function]) -> dict[str, Function]:
    found: dict[str, Function] = {}
    for function in functions:
        if found.setdefault(function.name, function) is not function:
            raise InvalidModule(f"two functions are called {function.name}")
    return found


def _functions(problem: Problem) -> Iterator[Function]:
    layer = layer_of(problem)
    has_density = problem.density is not None
    yield from field.parametrizations(problem)
    yield from field.right_hand_sides(fullest(problem))
    yield from _steps_of(problem, layer)
    if has_density:
        yield from density.steps_of(problem, layer)
    yield from penalized.steps_of(problem)
    yield from objective.penalties(problem)
    known = _by_name(path.functions(problem, layer))
    yield from known.values()
    if has_density:
        of_density = _by_name(density.functions(problem, layer, known))
        yield from of_density.values()
        known = {**known, **of_density}
    yield from penalized.functions(problem, known)
    if problem.observed is not None:
        yield from series.functions(problem, known["initial_state"], known.get("layer_weights"))
    yield from objective.functions(problem)
    if has_density:
        yield density.loss(problem)
    if problem.observed is not None:
        yield series.loss(problem)


def _chance(problem: Problem) -> Chance | None:
    """What is drawn for every row."""
    estimates = [getattr(p.regularizer, "estimate", None) for p in problem.path_penalties]
    drawn = (e for e in (problem.spec.model.divergence, *estimates) if isinstance(e, Hutchinson))
    return next((Chance(asked.probes, asked.law) for asked in drawn), None)


def _probes(problem: Problem) -> dict[str, int]:
    """How many vectors a derivative is multiplied by."""
    is_known = problem.density is not None or problem.is_penalized
    return {PROBE.name: problem.probe_count or problem.size} if is_known else {}


def _steps_of(problem: Problem, layer: Layer) -> Iterator[Function]:
    """What a step is, and what a solver is given."""
    if not problem.is_adaptive:
        yield step(problem, layer)
        return
    slopes = adaptive.slopes(problem, layer)
    if slopes is not None:
        yield slopes
    if not problem.is_shared:
        yield adaptive.step(problem, layer)


# --- constants -------------------------------------------------------------------------------


def _constants(problem: Problem) -> Iterator[Constant]:
    """Sizes and named numbers, each once."""
    yield Constant("FEATURES", problem.features.value, "d")
    sizes: dict[str, list[str]] = {}
    for name, block in problem.blocks.items():
        sizes.setdefault(block.size.name, []).append(LETTERS.get(name, f"components of {name}"))
    for name, letters in sizes.items():
        value = next(b.size.value for b in problem.blocks.values() if b.size.name == name)
        yield Constant(name, value, " = ".join(letters))
    if problem.readout is not None:
        is_classifier = problem.is_classifier
        name, what = ("CLASSES", "") if is_classifier else ("OUTPUTS", "numbers per example")
        yield Constant(name, problem.outputs, what)
    if isinstance(problem.integrator, Adaptive):
        yield from _tolerances(problem.integrator)
    if problem.density is not None:
        yield from density.constants(problem)
    yield from _numbers(problem)


def _tolerances(integrator: Adaptive) -> Iterator[Constant]:
    """What the solver is told."""
    yield Constant("RTOL", integrator.rtol, "of a step: relative")
    yield Constant("ATOL", integrator.atol, "and absolute")
    yield Constant("MAX_STEPS", integrator.max_steps, "of a solve, which fails with more")
    if integrator.first_step is not None:
        yield Constant("FIRST_STEP", integrator.first_step, "")
    if integrator.min_step is not None:
        yield Constant("MIN_STEP", integrator.min_step, "accepted in any case")


def _numbers(problem: Problem) -> Iterator[Constant]:
    """π, γ, α and their like, in the order in which they are used; h is defined by T and N."""
    seen = {"H"}
    roots = [(side, "", "") for side in problem.rhs.values()]
    if problem.density is not None:
        roots += [(e, "", "") for e in (problem.density.trace, problem.density.energy) if e]
    roots += [(p.rate, "", "") for p in problem.path_penalties]
    roots += [(problem.observed.value, "", "")] if problem.observed is not None else []
    roots += [(w.definition, w.name, f"_{w.name}") for w in problem.layer]
    penalties = (*problem.penalties, *problem.path_penalties)
    for p in sorted(penalties, key=lambda p: p.index):
        value = p.value if isinstance(p, Penalty) else p.alpha
        roots.append((value, p.regularizer.kind, ""))
    for root, what, mark in roots:
        for e in walk(root):
            if e.op == "constant" and e.attributes[1] not in ("", *seen):
                value, name = e.attributes
                assert isinstance(value, int | float)
                seen.add(str(name))
                comment = f"{constant_symbol(str(name).partition('_')[0])}"
                # a number that all weights share is of none of them
                yield Constant(
                    str(name),
                    value,
                    comment + f" of {what}" * bool(what and f"{mark}_" in f"{name}_"),
                )


# --- header ----------------------------------------------------------------------------------


def _header(problem: Problem, claims: Sequence[str]) -> Header:
    rows = [
        ("Vector field", _field(problem)),
        *(("", text) for text in _definitions(problem)),
        ("Integrator", f"{problem.integrator.name}, {problem.accuracy}"),
        ("", _steps(problem)),
        ("Weights", _weights(problem)),
        *_labelled("Gradient", gradient_mode(problem)),
        *_objective(problem),
        *_labelled("Stability", claims),
        *_labelled("Reference", _reference(problem)),
    ]
    title = f"{problem.name}: {'; '.join(_equations(problem))},  0 ≤ t ≤ T."
    source = f"the spec {problem.name}, {content_hash(problem.spec)[:8]}"
    return Header(title, tuple(rows), source)


def _labelled(label: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    return [(label if i == 0 else "", text) for i, text in enumerate(texts)]


def _reference(problem: Problem) -> list[str]:
    """The user's words on one line."""
    words = " ".join(problem.spec.reference.split())
    return [words] if words else []


def _equations(problem: Problem) -> list[str]:
    found = equations(problem.rhs, problem.order)
    return found if problem.order == 1 else [*found, "y'(0) = 0"]


def _field(problem: Problem) -> str:
    blocks = ", ".join(f"{name} ∈ ℝ{_power(b.size)}" for name, b in problem.blocks.items())
    kind = problem.spec.model.vector_field.kind
    derived = ""
    if problem.hamiltonian is not None:
        derived = f", from H = {mathematics(problem.hamiltonian)}"
    return f"{kind}, {blocks}{derived}"


def _power(size: Size) -> str:
    return str(size.value).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _definitions(problem: Problem) -> Iterator[str]:
    for w in problem.layer:
        if not w.is_raw:
            yield f"{definition(w.name, w.raw.name, w.definition)}{_keys(w)}"


def _keys(weight: LayerWeight) -> str:
    """`, γ = 0.1`: the keys that the definition names."""
    used = {str(e.attributes[1]) for e in walk(weight.definition) if e.op == "constant"}
    numbers = weight.parametrization.numbers().items()
    return "".join(
        f", {GREEK.get(key, key)} = {number(value)}"
        for key, value in numbers
        if key.upper() in used or any(n.startswith(f"{key.upper()}_{weight.name}") for n in used)
    )


def tolerances(integrator: Adaptive) -> str:
    """What the solver is told."""
    told = [f"rtol {number(integrator.rtol)}", f"atol {number(integrator.atol)}"]
    told.append(f"at most {integrator.max_steps:,} steps")
    if integrator.first_step is not None:
        told.append(f"the first of {number(integrator.first_step)}")
    if integrator.min_step is not None:
        told.append(f"none below {number(integrator.min_step)}")
    return ", ".join(told)


def adaptive_steps(problem: Problem) -> str:
    """What N is where the solver chooses its steps."""
    time = problem.spec.model.time
    if problem.is_shared:
        return f"looked at {counted(time.steps + 1, 'time')}" if time.steps > 1 else "one solve"
    return f"{counted(time.steps, 'solve')} of h = T/N = {time.step:.6g}, one for each weight"


def _steps(problem: Problem) -> str:
    time = problem.spec.model.time
    if isinstance(problem.integrator, Adaptive):
        steps = f"{adaptive_steps(problem)}; {tolerances(problem.integrator)}"
        return f"T = {number(time.horizon)}, {steps}"
    h = f"h = T/N = {number(time.horizon)}/{time.steps} = {time.step:.6g}"
    plural = "s" if time.steps != 1 else ""
    return f"N = {time.steps} step{plural} of {h}"


def in_time(problem: Problem, words: Mapping[str, str]) -> str:
    """How the weights of the field depend on time, one by one where they differ."""
    if len(problem.modes) < 2:
        return words[next(iter(problem.modes), problem.spec.model.time.weights)]
    each = (f"{path.listed(of)} {words[mode]}" for mode, of in problem.modes.items())
    return "; ".join(each)


def _weights(problem: Problem) -> str:
    counted = f"{in_time(problem, WEIGHTS_IN_TIME)}; {problem.weight_count:,} numbers"
    fixed = [w for w in problem.weights if not w.trainable]
    return f"{counted}; {path.listed(fixed)} not trained" if fixed else counted


def gradient_mode(problem: Problem) -> list[str]:
    """What the gradient keeps of the states, where that is not all of them."""
    every, mode = problem.kept_every, problem.spec.model.gradient
    if isinstance(mode, Adjoint) and isinstance(problem.integrator, Adaptive):
        rtol, atol = map(number, mode.tolerances(problem.integrator))
        told = f"rtol {rtol}, atol {atol}"
        return [f"the continuous adjoint, solved back from T with {told}; keeps no state"]
    if isinstance(mode, Reversible):
        return [
            "keeps the last state alone, whatever N: each step is undone on the way back, "
            "exactly but for rounding"
        ]
    if every is None or every >= problem.steps:
        return []
    return [f"keeps every {ordinal(every)} state, those between are computed again"]


def ordinal(number: int) -> str:
    """`2nd`, `8th`."""
    last = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number}{last or 'th'}"


def _regularizers(problem: Problem) -> Iterator[str]:
    along = {p.index: p for p in problem.path_penalties}
    for i, r in enumerate(problem.spec.regularizers):
        if isinstance(r, Regularizer):
            yield f"{r.kind} of {', '.join(r.of)}, α = {number(r.alpha)}"
        else:
            p = along[i]
            yield f"{p.regularizer.kind}, α = {number(p.regularizer.alpha)}: {p.integral}"


def _objective(problem: Problem) -> list[tuple[str, str]]:
    readout = problem.spec.model.readout
    texts = [*_regularizers(problem)]
    if problem.density is not None:
        row = ("Log-density", density.in_words(problem))
        return [row, *_labelled("Regularizer", texts)]
    if problem.observed is not None:
        row = ("Observed", series.in_words(problem))
        return [row, *_labelled("Regularizer", texts)]
    if readout is None or problem.readout is None:
        return []
    kind = f"{problem.outputs} outputs, least squares"
    if isinstance(readout, Classifier):
        kind = f"{readout.classes} classes, {readout.hypothesis}, {readout.loss}"
    rows = [("Readout", f"{mathematics(problem.readout.logits)}; {kind}")]
    return rows + _labelled("Regularizer", texts)
