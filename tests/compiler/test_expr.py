"""Expressions: two that look the same are the same object, whoever makes them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from wellposed.compiler.ir.expr import Expr, constant, variable

THREADS, EXPRESSIONS = 8, 3000


@pytest.fixture
def often_switched() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-7)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("often_switched")
def test_threads_make_the_same_expressions():
    """A check compiles the programs of both frameworks in two threads of one process."""
    x, together = variable("x"), Barrier(THREADS)

    def made(_: int) -> list[Expr]:
        together.wait()
        return [x + constant(i) for i in range(EXPRESSIONS)]

    with ThreadPoolExecutor(THREADS) as pool:
        first, *others = pool.map(made, range(THREADS))
    assert all(a is b for other in others for a, b in zip(first, other, strict=True))
