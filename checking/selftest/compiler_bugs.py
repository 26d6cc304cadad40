"""Bugs in what programs and reference share: derivative rules, passes, tableaux, the catalogue.

Programs and reference are wrong alike, so that it takes something else to see it: a pass is held to
the value of what it was given, a method to its order and a structure to mathematics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

from ...compiler import initial
from ...compiler.ir.expr import Expr, build
from ...compiler.ir.functions import DERIVATIVES
from ...compiler.ir.program import END, START, Step, Update
from ...compiler.passes import derive, discretize, inline, simplify, stack
from ...spec.integrators import RK4, Heun, Midpoint, Tableau
from ...spec.parametrizations import Antisymmetric, NegativeGram
from ...spec.vector_fields import Equations, Hamiltonian
from . import plant
from .bug import WEIGHTS, Bug, Rung

PASSES = Rung("L0", "passes")
ENERGY, STRUCTURE = Rung("L6", "energy"), Rung("L6", "structure")


def _derivative(function: str, text: str, spec: str) -> Bug:
    """A row of the table of derivatives."""
    planting = partial(plant.row, DERIVATIVES, function, text)
    name, equation = f"{function}' is {text}", f"derivative {function}"
    return Bug(name, "derivative rule", spec, planting, PASSES, equation)


def _rule(op: str, rule: derive.Rule, name: str, spec: str) -> Bug:
    """A rule of reverse differentiation."""
    planting = partial(plant.row, derive.RULES, op, rule)
    return Bug(name, "derivative rule", spec, planting, PASSES, f"derivative {op}")


def _untransposed(node: Expr, g: Expr) -> tuple[Expr, Expr]:
    return derive._matmul(node, g)[0], node.args[0] @ g


def _without_exponent(node: Expr, g: Expr) -> tuple[Expr | None, Expr | None]:
    base, exponent = node.args
    return g * base ** (exponent - 1), None


def _last_rows(node: Expr, g: Expr) -> tuple[Expr, None]:
    n = node.args[0].shape[0]
    return build("rows", g, attributes=(1, n + 1)), None


def _positive_quotient(node: Expr, g: Expr) -> tuple[Expr, Expr]:
    return g / node.args[1], g * node / node.args[1]


def _as_head(node: Expr, g: Expr) -> tuple[Expr]:
    return (build("unhead", g),)


_DERIVATIVES = [
    _derivative("tanh", "1 - tanh(x)", "rk4"),
    _derivative("sigmoid", "sigmoid(x)", "leapfrog"),
    _derivative("gelu", "ndtr(x)", "functions"),
    _derivative("abs", "1", "functions"),
    _derivative("softplus", "sigmoid(-x)", "functions"),
    _derivative("cos", "sin(x)", "functions"),
    _derivative("cosh", "-sinh(x)", "energy"),
    _rule("matmul", _untransposed, "Kᵀ g is K g", "rk4"),
    _rule("pow", _without_exponent, "(xⁿ)' is xⁿ⁻¹", "mlp"),
    _rule("div", _positive_quotient, "(x/y)' without its minus", "functions"),
    _rule("append", _last_rows, "[y; t]' cut from the wrong end", "mlp"),
    _rule("log_softmax", lambda node, g: (g,), "(log softmax)' without its sum", "rk4"),
    _rule("tail", _as_head, "the adjoint of tail is head's", "rk4"),
]


def _pass(name: str, spec: str, planting: plant.Planting, which: str) -> Bug:
    return Bug(name, "pass", spec, planting, PASSES, f"pass {which}")


def _law(op: str, old: simplify.Law, new: simplify.Law) -> plant.Planting:
    """Another law in the place of one of an operation's."""
    laws = tuple(new if law is old else law for law in simplify.LAWS[op])
    return partial(plant.row, simplify.LAWS, op, laws)


def _half_is_one(e: Expr) -> Expr | None:
    return e.args[0] if simplify._is_integer(e.args[1]) else None


def _negative_vanishes(e: Expr) -> Expr | None:
    a, b = e.args
    return a * b.args[0] if b.op == "neg" else None


def _without_cosh(e: Expr) -> Expr | None:
    a, b = e.args
    if b.op == "sinh" and a.op == "div" and a.args[1].op == "cosh":
        return a.args[0] * b
    return None


HALF = _law("div", simplify._divide_one, _half_is_one)
NEGATIVE = _law("mul", simplify._multiply_negative, _negative_vanishes)
TANH = _law("mul", simplify._sinh_over_cosh, _without_cosh)


def _no_time(time: Callable[..., Expr]) -> Callable[..., Expr]:
    return lambda c, H: time(Fraction(0), H)


def _forwards(leapfrog: Callable[..., Step]) -> Callable[..., Step]:
    """v starts from +h/2 f."""

    def of(y: Expr, H: Expr) -> Step:
        step = leapfrog(y, H)
        return replace(step, start=tuple(Update(u.name, -u.value) for u in step.start))

    return of


def _half_weight(combination: Callable[..., Any]) -> Callable[..., Any]:
    """The last stage counts half."""

    def of(H: Expr, factors: tuple[Fraction, ...], terms: list[Expr]) -> Any:
        return combination(H, (*factors[:-1], factors[-1] / 2) if factors else factors, terms)

    return of


def _head_again(at_node: Callable[..., Expr]) -> Callable[..., Expr]:
    return lambda program, raw, node: at_node(program, raw, START if node == END else node)


def _line_by_line(substitute: object) -> Callable[..., Expr]:
    """No line of a step sees what the lines before it have made."""
    return lambda e, known: e


def _at(module: Any, name: str, change: Callable[[Any], Any]) -> plant.Planting:
    return partial(plant.member, module, name, change)


END_IS_START = partial(plant.row, discretize.NODE_AT, Fraction(1), START)

_PASSES = [
    _pass("x / 2 is x", "rk4", HALF, "simplify"),
    _pass("x (−y) is x y", "energy", NEGATIVE, "simplify"),
    _pass("x sinh u / cosh u is x sinh u", "energy", TANH, "simplify"),
    _pass("stages at time t", "mlp", _at(discretize, "_time", _no_time), "discretize"),
    _pass("the end of a step is its start", "mlp", END_IS_START, "discretize"),
    _pass("v starts forwards", "leapfrog", _at(discretize, "_leapfrog", _forwards), "discretize"),
    _pass(
        "the last stage counts half",
        "shared",
        _at(discretize, "_combination", _half_weight),
        "discretize",
    ),
    _pass("node j for j + 1", "mlp", _at(stack, "_at_node", _head_again), "stack"),
    _pass("y from the old z", "verlet", _at(inline, "substitute", _line_by_line), "inline"),
]


def _tableau(name: str, method: type, a: tuple[str, ...], b: str, spec: str) -> Bug:
    planting = partial(plant.member, method, "tableau", lambda tableau: Tableau.parse(a, b))
    return Bug(name, "tableau", spec, planting, PASSES, "pass discretize")


RK4_A = ("", "1/2", "0 1/2", "0 0 1")

_TABLEAUX = [
    _tableau("b of rk4 out of order", RK4, RK4_A, "1/6 1/6 1/3 1/3", "rk4"),
    _tableau("k₃ from k₁", RK4, ("", "1/2", "1/2 0", "0 0 1"), "1/6 1/3 1/3 1/6", "rk4"),
    _tableau("b of heun", Heun, ("", "1"), "1/4 3/4", "mlp"),
    _tableau("midpoint at the end", Midpoint, ("", "1"), "0 1", "shared"),
]


def _made_of(name: str, owner: type, text: str, spec: str) -> Bug:
    """Another operator, in the words of the catalogue."""
    planting = partial(plant.member, owner, "expression", lambda kept: lambda self, raw: text)
    return Bug(name, "catalogue", spec, planting, STRUCTURE, "parametrization K")


def _plus_z(describe: Callable[..., Equations]) -> Callable[..., Equations]:
    def of(*given: Any) -> Equations:
        found = describe(*given)
        sides = found.right_hand_sides
        return replace(found, right_hand_sides=sides | {"z": sides["z"].removeprefix("-")})

    return of


def _without_name(stream: Callable[..., Any]) -> Callable[..., Any]:
    return lambda seed, name: rng(seed, "")


_CATALOGUE = [
    _made_of("K + Kᵀ", Antisymmetric, "(K + K.T) / 2", "rk4"),
    _made_of("+CᵀC", NegativeGram, "K.T @ K", "shared"),
    Bug(
        "z' without its minus",
        "catalogue",
        "verlet",
        _at(Hamiltonian, "describe", _plus_z),
        ENERGY,
        "field z",
    ),
    Bug(
        "every weight from one stream",
        "initial weights",
        "rk4",
        _at(initial, "rng", _without_name),
        WEIGHTS,
        "init",
    ),
]

COMPILER_BUGS = [*_DERIVATIVES, *_PASSES, *_TABLEAUX, *_CATALOGUE]
