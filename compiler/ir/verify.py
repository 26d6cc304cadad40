"""The verifier: whether a module is well formed. It runs after every pass.

Every variable is bound once, before it is used; callees stand before callers and get arguments of
the types of their parameters; a scan carries values of one type from step to step, along the whole
of its axis; a solver's field gives the slopes of the states; a derivative takes and gives what
fits its function. The name of a constant or a size
stands for one number in the whole module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .expr import Expr, substitute, variables, walk
from .module import Call, Function, Let, Module, Pull, Scan, Solve
from .named import ambiguous
from .types import SCALAR, ShapeError, Sizes, Type, length


class InvalidModule(Exception):
    """A module that is not well formed: a mistake of a builder or a pass, with its function."""


def verify(module: Module) -> Module:
    """The module itself. Raises InvalidModule."""
    known: dict[str, Function] = {}
    for name, function in module.functions.items():
        if name != function.name:
            raise InvalidModule(f"{function.name} stands under the name {name}")
        _Check(function, known, {w.name: w.stack for w in module.weights}, module.sizes).run()
        known[name] = function
    for function in known.values():
        if function.derivative:
            _check_derivative(function, known)
    clash = ambiguous(module)
    if clash:
        raise InvalidModule(clash)
    missing = [name for name in module.public if name not in known]
    if missing:
        raise InvalidModule(f"there is no function {missing[0]}")
    return module


def _check_derivative(function: Function, known: Mapping[str, Function]) -> None:
    """It takes the results in the place of the states, then cotangents of the results."""
    back, n = known.get(function.derivative), len(function.results)
    given = tuple(p.type for p in function.params)
    wanted = (*function.types, *given[n:], *function.types)
    if back is None or tuple(p.type for p in back.params) != wanted or back.types != given:
        raise InvalidModule(f"{function.name}: {function.derivative} is not its derivative")


def result_types(callee: Function, args: Sequence[Expr]) -> tuple[Type, ...]:
    """The types of the results for these arguments: of a generic function its body is retyped."""
    if not callee.generic:
        return callee.types
    values = dict(zip(callee.params, args, strict=True))
    return tuple(substitute(value, values).type for value in callee.values)


class _Check:
    """One function, given those before it."""

    def __init__(
        self,
        function: Function,
        known: Mapping[str, Function],
        weights: Mapping[str, Expr],
        sizes: Sizes,
    ) -> None:
        self.function, self.known, self.weights, self.sizes = function, known, weights, sizes
        self.bound: set[Expr] = set()

    def run(self) -> None:
        self._bind(self.function.params)
        others = set(self.function.numbers) - self.bound
        self._require(not others, f"a number that is no parameter: {self._names(others)}")
        is_one_expression = not self.function.body and len(self.function.results) == 1
        # it is typed anew for every call, and only an expression is
        self._require(is_one_expression or not self.function.generic, "generic, with statements")
        for let in self.function.body:
            self._let(let)
        for result in self.function.results:
            self._expression(result.value)
        strangers = self.function.groups.keys() - self.bound
        self._require(not strangers, f"a group of what is not bound: {self._names(strangers)}")

    def _let(self, let: Let) -> None:
        for operand in let.operands:
            self._expression(operand)
        found = tuple(target.type for target in let.targets)
        wanted = self._types(let)
        self._require(found == wanted, f"{self._names(let.targets)}: {found}, not {wanted}")
        self._bind(let.targets)

    def _bind(self, targets: Sequence[Expr]) -> None:
        for target in targets:
            self._require(target.op == "variable", f"{target.op} is bound")
            self._require(target not in self.bound, f"{target.name} is bound twice")
            self.bound.add(target)

    def _expression(self, root: Expr) -> None:
        for leaf in variables(root):
            if leaf.op == "variable":
                self._require(leaf in self.bound, f"{leaf.name} is not bound")
            else:
                self._require(self.function.takes_weights, f"no weight {leaf.name} is given")
                self._require(leaf.name in self.weights, f"there is no weight {leaf.name}")
                stack = self.weights[leaf.name].type
                self._require(leaf.type == stack, f"the weight {leaf.name} is stored as {stack}")
        for node in walk(root):
            if node.op == "call":
                types = self._called(node.name, node.args)
                self._require(len(types) == 1, f"{node.name} gives {len(types)} results, not one")
                self._require(
                    types[0] == node.type, f"{node.name} gives {types[0]}, not {node.type}"
                )

    def _types(self, let: Let) -> tuple[Type, ...]:
        match let.value:
            case Expr():
                return (let.value.type,)
            case Call():
                return self._called(let.value.function, let.value.args)
            case Scan():
                return self._scanned(let.value)
            case Solve():
                return self._solved(let.value)
            case Pull():
                return self._pulled(let.value)

    def _called(self, name: str, args: Sequence[Expr]) -> tuple[Type, ...]:
        """The types of what a function gives, its arguments checked."""
        callee = self._callee(name)
        self._require(len(args) == len(callee.params), f"{name} gets {len(args)} arguments")
        if not callee.generic:
            self._fits(name, callee.params, [arg.type for arg in args])
        try:
            return result_types(callee, args)
        except ShapeError as error:
            raise self._error(f"{name}: {error}") from None

    def _callee(self, name: str) -> Function:
        self._require(name in self.known, f"{name} is called before it is there")
        callee = self.known[name]
        if callee.takes_weights:
            self._require(self.function.takes_weights, f"{name} takes weights, none are given")
        return callee

    def _fits(self, name: str, params: Sequence[Expr], types: Sequence[Type]) -> None:
        for param, type in zip(params, types, strict=True):
            self._require(type == param.type, f"{name} gets {type} for {param.name} {param.type}")

    def _scanned(self, scan: Scan) -> tuple[Type, ...]:
        step, carry = self._callee(scan.step), tuple(e.type for e in scan.init)
        for x in scan.xs:
            self._require(x.type.path[:1] == (scan.axis,), f"{scan.step} over {x.type}")
        given = [*carry, *(x.type.element() for x in scan.xs), *(e.type for e in scan.consts)]
        self._require(len(given) == len(step.params), f"{scan.step} gets {len(given)} arguments")
        self._fits(scan.step, step.params, given)
        after, others = step.types[: len(carry)], step.types[len(carry) :]
        self._require(after == carry, f"{scan.step} carries {carry} on as {after}")
        self._require(scan.sums <= len(others), f"{scan.step} gives no {scan.sums} sums")
        if scan.axis.name in self.sizes:
            steps = length(scan.axis, self.sizes)
            self._require(scan.length.value == steps, f"{scan.length.value} steps of {steps}")
        outs, sums = others[: len(others) - scan.sums], others[len(others) - scan.sums :]
        nodes = scan.axis.longer()
        first = tuple(type.along(nodes) for type in carry) if scan.path else carry
        return (*first, *(type.along(scan.axis) for type in outs), *sums)

    def _solved(self, solve: Solve) -> tuple[Type, ...]:
        """The states along the times; the field takes (t, states, constants)."""
        field, states = self._callee(solve.field), tuple(e.type for e in solve.init)
        self._require(bool(solve.times.type.path), f"{solve.field} at {solve.times.type}")
        given = [*[SCALAR] * solve.timed, *states, *(e.type for e in solve.consts)]
        self._require(len(given) == len(field.params), f"{solve.field} gets {len(given)} arguments")
        self._fits(solve.field, field.params, given)
        self._require(field.types == states, f"{solve.field} gives {field.types} for {states}")
        return tuple(type.along(solve.times.type.path[0]) for type in states)

    def _pulled(self, pull: Pull) -> tuple[Type, ...]:
        """The cotangents of arguments are like them, those of results like these."""
        given = tuple(arg.type for arg in pull.args)
        bars, results = tuple(bar.type for bar in pull.bars), self._called(pull.function, pull.args)
        self._require(bars == results, f"{pull.function} gives {results}, pulled back are {bars}")
        return given

    def _require(self, holds: bool, message: str) -> None:
        if not holds:
            raise self._error(message)

    def _error(self, message: str) -> InvalidModule:
        return InvalidModule(f"{self.function.name}: {message}")

    @staticmethod
    def _names(targets: Sequence[Expr] | set[Expr]) -> str:
        return ", ".join(target.name for target in targets)
