"""Printing a module: head, imports, constants, functions, and what it does when run by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from .._version import __version__
from ..compiler.ir.expr import Expr
from ..compiler.ir.module import Call, Function, Group, Let, Module, Pull, Scan, Solve, solve_of
from ..compiler.ir.text import number
from ..compiler.ir.types import Size
from . import grids, guards, initial, integrate, preprocess
from .dialect import Dialect
from .document import WIDTH, Doc, bracket, docstring, fold
from .expressions import Needs, NotPrinted
from .functions import FunctionPrinter
from .grouping import result_parts
from .names import fixed, own_names

LABEL = 15
"""Columns of the labels in the head."""
STATES = ("State", "FlowState", "PenalizedState")
ALIASES = (*STATES, "Layer")
MOST_TYPES = 4
"""Of arrays that are written one by one in the type of a tuple."""
ALWAYS = ("HORIZON", "STEPS", "H")
Section = list[str]


def program_names(module: Module, dialect: Dialect) -> dict[str, str]:
    """What a program calls its constants, functions and types, by the name that they have here."""
    constants = [*ALWAYS, *(c.name for c in module.constants), "OUTPUTS", *preprocess.NAMES]
    helpers = (initial.RNG, *guards.NAMES, *dialect.helpers, *integrate.NAMES)
    helpers = (*helpers, preprocess.FEATURES)
    helpers = (*helpers, grids.GRID_OF if module.is_of_series else preprocess.VALUES)
    return own_names(module, dialect, [*constants, *module.functions, *helpers, *ALIASES])


class ProgramPrinter(ABC):
    """The program of a module in one framework; a subclass says what the framework writes in its
    own way. Its methods are asked by the printers of functions and expressions."""

    dialect: Dialect
    nests: bool = False
    """Do cotangents come in the groups of the parameters?"""

    def __init__(self, module: Module) -> None:
        self.module, self.needs = module, Needs()
        self.solve = solve_of(module)
        self._own = program_names(module, self.dialect)
        self.class_names = self._own.get("CLASSES", "")
        if preprocess.names_classes(module):  # CLASSES are then the names, OUTPUTS their number
            self._own["CLASSES"] = self._own["OUTPUTS"]
        self.module_names = fixed(self.dialect) | set(self._own.values())
        self.aliases: dict[str, str] = {}

    def text(self) -> str:
        """The whole text; the same bytes for the same module."""
        sections = [*self.functions(), self.main()]
        first = [initial.init(self.module, self.size, self.own(initial.RNG))]
        if any(map(initial.is_random, self.module.weights)):
            first.insert(0, initial.generator(self.own(initial.RNG)))
        sections = [*preprocess.functions(self), *sections]
        if self.module.is_of_series:
            sections.insert(0, grids.grid_of(self))
        known = (*guards.NAMES, *self.dialect.helpers)
        helpers = [self.helper(name) for name in known if name in self.needs.helpers]
        helpers += self.solvers(self.solve) if self.solve is not None else []
        bodies = ["\n".join(lines) for lines in (*first, *helpers, *sections) if lines]
        top = "\n".join([self.head(), "", *self.imports(), *self.settings(), *self._aliases()])
        numbers = "\n".join(self.constants())
        return "\n\n\n".join([f"{top}\n\n{numbers}", *bodies]) + "\n"

    # --- asked by the printers below -----------------------------------------------------------

    def own(self, name: str) -> str:
        """What the program calls one of its own functions or types."""
        return self._own.get(name, name)

    def constant(self, name: str) -> str:
        """What the program calls a named number; from now on it has one of that name."""
        self.needs.constants.add(name)
        return self._own[name]

    def size(self, size: Size) -> str:
        """A number of components by its name, or as the sum `STATES + 1`; else the number."""
        terms = size.terms or (size,)
        if not all(term.name in self._own or not term.name for term in terms):
            return str(size.value)
        return " + ".join(self.constant(t.name) if t.name else str(t.value) for t in terms)

    def alias(self, group: Group) -> str:
        """The type that is written for a group; the program then has a line for it."""
        return self.layer_type() if group.alias == "Layer" else self.own(group.alias)

    def group_type(self, group: Group, members: int) -> str:
        return self.dialect.array if members == 1 else self.alias(group)

    def type_of(self, variable: Expr, function: Function) -> str:
        """The annotation of a parameter: a time that a caller gives is a number of Python."""
        return "float" if variable in function.numbers else self.dialect.array

    def number_names(self, function: Function) -> list[str]:
        """What a function calls its parameters that are numbers."""
        if not function.numbers:
            return []
        printer = FunctionPrinter(self, function, 0)
        printer.parameters()
        return [printer.names[e] for e in function.numbers]

    def parameter(self, function: Function, parameter: Expr) -> str:
        """What a function calls one of its parameters."""
        printer = FunctionPrinter(self, function, 0)
        printer.parameters()
        return printer.names[parameter]

    def result_type(self, function: Function) -> str:
        """The annotation of what a function returns."""
        array, results = self.dialect.array, function.results
        if len(results) == 1:
            return array
        found = result_parts(results)
        group, members = found[0]
        if len(found) == 1 and group is not None:
            if group.alias in STATES:
                self.aliases[group.alias] = f"tuple[{', '.join([array] * len(members))}]"
                return self.own(group.alias)
            return self.alias(group)
        if len(found) > MOST_TYPES and all(g is None for g, _ in found):
            return f"tuple[{array}, ...]"
        types = [array if g is None else self.group_type(g, len(m)) for g, m in found]
        return f"tuple[{', '.join(types)}]"

    def state_type(self, step: Function, members: int) -> str:
        """The type of what a scan carries."""
        array = self.dialect.array
        if step.results[0].group is not None and len(step.results) == members:
            return self.result_type(step)
        return f"tuple[{', '.join([array] * members)}]"

    def layer_type(self) -> str:
        """The type of the weights of one step."""
        self.aliases.setdefault("Layer", f"tuple[{self.dialect.array}, ...]")
        return self.own("Layer")

    def documentation(self, function: Function, indent: int) -> str:
        return docstring(function.doc, indent)

    def call(self, printer: FunctionPrinter, call: Call) -> Doc:
        """A call of one of the program's functions."""
        callee = self.module.functions[call.function]
        arguments = printer.arguments(callee, call.args)
        return bracket(*self.called(callee, arguments))

    def guards(self, printer: FunctionPrinter) -> list[str]:
        """What a function refuses, before its first statement."""
        return []

    def at_rest(self, function: Function, e: Expr, doc: Doc) -> Doc:
        """A value that is kept: a framework may want it laid out in memory first."""
        return doc

    # --- what frameworks write differently -----------------------------------------------------

    @abstractmethod
    def raw(self, weight: str) -> str:
        """A raw weight."""

    @abstractmethod
    def first_parameters(self, function: Function) -> Sequence[str]:
        """What stands before the parameters: `self`, or the weights."""

    @abstractmethod
    def called(self, callee: Function, arguments: list[Doc]) -> tuple[str, list[Doc], str]:
        """`name(`, arguments, `)`."""

    def decorators(self, function: Function) -> list[str]:
        """Lines before its `def`."""
        return []

    @abstractmethod
    def scan(self, printer: FunctionPrinter, let: Let, scan: Scan) -> None:
        """The lines of a scan."""

    def pull(self, printer: FunctionPrinter, pull: Pull) -> Doc:
        """The framework's own cotangents of what a function is given."""
        raise self._not_differentiated(printer.function)

    def derivative(self, function: Function) -> Section:
        """That a function's derivative is one of the program's own."""
        raise self._not_differentiated(function)

    def _not_differentiated(self, function: Function) -> NotPrinted:
        return NotPrinted(f"{self.dialect.title} takes no gradient of its own", function.loc)

    @abstractmethod
    def solvers(self, solve: Solve) -> list[Section]:
        """The functions that call an adaptive solver."""

    @abstractmethod
    def functions(self) -> Iterator[Section]:
        """All functions, free ones first."""

    @abstractmethod
    def imports(self) -> list[str]:
        """The lines of imports."""

    @abstractmethod
    def helper(self, name: str) -> Section:
        """A function that some operation calls."""

    @abstractmethod
    def main(self) -> Section:
        """What the program does when it is run by itself."""

    def settings(self) -> list[str]:
        """Statements behind the imports."""
        return []

    # --- head, constants -----------------------------------------------------------------------

    def head(self) -> str:
        """The module docstring."""
        header = self.module.header
        rows = [line for label, text in header.rows for line in _row(label, text)]
        written = (
            f"Written by wellposed {__version__} ({self.dialect.title}) from {header.provenance}."
        )
        own = (
            "It imports nothing of wellposed: change the spec and compile again, or own this file."
        )
        return docstring([header.title, "", *rows, "", written, own], indent=0)

    def constants(self) -> list[str]:
        """The named numbers that the program uses, each with its symbol or what it is of."""
        m, used = self.module, self.needs.constants
        horizon, steps, h = (self._own[name] for name in ALWAYS)
        time = [
            f"{horizon}, {steps} = {number(m.horizon)}, {m.steps}  # T, N",
            f"{h} = {horizon} / {steps}  # h = T/N",
        ]
        sizes: list[str] = []
        others: list[str] = []
        for c in m.constants:
            if c.name in used:
                line = f"{self._own[c.name]} = {c.value!r}"
                comment = f"  # {c.comment}" if c.comment else ""
                (sizes if isinstance(c.value, int) else others).append(line + comment)
        return [*sizes, *time, *others, *preprocess.constants(self)]

    def _aliases(self) -> list[str]:
        found = [f"{self.own(n)} = {self.aliases[n]}" for n in ALIASES if n in self.aliases]
        return ["", *found] if found else []

    def function(self, function: Function, indent: int = 0) -> Iterator[Section]:
        """A function; behind one that is the derivative of another that it is so."""
        yield FunctionPrinter(self, function, indent).run()
        primal = self.module.functions.get(function.pullback_of)
        if primal is not None and primal.derivative == function.name:
            yield self.derivative(primal)

    def free_functions(self) -> list[Function]:
        return [f for f in self.module.functions.values() if not f.takes_weights]

    def methods(self) -> list[Function]:
        return [f for f in self.module.functions.values() if f.takes_weights]


def _row(label: str, text: str) -> list[str]:
    return fold(f"{label:<{LABEL}}{text}", WIDTH, " " * LABEL)
