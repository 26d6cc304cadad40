"""The PyTorch program: an `nn.Module` around pure functions, a loop over the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..compiler.ir.expr import Expr
from ..compiler.ir.module import Function, Group, Let, Module, Pull, Role, Scan, Solve
from . import guards, integrate, main_block
from .dialect import Dialect
from .document import Doc, bracket, docstring, flat, laid_out
from .functions import FunctionPrinter
from .grouping import parts
from .names import attributes
from .program import ProgramPrinter, Section
from .stacks import TIME, constants_of, count_of, entries, zeros
from .torch_dialect import PROPAGATE, PULL_BACK, TORCH

MATH, ABC = "import math", "from collections.abc import Callable, Sequence"
ANY = "from typing import Any"
CHECKPOINT = "from torch.utils.checkpoint import checkpoint"


def emit(module: Module) -> str:
    """The text of the program; the same bytes for the same spec and version."""
    return TorchProgram(module).text()


class TorchProgram(ProgramPrinter):
    """Weights are parameters of a network, whose methods are the functions that take them."""

    dialect: Dialect = TORCH

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        self.attributes = attributes(module, self._own.values())

    def raw(self, weight: str) -> str:
        return f"self.{self.attributes[weight]}"

    def first_parameters(self, function: Function) -> Sequence[str]:
        return ["self"] if function.takes_weights else []

    def called(self, callee: Function, arguments: list[Doc]) -> tuple[str, list[Doc], str]:
        name = self.own(callee.name)
        if callee.takes_weights:
            name = "self" if name == "forward" else f"self.{name}"
        elif callee.derivative:
            name = f"{self.own(PROPAGATE)}.apply"
        return f"{name}(", arguments, ")"

    def at_rest(self, function: Function, e: Expr, doc: Doc) -> Doc:
        """Columns that lie in memory one after the other are faster than a view of rows."""
        is_view = e.op == "flip" and e.args[0] in function.params
        return (doc, ".contiguous()") if is_view and function.role is Role.LIFT else doc

    def guards(self, printer: FunctionPrinter) -> list[str]:
        return guards.of_function(printer)

    # --- the scan ------------------------------------------------------------------------------

    def scan(self, printer: FunctionPrinter, let: Let, scan: Scan) -> None:
        """`for layer in …: state = step(state, layer)`, with lists for what is collected."""
        _Loop(self, printer, let, scan).write()

    def solvers(self, solve: Solve) -> list[Section]:
        return integrate.torch_sections(self, solve)

    # --- derivatives of the program's own ------------------------------------------------------

    def pull(self, printer: FunctionPrinter, pull: Pull) -> Doc:
        """Of a step that takes groups the helper differentiates one that takes what is in them."""
        self.needs.helpers.add(PULL_BACK)
        callee = self.module.functions[pull.function]
        given, name = printer.arguments(callee, pull.args), self.own(callee.name)
        flat_args, bars = printer.together(pull.args), printer.together(pull.bars)
        step: Doc = name
        if not all(isinstance(arg, str) for arg in given):
            names = ", ".join(printer.names[e] for e in pull.args)
            step = (f"lambda {names}: ", bracket(f"{name}(", given, ")"))
        return bracket(f"{self.own(PULL_BACK)}(", [step, flat_args, bars], ")")

    def derivative(self, function: Function) -> Section:
        """The function with its way back, for autograd."""
        own, back, states = function.name, function.derivative, self.result_type(function)
        self.needs.imports.add(ANY)
        return [
            f"class {self.own(PROPAGATE)}(torch.autograd.Function):",
            docstring([f"`{self.own(own)}` with its derivative `{self.own(back)}`."]),
            "",
            "    @staticmethod",
            f"    def forward(ctx: Any, *given: Tensor) -> {states}:",
            docstring(["The states behind all steps, of which these and the weights are kept."], 8),
            f"        states = {self.own(own)}(*given)",
            f"        ctx.save_for_backward(*states, *given[{len(function.results)}:])",
            "        return states",
            "",
            "    @staticmethod",
            "    def backward(ctx: Any, *bars: Tensor) -> tuple[Tensor, ...]:",
            docstring(["The way back from there."], 8),
            f"        return {self.own(back)}(*ctx.saved_tensors, *bars)",
        ]

    # --- the program ---------------------------------------------------------------------------

    def functions(self) -> Iterator[Section]:
        for function in self.free_functions():
            yield from self.function(function)
        yield self._network()

    def _network(self) -> Section:
        title = f"{self.module.name}: see the head of this file."
        lines = ["class Network(nn.Module):", docstring([title])]
        lines += ["", *self._constructor()]
        for function in self.methods():
            lines += ["", *FunctionPrinter(self, function, 4).run()]
        return lines

    def _constructor(self) -> Section:
        lines = [
            "    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:",
            "        super().__init__()",
            "        weights = init() if weights is None else weights",
        ]
        if self.module.weights:
            lines.append(f"        {guards.of_weights(self)}")
        for w in self.module.weights:
            axes = ", ".join(w.axes) + ("," if len(w.axes) == 1 else "")
            value = f'torch.tensor(weights["{w.name}"])'
            parameter = bracket(f"{self.raw(w.name)} = nn.Parameter(", [value], ")")
            comment = f"  # ({axes})"
            if not w.trainable:
                own = self.attributes[w.name]
                parameter = bracket("self.register_buffer(", [f'"{own}"', value], ")")
                comment += ", not trained"
            lines.append(f"        {laid_out(parameter, 8, len(comment))}{comment}")
        return lines

    def imports(self) -> list[str]:
        needed = self.needs.imports
        functional = sorted(needed - {MATH, ABC, ANY, CHECKPOINT})
        solver = [] if self.solve is None else [integrate.torch_import(self.solve)]
        return [
            *[line for line in (MATH, ABC) if line in needed],
            *[integrate.CALLABLE] * len(solver),
            "from pathlib import Path",
            *[ANY] * (ANY in needed),
            *[integrate.CAST] * len(solver),
            "",
            "import numpy as np",
            "import torch",
            *functional,
            "from safetensors.numpy import load_file",
            "from torch import Tensor, nn",
            *[CHECKPOINT] * (CHECKPOINT in needed),
            *solver,
        ]

    def helper(self, name: str) -> Section:
        if name in guards.NAMES:
            return guards.helper(self, name, "dict[str, np.ndarray]", "tuple({}.shape)")
        if name == "step_of":
            steps, h = self.constant("STEPS"), self.constant("H")
            doc = "The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."
            return [
                f"def {self.own(name)}(t: float) -> int:",
                docstring([doc]),
                f"    return min(max(int(t / {h} + 1e-9), 0), {steps} - 1)",
            ]
        if name == PULL_BACK:
            return self._pull_back()
        self.needs.imports.add("import torch.nn.functional as F")
        head = bracket(
            f"def {self.own(name)}(", ["targets: Tensor", "dtype: torch.dtype"], ") -> Tensor:"
        )
        return [
            laid_out(head),
            docstring(["Integer classes as one-hot rows; probabilities as they are."]),
            "    if targets.ndim == 1:",
            f"        return F.one_hot(targets, {self.constant('CLASSES')}).to(dtype)",
            "    return targets",
        ]

    def _pull_back(self) -> Section:
        self.needs.imports.add(ABC)
        head = bracket(
            f"def {self.own(PULL_BACK)}(",
            [
                "function: Callable[..., tuple[Tensor, ...]]",
                "given: Sequence[Tensor]",
                "bars: Sequence[Tensor]",
            ],
            ") -> tuple[Tensor, ...]:",
        )
        return [
            laid_out(head),
            docstring(["The cotangents of what a function is given, from those of its results."]),
            "    with torch.enable_grad():",
            "        leaves = [v.view_as(v).requires_grad_() for v in given]",
            "        results = function(*leaves)",
            "    again = torch.is_grad_enabled()  # is this derivative to be differentiated too?",
            "    return torch.autograd.grad(results, leaves, bars, create_graph=again)",
        ]

    def main(self) -> Section:
        return main_block.torch_main(self)


class _Loop:
    """The loop of one scan."""

    def __init__(
        self, program: TorchProgram, printer: FunctionPrinter, let: Let, scan: Scan
    ) -> None:
        self.program, self.printer, self.let, self.scan = program, printer, let, scan
        self.step = program.module.functions[scan.step]
        n, targets = len(scan.init), let.targets
        self.carry, rest = targets[:n], targets[n:]
        split = len(rest) - scan.sums
        self.outs, self.sums = rest[:split], rest[split:]

    def write(self) -> None:
        p, scan = self.printer, self.scan
        lists = [*self.carry] * scan.path + [*self.outs]
        collected = {v: p.fresh(v.name) for v in lists if v in p.last_use}
        names = self._carry_names()
        self._start(names, collected)
        totals = self._totals()
        element, iterable, given = self._elements()
        p.write(f"for {element} in ", (iterable, ":"))
        found = [*names]
        others = [self._out_name(v, collected) for v in self.outs]
        found += [*others, *(f"{t}_j" for t in totals)]
        arguments = [*names, *given, *constants_of(p, scan, self.step)]
        doc = bracket(*self._called(list(arguments)))
        p.assign(found, doc, 4)
        for v, name in zip(self.carry, names, strict=True):
            if scan.path and v in collected:
                p.write("", f"{collected[v]}.append({name})", 4)
        for v, name in zip(self.outs, others, strict=True):
            if v in collected:
                p.write("", f"{collected[v]}.append({name})", 4)
        for total in totals:
            p.write("", f"{total} = {total} + {total}_j", 4)
        self._finish(names, collected, totals)

    def _called(self, arguments: list[Doc]) -> tuple[str, list[Doc], str]:
        """The call of the step, of which autograd keeps nothing where it is computed again."""
        if not self.step.recomputed:
            return self.program.called(self.step, arguments)
        self.program.needs.imports.add(CHECKPOINT)
        name = self.program.own(self.step.name)
        return "checkpoint(", [name, *arguments, "use_reentrant=False"], ")"

    def _carry_names(self) -> list[str]:
        """The carry keeps a name even where its end is not used."""
        p = self.printer
        found: list[str] = []
        for e, target in zip(self.scan.init, self.carry, strict=True):
            is_free = e.op == "variable" and p.last_use.get(e, -1) <= p.at and e not in p.whole
            found.append(p.names[e] if is_free else p.fresh(_singular(target.name, self.scan)))
        return found

    def _start(self, names: list[str], collected: dict[Expr, str]) -> None:
        p = self.printer
        for e, name in zip(self.scan.init, names, strict=True):
            doc = p.inline(e)
            if flat(doc) != name:
                p.write(f"{name} = ", doc)
        starts = [f"[{names[self.carry.index(v)]}]" if v in self.carry else "[]" for v in collected]
        line = f"{', '.join(collected.values())} = {', '.join(starts)}"
        if starts and p.fits(line):
            p.write("", line)
        else:
            for name, start in zip(collected.values(), starts, strict=True):
                p.write(f"{name} = ", start)

    def _totals(self) -> list[str]:
        p = self.printer
        found = [p.fresh(total.name) for total in self.sums]
        starts = zeros(p, self.scan, self.step, "torch.zeros_like({})", "{like}.new_zeros({})")
        for name, zero in zip(found, starts, strict=True):
            p.write(f"{name} = ", zero)
        return found

    def _elements(self) -> tuple[str, Doc, list[Doc]]:
        """The loop's variable, what it runs over, and what the step is given of it."""
        p, scan = self.printer, self.scan
        items = entries(p, scan, self.step)
        if not items:
            return "_", f"range({count_of(p, scan)})", []
        if len(items) == 1:
            (doc, members) = items[0]
            if members == 1:
                name = p.local(self._name_of_entry())
                return name, self._ordered(doc), [name]
            name = p.local("layer")
            given = name if self.step.groups else f"*{name}"
            stacks: list[Doc] = self._members_of(doc)
            return name, self._ordered(bracket("zip(", [*stacks, "strict=True"], ")")), [given]
        several = self._side_by_side(items)
        name = p.local("layer")
        return name, self._ordered(bracket("zip(", [*several, "strict=True"], ")")), [f"*{name}"]

    def _members_of(self, doc: Doc) -> list[Doc]:
        """The stacks of a group, one by one where it has no name."""
        if isinstance(doc, str):
            return [("*", doc)]
        return [self.printer.inline(e) for e in self.scan.xs]

    def _side_by_side(self, items: list[tuple[Doc, int]]) -> list[Doc]:
        """Stacks that are run over together; groups that the step takes as such run as tuples."""
        if not self.step.groups:
            return [("*", doc) if members > 1 else doc for doc, members in items]
        items = [(self._named(doc, i), members) for i, (doc, members) in enumerate(items)]
        groups = [flat(doc) for doc, members in items if members > 1]
        if not groups:
            return [doc for doc, _ in items]
        entries = "zip(*stage, strict=True)"
        if len(groups) == 1:
            return [entries.replace("stage", groups[0]) if m > 1 else doc for doc, m in items]
        name = self.printer.local("stages")
        self.printer.write(f"{name} = ", f"[{entries} for stage in ({', '.join(groups)})]")
        first = next(i for i, (_, members) in enumerate(items) if members > 1)
        before, behind = items[:first], items[first + len(groups) :]
        return [*(doc for doc, _ in before), f"*{name}", *(doc for doc, _ in behind)]

    def _named(self, doc: Doc, number: int) -> Doc:
        """The stacks of a group by one name."""
        n = len(self.scan.init)
        part, _ = parts(self.step.params[n : n + len(self.scan.xs)], self.step)[number]
        if isinstance(doc, str) or not isinstance(part, Group):
            return doc
        name = self.printer.fresh(f"{part.name}s")
        self.printer.write(f"{name} = ", doc)
        return name

    def _ordered(self, doc: Doc) -> Doc:
        if not self.scan.reverse:
            return doc
        return bracket("reversed(", [bracket("list(", [doc], ")")], ")")

    def _name_of_entry(self) -> str:
        """What a step calls its one entry."""
        n = len(self.scan.init)
        variable = self.step.params[n]
        return variable.name if variable.name == TIME else "layer"

    def _out_name(self, v: Expr, collected: dict[Expr, str]) -> str:
        return f"{collected[v]}_j" if v in collected else "_"

    def _finish(self, names: list[str], collected: dict[Expr, str], totals: list[str]) -> None:
        p, scan = self.printer, self.scan
        for v, name in zip(self.carry, names, strict=True):
            if not scan.path:
                p.names[v] = name
        for v, name in collected.items():
            if scan.reverse:
                p.write("", f"{name}.reverse()")
            p.names[v] = f"torch.stack({name})"
        for v, name in zip(self.sums, totals, strict=True):
            p.names[v] = name


def _singular(name: str, scan: Scan) -> str:
    return name.removesuffix("s") if scan.path else name
