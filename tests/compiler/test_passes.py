"""Passes checked by value: no false alarm on the grid, and every planted bug caught by its name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from expressions import SCOPE
from nodes import NODES, leaves
from promises import caught
from specs import Case, all_pairs

from wellposed.checking.selftest import plant
from wellposed.compiler.front.load import examples, load
from wellposed.compiler.ir.elementary import DERIVATIVES
from wellposed.compiler.ir.expr import Expr, build, constant, variable
from wellposed.compiler.ir.module import Function
from wellposed.compiler.ir.operators import arrays
from wellposed.compiler.ir.types import Size
from wellposed.compiler.language import elaborate as elaboration
from wellposed.compiler.language.elaborate import elaborate
from wellposed.compiler.passes import adjoint, derive, materialize, prune, simplify
from wellposed.compiler.promises.checked import PassError, value_checked
from wellposed.compiler.violations import violations
from wellposed.spec.model import Spec

Patch = pytest.MonkeyPatch


@pytest.mark.parametrize("path", examples(), ids=lambda path: path.stem)
def test_the_examples_break_no_promise(path: Any):
    assert violations(load(path)) == []


@pytest.mark.parametrize("case", all_pairs()[::3], ids=str)
def test_the_grid_breaks_no_promise(case: Case):
    assert violations(case.spec()) == []


STEEP = {
    # a difference of the loss across a kink says nothing of its gradient
    "relu": {
        "state": 3,
        "vector_field": {"kind": "parabolic", "activation": "relu"},
        "time": {"horizon": 3.7, "steps": 4},
        "integrator": "rk4",
        "readout": {"kind": "classifier", "classes": 4},
    },
    # and this one is itself right to 1e-6 only
    "cubic": {
        "state": 2,
        "vector_field": {"kind": "hamiltonian", "activation": "cubic"},
        "time": {"horizon": 20, "steps": 3},
        "integrator": "verlet",
        "readout": "regression",
    },
}


def steep(name: str) -> Spec:
    task = "regression" if name == "cubic" else "classification"
    plain = {"wellposed": 1, "name": "net", "task": task, "model": STEEP[name]}
    return Spec.model_validate(plain)


@pytest.mark.parametrize("name", STEEP)
def test_the_gradient_of_a_steep_loss_keeps_its_promise(name: str):
    assert violations(steep(name)) == []


@pytest.mark.parametrize("name", STEEP)
def test_a_wrong_gradient_of_a_steep_loss_is_seen(name: str):
    place = "compiler.passes.reversed_scan:ReversedScan.statement"
    with plant.edited(place, "not scan.reverse", "scan.reverse"):
        assert [v.pass_ for v in violations(steep(name))] == ["adjoint"]


# --- laws of algebra --------------------------------------------------------------------------

BROADCAST = build("broadcast", SCOPE["r"], attributes=(Size(3),))
ONE = build("broadcast", SCOPE["r"], attributes=(Size(1),))
PLACED = {
    "w": BROADCAST,
    "one": ONE,
    "whole": build("pad", SCOPE["y"], attributes=(Size(0), Size(3))),
    "upper": build("pad", SCOPE["y"], attributes=(Size(1), Size(8))),
    "lower": build("pad", SCOPE["z"], attributes=(Size(4), Size(8))),
}
LAW_AT: dict[str, str] = {
    "_add_zero": "y + 0",
    "_add_negative": "y + (-z)",
    "_add_integers": "1 + 2",
    "_subtract_zero": "0 - y",
    "_subtract_negative": "y - (-z)",
    "_multiply_one": "1 * y",
    "_multiply_negative": "y * (-z)",
    "_multiply_constants": "y * 2",
    "_multiply_quotient": "2 * ((1 / 2) / z)",
    "_sinh_over_cosh": "y / cosh(z) * sinh(z)",
    "_reciprocal": "y * (1 / z)",
    "_times_quotient": "3 * (y / 3)",
    "_square": "y * y",
    "_plain_operand": "w + y",
    "_spread_last": "w * a",
    "_negative_spread": "-w",
    "_divide_one": "y / 1",
    "_divide_negative": "(-y) / z",
    "_divide_integers": "6 / 2",
    "_half_of_double": "(2 * y) / 2",
    "_double_negative": "-(-y)",
    "_power_one": "y ** 1",
    "_difference_of_constants": "3 - 1",
    "_double_transpose": "K.T.T",
    "_negative_operand": "K @ (-y)",
    "_sum_of_scalar": "sum(a)",
    "_component_of_stack": "[a, 2 * a][1]",
    "_component_of_spread": "w[1]",
    "_stack_of_stack": "concat(concat(y, a), z)",
    "_number_in_stack": "concat(one, y)",
    "_placed_whole": "whole",
    "_negative_placed": "-upper",
    "_placed_beside": "upper + lower",
}
"""An expression for every law to act on first; w is a number spread over a column,
`whole`, `upper` and `lower` are vectors among zeros."""


def test_every_law_has_an_expression():
    assert set(LAW_AT) == {law.__name__ for found in simplify.LAWS.values() for law in found}


def act(name: str) -> Expr:
    return simplify.simplify(elaborate(LAW_AT[name], {**SCOPE, **PLACED}, catalogue=True))


@pytest.mark.parametrize("name", LAW_AT)
def test_a_wrong_law_is_caught(name: str, monkeypatch: Patch):
    """The law's result twice over."""
    wrong = {}
    for op, laws in simplify.LAWS.items():
        wrong[op] = tuple(_twice(law) if law.__name__ == name else law for law in laws)
    monkeypatch.setattr(simplify, "LAWS", wrong)
    violation = caught(lambda: act(name))
    assert violation.pass_ == "simplify"
    assert violation.expression and violation.expression in str(violation)


def _twice(law: simplify.Law) -> simplify.Law:
    def wrong(e: Expr) -> Expr | None:
        better = law(e)
        if better is not None and better.op == "constant":
            return better * 2.5  # of a sum of numbers the law would act again
        return None if better is None else better + better

    wrong.__name__, wrong.__doc__ = law.__name__, law.__doc__
    return wrong


WRONG_LAWS: dict[str, tuple[str, simplify.Law, str]] = {
    "abs x = x": ("abs", lambda e: e.args[0], "abs(y - z - 3)"),
    "x − y = x + y": ("sub", lambda e: e.args[0] + e.args[1], "y - z"),
    "x / y = y / x": (
        "div",
        lambda e: e.args[1] / e.args[0] if e.args[0].op == "sum" else None,
        "sum(y) / a",
    ),
    "Kᵀ = K": ("transpose", lambda e: e.args[0], "K.T @ y"),
    "x² = x³": ("pow", lambda e: e.args[0] ** 3 if e.args[1] is constant(2) else None, "y ** 2"),
    "1 + 1 = 2 + 1e-9": ("add", lambda e: constant(2 + 1e-9), "1 + 1"),
    "A (x + y) = A x": (
        "matmul",
        lambda e: e.args[0] @ e.args[1].args[0] if e.args[1].op == "add" else None,
        "K @ (y + z)",
    ),
}


@pytest.mark.parametrize("name", WRONG_LAWS)
def test_a_law_that_does_not_hold_is_caught(name: str, monkeypatch: Patch):
    op, law, text = WRONG_LAWS[name]
    monkeypatch.setitem(simplify.LAWS, op, (law,))
    violation = caught(lambda: simplify.simplify(elaborate(text, SCOPE)))
    assert violation.pass_ == "simplify" and violation.error > 1e-10


def test_a_rewriting_that_loses_a_node_is_caught(monkeypatch: Patch):
    """All laws are right, and what walks over the expression is not."""
    monkeypatch.setattr(simplify, "rewrite", lambda root, rule: root.args[0] if root.args else root)
    violation = caught(lambda: simplify.simplify(elaborate("tanh(y) + z", SCOPE)))
    assert violation.pass_ == "simplify"


# --- elaboration ------------------------------------------------------------------------------


WRONG_WORDS: dict[str, tuple[str, object, str]] = {
    "yᵀ K is K y": (
        "_row_times",
        lambda left, right: elaboration._Row(right @ left.vector),
        "(y.T @ K).T",
    ),
    "yᵀ z is not summed": ("_row_times", lambda left, right: left.vector * right, "y.T @ z"),
    "− is +": ("_BINARY", elaboration._BINARY | {"-": "add"}, "tanh(y - z) * 2"),
    "/ the wrong way": ("_BINARY", elaboration._BINARY | {"/": "mul"}, "y / (1 + z ** 2)"),
    "a transpose lost": ("_transposed", lambda value: value, "K.T @ y"),
}


@pytest.mark.parametrize("name", WRONG_WORDS)
def test_a_wrong_elaboration_is_named(name: str, monkeypatch: Patch):
    function, wrong, text = WRONG_WORDS[name]
    monkeypatch.setattr(elaboration, function, wrong)
    violation = caught(lambda: elaborate(text, SCOPE))
    assert (violation.pass_, violation.expression) == ("elaborate", text)


# --- rules of differentiation -----------------------------------------------------------------


def differentiate(node: Expr) -> None:
    derive.gradient(node, leaves(node), variable("g", node.type))


@pytest.mark.parametrize("op", NODES)
def test_no_rule_breaks_its_promise(op: str):
    with value_checked():
        for node in NODES[op]:
            differentiate(node)


FLAT = {"sign", "heaviside"}
"""Their derivative is 0: twice of it is right."""


@pytest.mark.covers("planted bug", by="op", of="operation")
@pytest.mark.parametrize("op", sorted(NODES.keys() - set(DERIVATIVES)))
def test_a_wrong_rule_is_caught(op: str, monkeypatch: Patch):
    """Its cotangents twice over."""
    rule = derive.RULES[op]

    def wrong(node: Expr, g: Expr) -> tuple[Expr | None, ...]:
        return tuple(part if part is None else part + part for part in rule(node, g))

    monkeypatch.setitem(derive.RULES, op, wrong)
    violation = caught(lambda: differentiate(NODES[op][0]))
    assert violation.pass_ == "derive"


@pytest.mark.parametrize("name", DERIVATIVES)
def test_a_wrong_row_is_caught(name: str, monkeypatch: Patch):
    monkeypatch.setitem(DERIVATIVES, name, f"{DERIVATIVES[name]} + 1 / 100000")
    violation = caught(lambda: differentiate(NODES[name][0]))
    assert violation.pass_ == "derive"


def test_a_cotangent_that_is_lost_is_caught(monkeypatch: Patch):
    """All rules are right, and what collects their cotangents is not."""
    monkeypatch.setattr(derive, "unbroadcast", lambda g, to: g + g)
    violation = caught(lambda: differentiate(elaborate("y * z", SCOPE)))
    assert violation.pass_ == "derive"


def test_the_cotangents_of_all_uses_are_there(monkeypatch: Patch):
    product, y = elaborate("y * tanh(y)", SCOPE), SCOPE["y"]
    g = variable("g", product.type)
    (parts,) = derive.by_use([(product, g)], [y])
    assert len(parts) == 2
    monkeypatch.setattr(derive, "simplify", lambda part: part * 2)
    violation = caught(lambda: derive.by_use([(product, g)], [y]))
    assert violation.pass_ == "derive"


# --- modules ----------------------------------------------------------------------------------


def test_a_pass_over_modules_that_changes_a_value_is_caught(monkeypatch: Patch):
    monkeypatch.setattr(materialize, "arrays", lambda root: arrays(root) * 2)
    assert caught(Case().compiled).pass_ == "materialize"


def test_a_statement_that_is_lost_is_caught(monkeypatch: Patch):
    kept = prune.without_dead_statements
    monkeypatch.setattr(
        prune,
        "without_dead_statements",
        lambda f: _doubled(kept(f)) if f.name == "final_state" else kept(f),
    )
    assert caught(Case().compiled).pass_ == "prune"


def _doubled(function: Function) -> Function:
    (result,) = function.results
    return replace(function, results=(replace(result, value=result.value * 2),))


@pytest.mark.parametrize("name", ["_bar", "_back_through_scan"])
def test_an_adjoint_that_is_wrong_is_caught(name: str, monkeypatch: Patch):
    right = getattr(adjoint._Pullback, name)

    def wrong(self: Any, *args: Any) -> Any:
        """A cotangent twice over."""
        found = right(self, *args)
        if found is not None:
            return found * 2 if found.type.rank == 0 else found
        for bars in self.bars.values():
            bars[:] = [*bars, *bars]
        return None

    monkeypatch.setattr(adjoint._Pullback, name, wrong)
    violation = caught(lambda: adjoint.with_loss_gradient(Case().compiled().module))
    assert (violation.pass_, violation.expression) == ("adjoint", "loss")


# --- the switch -------------------------------------------------------------------------------


def test_violations_come_innermost_first(monkeypatch: Patch):
    monkeypatch.setitem(DERIVATIVES, "tanh", "1 + tanh(x) ** 2")
    found = violations(Case().spec())
    assert [v.pass_ for v in found][:1] == ["derive"]
    assert {v.pass_ for v in found} <= {"derive", "adjoint"}


def test_nothing_is_checked_where_the_switch_is_off(monkeypatch: Patch):
    monkeypatch.setitem(simplify.LAWS, "sub", (lambda e: build("add", *e.args),))
    with value_checked(None):
        assert simplify.simplify(elaborate("y - z", SCOPE)).op == "add"


def test_the_suite_has_the_switch_on(monkeypatch: Patch):
    monkeypatch.setitem(simplify.LAWS, "sub", (lambda e: build("add", *e.args),))
    with pytest.raises(PassError, match="y − z became y \\+ z"):
        simplify.simplify(elaborate("y - z", SCOPE))
