"""The step of the method as a function, with the field called by its name."""

from __future__ import annotations

from ..compiler.ir.expr import Expr, walk
from ..compiler.ir.program import Program
from .dialects import Dialect
from .emit_field import rate_name, signature
from .layout import WIDTH, bracketed, docstring, returned
from .printer import Printer


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


def start_lines(program: Program, dialect: Dialect) -> list[str]:
    """The states before the first step that the lift does not give (a velocity)."""
    printer = StepPrinter(program, dialect)
    return [f"    {u.name} = {printer.text(u.value)}" for u in program.step.start]
