"""The JAX program: pure functions on a dict of weights, one `lax.scan` over the steps."""

from __future__ import annotations

from ..compiler.ir.program import Program
from . import docs, emit_field, emit_init, emit_operands, emit_penalty, emit_step
from .dialects import JAX
from .layout import docstring, returned, unpacking
from .main_block import jax_main
from .printer import Printer, needs_math
from .program_text import assemble, loss_lines

WEIGHTS = "weights: Weights"


def emit(program: Program) -> str:
    """The text of the program; the same bytes for the same spec and version."""
    functions = [
        emit_init.stream(program),
        emit_init.init(program),
        *emit_field.parametrizations(program, JAX),
        *emit_field.rates(program, JAX),
        emit_step.step(program, JAX),
        _operands(program),
        _initial_state(program),
        _final_state(program),
        _trajectory(program),
        _vector_field(program),
        *_objective(program),
        jax_main(program),
    ]
    return assemble(program, JAX, _imports(program), functions)


def _imports(program: Program) -> list[str]:
    standard = [*["import math"] * needs_math(*program.expressions), "from pathlib import Path"]
    third = [
        "import jax",
        "import jax.numpy as jnp",
        "import numpy as np",
        "from jax import Array",
        "from safetensors.numpy import load_file",
    ]
    aliases = ["Weights = dict[str, Array]"]
    several = len(program.states)
    aliases += [f"State = tuple[{', '.join(['Array'] * several)}]"] * (several > 1)
    aliases += ["Layer = tuple[Array, ...]"] * (
        bool(program.layer) and not (program.mode == "shared" and program.is_autonomous)
    )
    return [*standard, "", *third, "", *aliases]


def _raw(program: Program) -> dict[str, str]:
    return {w.name: f'weights["{w.name}"]' for w in program.weights}


def _operands(program: Program) -> list[str]:
    if not program.layer:
        return []
    lines = emit_operands.operand_lines(program, _raw(program))
    names = [program.stage_name(o, node) for o, node in program.layer]
    return [
        f"def operands({WEIGHTS}) -> tuple[Array, ...]:",
        docstring([docs.operands(program)]),
        *lines,
        returned(names),
    ]


def _initial_state(program: Program) -> list[str]:
    """The states at t = 0 as columns."""
    printer = Printer(JAX, like="x", names=_raw(program) | {"x": "x.T"})
    several = len(program.states) > 1
    y = printer.text(program.lift)
    lines = [
        f"def initial_state({WEIGHTS}, x: Array) -> {'State' if several else 'Array'}:",
        docstring([docs.initial_state(program)]),
    ]
    if not several:
        return [*lines, f"    return {y}"]
    lines.append(f"    y = {y}")
    for name, n in list(program.blocks.items())[1:]:
        lines.append(f"    {name} = jnp.zeros(({n}, x.shape[0]), x.dtype)")
    if program.step.start:
        lines += _first_layer(program)
        lines += emit_step.start_lines(program, JAX)
    return [*lines, f"    return {', '.join(program.states)}"]


def _first_layer(program: Program) -> list[str]:
    names = unpacking([program.stage_name(o, node) for o, node in program.layer])
    first = "operands(weights)"
    if program.mode != "shared":
        first = "(w[0] for w in operands(weights))"
    return [f"    {names} = {first}"]


def _over(program: Program) -> tuple[str, str]:
    """What a scan runs over, and what the step gets of it: `layer`, or the shared operands."""
    times = "H * jnp.arange(STEPS, dtype=x.dtype)"
    if not program.layer:
        return ("None", "") if program.is_autonomous else (times, "t")
    if program.mode == "shared":
        return (times, "t, *shared") if not program.is_autonomous else ("None", "*shared")
    if program.is_autonomous:
        return "operands(weights)", "*layer"
    return f"({times}, *operands(weights))", "*layer"


def _passed(given: str) -> str:
    return "*layer_at(t)" if given == "t, *shared" else given


def _scan(program: Program, output: str) -> list[str]:
    """The scan; `output` is what it collects of the state after a step."""
    several = len(program.states) > 1
    state, star = ("state", "*state") if several else ("y", "y")
    over, given = _over(program)
    argument = {"*layer": "layer", "t, *shared": "t", "t": "t"}.get(given, "_")
    lines = []
    if "shared" in given:
        lines.append("    shared = operands(weights)")
    if given == "t, *shared":
        lines += ["", "    def layer_at(t: Array) -> Layer:", "        return (t, *shared)"]
    annotated = {"layer": "layer: Layer", "t": "t: Array", "_": "_: None"}[argument]
    kind = "State" if several else "Array"
    collected = {"None": "None", "y": "Array", "state": "State"}[output]
    lines += [
        "",
        f"    def advance({state}: {kind}, {annotated}) -> tuple[{kind}, {collected}]:",
        f"        {state} = step({', '.join(filter(None, [star, _passed(given)]))})",
        f"        return {state}, {output}",
        "",
    ]
    length = ", length=STEPS" if over == "None" else ""
    found = f"{state}, _" if output == "None" else "_, path"
    if over.startswith("("):
        lines.append(f"    layers = {over}")
        over = "layers"
    return [*lines, f"    {found} = jax.lax.scan(advance, start, {over}{length})"]


def _final_state(program: Program) -> list[str]:
    result = "state[0]" if len(program.states) > 1 else "y"
    return [
        f"def final_state({WEIGHTS}, x: Array) -> Array:",
        docstring(["y(T), one column per example."]),
        "    start = initial_state(weights, x)",
        *_scan(program, "None"),
        f"    return {result}",
    ]


def _trajectory(program: Program) -> list[str]:
    blocks = list(program.blocks)
    lines = [
        f"def trajectory({WEIGHTS}, x: Array) -> Array:",
        docstring([f"{docs.stacked(program)} at t_0, ..., t_N: (N + 1, s, {program.size})."]),
        "    start = initial_state(weights, x)",
    ]
    if len(program.states) == 1:
        return [
            *lines,
            *_scan(program, "y"),
            "    return jnp.concatenate([start[None], path]).mT",
        ]
    lines += _scan(program, "state")
    if len(blocks) == 1:
        return [*lines, "    return jnp.concatenate([start[0][None], path[0]]).mT"]
    return [
        *lines,
        "    first = jnp.concatenate(start)",
        "    rest = jnp.concatenate(path, axis=1)",
        "    return jnp.concatenate([first[None], rest]).mT",
    ]


def _vector_field(program: Program) -> list[str]:
    return emit_operands.vector_field(
        program,
        head=f"def vector_field({WEIGHTS}, t: float, y: Array) -> Array:",
        raw=_raw(program),
        locate=[
            "    rounding = 1 + 4 * jnp.finfo(y.dtype).eps  # t_j belongs to step j",
            "    j = jnp.floor(t / H * rounding + 1e-9).astype(int).clip(0, STEPS - 1)",
            "    theta = t / H - j",
        ],
        time="jnp.asarray(t, y.dtype)",
        join="jnp.concatenate([{}])",
    )


def _objective(program: Program) -> list[list[str]]:
    found = [_forward(program)]
    if program.penalties:
        found.append(_regularizer(program))
    if program.loss is not None:
        found += [_likelihoods(program), _loss(program)]
    return [lines for lines in found if lines]


def _forward(program: Program) -> list[str]:
    head = f"def forward({WEIGHTS}, x: Array) -> Array:"
    if program.readout is None:
        return [
            head,
            docstring(["y(T), one row per example."]),
            "    return final_state(weights, x).T",
        ]
    printer = Printer(JAX, like="y", names=_raw(program) | {"mu": 'weights["mu"][:, None]'})
    return [
        head,
        docstring([f"Logits W^T y(T) + mu, one row per example: (s, {program.outputs})."]),
        "    y = final_state(weights, x)",
        *printer.lines(program.readout, "logits = "),
        "    return logits.T",
    ]


def _regularizer(program: Program) -> list[str]:
    return [
        f"def regularizer({WEIGHTS}) -> Array:",
        docstring([docs.regularizer(program)]),
        *emit_penalty.penalty_lines(program, JAX, _raw(program)),
    ]


def _likelihoods(program: Program) -> list[str]:
    if not docs.has_classes(program):
        return []
    return [
        "def likelihoods(targets: Array, dtype: jnp.dtype) -> Array:",
        docstring(["Integer classes as one-hot rows; likelihoods of the classes as they are."]),
        "    if targets.ndim == 1:",
        "        return jax.nn.one_hot(targets, OUTPUTS, dtype=dtype)",
        "    return targets",
    ]


def _loss(program: Program) -> list[str]:
    target = "likelihoods(targets, logits.dtype).T" if docs.has_classes(program) else "targets.T"
    lines = loss_lines(program, JAX, target, "forward(weights, x).T", "axis=0")
    regularizer = " + regularizer(weights)" if program.penalties else ""
    return [
        f"def loss({WEIGHTS}, x: Array, targets: Array) -> Array:",
        docstring([docs.loss(program)]),
        *lines,
        f"    return losses.mean(){regularizer}",
    ]
