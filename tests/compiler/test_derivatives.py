"""Every rule of reverse differentiation: against the complex step, which has no cancellation.

Rows of the table of derivatives are in test_functions, softmax in test_softmax.
"""

from __future__ import annotations

import numpy as np
import pytest
from nodes import NODES, array, column, leaves, n, other, s, vector

from wellposed.compiler.evaluate import MEANING, evaluate
from wellposed.compiler.ir.expr import ELEMENTWISE_FUNCTIONS, LEAVES, TYPE_RULES, variable
from wellposed.compiler.passes import derive
from wellposed.compiler.passes.checked import value_checked

STRUCTURAL = sorted(NODES.keys() - {*ELEMENTWISE_FUNCTIONS, "softmax", "log_softmax"})


def test_every_operation_has_a_meaning_and_a_rule():
    assert set(MEANING) == set(TYPE_RULES) | set(LEAVES) - {"variable", "rate"}
    assert set(derive.RULES) | derive.NOT_DIFFERENTIATED == set(TYPE_RULES)
    assert set(NODES) == set(derive.RULES)


@pytest.mark.covers("gradient", by="op", of="operation")
@pytest.mark.parametrize("op", STRUCTURAL)
def test_the_rule_is_the_transpose_of_the_derivative(op: str):
    """⟨g, Im f(x + iεv)⟩ / ε = ⟨vjp, v⟩ for random g and v, for every operand, to 1e-14."""
    rng = np.random.default_rng(7)
    for node in NODES[op]:
        wrt = leaves(node)
        values = {str(v.attributes[0]): array(v, rng) for v in wrt}
        g = variable("g", node.shape, batched=node.type.batched, stacked=node.type.stacked)
        bar = rng.normal(size=evaluate(node, values).shape)
        for v, part in zip(wrt, derive.gradient(node, wrt, g), strict=True):
            name = str(v.attributes[0])
            step = rng.normal(size=values[name].shape)
            ahead = evaluate(node, values | {name: values[name] + 1e-30j * step})
            terms = bar * np.imag(ahead) / 1e-30
            pulled = np.zeros(()) if part is None else evaluate(part, values | {"g": bar})
            assert pulled.size <= step.size, (op, name)  # summed over what the operand lacks
            found = float((pulled * step).sum())
            size = max(np.abs(terms).sum(), np.abs(pulled * step).sum())
            assert abs(found - terms.sum()) <= 1e-14 * size, (op, name)


def test_a_wrong_rule_is_caught(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(derive.RULES, "sub", lambda node, g: (g, g))
    with value_checked(None), pytest.raises(AssertionError):
        test_the_rule_is_the_transpose_of_the_derivative("sub")


def test_a_sum_that_does_not_contain_a_variable_has_no_cotangent():
    assert derive.gradient(column + other, [vector], variable("g", (n,), batched=True)) == [None]


def test_cotangents_of_several_outputs_add_up():
    g, k = (variable(name, (n,), batched=True) for name in ("g", "k"))
    (found,) = derive.vjp([(column * 2, g), (column * 3, k), (column * 2, g)], [column])
    assert found is not None
    values = {name: np.full((n, s), v) for name, v in (("g", 1.0), ("k", 10.0), ("column", 0.0))}
    assert (evaluate(found, values) == 34).all()
