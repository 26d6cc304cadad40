"""The parts of a program that both frameworks write alike: constants, weights, field, step."""

from __future__ import annotations

from collections.abc import Iterator

from ..compiler.initial import standard_deviation
from ..compiler.ir.expr import Expr, walk
from ..compiler.ir.program import Operand, Penalty, Program, RawWeight
from ..compiler.ir.text import equations, mathematics, number
from ..spec.initializers import Constant, Identity, Normal, Random, Uniform, Values
from .dialects import Dialect
from .layout import WIDTH, bracketed, docstring
from .printer import Printer

INDENT = " " * 4


# --- constants -------------------------------------------------------------------------------


def constants(program: Program) -> list[str]:
    """Named numbers, each with its symbol; only those that the program uses."""
    time = program.spec.model.time
    lines = [f"FEATURES = {program.features}  # d"]
    if program.spec.model.readout is not None:
        lines.append(f"OUTPUTS = {program.outputs}  # classes or numbers per example")
    lines += [
        f"HORIZON, STEPS = {number(time.horizon)}, {time.steps}  # T, N",
        "H = HORIZON / STEPS  # h",
    ]
    for name, value in _named_numbers(program).items():
        lines.append(f"{name} = {value!r}  # {_symbol(name)}")
    return lines


def _symbol(name: str) -> str:
    return {"GAMMA": "γ", "ALPHA": "α"}[name.split("_")[0]]


def _named_numbers(program: Program) -> dict[str, object]:
    """Constants with a name (γ, α) in the order in which they are used; h is defined apart."""
    roots = [*(o.definition for o in program.operands), *(p.value for p in program.penalties)]
    found = (e.attributes for e in walk(*roots) if e.op == "constant" and e.attributes[1])
    return {str(name): value for value, name in found if name != "H"}


# --- initial weights ---------------------------------------------------------------------------


def stream(program: Program) -> list[str]:
    """The function that makes a stream of random numbers, where one is needed."""
    if not any(isinstance(w.initializer, Random) for w in program.weights):
        return []
    return [
        "def stream(seed: int, name: str) -> np.random.Generator:",
        docstring(["A stream of its own for every weight: they do not depend on each other."]),
        "    return np.random.default_rng([seed, *name.encode()])",
    ]


def init(program: Program) -> list[str]:
    """The initial weights, by the same NumPy calls in both programs."""
    seed = program.spec.seed
    entries = [f'"{w.name}": {_initial(w)}' for w in program.weights]
    return [
        f"def init(seed: int = {seed}) -> dict[str, np.ndarray]:",
        docstring(["Initial weights, drawn by NumPy: the same numbers in every backend."]),
        "    weights = {",
        *(f"        {_fitted(entry)}," for entry in entries),
        "    }",
        f'    return {{name: value.astype("{program.spec.dtype}") '
        "for name, value in weights.items()}",
    ]


def _fitted(entry: str) -> str:
    """A dict entry that is too long for its line, with its call opened up."""
    if len(entry) + 9 <= 88 or "(" not in entry:
        return entry
    before, rest = entry.split("(", 1)
    inside, after = rest.rsplit(")", 1)
    return f"{before}(\n            {inside}\n        ){after}"


def _initial(w: RawWeight) -> str:
    once = not w.stacked or (isinstance(w.initializer, Random) and not w.initializer.repeat)
    once = once or _is_plain(w) or _has_full_shape(w)
    value = _drawn(w, w.shape if once and not _has_full_shape(w) else w.step_shape)
    return value if once else f"np.repeat({value}[None], {_axis(w)}, axis=0)"


def _is_plain(w: RawWeight) -> bool:
    """Zeros and constants are written in their full shape at once."""
    return not isinstance(w.initializer, (Random, Identity, Values))


def _has_full_shape(w: RawWeight) -> bool:
    import numpy as np

    if not isinstance(w.initializer, Values) or not w.stacked:
        return False
    return np.shape(w.initializer.values) == w.shape


def _axis(w: RawWeight) -> str:
    return "STEPS" if w.axes[0] == "N" else "STEPS + 1"


def _drawn(w: RawWeight, shape: tuple[int, ...]) -> str:
    size = _shape(w, shape)
    match w.initializer:
        case Constant():
            return f"np.full({size}, {float(w.initializer.value)!r})"
        case Identity():
            scale = w.initializer.scale
            eye = f"np.eye({', '.join(map(str, w.step_shape))})"
            return eye if scale == 1 else f"({scale!r} * {eye})"
        case Normal():
            std = repr(standard_deviation(w.initializer, shape))
            if w.initializer.std is None and shape:
                std = f"{shape[-1]}**-0.5"
            return f'stream(seed, "{w.name}").normal({w.initializer.mean!r}, {std}, {size})'
        case Uniform():
            low, high = w.initializer.low, w.initializer.high
            return f'stream(seed, "{w.name}").uniform({low!r}, {high!r}, {size})'
        case Values():
            return f"np.array({_nested(w.initializer.values)}, dtype=np.float64)"
        case _:
            return f"np.zeros({size})"


def _shape(w: RawWeight, shape: tuple[int, ...]) -> str:
    if len(shape) == len(w.step_shape):
        return str(shape) if len(shape) != 1 else str(shape[0])
    rest = [str(n) for n in shape[1:]]
    return f"({', '.join([_axis(w), *rest])})" if rest else _axis(w)


def _nested(values: object) -> str:
    if isinstance(values, (list, tuple)):
        return f"[{', '.join(_nested(v) for v in values)}]"
    return repr(values)


# --- the field ---------------------------------------------------------------------------------


def rate_name(program: Program, block: str) -> str:
    """`dy_dt`, or `d2y_dt2` for a second-order field."""
    return f"d{block}_dt" if program.order == 1 else f"d2{block}_dt2"


def parametrizations(program: Program, dialect: Dialect) -> Iterator[list[str]]:
    """One function for every way in which operands are made of raw weights."""
    seen: set[str] = set()
    for operand in program.operands:
        name = parametrization_name(operand)
        if operand.is_raw or name in seen:
            continue
        seen.add(name)
        yield _parametrization(operand, name, dialect)


def parametrization_name(operand: Operand) -> str:
    """`antisymmetric`; of a weight with a parametrization of its own `antisymmetric_A`."""
    kind = operand.parametrization.kind.replace("-", "_")
    return f"{kind}_{operand.name}" if operand.is_custom else kind


def _parametrization(operand: Operand, name: str, dialect: Dialect) -> list[str]:
    raw = operand.raw.name
    printer = Printer(dialect, like=raw, stacked=True)
    return [
        f"def {name}({raw}: {dialect.array}) -> {dialect.array}:",
        docstring([f"{mathematics(operand.definition)}, of one matrix or of a stack of them."]),
        *printer.lines(operand.definition),
    ]


def rates(program: Program, dialect: Dialect) -> Iterator[list[str]]:
    """The right-hand side of every block as a function of what it depends on."""
    texts = equations(program.field, program.order)
    for block, text in zip(program.blocks, texts, strict=True):
        parameters = [*program.depends_on(block), *(o.name for o in program.operands_of(block))]
        like = next(name for name in parameters if name != "t")
        yield [
            signature(rate_name(program, block), parameters, dialect),
            docstring([f"{text}."]),
            *Printer(dialect, like=like).lines(program.field[block]),
        ]


def signature(name: str, parameters: list[str], dialect: Dialect, result: str = "") -> str:
    typed = [f"{p}: {dialect.array}" for p in parameters]
    return bracketed(f"def {name}(", typed, f") -> {result or dialect.array}:")


# --- the step ----------------------------------------------------------------------------------


class StepPrinter(Printer):
    """Prints the lines of a step: a rate is a call of the block's function."""

    def __init__(self, program: Program, dialect: Dialect) -> None:
        super().__init__(dialect, like="y")
        self.program = program

    def _rate(self, e: Expr) -> str:
        block, node, names = e.attributes
        assert isinstance(names, tuple)
        t, *states = e.args
        at = {"t": t, **dict(zip(names, states, strict=True))}
        given = [self.text(at[name]) for name in self.program.depends_on(str(block))]
        taken = [
            self.program.stage_name(o, str(node)) for o in self.program.operands_of(str(block))
        ]
        return f"{rate_name(self.program, str(block))}({', '.join([*given, *taken])})"

    def lines(self, root: Expr, before: str = "return ", indent: int = 4) -> list[str]:
        """As of every printer; a call too long for its line gets a name, or opens up."""
        pad, found = " " * indent, []
        if root.op == "rate":
            return [self._call_line(root, f"{pad}{before}")]
        if len(f"{pad}{before}{self.text(root)}") > WIDTH:
            for node in [e for e in walk(root) if e.op == "rate"]:
                name = f"{node.attributes[0]}_rate"
                found.append(self._call_line(node, f"{pad}{name} = "))
                self.bound[node] = name
        return [*found, *super().lines(root, before, indent)]

    def _call_line(self, call: Expr, before: str) -> str:
        function, _, rest = self.text(call).partition("(")
        indent = len(before) - len(before.lstrip())
        return bracketed(f"{before.lstrip()}{function}(", rest[:-1].split(", "), ")", indent)


def unpacking(names: list[str]) -> str:
    """The left side of an assignment to these names."""
    return f"({names[0]},)" if len(names) == 1 else ", ".join(names)


def layer_names(program: Program) -> list[str]:
    """What one step is given beside the states: t where it is needed, and the operands."""
    time = [] if program.is_autonomous else ["t"]
    return [*time, *(program.stage_name(o, node) for o, node in program.layer)]


def step(program: Program, dialect: Dialect) -> list[str]:
    """One step of the method."""
    several = len(program.states) > 1
    result = "State" if several else dialect.array
    doc = (type(program.integrator).__doc__ or "").split("\n")[0].rstrip(".")
    parameters = [*program.states, *layer_names(program)]
    lines = [
        signature("step", parameters, dialect, result),
        docstring([f"{_capital(program.integrator.name)}: {doc}."]),
    ]
    printer = StepPrinter(program, dialect)
    for line in program.step.lines:
        lines += printer.lines(line.value, f"{line.name} = ")
    results = [program.step.results[name] for name in program.states]
    if len(results) == 1:
        return [*lines, *printer.lines(results[0])]
    return [*lines, returned([printer.text(result) for result in results])]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def returned(results: list[str], indent: int = 4) -> str:
    """A return statement of several values."""
    line = f"{' ' * indent}return {unpacking(results)}"
    return line if len(line) <= WIDTH else bracketed("return (", results, ")", indent)


def start_lines(program: Program, dialect: Dialect) -> list[str]:
    """The states before the first step that the lift does not give (a velocity)."""
    printer = StepPrinter(program, dialect)
    return [f"    {u.name} = {printer.text(u.value)}" for u in program.step.start]


# --- the operands ------------------------------------------------------------------------------


def operand_lines(program: Program, raw: dict[str, str], indent: int = 4) -> Iterator[str]:
    """The statements that make the operands of all steps out of the stacks in `raw`."""
    pad = " " * indent
    for operand, node in program.layer:
        name = program.stage_name(operand, node)
        yield f"{pad}{name} = {made(operand, at_node(program, raw[operand.raw.name], node))}"


def at_node(program: Program, stack: str, node: str) -> str:
    if program.mode != "linear":
        return stack
    return {
        "start": f"{stack}[:-1]",
        "end": f"{stack}[1:]",
        "mid": f"({stack}[:-1] + {stack}[1:]) / 2",
    }[node]


def made(operand: Operand, raw: str) -> str:
    """The operand out of its raw weight: parametrized, a vector as a column."""
    if not operand.is_raw:
        return f"{parametrization_name(operand)}({raw})"
    if len(operand.variable.shape) != 1:
        return raw
    raw = f"({raw})" if " " in raw else raw
    return f"{raw}[..., None]"


# --- the field at any time -----------------------------------------------------------------------


def vector_field(
    program: Program,
    dialect: Dialect,
    *,
    head: str,
    raw: dict[str, str],
    locate: list[str],
    time: str,
    join: str,
    indent: int = 0,
) -> list[str]:
    """f(t, y) on rows at any time: weight j for t_j <= t < t_{j+1}, interpolated if linear."""
    pad = " " * (indent + 4)
    rule = {
        "per-step": ", with weight j for t_j <= t < t_{j+1}",
        "linear": ", with weights interpolated at t",
        "shared": "",
    }[program.mode]
    what = "y''" if program.order == 2 else "f(t, y)"
    lines = [
        f"{' ' * indent}{head}",
        docstring([f"{what}, rows (s, {program.size}) in and out{rule}."], indent + 4),
    ]
    if program.mode != "shared":
        lines += [f"{' ' * indent}{line}" for line in locate[: 1 + (program.mode == "linear")]]
    for operand in program.operands:
        lines.append(f"{pad}{operand.name} = {made(operand, _at_time(program, operand, raw))}")
    if not program.is_autonomous:
        lines.append(f"{pad}time = {time}")
    lines += [f"{pad}{line}" for line in _split(program)]
    calls = [_call_at_time(program, block) for block in program.blocks]
    if len(calls) == 1:
        return [*lines, f"{pad}return {calls[0]}.T"]
    rates = [f"{block}_rate" for block in program.blocks]
    lines += [f"{pad}{rate} = {call}" for rate, call in zip(rates, calls, strict=True)]
    return [*lines, f"{pad}return {join.format(', '.join(rates))}.T"]


def _at_time(program: Program, operand: Operand, raw: dict[str, str]) -> str:
    stack = raw[operand.raw.name]
    if program.mode == "shared":
        return stack
    if program.mode == "per-step":
        return f"{stack}[j]"
    return f"(1 - theta) * {stack}[j] + theta * {stack}[j + 1]"


def _split(program: Program) -> list[str]:
    """The blocks of the stacked state as columns."""
    if len(program.blocks) == 1:
        return ["y = y.T"]
    lines, at = ["columns = y.T"], 0
    for name, n in program.blocks.items():
        stop = at + n if at + n < program.size else ""
        lines.append(f"{name} = columns[{at or ''}:{stop}]")
        at += n
    return lines


def _call_at_time(program: Program, block: str) -> str:
    given = ["time" if name == "t" else name for name in program.depends_on(block)]
    taken = [o.name for o in program.operands_of(block)]
    return f"{rate_name(program, block)}({', '.join([*given, *taken])})"


def penalty_lines(
    program: Program, dialect: Dialect, raw: dict[str, str], indent: int = 4
) -> list[str]:
    """R: for every regularizer its factor times the sum of a term over its weights."""
    pad, several = " " * indent, len(program.penalties) > 1
    lines: list[str] = []
    names: list[str] = []
    for i, penalty in enumerate(program.penalties, start=1):
        kind = penalty.regularizer.kind.replace("-", "_")
        names.append(kind if kind not in names else f"{kind}_{i}")
        before = f"{names[-1]} = " if several else "return "
        lines += _penalty_lines(penalty, dialect, raw, before, indent)
    return [*lines, f"{pad}return {' + '.join(names)}"] if several else lines


def _penalty_lines(
    penalty: Penalty, dialect: Dialect, raw: dict[str, str], before: str, indent: int
) -> list[str]:
    factor = Printer(dialect, like="").text(penalty.factor)
    first, *others = penalty.weights
    pad = " " * indent
    if not others:
        own = Printer(dialect, like="", names={first.name: raw[first.name]}, stacked=True)
        return [f"{pad}{before}{factor} * {own.text(penalty.terms[0])}"]
    each = Printer(dialect, like="", names={first.name: "w"}, stacked=True)
    stack = {"torch": "torch.stack", "jax": "jnp.stack"}[dialect.name]
    return [
        bracketed("of = (", [raw[w.name] for w in penalty.weights], ")", indent),
        f"{pad}terms = {stack}([{each.text(penalty.terms[0])} for w in of])",
        f"{pad}{before}{factor} * terms.sum()",
    ]
