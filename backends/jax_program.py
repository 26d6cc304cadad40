"""The JAX program: pure functions on a dict of weights, `lax.scan` over the steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..compiler.ir.module import Function, Let, Module, Pull, Scan, Solve
from . import guards, integrate, main_block
from .dialect import Dialect
from .document import INDENT, Doc, bracket, docstring, flat
from .functions import FunctionPrinter
from .jax_dialect import JAX, KEPT
from .program import MOST_TYPES, ProgramPrinter, Section
from .stacks import TIME, constants_of, count_of, entries, zeros

WORD = re.compile(r"\w+")


def emit(module: Module) -> str:
    """The text of the program; the same bytes for the same spec and version."""
    return JaxProgram(module).text()


class JaxProgram(ProgramPrinter):
    """Functions that take weights have the dict of them as their first parameter."""

    dialect: Dialect = JAX
    nests = True

    def raw(self, weight: str) -> str:
        held = f'weights["{weight}"]'
        is_trained = self.module.weight(weight).trainable
        return held if is_trained else f"jax.lax.stop_gradient({held})"

    def first_parameters(self, function: Function) -> Sequence[str]:
        return ["weights: Weights"] if function.takes_weights else []

    def called(self, callee: Function, arguments: list[Doc]) -> tuple[str, list[Doc], str]:
        given: list[Doc] = ["weights", *arguments] if callee.takes_weights else arguments
        return f"{self.own(callee.name)}(", given, ")"

    def decorators(self, function: Function) -> list[str]:
        own = ["@jax.custom_vjp"] * bool(function.derivative)
        return [*own, *["@jax.checkpoint"] * function.recomputed]

    def guards(self, printer: FunctionPrinter) -> list[str]:
        own = [guards.of_weights(self)] if printer.function.name == "layer_weights" else []
        return [*own, *guards.of_function(printer)]

    def scan(self, printer: FunctionPrinter, let: Let, scan: Scan) -> None:
        """A step that `lax.scan` can call, and the call."""
        _Scan(self, printer, let, scan).write()

    def solvers(self, solve: Solve) -> list[Section]:
        return integrate.jax_sections(self, solve)

    def pull(self, printer: FunctionPrinter, pull: Pull) -> Doc:
        callee = self.module.functions[pull.function]
        given = [self.own(callee.name), *printer.arguments(callee, pull.args)]
        name = printer.local("pull")
        printer.write(f"_, {name} = ", bracket("jax.vjp(", given, ")"))
        return bracket(f"{name}(", [printer.together(pull.bars)], ")")

    def derivative(self, function: Function) -> Section:
        """What it keeps of itself, and that there is a way back from that."""
        own, kept, back = map(self.own, (function.name, KEPT, function.derivative))
        states = self.result_type(function)
        return [
            f"def {kept}(*given: Array) -> tuple[{states}, tuple[Array, ...]]:",
            docstring([f"The states that `{own}` gives, and what its derivative starts from."]),
            f"    states = {own}(*given)",
            f"    return states, (*states, *given[{len(function.results)}:])",
            "",
            "",
            f"{own}.defvjp({kept}, lambda kept, bars: {back}(*kept, *bars))",
        ]

    def functions(self) -> Iterator[Section]:
        for function in self.module.functions.values():
            yield from self.function(function)

    def imports(self) -> list[str]:
        solver = [] if self.solve is None else [integrate.jax_import(self.solve)]
        return [
            *sorted(self.needs.imports),
            *[integrate.CALLABLE] * len(solver),
            "from pathlib import Path",
            *[integrate.CAST] * len(solver),
            "",
            "import jax",
            "import jax.numpy as jnp",
            "import numpy as np",
            *solver,
            "from jax import Array",
            "from safetensors.numpy import load_file",
        ]

    def settings(self) -> list[str]:
        if self.module.dtype != "float64":
            return []
        return ["", 'jax.config.update("jax_enable_x64", True)  # else JAX computes in float32']

    def _aliases(self) -> list[str]:
        found = super()._aliases()
        return ["", "Weights = dict[str, Array]", *found[1:]]

    def helper(self, name: str) -> Section:
        if name in guards.NAMES:
            return guards.helper(self, name, "Weights", "{}.shape")
        if name == "step_of":
            steps, h = self.constant("STEPS"), self.constant("H")
            doc = "The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."
            return [
                f"def {self.own(name)}(t: float | Array) -> Array:",
                docstring([doc]),
                f"    rounding = 1e-9 + 4 * jnp.finfo(jnp.result_type(float)).eps * t / {h}",
                f"    return jnp.floor(t / {h} + rounding).astype(int).clip(0, {steps} - 1)",
            ]
        classes = self.constant("CLASSES")
        return [
            f"def {self.own(name)}(targets: Array, dtype: jnp.dtype) -> Array:",
            docstring(
                [
                    "Integer classes as one-hot rows, of one that is out of range as NaN; "
                    "probabilities as they are."
                ]
            ),
            "    if targets.ndim == 1:",
            f"        one_hot = jax.nn.one_hot(targets, {classes}, dtype=dtype)",
            f"        known = (targets >= 0) & (targets < {classes})",
            "        return jnp.where(known[:, None], one_hot, jnp.nan)",
            "    return targets",
        ]

    def main(self) -> Section:
        return main_block.jax_main(self)


class _Scan:
    """The scan of one statement."""

    def __init__(self, program: JaxProgram, printer: FunctionPrinter, let: Let, scan: Scan) -> None:
        self.program, self.printer, self.let, self.scan = program, printer, let, scan
        self.step = program.module.functions[scan.step]
        n = len(scan.init)
        self.carry, rest = let.targets[:n], let.targets[n:]
        split = len(rest) - scan.sums
        self.outs, self.sums = rest[:split], rest[split:]

    def write(self) -> None:
        p, scan = self.printer, self.scan
        items = entries(p, scan, self.step)
        consts = constants_of(p, scan, self.step)
        starts = [p.inline(e) for e in scan.init]
        self._advance(items, consts)
        arguments = [self.name, self._init(starts), *self._xs(items)]
        if scan.reverse:
            arguments.append("reverse=True")
        doc = bracket("jax.lax.scan(", arguments, ")")
        self._bind(doc)
        self._prepend(starts)

    # --- the step ------------------------------------------------------------------------------

    def _advance(self, items: list[tuple[Doc, int]], consts: list[Doc]) -> None:
        """`def advance(state, layer): …`."""
        p = self.printer
        self.name = p.fresh("advance")
        array = self.program.dialect.array
        state, kind, star = self._state()
        entry, entry_kind, given = self._entry(items, len(consts) > len(self.step.numbers))
        read = {state, entry, "carry", *(w for doc in consts for w in WORD.findall(flat(doc)))}
        totals = p.within([v.name for v in self.sums], read)
        carried = f"tuple[{', '.join([kind, *[array] * len(totals)])}]" if totals else kind
        result = bracket("tuple[", [carried, self._collected_kind(kind)], "]")
        head = [f"{'carry' if totals else state}: {carried}", f"{entry}: {entry_kind}"]
        p.blank()
        p.write("", (bracket(f"def {self.name}(", head, ") -> "), result, ":"))
        if totals:
            p.write(f"{', '.join([state, *totals])} = ", "carry", INDENT)
        call = bracket(*self.program.called(self.step, [star, *given, *consts]))
        if not (self.outs or totals or self.scan.path):
            p.write("return ", (call, ", None"), INDENT)
        else:
            self._written_out(call, state, totals, read)
        p.blank()

    def _written_out(self, call: Doc, state: str, totals: list[str], read: set[str]) -> None:
        """The results of the step by name, then the carry and what is collected."""
        p, n = self.printer, len(self.carry)
        more = [f"{total}_j" for total in totals]
        names = p.within(
            [r.name for r in self.step.results[: n + len(self.outs)]], {*read, *totals}
        )
        own, outs = names[:n], names[n:]
        if not (outs or more):
            own = [state]
        p.assign([*own, *outs, *more], call, INDENT)
        for total, name in zip(totals, more, strict=True):
            p.write(f"{total} = ", f"{total} + {name}", INDENT)
        whole = _tupled(own)
        if self.scan.path and len(own) > 1:
            p.write(f"{state} = ", whole, INDENT)
            whole = state
        carried = f"({', '.join([whole, *totals])})" if totals else whole
        collected = [whole] * self.scan.path + outs
        doc: Doc = (
            bracket("(", collected, ")") if len(collected) > 1 else (collected or ["None"])[0]
        )
        p.write("return ", (f"{carried}, ", doc), INDENT)

    def _state(self) -> tuple[str, str, str]:
        """The carry as a parameter, its type, and how the step is given it."""
        p, array = self.printer, self.program.dialect.array
        if len(self.carry) == 1:
            (e,) = self.scan.init
            name = p.names[e] if e.op == "variable" else self.carry[0].name
            return name, array, name
        return "state", self.program.state_type(self.step, len(self.carry)), "*state"

    def _entry(self, items: list[tuple[Doc, int]], more: bool) -> tuple[str, str, list[Doc]]:
        """What of the stacks the step is given, its type, and how it is handed on; where `more` is
        given behind it, the type says of how many arrays it is."""
        p, array = self.printer, self.program.dialect.array
        if not items:
            return "_", "None", []
        if len(items) == 1 and items[0][1] == 1:
            own = self.step.params[len(self.carry)].name
            name = p.local(own if own == TIME else "layer")
            return name, array, [name]
        name = p.local("layer")
        takes_groups = bool(self.step.groups)
        if not takes_groups:
            kind = f"tuple[{', '.join([array] * len(self.scan.xs))}]"
            return name, kind if more else self.program.layer_type(), [f"*{name}"]
        if len(items) == 1:
            return name, self.program.layer_type(), [name]
        kinds = [array if members == 1 else self.program.layer_type() for _, members in items]
        return name, f"tuple[{', '.join(kinds)}]", [f"*{name}"]

    def _collected_kind(self, kind: str) -> str:
        """The type of what a step gives besides the carry."""
        array = self.program.dialect.array
        kinds = [kind] * self.scan.path + [array] * len(self.outs)
        if len(kinds) > MOST_TYPES and not self.scan.path:
            kinds = [array, "..."]
        return f"tuple[{', '.join(kinds)}]" if len(kinds) > 1 else (kinds or ["None"])[0]

    # --- the call ------------------------------------------------------------------------------

    def _init(self, starts: list[Doc]) -> Doc:
        p = self.printer
        state = starts[0] if len(starts) == 1 else bracket("(", starts, ")")
        if not self.sums:
            return state
        begin = zeros(p, self.scan, self.step, "jnp.zeros_like({})", "jnp.zeros({}, {like}.dtype)")
        return bracket("(", [state, *begin], ")")

    def _xs(self, items: list[tuple[Doc, int]]) -> list[Doc]:
        if not items:
            return ["None", f"length={count_of(self.printer, self.scan)}"]
        if len(items) == 1:
            return [items[0][0]]
        takes_groups = bool(self.step.groups)
        stacks = [doc if takes_groups or m == 1 else ("*", doc) for doc, m in items]
        return [bracket("(", stacks, ")")]

    def _bind(self, doc: Doc) -> None:
        """`(y, z), _ = …`; what does not fit that line is unpacked in lines of its own."""
        p = self.printer
        state, behind = self._targets()
        left = ", ".join(
            name if isinstance(name, str) else _tupled(name) for name in (state, behind)
        )
        if p.fits(f"{left} = jax.lax.scan("):
            p.write(f"{left} = ", doc)
            return
        whole = [p.local("state"), p.local("collected")]
        p.write(f"{', '.join(whole)} = ", doc)
        for names, name in zip((state, behind), whole, strict=True):
            p.assign([names] if isinstance(names, str) else names, name)

    def _targets(self) -> tuple[str | list[str], str | list[str]]:
        """The names of the last carry and of what is collected."""
        p, scan = self.printer, self.scan
        targets = [*self.carry, *self.outs, *self.sums]
        names = dict(zip(targets, p.bind(targets, p.at), strict=True))
        first = ["_"] * len(self.carry) if scan.path else [names[v] for v in self.carry]
        state = "_" if {*first} == {"_"} else first[0] if len(first) == 1 else first
        if self.sums:
            state = [_tupled(state), *(names[v] for v in self.sums)]
        collected: list[str] = []
        if scan.path:
            paths = [names[v] for v in self.carry]
            collected.append(paths[0] if len(paths) == 1 else _tupled(paths))
        collected += [names[v] for v in self.outs]
        if len(collected) > 1:
            return state, collected
        return state, collected[0] if collected else "_"

    def _prepend(self, starts: list[Doc]) -> None:
        """The path begins with the state before the first step."""
        p, scan = self.printer, self.scan
        if not scan.path:
            return
        for v, start in zip(self.carry, starts, strict=True):
            if v in p.last_use:
                name = p.names[v]
                ends: list[Doc] = [(start, "[None]"), name]
                if scan.reverse:
                    ends.reverse()
                p.write(f"{name} = ", bracket("jnp.concatenate(", [bracket("[", ends, "]")], ")"))


def _tupled(names: str | list[str]) -> str:
    """Names as one value: of several a tuple."""
    if len(names) == 1:
        return names[0]
    return names if isinstance(names, str) else f"({', '.join(names)})"
