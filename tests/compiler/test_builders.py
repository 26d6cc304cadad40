"""The builders: every planted mistake is seen, by the literal networks or by a step's promise.

Mistakes are planted in the builder (a tableau, the lines of a step) and in what it builds: each
operation of each function of the module is changed, one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import count
from typing import Any

import numpy as np
import pytest
import trees
from exchanges import exchanges
from literal import Oracle, differences
from shapes import SHAPES
from specs import Case, sample

from wellposed.checking.selftest.mutations import CHANGES, OTHERS, Mutation
from wellposed.compiler.builders import step
from wellposed.compiler.builders.layer import layer_of
from wellposed.compiler.ir.expr import Expr
from wellposed.compiler.ir.module import Let, Module
from wellposed.compiler.ir.verify import InvalidModule, verify
from wellposed.compiler.promises.checked import value_checked
from wellposed.compiler.violations import violations
from wellposed.spec.integrators import Integrator, RungeKutta, Tableau
from wellposed.spec.model import Spec

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


def _start_everywhere(
    self: Any, block: str, stage: Fraction, states: dict[str, Expr], slopes: Any = None
) -> Expr:
    """Every stage takes the weights of the start of the step."""
    return step.rhs(
        self.problem,
        block,
        self._time(stage),
        {n: states[n] for n in self.problem.blocks},
        self.layer.of(self.problem.layer_of(block), Fraction(0)),
        slopes=slopes,
    )


def _swapped(
    self: Any, block: str, stage: Fraction, states: dict[str, Expr], slopes: Any = None
) -> Expr:
    """The weights of the middle and of the end of the step are swapped."""
    other = {Fraction(1, 2): Fraction(1), Fraction(1): Fraction(1, 2)}.get(stage, stage)
    return step.rhs(
        self.problem,
        block,
        self._time(stage),
        {n: states[n] for n in self.problem.blocks},
        self.layer.of(self.problem.layer_of(block), other),
        slopes=slopes,
    )


_combination, _splitting = step._combination, Method.splitting


def _last_left_out(H: Expr, factors: Any, terms: Any) -> Any:
    cut = len(factors) - (len(factors) == 4)
    return _combination(H, factors[:cut], terms[:cut])


def _drift_first(self: Any, method: Any, states: dict[str, Expr]) -> Any:
    backwards: Any = type("Backwards", (), {"moves": method.moves[::-1]})
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
    "stages all from y": (Case(integrator="midpoint"), Method, "moved", lambda self, y, by: y),
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


def test_weights_are_taken_where_the_mode_says_and_nowhere_else():
    linear, steps = LINEAR.problem(), TIMED.problem()
    at_stages, at_start = layer_of(linear), layer_of(steps)
    third = Fraction(1, 3)
    with pytest.raises(KeyError):
        at_stages.of(linear.layer, third)
    assert at_start.of(steps.layer, third) == at_start.of(steps.layer, Fraction(0))


# --- mutants of modules -----------------------------------------------------------------------

MUTANTS = 20
"""Mutants of each shape in the suite; with `--all-grids` every one."""
SYMMETRIC = "equivalent mutant: −Cᵀ C is its own transpose"
ALIKE = "equivalent mutant: all steps are alike"
UNUSED = "equivalent mutant: logits need y(T), and no other block of the end"
NUMBER = "equivalent mutant: the time is the same number, of Python or of a framework"
TIMELESS = "equivalent mutant: only q depends on time, and y does not depend on q"
K_TRANSPOSED = Mutation("dy_dt", "a transpose", 0)
REVERSED = Mutation("final_state", "steps in reverse", 0)
OTHER_BLOCK = Mutation("final_state", "a stale value", 1)
TIME = Mutation("vector_field", "a stale value", 0)
EQUIVALENT: dict[str, dict[Mutation, str]] = {
    "shared-layer": {K_TRANSPOSED: SYMMETRIC, REVERSED: ALIKE},
    "shared-mlp": {TIME: NUMBER},
    "shared-planar": {TIME: NUMBER},
    "linear-mlp": {TIME: NUMBER},
    "linear-blocks": {OTHER_BLOCK: UNUSED},
    "verlet-hamiltonian": {OTHER_BLOCK: UNUSED},
    "verlet-linear": {OTHER_BLOCK: UNUSED},
    "leapfrog-steps": {
        Mutation("d2y_dt2", "a transpose", 0): SYMMETRIC,
        OTHER_BLOCK: UNUSED,
    },
    "leapfrog-shared": {OTHER_BLOCK: UNUSED, REVERSED: ALIKE},
    "custom-blocks": {K_TRANSPOSED: SYMMETRIC, OTHER_BLOCK: UNUSED, TIME: NUMBER},
    "pendulum": {OTHER_BLOCK: UNUSED},
    "verlet-kicks": {OTHER_BLOCK: UNUSED},
    "own-times": {OTHER_BLOCK: UNUSED},
    "pendulum-kicks": {REVERSED: ALIKE, OTHER_BLOCK: UNUSED},
    "learned-energy": {
        OTHER_BLOCK: UNUSED,
        Mutation("weights_at", "another entry", 5): "a constant of the energy moves nothing",
    },
    "field-alone": {
        Mutation("final_state", "another number", 0): TIMELESS,
        OTHER_BLOCK: UNUSED,
        Mutation("final_state", "a stale value", 2): UNUSED,
    },
    "no-weights": {TIME: NUMBER},
}
"""Mutants that compute the same for all inputs, by shape; every other one is seen."""


@cache
def oracle(shape: str) -> Oracle:
    return Oracle(Spec.model_validate(SHAPES[shape]))


def mutants(module: Module) -> Iterator[Mutation]:
    """Every place of every function with every mutation that applies there."""
    for function in module.functions:
        for name in (*CHANGES, *OTHERS):
            numbered = (Mutation(function, name, number) for number in count())
            for mutation in numbered:
                if mutation.of(module) is module:
                    break
                yield mutation


def is_seen(shape: str, wrong: Module) -> bool:
    """By the verifier, by the run that breaks, or by other numbers."""
    try:
        verify(wrong)
        with np.errstate(all="ignore"):
            return max(oracle(shape).differences(wrong).values()) > 1e-6
    except (InvalidModule, ValueError, IndexError, TypeError):
        return True


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mutant_is_seen(shape: str, all_grids: bool):
    module, equivalent = oracle(shape).module, EQUIVALENT.get(shape, {})
    found = list(mutants(module))
    chosen = found if all_grids else [*sample(found, MUTANTS), *equivalent]
    unseen = {mutation for mutation in chosen if not is_seen(shape, mutation.of(module))}
    assert unseen == set(equivalent)
    assert set(equivalent) <= set(found)


UNREAD_EXCHANGES = {("field-alone", "given: A_start and A_mid")}
"""In `final_state`, whose y does not depend on q; A is in q' alone."""


@pytest.mark.parametrize("shape", SHAPES)
def test_an_exchange_is_seen(shape: str):
    module = oracle(shape).module
    unseen = {
        (shape, what)
        for function in module.functions.values()
        for what, wrong in exchanges(function)
        if not is_seen(shape, module.with_functions({**module.functions, wrong.name: wrong}))
    }
    assert unseen == {pair for pair in UNREAD_EXCHANGES if pair[0] == shape}


def test_a_mutant_of_a_place_that_no_input_reaches_is_not_seen():
    """An oracle that is not asked for the vector field at other times misses a mutant."""
    module, narrow = oracle("linear-mlp").module, Oracle(Spec.model_validate(SHAPES["linear-mlp"]))
    narrow.expected = {n: v for n, v in narrow.expected.items() if "vector_field" not in n}
    wrong = Mutation("weights_at", "another sign", 0).of(module)
    assert is_seen("linear-mlp", wrong)
    assert max(narrow.differences(wrong).values()) < 1e-12
