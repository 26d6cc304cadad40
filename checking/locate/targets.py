"""What a standalone pair computes: a function of both programs, its inputs, its true value.

A target names one function of the emitted programs and knows what the reference gives for the same
inputs. The nearest functions come first, so that a pair is as small as the difference allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from operator import add

import numpy as np

from ...backends.emit_field import parametrization_name, rate_name
from ...compiler.evaluate import Evaluator, evaluate
from ...compiler.ir.program import Program
from ...compiler.passes import inline
from ...compiler.reference import Reference
from ..compare import Array
from .difference import Difference
from .parts import rate_parameters, step_parameters
from .pullbacks import Arrays, Rule, Value, by_rules, flat, of_mean, quotient

ROWS = 7
"""Examples of a pair, as many as the check has."""


DRAW = "def draw(*shape): return np.array(rng.normal(size=shape) / 2, dtype)"


@dataclass(frozen=True)
class Input:
    """An argument: normal numbers of a shape, as many integers below `classes`, or a time."""

    name: str
    shape: tuple[int, ...]
    classes: int = 0
    time: float | None = None

    @property
    def text(self) -> str:
        """The expression that draws it in a file, where `draw` is the function of `DRAW`."""
        if self.classes:
            return f"rng.integers({self.classes}, size={self.shape})"
        if self.time is not None:
            return f"np.array({self.time!r}, dtype)"
        return f"draw({', '.join(map(str, self.shape))})"

    def draw(self, rng: np.random.Generator, dtype: str) -> Array:
        """The same numbers."""
        if self.classes:
            return rng.integers(self.classes, size=self.shape)
        if self.time is not None:
            return np.array(self.time, dtype)
        return np.array(rng.normal(size=self.shape) / 2, dtype)


@dataclass(frozen=True)
class Target:
    """A function and what it should give.

    `weights` are the shapes of those it is given, none for a function that takes its operands as
    inputs; `cuts` are other definitions of what it calls, by backend. `by` is the weight or input
    that the sum of squares of its value is differentiated by, '' for the value itself; `by_rule`
    then wants what the compiler's rules give, which `rule` knows.
    """

    function: str
    inputs: tuple[Input, ...]
    value: Value
    weights: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    cuts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rule: Rule | None = None
    by: str = ""
    by_rule: bool = False

    def expected(self, seed: int, dtype: str) -> Array:
        """The value, flat, for the inputs of a seed; for `by` the derivative, one number."""
        rng = np.random.default_rng(seed)
        weights = {n: _double(Input(n, s).draw(rng, dtype)) for n, s in self.weights.items()}
        inputs = {i.name: _double(i.draw(rng, dtype)) for i in self.inputs}
        if not self.by:
            return flat(self.value(weights, list(inputs.values())))
        v = _double(self.direction.draw(rng, dtype))
        if self.by_rule and self.rule is not None:
            return np.array([self.rule(weights, list(inputs.values()), self.by, v)])
        return np.array([quotient(self.value, weights, inputs, self.by, v)])

    @property
    def direction(self) -> Input:
        """In which it is differentiated: numbers of the shape of `by`."""
        shapes = {i.name: i.shape for i in self.inputs} | dict(self.weights)
        return Input("v", shapes[self.by])


def _double(value: Array) -> Array:
    return np.asarray(value, np.float64 if value.dtype.kind == "f" else np.int64)


PROTOCOL = ("vector_field", "trajectory", "forward", "loss", "regularizer", "init")
"""What every program has; its own parts are only those of an emitted one, or of that one edited."""


def targets(difference: Difference, program: Program) -> Iterator[Target]:
    """The functions that may show a difference, the nearest to its equation first."""
    is_derivative = difference.equation.partition(" ")[0] in ("gradient", "derivative", "pass")
    found = _pullbacks if is_derivative else _values
    time = difference.where.time
    t = (program.steps // 2 + 1 / 3) * program.h if time is None else time
    for target in found(difference, program):
        if difference.rewritten and (target.function not in PROTOCOL or target.cuts):
            continue
        inputs = (replace(i, time=t) if i.name == "t" else i for i in target.inputs)
        yield replace(target, inputs=tuple(inputs))


def _values(difference: Difference, program: Program) -> Iterator[Target]:
    known = {t.function: t for t in _functions(program)}
    named = [*difference.functions, *(e.function for e in difference.excerpts)]
    for name in dict.fromkeys([*named, *PROTOCOL]):
        if name in known:
            yield from _variants(program, known[name])


def _variants(program: Program, target: Target) -> Iterator[Target]:
    """The function; the loss of likelihoods too; and with all that it calls."""
    whole = _whole(program, target.function) if target.cuts else None
    for each in filter(None, (target, whole)):
        yield each
        if each.function == "loss" and any(i.classes for i in each.inputs):
            x, _ = each.inputs
            likelihoods = Input("likelihoods", (ROWS, program.outputs))
            yield replace(each, inputs=(x, likelihoods))


def _pullbacks(difference: Difference, program: Program) -> Iterator[Target]:
    """Derivatives of the named function first, then of the parts, then of the whole network."""
    parts = {t.function: t for t in (*_rates(program), *_made(program), *_step(program))}
    cut = {t.function: t for t in _functions(program) if t.cuts or t.function == "regularizer"}
    wholes = {n: _whole(program, n) for n in ("final_state", "trajectory", "forward", "loss")}
    named = [e.function for e in difference.excerpts]
    is_rule = not difference.equation.startswith("gradient")
    for name in dict.fromkeys([*named, *parts, *cut, *wholes]):
        for group in (parts, cut, wholes):
            if name in group and (not is_rule or group[name].rule):
                yield from _pulled(group[name], difference.weight, is_rule)


def _pulled(target: Target, weight: str, by_rule: bool) -> Iterator[Target]:
    """Differentiated by the weight where it has it, by its inputs else."""
    if target.cuts or not target.weights:
        names = [i.name for i in target.inputs if i.name not in ("t", "targets", "classes")]
    else:
        names = [weight] if weight else list(target.weights)
    for name in names if by_rule else names[-1:]:
        yield replace(target, by=name, by_rule=by_rule)


# --- the functions ---------------------------------------------------------------------------


def _functions(program: Program) -> Iterator[Target]:
    yield from _rates(program)
    yield from _made(program)
    yield from _step(program)
    for name in ("operands", "initial_state", "vector_field", "trajectory", "final_state"):
        yield _whole(program, name)
    if program.penalties:
        total = reduce(add, (p.value for p in program.penalties))
        yield replace(_whole(program, "regularizer"), rule=by_rules([total], []))
    yield _readout(program) if program.readout is not None else _whole(program, "forward")
    if program.loss is not None:
        yield _loss(program)
    yield Target("init", (), lambda weights, inputs: list(Reference(program).init().values()))


def _operand_inputs(program: Program, names: Sequence[str]) -> tuple[Input, ...]:
    """States as columns, operands of one step, vectors as columns, t."""
    n = program.blocks["y"]
    shapes = {s: (program.blocks.get(s, n), ROWS) for s in program.states} | {"t": ()}
    for o in program.operands:
        shape = (*o.variable.shape, 1) if len(o.variable.shape) == 1 else o.variable.shape
        shapes |= dict.fromkeys([o.name, *_stages(program, o.name)], shape)
    return tuple(Input(name, shapes[name]) for name in names)


def _stages(program: Program, name: str) -> list[str]:
    return [program.stage_name(o, node) for o, node in program.layer if o.name == name]


def _by_name(names: Sequence[str], evaluator: Evaluator) -> Value:
    return lambda weights, inputs: evaluator(dict(zip(names, inputs, strict=True)))


def _rates(program: Program) -> Iterator[Target]:
    for block, side in program.field.items():
        names = rate_parameters(program, block)
        value, rule = _by_name(names, Evaluator(side)), by_rules([side], names)
        yield Target(rate_name(program, block), _operand_inputs(program, names), value, rule=rule)


def _made(program: Program) -> Iterator[Target]:
    for o in program.operands:
        if not o.is_raw:
            raw = Input(o.raw.name, o.raw.step_shape)
            value = _by_name([raw.name], Evaluator(o.definition))
            rule = by_rules([o.definition], [raw.name])
            yield Target(parametrization_name(o), (raw,), value, rule=rule)


def _step(program: Program) -> Iterator[Target]:
    names, results = step_parameters(program), inline.step(program)
    roots = [results[s] for s in program.states]
    value, rule = _by_name(names, Evaluator(*roots)), by_rules(roots, names)
    yield Target("step", _operand_inputs(program, names), value, rule=rule)


def _shapes(program: Program) -> dict[str, tuple[int, ...]]:
    return {w.name: w.shape for w in program.weights}


def _x(columns: int) -> Input:
    return Input("x", (ROWS, columns))


def _target_input(program: Program) -> Input:
    if program.spec.task.kind == "classification":
        return Input("classes", (ROWS,), program.outputs)
    return Input("targets", (ROWS, program.outputs))


def _whole(program: Program, name: str) -> Target:
    """A function of the network with all that it calls."""
    x, y = _x(program.features), Input("y", (ROWS, program.size))
    inputs = {
        "operands": (),
        "regularizer": (),
        "vector_field": (Input("t", ()), y),
        "loss": (x, _target_input(program)),
    }.get(name, (x,))
    return Target(name, inputs, partial(_by_reference, program, name), _shapes(program))


def _by_reference(
    program: Program, name: str, weights: Arrays, inputs: Sequence[Array]
) -> Sequence[Array]:
    reference = Reference(program)
    if name == "operands":
        return list(reference.operand_stacks(weights).values())
    if name == "initial_state":
        return list(reference.run(weights, inputs[0])[0].values())
    if name == "final_state":
        return [reference.run(weights, inputs[0])[-1]["y"]]
    if name == "vector_field":
        return [reference.vector_field(weights, float(inputs[0]), inputs[1])]
    return [np.asarray(getattr(reference, name)(weights, *inputs))]


def _readout(program: Program) -> Target:
    """`forward` on given y(T)."""
    cut = {
        "torch": {"final_state": "def final_state(self, x): return x.T"},
        "jax": {"final_state": "def final_state(weights, x): return x.T"},
    }
    reference = Reference(program)

    def value(weights: Arrays, inputs: Sequence[Array]) -> Sequence[Array]:
        return [reference.logits(weights, inputs[0].T).T]

    n = program.blocks["y"]
    return Target("forward", (_x(n),), value, _shapes(program), cut)


def _loss(program: Program) -> Target:
    """`loss` of given logits, with the regularizer."""
    cut = {
        "torch": {"forward": "def forward(self, x): return x"},
        "jax": {"forward": "def forward(weights, x): return x"},
    }
    reference, loss = Reference(program), program.loss
    assert loss is not None

    def value(weights: Arrays, inputs: Sequence[Array]) -> Sequence[Array]:
        C = reference.targets(inputs[1])
        mean = evaluate(loss, {"x": inputs[0].T, "C": C}).mean()
        return [np.asarray(mean + reference.regularizer(weights))]

    inputs = (_x(program.outputs), _target_input(program))
    rule = of_mean(program, value, loss)
    return Target("loss", inputs, value, _shapes(program), cut, rule)
