"""Discretization, inlining and stacking checked by value: every planted bug caught by its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from promises import caught
from specs import Case

from wellposed.compiler.ir.expr import Expr, constant, substitute, variable
from wellposed.compiler.ir.program import END, MID, START, Program, Step, Update
from wellposed.compiler.passes import discretize, inline, literal, stack
from wellposed.compiler.passes.checked import value_checked
from wellposed.compiler.verify import violations
from wellposed.spec.integrators import Integrator, RungeKutta, Tableau

Patch = pytest.MonkeyPatch
RUNGE_KUTTA = {k: m for k, m in Integrator.members().items() if issubclass(m, RungeKutta)}
BLOCKS = {"y": 3, "z": 2}


def moved_tableaux() -> Iterator[tuple[str, Tableau]]:
    """Every tableau with one of its numbers moved: of b two, lest they do not sum to 1."""
    for kind, member in RUNGE_KUTTA.items():
        given, by = member.tableau, Fraction(1, 97)
        for i, row in enumerate(given.a):
            for j in range(len(row)):
                moved = tuple(a + by * (k == j) for k, a in enumerate(row))
                yield f"{kind} a{i}{j}", Tableau((*given.a[:i], moved, *given.a[i + 1 :]), given.b)
        for i in range(1, len(given.b)):
            b = tuple(x + by * ((k == i) - (k == 0)) for k, x in enumerate(given.b))
            yield f"{kind} b{i}", Tableau(given.a, b)


MOVED = dict(moved_tableaux())


@pytest.mark.parametrize("name", MOVED)
def test_a_wrong_tableau_is_named(name: str, monkeypatch: Patch):
    kind, wrong = name.split()[0], MOVED[name]
    monkeypatch.setattr(RUNGE_KUTTA[kind], "tableau", wrong)
    monkeypatch.setattr(discretize, "NODE_AT", dict.fromkeys(wrong.c, START))
    violation = caught(lambda: discretize.discretize(RUNGE_KUTTA[kind](), BLOCKS, 0.1))
    assert (violation.pass_, violation.law) == ("discretize", kind)
    assert "order" in violation.expression


@pytest.mark.parametrize("kind", RUNGE_KUTTA)
def test_the_order_by_rooted_trees_is_that_of_the_tableau(kind: str):
    tableau = RUNGE_KUTTA[kind].tableau
    assert literal.order(tableau) == tableau.order() == RUNGE_KUTTA[kind].order


_combination, _time = discretize._combination, discretize._time
_verlet, _leapfrog = discretize._verlet, discretize._leapfrog


def _late(y: Expr, H: Expr) -> Step:
    """The drift before the kick."""
    step = _leapfrog(y, H)
    return replace(step, lines=step.lines[::-1])


def _whole_start(y: Expr, H: Expr) -> Step:
    """v_{−½} = −h f₀ instead of −(h/2) f₀."""
    step = _leapfrog(y, H)
    return replace(step, start=tuple(Update(u.name, u.value * 2) for u in step.start))


def _wrong_way(states: dict[str, Expr], H: Expr) -> Step:
    """The drift with the z of before the kick."""
    step = _verlet(states, H)
    return replace(step, lines=step.lines[::-1])


WRONG_METHODS: dict[str, tuple[str, str, object]] = {
    "last stage left out": (
        "rk4",
        "_combination",
        lambda H, factors, terms: _combination(
            H,
            factors[: len(factors) - (len(factors) == 4)],
            terms[: len(terms) - (len(factors) == 4)],
        ),
    ),
    "stages all from y": ("midpoint", "_moved", lambda y, increment: y),
    "all stages at t": ("heun", "_time", lambda c, H: variable("t")),
    "stages at t + 2 c h": ("rk4", "_time", lambda c, H: _time(2 * c, H)),
    "weights of the start": (
        "rk4",
        "NODE_AT",
        {Fraction(0): START, Fraction(1, 2): START, Fraction(1): START},
    ),
    "weights of mid and end swapped": (
        "rk4",
        "NODE_AT",
        {Fraction(0): START, Fraction(1, 2): END, Fraction(1): MID},
    ),
    "2 h": ("euler", "_scaled", lambda H, factor: H * 2),
    "drift before kick": ("leapfrog", "_leapfrog", _late),
    "a whole step at the start": ("leapfrog", "_leapfrog", _whole_start),
    "the old z": ("verlet", "_verlet", _wrong_way),
}


@pytest.mark.parametrize("name", WRONG_METHODS)
def test_a_wrong_method_is_named(name: str, monkeypatch: Patch):
    kind, function, wrong = WRONG_METHODS[name]
    blocks = {"y": 3} if kind == "leapfrog" else BLOCKS
    monkeypatch.setattr(discretize, function, wrong)
    integrator = Integrator.members()[kind]()
    violation = caught(lambda: discretize.discretize(integrator, blocks, 0.1))
    assert (violation.pass_, violation.law) == ("discretize", kind)


@pytest.mark.parametrize("kind", Integrator.members())
def test_the_literal_methods_agree_with_the_lines(kind: str):
    with value_checked():
        for blocks in ({"y": 3}, BLOCKS) if kind != "leapfrog" else ({"y": 3},):
            discretize.discretize(Integrator.members()[kind](), blocks, 0.25)


# --- programs ---------------------------------------------------------------------------------

LINEAR = Case("one-block", integrator="rk4", mode="linear")
_right_hand_side, _at_node = inline._right_hand_side, stack._at_node


def _start_everywhere(program: Program, rate: Expr) -> Expr:
    """Inlining that takes the weights of the start of the step everywhere."""
    names = {
        f"{o.name}_{node}": variable(f"{o.name}_{START}", o.variable.shape)
        for o in program.operands
        for node in (MID, END)
    }
    return substitute(_right_hand_side(program, rate), names)


def _time_stands_still(program: Program, rate: Expr) -> Expr:
    return substitute(_right_hand_side(program, rate), {"t": constant(0)})


WRONG_PROGRAMS: dict[str, tuple[Case, Any, str, object, tuple[str, str]]] = {
    "weights of the start": (LINEAR, inline, "_right_hand_side", _start_everywhere, ("inline", "")),
    "time stands still": (LINEAR, inline, "_right_hand_side", _time_stands_still, ("inline", "")),
    "lines not substituted": (
        LINEAR,
        inline,
        "substitute",
        lambda e, values: substitute(
            e,
            {n: v for n, v in values.items() if n != "k3"} | {"k3": values["k2"]}
            if "k3" in values
            else values,
        ),
        ("inline", ""),
    ),
    "end for mid": (
        LINEAR,
        stack,
        "_at_node",
        lambda p, raw, node: _at_node(p, raw, END if node == MID else node),
        ("stack", MID),
    ),
    "head for tail": (
        LINEAR,
        stack,
        "_at_node",
        lambda p, raw, node: _at_node(p, raw, START if node == END else node),
        ("stack", END),
    ),
}


@pytest.mark.parametrize("name", WRONG_PROGRAMS)
def test_a_wrong_program_is_named(name: str, monkeypatch: Patch):
    case, module, function, wrong, expected = WRONG_PROGRAMS[name]
    spec = case.spec()
    monkeypatch.setattr(module, function, wrong)
    first = violations(spec)[0]
    assert (first.pass_, first.law) == expected
