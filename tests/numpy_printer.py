"""A third backend: plain NumPy programs, printed as a plugin would print them.

What a framework costs: a dialect, a printer of what it writes in its own way, and a model that
calls the program. NumPy differentiates nothing, so the program has the pullback of its loss, which
is printed like any other function.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wellposed.backends.counting import Counts
from wellposed.backends.dialect import COMMON, PRODUCT, Dialect, Row, softmaxes
from wellposed.backends.document import Doc, bracket
from wellposed.backends.expressions import NotPrinted
from wellposed.backends.functions import FunctionPrinter
from wellposed.backends.model import Array, Targets, Weights
from wellposed.backends.numpy_rows import numpy_rows
from wellposed.backends.optimizers import Updater
from wellposed.backends.program import ProgramPrinter, Section
from wellposed.backends.program_model import ProgramModel, flat
from wellposed.backends.registry import Backend, BackendError, register
from wellposed.backends.run_numpy import NumpyStepper
from wellposed.compiler.ir.module import Function, Let, Module, Scan, Solve
from wellposed.compiler.passes.adjoint import LOSS_GRADIENT, with_loss_gradient

NAME = "numpy-plugin"
SPECIAL = ("from scipy import special",)
SCAN: str = '''
def scan(step, state, entries, consts, length, *, back=False, path=False, sums=0):
    """step(*state, *entry of every stack, *consts), for every entry in turn.

    Gives the last state, or with `path` that at every node; then what is collected; then the sums.
    """
    n, nodes, outs, totals = len(state), [state], [], [0] * sums
    for j in reversed(range(length)) if back else range(length):
        found = step(*state, *(stack[j] for stack in entries), *consts)
        found = found if isinstance(found, tuple) else (found,)
        state, rest = found[:n], found[n:]
        nodes.append(state)
        outs.append(rest[: len(rest) - sums])
        totals = [a + b for a, b in zip(totals, rest[len(rest) - sums :])]
    order = -1 if back else 1
    first = map(np.stack, zip(*nodes[::order])) if path else state
    found = (*first, *map(np.stack, zip(*outs[::order])), *totals)
    return found if len(found) > 1 else found[0]
'''


NUMPY = Dialect(
    name=NAME,
    title="NumPy",
    array="Array",
    rows=COMMON
    | numpy_rows("np")
    | softmaxes("special", "axis", SPECIAL)
    | {
        "relu": Row("np.maximum({0}, 0)"),
        "sigmoid": Row("special.expit({0})", imports=SPECIAL),
        "softplus": Row("np.logaddexp({0}, 0)"),
        "gelu": Row("{0:product} * special.ndtr({0})", PRODUCT, SPECIAL),
        "ndtr": Row("special.ndtr({0})", imports=SPECIAL),
        "put": Row("{helper}({0}, {1}, {2})", helper="put"),
    },
    reserved=frozenset({"Array", "Weights", "scan", "special"}),
)


class NumpyProgram(ProgramPrinter):
    """Functions that take weights have the dict of them as their first parameter."""

    dialect = NUMPY

    def raw(self, weight: str) -> str:
        return f'weights["{weight}"]'

    def first_parameters(self, function: Function) -> Sequence[str]:
        return ["weights: Weights"] if function.takes_weights else []

    def called(self, callee: Function, arguments: list[Doc]) -> tuple[str, list[Doc], str]:
        return f"{self.own(callee.name)}(", [*["weights"] * callee.takes_weights, *arguments], ")"

    def scan(self, printer: FunctionPrinter, let: Let, scan: Scan) -> None:
        state, entries, consts = (
            bracket("(", [*map(printer.inline, es)], ",)" if len(es) == 1 else ")")
            for es in (scan.init, scan.xs, scan.consts)
        )
        given: list[Doc] = [self.own(scan.step), state, entries, consts, self.size(scan.length)]
        given += [f"{k}=True" for k, v in (("back", scan.reverse), ("path", scan.path)) if v]
        given += [f"sums={scan.sums}"] * bool(scan.sums)
        printer.assign(printer.bind(let.targets, printer.at), bracket("scan(", given, ")"))

    def solvers(self, solve: Solve) -> list[Section]:
        raise NotPrinted("NumPy has no adaptive solver", ("model", "integrator"))

    def functions(self) -> Iterator[Section]:
        yield SCAN.strip().splitlines()
        for function in self.module.functions.values():
            yield FunctionPrinter(self, function, 0).run()

    def imports(self) -> list[str]:
        lines = [*sorted(self.needs.imports), "import numpy as np"]
        return [*lines, "", "Array = np.ndarray", "Weights = dict[str, Array]"]

    def helper(self, name: str) -> Section:
        steps, h = self.constant("STEPS"), self.constant("H")
        if name == "step_of":
            lines = ["t", f"return min(max(int(t / {h} + 1e-9), 0), {steps} - 1)"]
        elif name == "put":
            lines = ["x, j, like", "found = np.zeros_like(like)", "found[j] = x", "return found"]
        else:
            one_hot = f"np.eye({self.constant('CLASSES')}, dtype=dtype)[targets]"
            lines = ["targets, dtype", f"return {one_hot} if targets.ndim == 1 else targets"]
        return [f"def {self.own(name)}({lines[0]}):", *(f"    {line}" for line in lines[1:])]

    def main(self) -> Section:
        return ['if __name__ == "__main__":', "    print(__doc__)"]


class NumpyProgramModel(ProgramModel):
    """A NumPy program; its gradient is a function of its own."""

    backend, dialect = NAME, NUMPY

    def offers(self, function: Function) -> bool:
        return super().offers(self.module.functions[function.name])

    def called(self, function: Function, weights: Weights, args: Sequence[Any]) -> list[Array]:
        return super().called(self.module.functions[function.name], weights, args)

    def _call(self, function: str, weights: dict[str, Array], *arguments: Any) -> Array:
        return getattr(self.native, function)(weights, *arguments)

    def _called_part(
        self, name: str, weights: dict[str, Array] | None, arguments: list[Any]
    ) -> list[Array]:
        given = [] if weights is None else [weights]
        return list(map(np.asarray, flat(getattr(self.native, name)(*given, *arguments))))

    def _gradient(self, weights: dict[str, Array], x: Array, targets: Array) -> dict[str, Array]:
        run = getattr(self.native, self._names[LOSS_GRADIENT])
        _, *found = run(weights, x, targets, np.ones((), self.dtype))
        return {w.name: g for w, g in zip(self.module.trained, found, strict=True)}

    def _count(self, weights: dict[str, Array], x: Array) -> Counts:
        return Counts()

    def stepper(self, updater: Updater, x: Array, targets: Targets, /) -> NumpyStepper:
        return NumpyStepper(self, updater, x, targets)


def printed(module: Module) -> Module:
    """The module with the gradient of its loss, and without groups: NumPy takes arrays one by
    one."""
    module = with_loss_gradient(module) if module.has_loss else module
    return module.with_functions({n: _apart(f) for n, f in module.functions.items()})


def _apart(function: Function) -> Function:
    results = tuple(replace(result, group=None) for result in function.results)
    return replace(function, groups={}, results=results)


def emit(module: Module) -> str:
    return NumpyProgram(printed(module)).text()


def load(module: Module, source: str, device: str, dtype: str) -> NumpyProgramModel:
    if device != "cpu":
        raise BackendError(f"NumPy runs on the CPU, not on {device}")
    return NumpyProgramModel(printed(module), source, device, dtype)


register(Backend(NAME, emit, __name__))
