"""The builders: every planted mistake is seen, by the literal networks or by a step's promise."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
import trees
from literal import differences
from specs import Case

from wellposed.compiler.builders import step
from wellposed.compiler.ir.expr import Expr
from wellposed.compiler.ir.module import Let
from wellposed.compiler.promises.checked import value_checked
from wellposed.compiler.violations import violations
from wellposed.spec.integrators import Integrator, RungeKutta, Tableau

Patch = pytest.MonkeyPatch
RUNGE_KUTTA = {k: m for k, m in Integrator.members().items() if issubclass(m, RungeKutta)}


def seen(case: Case) -> bool:
    """By the literal network: a slip of 1e-6 in anything that a network gives."""
    with value_checked(None):
        return max(differences(case).values()) > 1e-6


# --- tableaux ---------------------------------------------------------------------------------


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
def test_a_wrong_tableau_is_seen(name: str, monkeypatch: Patch):
    kind, wrong = name.split()[0], MOVED[name]
    assert wrong.order() == trees.order(wrong) < RUNGE_KUTTA[kind].order
    monkeypatch.setattr(RUNGE_KUTTA[kind], "tableau", wrong)
    assert seen(Case(integrator=kind))


@pytest.mark.parametrize("kind", RUNGE_KUTTA)
def test_the_order_by_rooted_trees_is_that_of_the_tableau(kind: str):
    tableau = RUNGE_KUTTA[kind].tableau
    assert trees.order(tableau) == tableau.order() == RUNGE_KUTTA[kind].order


# --- the lines of a step ----------------------------------------------------------------------

Method = step._Method


def _times_stand_still(self: Any, stage: Fraction) -> Expr:
    return self.t


def _start_everywhere(self: Any, block: str, stage: Fraction, states: dict[str, Expr]) -> Expr:
    """Every stage takes the weights of the start of the step."""
    return step.rhs(
        self.problem,
        block,
        self._time(stage),
        {n: states[n] for n in self.problem.blocks},
        self.layer.of(self.problem.layer_of(block), Fraction(0)),
    )


def _swapped(self: Any, block: str, stage: Fraction, states: dict[str, Expr]) -> Expr:
    """The weights of the middle and of the end of the step are swapped."""
    other = {Fraction(1, 2): Fraction(1), Fraction(1): Fraction(1, 2)}.get(stage, stage)
    return step.rhs(
        self.problem,
        block,
        self._time(stage),
        {n: states[n] for n in self.problem.blocks},
        self.layer.of(self.problem.layer_of(block), other),
    )


_combination, _splitting = step._combination, Method.splitting


def _last_left_out(H: Expr, factors: Any, terms: Any) -> Any:
    cut = len(factors) - (len(factors) == 4)
    return _combination(H, factors[:cut], terms[:cut])


def _drift_first(self: Any, method: Any, states: dict[str, Expr]) -> Any:
    backwards = type("Backwards", (), {"moves": method.moves[::-1]})
    return _splitting(self, backwards, states)


def _the_old_state(self: Any, method: Any, states: dict[str, Expr]) -> Any:
    """Every move takes the state from before the step."""
    body: list[Let] = []
    now = dict(states)
    for move in method.moves:
        for name, slope in self._slopes(move.half, move.at, states).items():
            change = step._scaled(self.H, move.by) * slope
            now[name] = step._bound(name, now[name] + change, body)
    return body, now


LINEAR = Case("one-block", integrator="rk4", mode="linear")
TIMED = Case("one-block", integrator="heun")
LEAPFROG = Case("second-order", integrator="leapfrog")
VERLET = Case("two-blocks", integrator="verlet")
WRONG_STEPS: dict[str, tuple[Case, Any, str, object]] = {
    "last stage left out": (Case(integrator="rk4"), step, "_combination", _last_left_out),
    "stages all from y": (Case(integrator="midpoint"), step, "_moved", lambda y, increment: y),
    "time stands still": (TIMED, Method, "_time", _times_stand_still),
    "weights of the start": (LINEAR, Method, "_rhs", _start_everywhere),
    "weights of middle and end swapped": (LINEAR, Method, "_rhs", _swapped),
    "2 h": (Case(), step, "_scaled", lambda H, factor: H * 2),
    "drift before kick": (LEAPFROG, Method, "splitting", _drift_first),
    "the old z": (VERLET, Method, "splitting", _the_old_state),
}


@pytest.mark.parametrize("name", WRONG_STEPS)
def test_a_wrong_step_breaks_its_promise(name: str, monkeypatch: Patch):
    case, owner, attribute, wrong = WRONG_STEPS[name]
    spec = case.spec()
    monkeypatch.setattr(owner, attribute, wrong)
    assert violations(spec)[0].pass_ == "step"
    assert seen(case)
