"""What a network costs: evaluations of the field, floating-point operations, memory for a gradient.

A fold over the module: what the expressions of a function cost, what it calls, a scan as often as
it has steps. A product of matrices counts two operations per entry and column, every other
operation one per component, a function (tanh, …) too; what all examples share is not counted. The
backward pass is counted as two forward passes. How many steps an adaptive solver takes nobody knows
before: each of its solves is counted as one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from math import prod
from typing import Any

from ..ir.expr import Expr, walk
from ..ir.module import Call, Function, Let, Module, Pull, Role, Scan, Solve, calls, solve_of
from ..ir.operations import LEAVES, OPERATIONS

BYTES = {"float32": 4, "float64": 8}
Measure = Callable[[Expr], int]


@dataclass(frozen=True)
class Cost:
    """The cost of one example and one gradient, unless said otherwise."""

    field_evaluations: int
    """NFE of a forward pass: how often the right-hand side is evaluated that is most often."""
    forward_flops: int
    gradient_flops: int
    activation_bytes: int
    """What the gradient keeps of the trajectory, for each example."""
    weights: int
    weight_bytes: int
    """Numbers that are trained, and what they take in the spec's dtype."""
    is_of_one_step: bool = False
    """Does a solver choose how many steps it takes, of which one in each solve is counted?"""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def cost(module: Module) -> Cost:
    """The cost of a module."""
    whole = "loss" if module.has_loss else "forward"
    forward = fold(module, whole, _flops)
    size = BYTES[module.dtype]
    count = sum(w.count for w in module.weights)
    return Cost(
        field_evaluations=max(_entries(module, whole, f) for f in module.of_role(Role.FIELD)),
        forward_flops=forward,
        gradient_flops=3 * forward + _again(module),
        activation_bytes=_activations(module) * size,
        weights=count,
        weight_bytes=count * size,
        is_of_one_step=solve_of(module) is not None,
    )


def _activations(module: Module) -> int:
    """Numbers that a gradient keeps on the way to y(T): all that steps give; of what is computed
    again the states before, of steps that are undone the last states, and at one time all that is
    within. Of an adjoint it is what a solve begins with."""
    solve, kept, within = solve_of(module), 0, 0
    if solve is not None and solve.adjoint is not None:
        return sum(
            scan.length.value * _size(scan.init) for _, scan, _ in _scans(module, module.way)
        )
    for let in module.functions[module.way].body:
        if isinstance(let.value, Solve):
            kept += let.value.by.stages * fold(module, let.value.field, _kept)
    for owner, scan, step in _scans(module, module.way):
        if owner.derivative or step.recomputed:
            times = 1 if owner.derivative else scan.length.value
            kept += times * _size(scan.init)
            within = max(within, fold(module, step.name, _kept))
        else:
            kept += scan.length.value * fold(module, step.name, _kept)
    return kept + within


def _size(states: tuple[Expr, ...]) -> int:
    return sum(prod(e.shape) for e in states)


def _again(module: Module) -> int:
    """Operations that a gradient does besides the forward pass and the derivatives: segments and
    steps a second time, and steps that are undone."""
    total = 0
    for owner, scan, step in _scans(module, module.way):
        if owner.derivative:
            total += fold(module, owner.derivative, _flops)
        elif step.recomputed:
            total += scan.length.value * fold(module, step.name, _flops)
    return total


def _scans(module: Module, name: str) -> Iterator[tuple[Function, Scan, Function]]:
    """The scans on the way to y(T), each with the function that it stands in and its step."""
    for let in module.functions[name].body:
        if isinstance(let.value, Scan):
            yield module.functions[name], let.value, module.functions[let.value.step]
        elif isinstance(let.value, Call) and module.functions[let.value.function].derivative:
            yield from _scans(module, let.value.function)


def largest_operation(module: Module, batch: int) -> int:
    """Floating-point operations of the largest single operation on a batch, or on the weights of a
    step."""
    nodes = (
        node
        for function in module.functions.values()
        for node in walk(*function.values, *(e for let in function.body for e in let.operands))
    )
    return max(_of_one(node, batch) for node in nodes)


def _of_one(e: Expr, batch: int) -> int:
    if e.type.batched:
        return batch * _flops(e)
    if e.op == "matmul":
        return 2 * prod(e.args[0].shape) * prod(e.args[1].shape[1:])
    return prod(e.shape)


def fold(module: Module, name: str, measure: Measure) -> int:
    """The sum of a measure over all nodes that a function evaluates, as often as it does."""

    @cache
    def of_function(name: str) -> int:
        return _of_function(module.functions[name], measure, of_function)

    return of_function(name)


def _of_function(function: Function, measure: Measure, below: Callable[[str], int]) -> int:
    total = _of_expressions(function.values, measure, below)
    for let in function.body:
        total += _of_expressions(let.operands, measure, below)
        total += sum(times * below(name) for name, times in _entered(let))
    return total


def _entered(let: Let) -> Iterator[tuple[str, int]]:
    """The functions that a statement as such calls, and how often."""
    match let.value:
        case Call() | Pull():
            yield let.value.function, 1
        case Scan():
            yield let.value.step, let.value.length.value
        case Solve():
            yield let.value.field, let.value.by.stages
        case Expr():
            pass


def _entries(module: Module, whole: str, field: Function) -> int:
    """How often a right-hand side is evaluated."""

    @cache
    def of_function(name: str) -> int:
        if name == field.name:
            return 1
        function = module.functions[name]
        total = sum(map(of_function, calls(*function.values)))
        for let in function.body:
            total += sum(map(of_function, calls(*let.operands)))
            total += sum(times * of_function(name) for name, times in _entered(let))
        return total

    return of_function(whole)


def _of_expressions(roots: tuple[Expr, ...], measure: Measure, below: Callable[[str], int]) -> int:
    nodes = list(walk(*roots))
    called = sum(below(node.name) for node in nodes if node.op == "call")
    return called + sum(map(measure, nodes))


def _kept(e: Expr) -> int:
    """Numbers that backprop keeps of an operation: what it gives, for every example."""
    return prod(e.shape) if e.type.batched and e.op not in LEAVES else 0


def _flops(e: Expr) -> int:
    """Operations of one node for one example."""
    if not e.type.batched or e.op in LEAVES or OPERATIONS[e.op].moves:
        return 0
    if e.op == "matmul":
        return 2 * prod(e.args[0].shape)
    return prod(e.args[0].shape if e.op in ("sum", "inner_sum") else e.shape)
