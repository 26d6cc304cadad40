"""Every operation has a row in every table: a missing one fails by its name."""

from __future__ import annotations

import pytest

from wellposed.backends.dialects import ARITHMETIC, COMMON, DIALECTS, NOT_PRINTED
from wellposed.compiler.evaluate import MEANING
from wellposed.compiler.ir.expr import ELEMENTWISE_FUNCTIONS, LEAVES, OPERATIONS, TYPE_RULES
from wellposed.compiler.ir.functions import BY_DEFINITION, DERIVATIVES, PUBLIC
from wellposed.compiler.passes.derive import NOT_DIFFERENTIATED, RULES

OPS = sorted(OPERATIONS - set(LEAVES))


@pytest.mark.parametrize("op", OPS)
def test_an_operation_has_a_type_a_meaning_a_derivative_and_two_texts(op: str) -> None:
    assert op in TYPE_RULES
    assert op in MEANING
    assert op in RULES or op in NOT_DIFFERENTIATED
    for dialect in DIALECTS.values():
        assert dialect.covers(op) or op in ARITHMETIC or op in NOT_PRINTED, dialect.name


def test_no_table_has_a_row_too_many() -> None:
    known = set(OPERATIONS) | {"full", "column"}
    assert set(MEANING) <= known
    assert set(RULES) <= known
    assert set(COMMON) <= known
    for dialect in DIALECTS.values():
        assert set(dialect.operations) <= known


def test_every_elementwise_function_has_a_derivative_as_text() -> None:
    assert set(DERIVATIVES) == set(ELEMENTWISE_FUNCTIONS)
    assert set(PUBLIC) <= {*ELEMENTWISE_FUNCTIONS, *BY_DEFINITION, "sum"}
