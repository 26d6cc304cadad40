"""softmax, log softmax and their cotangents against mpmath, in all three programs.

p = e^{x − max} / Σ: half an ulp of x − max moves p by |x − max| half ulps of p. log softmax is
x − max − log Σ with Σ ≥ 1, so its error is one of 1 where Σ is near 1. Cotangents are sums with
both signs, g − p Σ g and p (g − Σ p g): 4 ulp of their terms.
"""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import printed
import pytest

from wellposed.compiler.ir.expr import Expr, build, variable
from wellposed.compiler.ir.types import columns
from wellposed.compiler.passes import derive
from wellposed.compiler.promises.checked import value_checked
from wellposed.compiler.semantics.evaluate import evaluate

Exact = Any
ULPS, EPSILON, TINY = 4, 2.0**-52, 2.0**-1022
X = np.array(
    [
        [0.0, 0.0, 0.0],
        [0.3, -1.2, 2.1],
        [1e-310, -1e-310, 0.0],
        [37.0, 0.0, -40.0],
        [700.0, -700.0, 699.0],
        [1000.0, 0.0, -1000.0],
        [1e30, 1e29, -1e30],
        [-745.0, -746.0, -744.0],
        [-3.0, 8.0, 8.0],
    ]
).T
G = np.random.default_rng(3).normal(size=X.shape)
ARGUMENT, SEED = (variable(name, columns((3,))) for name in ("x", "g"))
BACKENDS = ("numpy", *printed.BACKENDS)


def _shares(x: list[Exact]) -> tuple[list[Exact], list[Exact], Exact]:
    """p, x − max and log Σ e^{x − max}."""
    below = [v - max(x) for v in x]
    total = mpmath.fsum(map(mpmath.exp, below))
    return [mpmath.exp(b) / total for b in below], below, mpmath.log(total)


def exact(op: str, x: list[Exact], g: list[Exact] | None) -> list[tuple[Exact, Exact]]:
    """Every entry of the value (of its cotangent for g), and what 4 ulp are relative to."""
    p, below, log_total = _shares(x)
    sizes = [a * (1 + abs(b)) for a, b in zip(p, below, strict=True)]
    if g is None and op == "softmax":
        return list(zip(p, sizes, strict=True))
    if g is None:
        return [(b - log_total, 1 + abs(b)) for b in below]
    total, spread = mpmath.fsum(g), mpmath.fsum(map(abs, g))
    if op == "log_softmax":
        return [(a - b * total, abs(a) + s * spread) for a, b, s in zip(g, p, sizes, strict=True)]
    mean = mpmath.fsum(a * b for a, b in zip(p, g, strict=True))
    size = mpmath.fsum(s * abs(b) for s, b in zip(sizes, g, strict=True))
    return [(b * (a - mean), s * (abs(a) + size)) for a, b, s in zip(g, p, sizes, strict=True)]


def check(op: str, found: np.ndarray, g: np.ndarray | None) -> None:
    with mpmath.workdps(50):
        for column in range(X.shape[1]):
            x, seeds = (
                None if a is None else [mpmath.mpf(float(v)) for v in a[:, column]] for a in (X, g)
            )
            assert x is not None
            for y, (right, size) in zip(found[:, column], exact(op, x, seeds), strict=True):
                allowed = ULPS * EPSILON * size + TINY
                assert np.isfinite(y) and abs(mpmath.mpf(float(y)) - right) <= allowed, (
                    X[:, column],
                    y,
                )


@pytest.mark.covers("value", "torch", "jax", "float64", by="op", of="operation")
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_values(backend: str, op: str):
    e = build(op, ARGUMENT)
    found = (
        evaluate(e, {ARGUMENT: X}) if backend == "numpy" else printed.value(backend, e, ARGUMENT, X)
    )
    check(op, found, None)


@pytest.mark.covers("gradient", by="op", of="operation")
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_cotangents(backend: str, op: str):
    check(op, cotangents(backend, op), G)


def cotangents(backend: str, op: str) -> np.ndarray:
    e = build(op, ARGUMENT)
    if backend != "numpy":
        return printed.vjp(backend, e, ARGUMENT, X, G)
    (part,) = derive.gradient(e, [ARGUMENT], SEED)
    assert part is not None
    return evaluate(part, {ARGUMENT: X, SEED: G})


@pytest.mark.covers("wrong derivative", by="op", of="operation")
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_a_wrong_rule_is_caught(op: str, monkeypatch: pytest.MonkeyPatch):
    """By 16 ulp of a cotangent."""
    rule = derive.RULES[op]

    def wrong(node: Expr, g: Expr) -> tuple[Expr]:
        (part,) = rule(node, g)
        assert part is not None
        return (part * (1 + 3.6e-15),)

    monkeypatch.setitem(derive.RULES, op, wrong)
    with value_checked(None), pytest.raises(AssertionError):
        check(op, cotangents("numpy", op), G)
