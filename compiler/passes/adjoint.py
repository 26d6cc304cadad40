"""Reverse differentiation of modules: a function becomes its pullback, a scan a reversed scan.

The pullback of f takes what f takes and the cotangents of its results; it computes f again and
gives the cotangents of the parameters that are asked for, then of the raw weights that f uses.
Calls stay calls: each callee has a pullback of its own. (Griewank & Walther, "Evaluating
Derivatives", 2008, chapter 3.)

The states that a reversed scan needs are kept, all of them (`Keep.STATES`), or undone step by step
where a step can be undone (`Keep.NOTHING`). To keep every k-th, cut the scan into segments first
(`passes.segments`): what is kept is then an argument, not another derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..ir.expr import Expr, build, constant, rewrite, substitute, variable, variables
from ..ir.module import Call, Function, Let, Module, Pull, Result, Scan, Solve, let, used_weights
from ..ir.naming import numbered
from ..promises import claims
from ..promises.checked import checked
from .derive import by_use, sum_of
from .prune import without_dead_statements
from .reversed_scan import Keep, ReversedScan, bar_name, name_of
from .reversed_solve import ReversedSolve

LOSS_GRADIENT = "loss_and_gradient"


@checked("adjoint", claims.gradient_kept)
def with_loss_gradient(module: Module, keep: Keep = Keep.STATES) -> Module:
    """The module with `loss_and_gradient(x, targets, loss_bar)` → the loss, then for every raw
    weight that is trained loss_bar · ∂ loss/∂ θ."""
    adjoint = Adjoint(module, keep)
    function = _Pullback(adjoint, module.functions["loss"], (), LOSS_GRADIENT).function(value=True)
    adjoint.add(without_dead_statements(function))
    return module.with_functions({**module.functions, **adjoint.made})


def with_pullback(module: Module, function: str, wanted: tuple[int, ...]) -> tuple[Module, str]:
    """The module with the pullback of one function for its parameters at `wanted`, and its name."""
    adjoint = Adjoint(module, Keep.STATES)
    name = adjoint.pullback(function, wanted).name
    return module.with_functions({**module.functions, **adjoint.made}), name


@dataclass
class Adjoint:
    """The pullbacks of a module that are made so far, callees first."""

    module: Module
    keep: Keep
    made: dict[str, Function] = field(default_factory=dict)
    names: dict[tuple[str, tuple[int, ...]], str] = field(default_factory=dict)
    backs: dict[tuple[str, tuple[int, ...], bool], str] = field(default_factory=dict)
    """Steps back that are made: by step, what of its parameters cotangents are for, and whether
    they come in at every node."""
    left: frozenset[str] = frozenset()
    """Functions whose cotangents the framework is left to take."""

    def pullback(self, name: str, wanted: tuple[int, ...]) -> Function:
        """The pullback of a function for the parameters at `wanted`."""
        key = name, wanted
        if key not in self.names:
            own = self.fresh(f"{name}_pullback")
            function = _Pullback(self, self.function(name), wanted, own).function()
            self.names[key] = own
            self.made[own] = without_dead_statements(function)
        return self.made[self.names[key]]

    def back(
        self,
        targets: tuple[Expr, ...],
        name: str,
        wanted: tuple[int, ...],
        args: tuple[Expr, ...],
        bars: tuple[Expr, ...],
    ) -> Let:
        """The statement that gives `targets`, the cotangents of the arguments at `wanted`."""
        if name not in self.left:
            return Let(targets, Call(self.pullback(name, wanted).name, (*args, *bars)))
        known = dict(zip(wanted, targets, strict=True))
        own = (variable(bar_name(p.name), p.type) for p in self.function(name).params)
        every = tuple(known.get(i, unused) for i, unused in enumerate(own))
        return Let(every, Pull(name, args, bars))

    def function(self, name: str) -> Function:
        """A function of the module, or one that was made on the way."""
        return self.module.functions.get(name) or self.made[name]

    def add(self, function: Function) -> str:
        """A function that was made on the way."""
        self.made[function.name] = function
        return function.name

    def fresh(self, wanted: str) -> str:
        """A name that no function has."""
        return numbered(wanted, {*self.made, *self.module.functions})

    def weights_of(self, function: Function) -> list[Expr]:
        """The raw weights that a function uses and that are trained, in the module's order."""
        if function.name == "loss":
            return [w.stack for w in self.module.trained]
        used = used_weights(self.module, function)
        return [w.stack for w in self.module.trained if w.name in used]


class _Pullback:
    """The pullback of one function, as it is written."""

    def __init__(
        self, adjoint: Adjoint, primal: Function, wanted: tuple[int, ...], name: str
    ) -> None:
        self.adjoint, self.primal, self.wanted, self.name = adjoint, primal, wanted, name
        self.body: list[Let] = []
        self.bars: dict[Expr, list[Expr]] = {}
        self.cotangents: dict[Expr, str] = {}
        weights = adjoint.weights_of(primal)
        self.sources = [*(primal.params[i] for i in wanted), *weights]
        self.active = set(self.sources)

    def function(self, *, value: bool = False) -> Function:
        """With the results of the function itself before the cotangents, if they are wanted."""
        primal = self.primal
        seeds = tuple(self._cotangent(r.name, r.value) for r in primal.results)
        values = [self._lifted(result.value) for result in self._forward()]
        results = self._bound(values) if value else []
        self._pull(list(zip(values, seeds, strict=True)))
        for back in reversed(self.tape):
            self._back(back)
        results += [Result(bar_name(e.name), self._bar(e), by=e.name) for e in self.sources]
        return Function(
            name=self.name,
            role=primal.role,
            params=(*primal.params, *seeds),
            results=tuple(results),
            body=tuple(self.body),
            doc=(_doc(primal, [e.name for e in self.sources]),),
            loc=primal.loc,
            subject=primal.subject,
            takes_weights=primal.takes_weights,
            pullback_of=primal.name,
            cotangents=self.cotangents,
            groups=primal.groups,
        )

    def _bound(self, values: Sequence[Expr]) -> list[Result]:
        """The results of the function itself, computed before the way back begins."""
        found: list[Result] = []
        for result, value in zip(self.primal.results, values, strict=True):
            target = variable(result.name, value.type)
            self.body.append(let(target, value))
            found.append(Result(result.name, target))
        return found

    # --- forward -------------------------------------------------------------------------------

    def _forward(self) -> Sequence[Result]:
        """The statements of the function again; `tape` is what the way back goes over."""
        self.tape: list[Let] = []
        self.paths: dict[Let, tuple[Expr, ...]] = {}
        """The states at all nodes of a scan, where they are kept."""
        for statement in self.primal.body:
            match statement.value:
                case Expr():
                    self._record(let(statement.targets[0], self._lifted(statement.value)))
                case Call():
                    args = tuple(map(self._leaf, statement.value.args))
                    self._record(Let(statement.targets, Call(statement.value.function, args)))
                case Scan():
                    self._scan(statement, statement.value)
                case Solve():
                    self._solve(statement, statement.value)
        return self.primal.results

    def _record(self, statement: Let) -> None:
        self.body.append(statement)
        self.tape.append(statement)
        if self.active.intersection(variables(*statement.operands)) or self._uses_weights(
            statement
        ):
            self.active.update(statement.targets)

    def _uses_weights(self, statement: Let) -> bool:
        functions = map(self.adjoint.function, statement.called)
        return any(self.adjoint.weights_of(f) for f in functions if f.takes_weights)

    def _lifted(self, root: Expr) -> Expr:
        """The expression with its calls as statements before it; generic functions written out."""

        def rule(node: Expr) -> Expr:
            if node.op != "call":
                return node
            callee = self.adjoint.function(node.name)
            if callee.generic:
                return substitute(
                    callee.values[0], dict(zip(callee.params, node.args, strict=True))
                )
            target = variable(callee.results[0].name, node.type)
            args = tuple(map(self._leaf, node.args))
            self._record(let(target, Call(node.name, args)))
            return target

        return rewrite(root, rule)

    def _leaf(self, e: Expr) -> Expr:
        """A variable for an argument that is an expression of active ones."""
        e = self._lifted(e)
        if not e.args or not self.active.intersection(variables(e)):
            return e
        target = variable("u", e.type)
        self._record(let(target, e))
        return target

    def _scan(self, statement: Let, scan: Scan) -> None:
        """A scan on the way forward: with the path of its states, if that is what is kept."""
        init, xs, consts = (tuple(map(self._leaf, e)) for e in (scan.init, scan.xs, scan.consts))
        over = None if scan.over is None else self._leaf(scan.over)
        scan = replace(scan, init=init, xs=xs, consts=consts, over=over)
        back, targets, n = Let(statement.targets, scan), statement.targets, len(init)
        self._record(back)
        if scan.path or self.adjoint.keep is Keep.NOTHING:
            self.paths[back] = targets[:n]
            return
        nodes = scan.axis.longer()
        paths = tuple(variable(f"{t.name}s", t.type.along(nodes)) for t in targets[:n])
        self.paths[back] = paths
        self.body[-1] = Let((*paths, *targets[n:]), replace(scan, path=True))
        ends = (build("at", p, constant(0)) if scan.reverse else build("last", p) for p in paths)
        self.body += [let(t, end) for t, end in zip(targets, ends, strict=False)]

    def _solve(self, statement: Let, solve: Solve) -> None:
        init, consts = (tuple(map(self._leaf, e)) for e in (solve.init, solve.consts))
        self._record(Let(statement.targets, replace(solve, init=init, consts=consts)))

    # --- backward ------------------------------------------------------------------------------

    def _back(self, statement: Let) -> None:
        if not any(target in self.bars for target in statement.targets):
            return
        match statement.value:
            case Expr():
                (target,) = statement.targets
                self._pull([(statement.value, self._bar(target))])
            case Call():
                self._back_through_call(statement, statement.value)
            case Scan():
                self._back_through_scan(statement, statement.value)
            case Solve():
                self._back_through_solve(statement, statement.value)

    def _pull(self, outputs: list[tuple[Expr, Expr]]) -> None:
        """The cotangents of what expressions are made of, given their own."""
        outputs = [(e, g) for e, g in outputs if self.active.intersection(variables(e))]
        leaves = [e for e in variables(*(e for e, _ in outputs)) if e in self.active]
        for leaf, found in zip(leaves, by_use(outputs, leaves), strict=True):
            self.bars.setdefault(leaf, []).extend(found)

    def _bar(self, e: Expr) -> Expr:
        """The cotangent of a variable: the sum over its uses, each rounded as it is stored."""
        found = self.bars.get(e, [])
        if not found:
            return build("zeros_like", e)
        if len(found) == 1 and not found[0].args:
            return found[0]
        stored = [build("rounded", part) for part in found] if len(found) > 1 else found
        target = self._cotangent(e.name, e)
        self.body.append(let(target, sum_of(stored)))
        self.bars[e] = [target]
        return target

    def _cotangent(self, of: str, like: Expr) -> Expr:
        """A new variable for the cotangent of what has that name."""
        target = variable(bar_name(of), like.type)
        self.cotangents[target] = of
        return target

    def _back_through_call(self, statement: Let, call: Call) -> None:
        primal = self.adjoint.function(call.function)
        wanted = tuple(i for i, arg in enumerate(call.args) if arg in self.active)
        of = [*(call.args[i] for i in wanted), *self.adjoint.weights_of(primal)]
        if not of:
            return
        pullback = self.adjoint.pullback(call.function, wanted)
        args = (*call.args, *(self._bar(target) for target in statement.targets))
        targets = tuple(self._cotangent(r.by, r.value) for r in pullback.results)
        self.body.append(Let(targets, Call(pullback.name, args)))
        for e, found in zip(of, targets, strict=True):
            self.bars.setdefault(e, []).append(found)

    def _back_through_scan(self, statement: Let, scan: Scan) -> None:
        back = ReversedScan(self.adjoint, statement, scan, self.active)
        seeds = [self._bar(target) if target in self.bars else None for target in statement.targets]
        found = back.statement(self.paths[statement], seeds)
        self.body.append(found)
        for e, target in zip(back.of, found.targets[-len(back.of) :], strict=True):
            self.bars.setdefault(e, []).append(target)
            self.cotangents[target] = name_of(e)

    def _back_through_solve(self, statement: Let, solve: Solve) -> None:
        back = ReversedSolve(self.adjoint, statement, solve, self.active)
        lets, found = back.statements(self._bar(statement.targets[0]))
        self.body += lets
        for e, cotangent in zip(back.of, found, strict=True):
            self.bars.setdefault(e, []).append(cotangent)


def _doc(primal: Function, names: Sequence[str]) -> str:
    of = ", ".join(names) or "nothing"
    return f"The pullback of `{primal.name}`: cotangents of {of} from those of its results."
