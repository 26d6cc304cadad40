"""The PyTorch program: an `nn.Module` around pure functions, one loop over the steps."""

from __future__ import annotations

from ..compiler.ir.program import Program
from . import docs, emit_field, emit_init, emit_operands, emit_penalty, emit_step
from .dialects import TORCH
from .layout import Bracket, bracketed, docstring, laid_out, returned, unpacking
from .main_block import torch_main
from .printer import Printer, needs_math
from .program_text import assemble, loss_lines


def emit(program: Program) -> str:
    """The text of the program; the same bytes for the same spec and version."""
    functions = [
        emit_init.stream(program),
        emit_init.init(program),
        *emit_field.parametrizations(program, TORCH),
        *emit_field.rates(program, TORCH),
        emit_step.step(program, TORCH),
        _likelihoods(program),
        _network(program),
        torch_main(program),
    ]
    bodies = ["\n".join(lines) for lines in functions if lines]
    return assemble(program, TORCH, _imports(program, "\n".join(bodies)), functions)


def _imports(program: Program, body: str) -> list[str]:
    several = len(program.states)
    math = ["import math"] * needs_math(*program.expressions)
    iterator = ["from collections.abc import Iterator"] * ("Iterator[" in body)
    functional = ["import torch.nn.functional as F"] * ("F." in body)
    return [
        *math,
        *iterator,
        "from pathlib import Path",
        "",
        "import numpy as np",
        "import torch",
        *functional,
        "from safetensors.numpy import load_file",
        "from torch import Tensor, nn",
        *["", f"State = tuple[{', '.join(['Tensor'] * several)}]"] * (several > 1),
    ]


def _raw(program: Program) -> dict[str, str]:
    return {w.name: f"self.{w.name}" for w in program.weights}


def _network(program: Program) -> list[str]:
    methods = [
        _constructor(program),
        _operands(program),
        _layers(program),
        _initial_state(program),
        _final_state(program),
        _trajectory(program),
        _vector_field(program),
        _forward(program),
        _regularizer(program),
        _loss(program),
    ]
    title = f"{program.name}: see the head of this file."
    lines = ["class Network(nn.Module):", docstring([title])]
    for method in methods:
        if method:
            lines += ["", *method]
    return lines


def _constructor(program: Program) -> list[str]:
    lines = [
        "    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:",
        "        super().__init__()",
        "        weights = init() if weights is None else weights",
    ]
    for w in program.weights:
        axes = ", ".join(w.axes) + ("," if len(w.axes) == 1 else "")
        value = f'torch.tensor(weights["{w.name}"])'
        parameter = Bracket(f"self.{w.name} = nn.Parameter(", (value,), ")")
        comment = f"  # ({axes})"
        lines.append(f"        {laid_out(parameter, 8, len(comment))}{comment}")
    return lines


def _operands(program: Program) -> list[str]:
    if not program.layer:
        return []
    names = [program.stage_name(o, node) for o, node in program.layer]
    return [
        "    def operands(self) -> tuple[Tensor, ...]:",
        docstring([docs.operands(program)], 8),
        *emit_operands.operand_lines(program, _raw(program), 8),
        returned(names, 8),
    ]


def _layers(program: Program) -> list[str]:
    """What every step is given: t where it is needed, and its weights."""
    if not program.layer:
        return []
    times = "H * torch.arange(STEPS, dtype=like.dtype, device=like.device)"
    lines = [
        f"    def layers(self{', like: Tensor' * (not program.is_autonomous)})"
        " -> Iterator[tuple[Tensor, ...]]:",
        docstring([_layers_doc(program)], 8),
    ]
    if program.mode == "shared":
        if program.is_autonomous:
            return [*lines, "        return iter([self.operands()] * STEPS)"]
        return [
            *lines,
            "        shared = self.operands()",
            f"        times = {times}",
            "        return iter([(t, *shared) for t in times.unbind()])",
        ]
    given = "self.operands()"
    if not program.is_autonomous:
        lines += [f"        times = {times}", "        stacks = (times, *self.operands())"]
        given = "stacks"
    return [*lines, f"        return zip(*(w.unbind() for w in {given}), strict=True)"]


def _layers_doc(program: Program) -> str:
    what = "weights" if program.is_autonomous else "time and weights"
    return f"The {what} of one step after the other."


def _loop(program: Program) -> list[str]:
    """Head of the loop over the steps."""
    state, star = ("state", "*state") if len(program.states) > 1 else ("y", "y")
    if not program.layer and program.is_autonomous:
        return ["        for _ in range(STEPS):", f"            {state} = step({star})"]
    if not program.layer:
        times = "H * torch.arange(STEPS, dtype=x.dtype, device=x.device)"
        return [f"        for t in ({times}).unbind():", f"            {state} = step({star}, t)"]
    like = "" if program.is_autonomous else "x"
    return [
        f"        for layer in self.layers({like}):",
        f"            {state} = step({star}, *layer)",
    ]


def _initial_state(program: Program) -> list[str]:
    printer = Printer(TORCH, like="x", names=_raw(program) | {"x": "x.T"})
    several = len(program.states) > 1
    kind = "State" if several else "Tensor"
    lines = [
        f"    def initial_state(self, x: Tensor) -> {kind}:",
        docstring([docs.initial_state(program)], 8),
    ]
    y = printer.text(program.lift)
    if program.lift.op == "variable":
        y += ".contiguous()"  # columns that lie in memory one after the other are faster
    if not several:
        return [*lines, f"        return {y}"]
    lines.append(f"        y = {y}")
    for name, n in list(program.blocks.items())[1:]:
        lines.append(f"        {name} = x.new_zeros({n}, x.shape[0])")
    if program.step.start:
        names = unpacking(emit_step.layer_names(program))
        lines.append(f"        {names} = next(self.layers())")
        lines += [f"    {line}" for line in emit_step.start_lines(program, TORCH)]
    return [*lines, f"        return {', '.join(program.states)}"]


def _final_state(program: Program) -> list[str]:
    several = len(program.states) > 1
    state = "state" if several else "y"
    return [
        "    def final_state(self, x: Tensor) -> Tensor:",
        docstring(["y(T), one column per example."], 8),
        f"        {state} = self.initial_state(x)",
        *_loop(program),
        f"        return {'state[0]' if several else 'y'}",
    ]


def _trajectory(program: Program) -> list[str]:
    several = len(program.states) > 1
    state = "state" if several else "y"
    n = len(program.blocks)
    blocks = "state[0]" if n == 1 else "torch.cat(state)"
    seen = blocks if several else "y"
    what = f"{docs.stacked(program)} at t_0, ..., t_N: (N + 1, s, {program.size})."
    return [
        "    def trajectory(self, x: Tensor) -> Tensor:",
        docstring([what], 8),
        f"        {state} = self.initial_state(x)",
        f"        path = [{seen}]",
        *_loop(program),
        f"            path.append({seen})",
        "        return torch.stack(path).mT",
    ]


def _vector_field(program: Program) -> list[str]:
    return emit_operands.vector_field(
        program,
        head="def vector_field(self, t: float, y: Tensor) -> Tensor:",
        raw=_raw(program),
        locate=[
            "    j = min(max(int(t / H + 1e-9), 0), STEPS - 1)",
            "    theta = t / H - j",
        ],
        time="torch.as_tensor(t, dtype=y.dtype, device=y.device)",
        join="torch.cat([{}])",
        indent=4,
    )


def _forward(program: Program) -> list[str]:
    head = "    def forward(self, x: Tensor) -> Tensor:"
    if program.readout is None:
        doc = docstring(["y(T), one row per example."], 8)
        return [head, doc, "        return self.final_state(x).T"]
    printer = Printer(TORCH, like="y", names=_raw(program) | {"mu": "self.mu[:, None]"})
    return [
        head,
        docstring([f"Logits W^T y(T) + mu, one row per example: (s, {program.outputs})."], 8),
        "        y = self.final_state(x)",
        *printer.lines(program.readout, "logits = ", 8),
        "        return logits.T",
    ]


def _regularizer(program: Program) -> list[str]:
    if not program.penalties:
        return []
    return [
        "    def regularizer(self) -> Tensor:",
        docstring([docs.regularizer(program)], 8),
        *emit_penalty.penalty_lines(program, TORCH, _raw(program), 8),
    ]


def _likelihoods(program: Program) -> list[str]:
    if program.loss is None or not docs.has_classes(program):
        return []
    doc = "Integer classes as one-hot rows; likelihoods of the classes as they are."
    return [
        bracketed("def likelihoods(", ["targets: Tensor", "dtype: torch.dtype"], ") -> Tensor:"),
        docstring([doc]),
        "    if targets.ndim == 1:",
        "        return F.one_hot(targets, OUTPUTS).to(dtype)",
        "    return targets",
    ]


def _loss(program: Program) -> list[str]:
    if program.loss is None:
        return []
    target = "likelihoods(targets, logits.dtype).T" if docs.has_classes(program) else "targets.T"
    lines = loss_lines(program, TORCH, target, "self(x).T", "dim=0")
    regularizer = " + self.regularizer()" if program.penalties else ""
    return [
        "    def loss(self, x: Tensor, targets: Tensor) -> Tensor:",
        docstring([docs.loss(program)], 8),
        *(f"    {line}" for line in lines),
        f"        return losses.mean(){regularizer}",
    ]
