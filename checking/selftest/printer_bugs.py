"""Bugs in the printers: rows of the dialects, precedence, and the functions that emit a program."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...backends import emit_init, emit_jax, emit_operands, emit_penalty, emit_step, emit_torch
from ...backends import printer as printing
from ...backends.dialects import COMMON, DIALECTS, Template
from ...compiler.ir.expr import Expr
from . import plant
from .bug import (
    FIELD,
    JAX,
    LOGITS,
    LOSS,
    ONE,
    ORDER,
    REGULARIZER,
    START,
    TORCH,
    WEIGHTS,
    Bug,
    Rung,
    gradient,
)

Printed = tuple[str, int]


def _row(
    name: str,
    spec: str,
    op: str,
    template: Template,
    caught: Rung,
    equation: str,
    backend: str = "torch",
) -> Bug:
    """An operation that one dialect writes wrongly."""
    planting = partial(plant.row, DIALECTS[backend].operations, op, template)
    return Bug(f"{name} in {backend}", "dialect", spec, planting, caught, equation, (backend,))


def _pad_above(e: Expr) -> str:
    return f"F.pad({{}}, (0, 0, {e.shape[0] - e.args[0].shape[0]}, 0))"


T_FIRST = "torch.cat([{1}.expand(1, {0}.shape[1]), {0}])"
SINGLE = "jnp.tanh({0}.astype('float32')).astype({0}.dtype)"
ONES = "torch.ones({n}, {n}, dtype={like}.dtype)"

_ROWS = [
    _row("tanh of half its argument", "rk4", "tanh", "torch.tanh({} / 2)", FIELD, "field y"),
    _row("tanh in float32", "mlp", "tanh", SINGLE, FIELD, "field y", "jax"),
    _row("gelu by tanh", "functions", "gelu", "jax.nn.gelu({})", FIELD, "field y", "jax"),
    _row("softplus cut off at 20", "functions", "softplus", "F.softplus({})", FIELD, "field y"),
    _row("softplus is relu", "functions", "softplus", "F.relu({})", FIELD, "field y"),
    _row("cos is sin", "functions", "cos", "torch.sin({})", FIELD, "field y"),
    _row("abs' is 1 at 0", "functions", "abs", "jnp.abs({})", gradient("b"), "gradient b", "jax"),
    _row("[y; t] is [t; y]", "mlp", "append", T_FIRST, FIELD, "field y"),
    _row("unit matrix of ones", "rk4", "eye", ONES, FIELD, "parametrization K"),
    _row("zeros above the features", "verlet", "pad", _pad_above, START, "lift"),
    _row("softmax over examples", "rk4", "log_softmax", "F.log_softmax({}, 1)", LOSS, "loss"),
    _row("mean for sum", "mlp", "sum", "{}.mean(dim=0, keepdim=True)", LOSS, "loss"),
    _row("hard sigmoid", "leapfrog", "sigmoid", "jax.nn.hard_sigmoid({})", LOSS, "loss", "jax"),
]


def _bug(
    name: str,
    spec: str,
    planting: plant.Planting,
    caught: Rung,
    equation: str,
    backends: tuple[str, ...] = TORCH,
) -> Bug:
    return Bug(name, "printer", spec, planting, caught, equation, backends)


def _in_printer(method: str, change: Callable[[Any], Any]) -> plant.Planting:
    return partial(plant.member, printing.Printer, method, change)


def _sums_unwrapped(wrapped: Callable[..., str]) -> Callable[[Any, Expr, int], str]:
    """A sum is printed in a product as it is."""

    def of(printer: Any, e: Expr, least: int) -> str:
        in_product = printing.PRODUCT <= least < printing.POWER
        return printer.text(e) if in_product else wrapped(printer, e, least)

    return of


def _without_transpose(method: Callable[[Any, Expr], Printed]) -> Callable[[Any, Expr], Printed]:
    def of(printer: Any, e: Expr) -> Printed:
        return method(printer, e.args[0] if e.op == "transpose" else e)

    return of


def _as_product(method: object) -> Callable[[Any, Expr], str]:
    return lambda printer, e: " * ".join(f"({printer.text(arg)})" for arg in e.args)


def _always_u1(method: Callable[[Any, Expr], str]) -> Callable[[Any, Expr], str]:
    """Every part that has a name has that of the first."""

    def bind(printer: Any, node: Expr) -> str:
        _, equals, value = method(printer, node).partition(" = ")
        printer.bound[node] = "u1"
        return f"u1{equals}{value}"

    return bind


MINUS_IS_PLUS = partial(plant.row, printing._BINARY, "sub", ("+", printing.SUM))
TAIL_IS_HEAD = partial(plant.row, COMMON, "tail", "{}[:-1]")

_IN_THE_PRINTER = [
    _bug("minus is plus", "rk4", MINUS_IS_PLUS, FIELD, "parametrization K"),
    _bug(
        "parentheses dropped",
        "rk4",
        _in_printer("_wrapped", _sums_unwrapped),
        FIELD,
        "parametrization K",
    ),
    _bug(
        "transposes dropped",
        "rk4",
        _in_printer("_print", _without_transpose),
        FIELD,
        "parametrization K",
    ),
    _bug("powers are products", "mlp", _in_printer("_power", _as_product), LOSS, "loss"),
    _bug(
        "all parts have one name", "functions", _in_printer("_bind", _always_u1), FIELD, "field y"
    ),
    _bug("tail is head", "rk4", TAIL_IS_HEAD, REGULARIZER, "regularizer smoothness"),
]


def _lines(owner: Any, name: str, old: str, new: str) -> plant.Planting:
    return partial(plant.printed, owner, name, old, new)


def _first_node(at_node: Callable[..., str]) -> Callable[..., str]:
    return lambda program, stack, node: at_node(program, stack, "start")


def _one_step_late(over: Callable[..., tuple[str, str]]) -> Callable[..., tuple[str, ...]]:
    return lambda program: tuple(
        text.replace("arange(STEPS", "arange(1, STEPS + 1") for text in over(program)
    )


BACKWARDS = _lines(emit_torch, "_loop", "self.layers()", "reversed(list(self.layers()))")
NEXT_CLASS = "F.one_hot((targets + 1) % OUTPUTS, OUTPUTS)"

_IN_THE_EMITTERS = [
    _bug("1/n for 1/√n", "rk4", _lines(emit_init, "init", "**-0.5", "**-1"), WEIGHTS, "init"),
    _bug(
        "streams by length of name",
        "rk4",
        _lines(emit_init, "rng", "*name.encode()", "len(name)"),
        WEIGHTS,
        "init",
    ),
    _bug(
        "a node too few",
        "mlp",
        partial(plant.member, emit_init, "_axis", lambda axis: lambda w: "STEPS"),
        WEIGHTS,
        "init",
    ),
    _bug(
        "θ and 1 − θ alike",
        "mlp",
        _lines(emit_operands, "_at_time", "theta * ", "(1 - theta) * "),
        FIELD,
        "path",
    ),
    _bug(
        "z starts at 1",
        "verlet",
        _lines(emit_torch, "_initial_state", "x.new_zeros", "x.new_ones"),
        START,
        "lift",
    ),
    _bug("layers in reverse", "rk4", BACKWARDS, ONE, "path"),
    _bug(
        "all stages at the first node",
        "mlp",
        partial(plant.member, emit_operands, "at_node", _first_node),
        ONE,
        "path",
    ),
    _bug(
        "times are a step late",
        "mlp",
        partial(plant.member, emit_jax, "_over", _one_step_late),
        ONE,
        "path",
        JAX,
    ),
    _bug(
        "v starts from +h/2", "leapfrog", _lines(emit_step, "start_lines", "-(", "("), ONE, "step"
    ),
    _bug(
        "logits of the features",
        "rk4",
        _lines(emit_jax, "_forward", "final_state(weights, x)", "x.T"),
        LOGITS,
        "readout",
        JAX,
    ),
    _bug(
        "h to two digits",
        "rk4",
        _lines(emit_init, "constants", "HORIZON / STEPS", "round(HORIZON / STEPS, 2)"),
        ORDER,
        "step",
    ),
    _bug(
        "only the first weight is smooth",
        "rk4",
        _lines(emit_penalty, "penalty_lines", "for w in of", "for w in of[:1]"),
        REGULARIZER,
        "regularizer smoothness",
    ),
    _bug(
        "the next class",
        "rk4",
        _lines(emit_torch, "_likelihoods", "F.one_hot(targets, OUTPUTS)", NEXT_CLASS),
        LOSS,
        "loss",
    ),
]

PRINTER_BUGS = [*_ROWS, *_IN_THE_PRINTER, *_IN_THE_EMITTERS]
