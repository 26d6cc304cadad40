"""Printing one function: its variables get names, its statements become lines.

A name is free again when the value that had it is used no more, so that `z = z + …` reads as a
colleague would write it. What frameworks write differently (scans, calls of the network's own
functions) is the business of the dialect's printer, `ProgramPrinter`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..compiler.ir.expr import Expr, variables
from ..compiler.ir.module import Call, Function, Group, Let, Pull, Scan, Solve
from ..compiler.ir.naming import free, numbered
from .document import INDENT, WIDTH, Doc, bracket, flat, laid_out
from .expressions import Expressions, Words
from .grouping import handed_on, last_uses, parts, result_parts, roots
from .integrate import INTEGRATE

if TYPE_CHECKING:
    from .program import ProgramPrinter

_ROOM = 8
"""Columns that are left to the right side of an assignment at least."""


class FunctionPrinter:
    """The lines of one function, from its `def` on."""

    def __init__(self, program: ProgramPrinter, function: Function, indent: int) -> None:
        self.program, self.function, self.indent = program, function, indent
        self.lines: list[str] = []
        self.reserved: set[str] = set()
        """Names that mean something to the end of the function."""
        self.names: dict[Expr, str] = {}
        """What variables are called now."""
        self.whole: dict[Expr, Group] = {}
        """The members of groups that have one name together."""
        self.last_use = last_uses(function)
        self.at = 0
        self.expressions = Expressions(
            program.dialect,
            Words(
                name=self._name,
                constant=program.constant,
                size=program.size,
                call=self._call,
                own=program.own,
                like=self._like,
                fresh=self.fresh,
                loc=function.loc,
                stacked=function.generic,
            ),
            program.needs,
        )
        self.like_name = ""

    # --- names ---------------------------------------------------------------------------------

    def fresh(self, wanted: str) -> str:
        """A name that is free from here to the end of the function."""
        name = self.local(wanted)
        self.reserved.add(name)
        return name

    def local(self, wanted: str) -> str:
        """A name that is free within the lines of one statement."""
        return self._free(wanted, self._taken(self.at - 1))

    def within(self, wanted: Sequence[str], read: set[str]) -> list[str]:
        """Names in a function inside this one, which may mean something else outside of it; what
        is `read` there from outside keeps its own."""
        found: list[str] = []
        for name in wanted:
            found.append(self._free(name, {*read, *found}))
        return found

    def _taken(self, at: int) -> set[str]:
        """The names that mean something behind statement `at`."""
        return {n for v, n in self.names.items() if self.last_use.get(v, -1) > at} | self.reserved

    def _free(self, wanted: str, taken: set[str]) -> str:
        """A name that means nothing else here: not in Python or the program, not in `taken`."""
        return numbered(free(wanted, self.program.module_names), taken)

    def bind(self, targets: Sequence[Expr], at: int) -> list[str]:
        """Names for new variables that live behind statement `at`; `_` for what is never used."""
        taken, found = self._taken(at), []
        for part, members in parts(targets, self.function):
            if not any(m in self.last_use for m in members):
                found.append("_")
                continue
            if isinstance(part, Group) and not self._is_whole(members):
                names = [self._free(m.name, taken) for m in members]
            else:
                names = [self._free(part.name, taken)]
                self.whole |= dict.fromkeys(members, part) if isinstance(part, Group) else {}
            taken.update(names)
            found += names
            for i, member in enumerate(members):
                self.names[member] = names[i if len(names) == len(members) else 0]
        return found

    def _is_whole(self, members: list[Expr]) -> bool:
        """Is the group only ever handed on as a whole, so that one name is enough?"""
        return all(handed_on(e, members) for e in roots(self.function))

    def _name(self, e: Expr) -> str:
        return self.program.raw(e.name) if e.op == "weight" else self.names[e]

    def _like(self) -> str:
        return self.like_name

    # --- the function --------------------------------------------------------------------------

    def run(self) -> list[str]:
        """`def name(parameters) -> results:`, documentation, statements, return."""
        f = self.function
        self.parameters()
        for line in self.program.guards(self):
            self.write("", line)
        for self.at, let in enumerate(f.body):
            self.let(let)
        self.at = len(f.body)
        self._return()
        return self.lines

    def parameters(self) -> None:
        f = self.function
        given: list[Doc] = list(self.program.first_parameters(f))
        unpacked: list[tuple[str, list[str]]] = []
        for part, members in parts(f.params, f):
            if isinstance(part, Group) and not self._is_whole(members):
                group = self._free(part.name, self._taken(-1))
                self.reserved.add(group)
                given.append(f"{group}: {self.program.alias(part)}")
                unpacked.append((group, self._unpacked(members)))
            elif isinstance(part, Group):
                (name,) = self.bind(members, -1)
                given.append(f"{name}: {self.program.group_type(part, len(members))}")
            else:
                name = self._parameter(part)
                given.append(f"{name}: {self.program.type_of(part, f)}")
        for line in self.program.decorators(f):
            self.write("", line, -INDENT)
        head = f"def {self.program.own(f.name)}("
        self.write("", bracket(head, given, f") -> {self.program.result_type(f)}:"), -INDENT)
        self.lines.append(self.program.documentation(f, self.indent + INDENT))
        for group, names in unpacked:
            self.write(f"{', '.join(names)} = ", group)
        self.like_name = self._array_at_hand()

    def _parameter(self, variable: Expr) -> str:
        """A parameter keeps a name even where it is not used."""
        name = self._free(variable.name, self._taken(-1))
        self.names[variable] = name
        self.last_use.setdefault(variable, 0)
        return name

    def _unpacked(self, members: list[Expr]) -> list[str]:
        names = []
        for member in members:
            self.names[member] = self._free(member.name, self._taken(-1) | set(names))
            names.append(self.names[member])
        return names

    def _array_at_hand(self) -> str:
        """An array whose dtype and device new ones take."""
        f = self.function
        arrays = [p for p in f.params if p.type.lies_differently or p.type.rank]
        if arrays:
            return self.names[arrays[0]]
        weights = [e for e in variables(*f.expressions) if e.op == "weight"]
        if weights:
            return self.program.raw(weights[0].name)
        return next(iter(self.names.values()), "")

    def _return(self) -> None:
        f = self.function
        if len(f.results) == 1:
            self.value(f.results[0].value, "return ")
            return
        docs: list[Doc] = []
        groups = result_parts(f.results)
        for group, members in groups:
            found = [self.inline(r.value) for r in members]
            if group is None or len(groups) == 1:
                docs += found
            else:
                docs.append(self._grouped(group, found))
        line = f"return {', '.join(map(flat, docs))}"
        if self.fits(line):
            self.write("", line)
        else:
            self.write("return ", bracket("(", docs, ")"))

    def _grouped(self, group: Group, found: list[Doc]) -> str:
        """A group of several by the name of the group."""
        name = self.fresh(group.name)
        self.write(f"{name} = ", found[0] if len(found) == 1 else bracket("(", found, ")"))
        return name

    # --- statements ----------------------------------------------------------------------------

    def let(self, let: Let) -> None:
        """The lines of one statement."""
        match let.value:
            case Expr():
                self._assign(let)
            case Call():
                doc = self.program.call(self, let.value)
                self.assign(self._unpacked_call(let), doc)
            case Scan():
                self.program.scan(self, let, let.value)
            case Pull():
                doc = self.program.pull(self, let.value)
                self.assign(self._cotangents(let, let.value), doc)
            case Solve():
                self._solve(let, let.value)

    def _solve(self, let: Let, solve: Solve) -> None:
        """`ys = integrate(field, y, times, K, b)`."""
        (start,) = solve.init
        field = self.program.own(solve.field)
        given = [field, self.inline(start), self.inline(solve.times), *self._starred(solve.consts)]
        doc = bracket(f"{self.program.own(INTEGRATE)}(", given, ")")
        (name,) = self.bind(let.targets, self.at)
        self.write(f"{name} = ", doc)

    def _unpacked_call(self, let: Let) -> list[str]:
        """The left side of a call: groups that come apart stand in parentheses."""
        assert isinstance(let.value, Call)
        self.bind(let.targets, self.at)
        found = result_parts(self.program.module.functions[let.value.function].results)
        return self._left(let, [(group, len(members)) for group, members in found])

    def _cotangents(self, let: Let, pull: Pull) -> list[str]:
        """The left side of cotangents: they come in the groups of the parameters."""
        self.bind(let.targets, self.at)
        callee = self.program.module.functions[pull.function]
        found = parts(callee.params, callee) if self.program.nests else []
        groups = [(part if isinstance(part, Group) else None, len(m)) for part, m in found]
        return self._left(let, groups or [(None, len(let.targets))])

    def _left(self, let: Let, found: Sequence[tuple[Group | None, int]]) -> list[str]:
        """Names of targets, those of a group in parentheses."""
        names: list[str] = []
        at = 0
        for group, count in found:
            targets = let.targets[at : at + count]
            at += count
            own = [self.names[t] if t in self.last_use else "_" for t in targets]
            if self.whole_name(targets) or (set(own) == {"_"} and group is not None):
                names.append(own[0])
            elif group is not None and len(found) > 1 and len(own) > 1:
                names.append(f"({', '.join(own)})")
            else:
                names += own
        return names

    def _assign(self, let: Let) -> None:
        (target,), value = let.targets, let.operands[0]
        lines = self.expressions.lines(value, f"{target.name} = ", self.indent + INDENT)
        for before, doc in lines[:-1]:
            self.write(before, doc)
        last = self._at_rest(value, lines[-1][1])
        (name,) = self.bind((target,), self.at)
        self.write(f"{name} = ", last)

    def value(self, e: Expr, before: str) -> None:
        """The statements of an expression, the last one behind `before`."""
        for i, (name, doc) in enumerate(
            found := self.expressions.lines(e, before, self.indent + INDENT)
        ):
            self.write(name, self._at_rest(e, doc) if i == len(found) - 1 else doc)

    def _at_rest(self, e: Expr, doc: Doc) -> Doc:
        return self.program.at_rest(self.function, e, doc)

    def inline(self, e: Expr) -> Doc:
        """An expression as part of a line; what it needs before is written."""
        found = self.expressions.lines(e, " " * (INDENT + len(",")), self.indent + INDENT)
        for name, doc in found[:-1]:
            self.write(name, doc)
        return self._at_rest(e, found[-1][1])

    def write(self, before: str, doc: Doc, deeper: int = 0) -> None:
        """A line, laid out from the function's own indentation on."""
        indent = self.indent + INDENT + deeper
        self.lines.append(" " * indent + laid_out((before, doc), indent))

    def assign(self, names: Sequence[str], doc: Doc, deeper: int = 0) -> None:
        """`a, b = …`; names that do not fit a line stand in parentheses, on one line each."""
        line = f"{', '.join(names)} = "
        if self.indent + INDENT + deeper + len(line) <= WIDTH - _ROOM:
            self.write(line, doc, deeper)
        else:
            self.write("", (bracket("(", names, ")"), " = ", doc), deeper)

    def blank(self) -> None:
        self.lines.append("")

    def fits(self, line: str) -> bool:
        return self.indent + INDENT + len(line) <= WIDTH

    # --- calls ---------------------------------------------------------------------------------

    def _call(self, e: Expr) -> Doc:
        return self.program.call(self, Call(e.name, e.args))

    def arguments(self, callee: Function, args: Sequence[Expr]) -> list[Doc]:
        """The arguments of a call: groups whole or starred, as the callee wants them."""
        return self.handed(callee, callee.params, args)

    def together(self, given: Sequence[Expr]) -> Doc:
        """Values as one argument: of several a tuple."""
        docs = [self.expressions.doc(e) for e in given]
        return bracket("(", docs, ")") if len(docs) > 1 else docs[0]

    def handed(self, callee: Function, params: Sequence[Expr], args: Sequence[Expr]) -> list[Doc]:
        """Arguments for some of the parameters of a function, grouped as it takes them."""
        found: list[Doc] = []
        at = 0
        for part, members in parts(params, callee):
            given = args[at : at + len(members)]
            at += len(members)
            if isinstance(part, Group):
                found.append(self._as_group(given))
            else:
                found.append(given[0])  # pyright: ignore[reportArgumentType]
        return self._starred(found)

    def _as_group(self, given: Sequence[Expr]) -> Doc:
        """One argument for a group of parameters."""
        name = self.whole_name(given)
        if name or len(given) == 1:
            return name or self.expressions.doc(given[0])
        return bracket("(", [self.expressions.doc(e) for e in given], ")")

    def _starred(self, given: Sequence[Doc | Expr]) -> list[Doc]:
        """Arguments one by one, those of a group of the caller's as `*group`."""
        found: list[Doc] = []
        i = 0
        while i < len(given):
            e = given[i]
            if not isinstance(e, Expr):
                found.append(e)
                i += 1
                continue
            members = self.members_of(e)
            run = given[i : i + len(members)]
            if len(members) and list(run) == members:
                found.append(self._star(members))
                i += len(members)
            else:
                found.append(self.expressions.doc(e))
                i += 1
        return found

    def members_of(self, e: Expr) -> list[Expr]:
        """The group that an expression is the first member of, if it is written as a whole."""
        group = self.whole.get(e)
        if group is None:
            return []
        name = self.names[e]
        return [v for v, g in self.whole.items() if g == group and self.names[v] == name]

    def _star(self, members: Sequence[Expr]) -> str:
        name = self.names[members[0]]
        return name if len(members) == 1 else f"*{name}"

    def whole_name(self, given: Sequence[Expr]) -> str:
        """The one name of these variables, if they have one."""
        members = self.members_of(given[0]) if given else []
        return self.names[given[0]] if members and members == list(given) else ""
