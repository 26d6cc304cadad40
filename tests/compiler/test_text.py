"""Formulas as a reader takes them: what stands beside what, and how far a Σ or a / reaches."""

from __future__ import annotations

import pytest

from wellposed.compiler.ir.expr import Expr, variable
from wellposed.compiler.ir.operators import as_operator
from wellposed.compiler.ir.text import equations, mathematics
from wellposed.compiler.ir.types import columns, stored
from wellposed.compiler.language.elaborate import elaborate

SCOPE: dict[str, Expr] = {
    "y": variable("y", columns((3,))),
    "a": variable("a", columns((), batch=False)),
    "K": as_operator(variable("K", stored((3, 3)))),
}


def formula(text: str) -> str:
    return mathematics(elaborate(text, SCOPE))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2 * 0.5 * y", "2 · 0.5 y"),
        ("2 * 3**2 * y", "2 · 3² y"),
        ("2**2 * 3 * y", "2² · 3 y"),
        ("2 * (3 / 2) * y", "2 (3 / 2) y"),
        ("-2 * 3 * y", "−2 · 3 y"),
        ("2 * y * 3", "2 y 3"),
        ("a * 2 * 3", "a 2 · 3"),
        ("2 * y / 2", "½ (2 y)"),
        ("2 * (1 / 2) * y", "2 · ½ y"),
    ],
)
def test_two_numbers_do_not_run_together(text: str, written: str):
    assert formula(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("sum(y) * y", "(Σ y) y"),
        ("-sum(y) * y", "(−Σ y) y"),
        ("y * sum(y)", "y (Σ y)"),
        ("sum(y) + 1", "Σ y + 1"),
        ("1 - sum(y)", "1 − Σ y"),
        ("sum(y * y)", "Σ (y ⊙ y)"),
        ("sum(y) * sum(y)", "(Σ y) (Σ y)"),
        ("2 * sum(y) * y", "2 (Σ y) y"),
        ("sum(y) / 3", "Σ y / 3"),
        ("sum(y) / 2", "½ (Σ y)"),
    ],
)
def test_a_sum_reaches_no_farther_than_it_is_written(text: str, written: str):
    assert formula(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1 / sum(y) * y", "(1 / (Σ y)) y"),
        ("1 / 3 * y", "(1 / 3) y"),
        ("-(1 / a) * y", "(−1 / a) y"),
        ("y / a * y", "(y / a) ⊙ y"),
        ("K / 3 @ y", "(K / 3) y"),
        ("y * a / 3", "y a / 3"),
        ("y / a / 3", "y / a / 3"),
        ("y / (3 * a)", "y / (3 a)"),
        ("1 + y / a", "1 + y / a"),
        ("1 - y / a", "1 − y / a"),
        ("y / 2 * a", "½ y a"),
    ],
)
def test_a_quotient_reaches_no_farther_than_it_is_written(text: str, written: str):
    assert formula(text) == written


def test_a_product_by_entries_is_one_factor():
    assert formula("(K * K) @ y") == "(K ⊙ K) y"
    assert formula("(2 * K) @ y") == "2 K y"


def test_a_vector_of_which_matrices_are_read_is_written_once():
    field = elaborate(
        "matrix(slice(K @ b, 0, 2), 1, 2).T @ (sum(y) * slice(K @ b, 2, 3))",
        {**SCOPE, "b": variable("b", columns((3,), batch=False))},
        catalogue=True,
    )
    assert equations({"y": field}) == ["y' = mat(p[0:2])ᵀ ((Σ y) p[2:3]), p = K b"]
