"""Every rule of reverse differentiation: against the complex step, which has no cancellation.

Rows of the table of derivatives are in test_functions, softmax in test_softmax.
"""

from __future__ import annotations

import numpy as np
import pytest
from nodes import NODES, OPERATORS, array, column, leaves, n, other, row, s, vector
from specs import Case

import wellposed
from wellposed.compiler.ir.expr import Expr, build, variable
from wellposed.compiler.ir.operations import ELEMENTWISE_FUNCTIONS
from wellposed.compiler.ir.operators import arrays
from wellposed.compiler.ir.types import ShapeError, Size, columns
from wellposed.compiler.passes import derive
from wellposed.compiler.promises.checked import value_checked
from wellposed.compiler.semantics.evaluate import evaluate

PROBABILITIES = build("class_probabilities", row, attributes=(Size(n),))
"""Those of the targets, which are given and pass through."""
DIFFERENTIATED = NODES | {"class_probabilities": [PROBABILITIES]}
STRUCTURAL = sorted(DIFFERENTIATED.keys() - {*ELEMENTWISE_FUNCTIONS, "softmax", "log_softmax"})


def worst(node: Expr) -> float:
    """|⟨g, Im f(x + iεv)⟩ / ε − ⟨vjp, v⟩| over the terms, for random g and v, over all operands."""
    rng = np.random.default_rng(7)
    wrt = leaves(node)
    values = {v: array(v, rng) for v in wrt}
    g = variable("g", node.type)
    bar = rng.normal(size=evaluate(node, values).shape)
    found = [0.0]
    for v, part in zip(wrt, derive.gradient(node, wrt, g), strict=True):
        step = rng.normal(size=values[v].shape)
        ahead = evaluate(node, values | {v: values[v] + 1e-30j * step})
        terms = bar * np.imag(ahead) / 1e-30
        pulled = np.zeros(()) if part is None else evaluate(part, values | {g: bar})
        assert pulled.size <= step.size, v.name  # summed over what the operand lacks
        size = max(np.abs(terms).sum(), np.abs(pulled * step).sum()) or 1.0
        found.append(abs(float((pulled * step).sum()) - terms.sum()) / size)
    return max(found)


@pytest.mark.covers("gradient", by="op", of="operation")
@pytest.mark.parametrize("op", STRUCTURAL)
def test_the_rule_is_the_transpose_of_the_derivative(op: str):
    assert max(map(worst, DIFFERENTIATED[op])) <= 1e-14


@pytest.mark.parametrize("name", OPERATORS)
def test_of_operators_the_state_is_differentiated(name: str):
    """With respect to what they are applied to; with their arrays, the matrices too."""
    applied = OPERATORS[name]
    rng = np.random.default_rng(3)
    wrt = [v for v in leaves(applied) if v.name in ("column", "vector")]
    values = {v: array(v, rng) for v in leaves(applied)}
    g = variable("g", applied.type)
    bar = rng.normal(size=evaluate(applied, values).shape)
    (found,) = derive.gradient(applied, wrt, g)
    (expected,) = derive.gradient(arrays(applied), wrt, g)
    assert found is not None and expected is not None
    by_operator, by_array = (evaluate(e, {**values, g: bar}) for e in (found, expected))
    np.testing.assert_array_equal(by_operator, by_array)
    assert worst(arrays(applied)) <= 1e-14


def test_every_rule_has_a_node():
    assert set(DIFFERENTIATED) == set(derive.RULES)


def is_seen(op: str) -> bool:
    """Does a rule give other numbers than the complex step, or break?"""
    try:
        with value_checked(None):
            return max(map(worst, DIFFERENTIATED[op])) > 1e-3
    except (ShapeError, ValueError, LookupError, TypeError, AttributeError, AssertionError):
        return True


SAME: dict[str, set[str]] = {
    # what an operand lacks is summed and what it has more is spread, whatever the rule says of it
    "broadcast": {"sum", "inner_sum", "class_probabilities", "reduce", "total", "filled"},
    "sum": {"broadcast", "inner_sum", "class_probabilities", "reduce", "total", "filled"},
    "total": {"broadcast", "class_probabilities", "filled", "column", "uncolumn"},
    "reduce": {"class_probabilities", "filled"},
    "row_sums": {"sum", "inner_sum", "class_probabilities", "concat"},
    "inner_sum": {"sum"},
    # one part alone, and one entry that is left
    "class_probabilities": {"concat", "reduce", "total", "filled"},
    "rest": {"last"},
}
"""Rules of others that give the same on the nodes of an operation."""


@pytest.mark.covers("wrong derivative", by="op", of="operation")
@pytest.mark.parametrize("op", STRUCTURAL)
def test_the_rule_of_another_operation_is_seen(op: str, monkeypatch: pytest.MonkeyPatch):
    rules, unseen = dict(derive.RULES), set[str]()
    for another, rule in rules.items():
        monkeypatch.setitem(derive.RULES, op, rule)
        unseen |= set() if rule is rules[op] or is_seen(op) else {another}
    assert unseen == SAME.get(op, set())


@pytest.mark.parametrize("op", STRUCTURAL)
@pytest.mark.parametrize("lost", [False, True], ids=["the other sign", "lost"])
def test_a_wrong_cotangent_is_seen(op: str, lost: bool, monkeypatch: pytest.MonkeyPatch):
    """Of every operand that has one."""
    rule = derive.RULES[op]
    (has_one,) = {
        tuple(part is not None for part in rule(node, variable("g", node.type)))
        for node in DIFFERENTIATED[op]
        if node.op == op
    }
    for at in (i for i, has in enumerate(has_one) if has):

        def wrong(node: Expr, g: Expr, at: int = at) -> tuple[Expr | None, ...]:
            return tuple(
                (None if lost else -part) if i == at and part is not None else part
                for i, part in enumerate(rule(node, g))
            )

        monkeypatch.setitem(derive.RULES, op, wrong)
        assert is_seen(op), f"operand {at}"


def test_a_sum_that_does_not_contain_a_variable_has_no_cotangent():
    assert derive.gradient(column + other, [vector], variable("g", columns((n,)))) == [None]


def test_cotangents_of_several_outputs_add_up():
    g, k = (variable(name, columns((n,))) for name in ("g", "k"))
    (found,) = derive.vjp([(column * 2, g), (column * 3, k), (column * 2, g)], [column])
    assert found is not None
    values = {v: np.full((n, s), number) for v, number in ((g, 1.0), (k, 10.0), (column, 0.0))}
    assert (evaluate(found, values) == 34).all()


BASES = [2.0, 1.0, 0.0, 0.5, 1e-300]
"""At 0 the slope by the exponent is xᵖ log x = 0 · −∞, whose limit is 0."""


def test_the_slope_of_a_power_by_its_exponent_is_that_of_torch_where_the_base_is_zero():
    torch = pytest.importorskip("torch")
    x, p = variable("x", columns((len(BASES),), batch=False)), variable("p")
    for power, exponent in ((x**p, 1.5), (x**p, 0.5), (build("abs", x) ** p, 3.0)):
        (found,) = derive.by_use([(power, x)], [p])
        values = {x: np.array(BASES)[:, None], p: np.asarray(exponent)}
        bases = torch.tensor(BASES, dtype=torch.float64)
        by = torch.tensor(exponent, dtype=torch.float64, requires_grad=True)
        (bases * bases.abs() ** by).sum().backward()
        (whole,) = found
        np.testing.assert_allclose(evaluate(whole, values), by.grad, rtol=1e-14)


@pytest.mark.parametrize("text", ["abs(y) ** b", "y ** b * 0.5 ** b"])
def test_so_are_the_gradients_of_networks(text: str):
    """The state of the first step has a component that is exactly 0."""
    field = {"kind": "custom", "weights": {"b": {"shape": []}}, "equations": {"y": text}}
    spec = Case("one-block", integrator="euler").spec(
        vector_field=field, initializers={"b": {"kind": "constant", "value": 1.5}}
    )
    x, targets = np.array([[1.0, 0.0, 2.0]]), np.array([1])
    reference = wellposed.compile(spec, "numpy")
    weights = reference.init()
    expected = reference.gradient(weights, x, targets)["b"]
    assert np.isfinite(expected).all()
    for backend in ("torch", "jax"):
        pytest.importorskip(backend)
        found = wellposed.compile(spec, backend).gradient(weights, x, targets)["b"]
        np.testing.assert_allclose(found, expected, rtol=1e-12)
