"""The verifier: what a module may not be, each by one that is so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from specs import Case, allowed, structural

from wellposed.compiler.ir.expr import Expr, build, call, constant, variable, weight
from wellposed.compiler.ir.module import (
    Call,
    Function,
    Group,
    Let,
    Module,
    Result,
    Role,
    Scan,
    Solve,
    let,
)
from wellposed.compiler.ir.types import STEP, Size, columns, stored
from wellposed.compiler.ir.verify import InvalidModule, verify
from wellposed.spec.adaptive import Dopri5

y, z, k = (variable(name, columns((2,))) for name in "yzk")
s = variable("s")
stack = variable("K", stored((2, 2), STEP))
K = variable("K", stored((2, 2)))


def function(name: str, params: tuple[Expr, ...], *results: Expr, **facts: object) -> Function:
    named = tuple(Result(f"r{i}", e) for i, e in enumerate(results))
    return replace(Function(name, Role.FIELD, params, named), **facts)  # pyright: ignore[reportArgumentType]


STEP_FUNCTION = function("step", (y, K), K @ y)


def module(*functions: Function) -> Module:
    base = Case().compiled().module
    return replace(base, functions={f.name: f for f in functions}, public=())


def scanned(**changes: object) -> Module:
    """y(T) by a scan of `step`, changed."""
    scan = Scan("step", init=(y,), xs=(stack,), length=Size(3))
    scan = replace(scan, **changes)  # pyright: ignore[reportArgumentType]
    return module(STEP_FUNCTION, function("final", (y, stack, K, s), z, body=(let(z, scan),)))


t, times = variable("t"), variable("times", stored((), STEP))
ys = variable("ys", y.type.along(STEP))
FIELD = function("field", (t, y), -y)


def solved(field: Function = FIELD, times: Expr = times, **changes: object) -> Module:
    """y at given times by a solver, changed."""
    solve = Solve("field", (y,), times, (), Dopri5())
    solve = replace(solve, **changes)  # pyright: ignore[reportArgumentType]
    facts = {"body": (let(ys, solve),), "loc": ("model", "time"), "doc": ("y at times.",)}
    return module(field, function("final", (y, k, times), ys, **facts))


def swapped() -> Module:
    found = module(function("f", (y,), y), function("g", (z,), call("f", (z,), z.type)))
    return replace(found, functions=dict(reversed(list(found.functions.items()))))


BROKEN: dict[str, tuple[str, Callable[[], Module]]] = {
    "a variable from nowhere": ("z is not bound", lambda: module(function("f", (y,), y + z))),
    "bound twice": (
        "y is bound twice",
        lambda: module(function("f", (y,), y, body=(let(y, y + 1),))),
    ),
    "used before it is bound": (
        "k is not bound",
        lambda: module(function("f", (y,), k, body=(let(z, k + y), let(k, y + 1)))),
    ),
    "an expression is bound": ("add is bound", lambda: module(function("f", (y + z,), y))),
    "a result of another type": (
        "f: z:",
        lambda: module(function("f", (y,), z, body=(let(z, build("sum", y)),))),
    ),
    "a callee that comes later": ("called before it is there", swapped),
    "no such callee": (
        "h is called before",
        lambda: module(function("f", (y,), call("h", (y,), y.type))),
    ),
    "an argument too many": (
        "f gets 2 arguments",
        lambda: module(function("f", (y,), y), function("g", (z,), call("f", (z, z), z.type))),
    ),
    "an argument of another type": (
        "f gets",
        lambda: module(function("f", (y,), y), function("g", (s,), call("f", (s,), y.type))),
    ),
    "a call of another type": (
        "f gives",
        lambda: module(function("f", (y,), y), function("g", (z,), call("f", (z,), s.type))),
    ),
    "a weight in a function that takes none": (
        "no weight K is given",
        lambda: module(function("f", (), weight("K", stored((3, 3), STEP)))),
    ),
    "a weight that is none": (
        "there is no weight Q",
        lambda: module(function("f", (), weight("Q", stored()), takes_weights=True)),
    ),
    "a callee that takes weights": (
        "takes weights, none are given",
        lambda: module(
            function("f", (y,), y, takes_weights=True),
            function("g", (z,), call("f", (z,), z.type)),
        ),
    ),
    "a generic function on what it does not take": (
        "f: ",
        lambda: module(
            function("f", (K,), K.T, generic=True),
            function("g", (z,), call("f", (z,), z.type)),
        ),
    ),
    "a group of a stranger": (
        "a group of what is not bound: z",
        lambda: module(function("f", (y,), y, groups={z: Group("layer", "Layer")})),
    ),
    "a function under another's name": (
        "f stands under the name g",
        lambda: replace(module(), functions={"g": function("f", (y,), y)}),
    ),
    "a public function that is none": (
        "there is no function loss",
        lambda: replace(module(function("f", (y,), y)), public=("loss",)),
    ),
    "a carry of another type": (
        "carries",
        lambda: module(
            function("step", (y, K), build("sum", K @ y)),
            function("f", (y, stack), z, body=(let(z, Scan("step", (y,), Size(3), (stack,))),)),
        ),
    ),
    "a stack along no steps": ("step over", lambda: scanned(xs=(K,))),
    "a stack too few": ("step gets 1 arguments", lambda: scanned(xs=())),
    "a constant too many": ("step gets 3 arguments", lambda: scanned(consts=(s,))),
    "an unknown step": ("other is called before", lambda: scanned(step="other")),
    "the path for the end": ("final: z:", lambda: scanned(path=True)),
    "another length than that of the steps": ("4 steps of 3", lambda: scanned(length=Size(4))),
    "a sum that is no result": ("step gives no 1 sums", lambda: scanned(sums=1)),
    "an unknown field": ("field is called before", lambda: solved(function("other", (t, y), y))),
    "a field of another state": ("field gets", lambda: solved(function("field", (t, K), K))),
    "slopes of another type": (
        "field gives",
        lambda: solved(function("field", (t, y), build("sum", y))),
    ),
    "a field without time": ("field gets 2 arguments", lambda: solved(function("field", (y,), y))),
    "a constant that no field takes": ("field gets 3 arguments", lambda: solved(consts=(k,))),
    "a solution at one time": ("field at a scalar", lambda: solved(times=s)),
    "a call of several results as an expression": (
        "f gives 2 results, not one",
        lambda: module(function("f", (y,), y, y), function("g", (z,), call("f", (z,), z.type))),
    ),
    "a generic function with statements": (
        "f: generic, with statements",
        lambda: module(function("f", (y,), z, body=(let(z, y + 1),), generic=True)),
    ),
    "a weight of another type": (
        "the weight K is stored as",
        lambda: module(function("f", (), weight("K", stored((7, 7))), takes_weights=True)),
    ),
    "a number that is no parameter": (
        "a number that is no parameter: s",
        lambda: module(function("f", (y,), y, numbers=(s,))),
    ),
    "a constant of two numbers": (
        "f: G is 1 and 2",
        lambda: module(function("f", (y,), constant(1, "G") * y + constant(2, "G"))),
    ),
    "a constant that is another number than the program's": (
        "f: FEATURES is 3 and 5",
        lambda: module(function("f", (y,), constant(5, "FEATURES") * y)),
    ),
    "a size of two numbers": (
        "f: M is 4 and 7",
        lambda: module(
            function(
                "f", (y,), *(build("pad", y, attributes=(Size(0), Size(m, "M"))) for m in (4, 7))
            )
        ),
    ),
    "targets of a call too few": (
        "g: z:",
        lambda: module(
            function("f", (y,), y, y),
            function("g", (y,), z, body=(Let((z,), Call("f", (y,))),)),
        ),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_module_that_is_not_well_formed_is_refused(name: str):
    message, make = BROKEN[name]
    with pytest.raises(InvalidModule, match=message):
        verify(make())


def test_well_formed_ones_are_left_as_they_are():
    made = scanned()
    assert verify(made) is made


def test_a_solver_is_verified():
    verify(solved())


def test_two_variables_of_one_name_are_two():
    """A function may call two values y; only a value that is bound twice is refused."""
    other = variable("y", columns((2,)))
    verify(module(function("f", (y,), other + y, body=(let(other, y * 2),))))


def test_builders_make_well_formed_modules():
    """Verified again from the front, over a sample of the grid."""
    for case in [case for case in structural() if allowed(case)][::11]:
        verify(case.compiled().module)
