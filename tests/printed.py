"""Expressions of one variable x as the backends print them, run and differentiated by each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wellposed.backends.dialects import DIALECTS
from wellposed.backends.printer import Printer
from wellposed.compiler.ir.expr import Expr

Array = np.ndarray


def _function(backend: str, e: Expr, scope: dict[str, Any]) -> Callable[[Any], Any]:
    lines = Printer(DIALECTS[backend], "x").lines(e)
    found: dict[str, Any] = {}
    exec("\n".join(["def f(x):", *lines]), scope | {"math": math}, found)
    return found["f"]


def value(backend: str, e: Expr, x: Array) -> Array:
    """e(x) in float64."""
    return _RUN[backend](e, x, None)


def vjp(backend: str, e: Expr, x: Array, g: Array) -> Array:
    """gᵀ ∂e/∂x by the framework's own differentiation."""
    return _RUN[backend](e, x, g)


def _torch(e: Expr, x: Array, g: Array | None) -> Array:
    torch = pytest.importorskip("torch")
    f = _function("torch", e, {"torch": torch, "F": torch.nn.functional})
    argument = torch.tensor(x, requires_grad=True)
    result = f(argument)
    if g is None:
        return np.asarray(result.detach() if torch.is_tensor(result) else result)
    (found,) = torch.autograd.grad(result, argument, torch.tensor(g))
    return found.numpy()


def _jax(e: Expr, x: Array, g: Array | None) -> Array:
    jax = pytest.importorskip("jax")
    f = _function("jax", e, {"jax": jax, "jnp": jax.numpy})
    with jax.enable_x64(True):
        if g is None:
            return np.asarray(jax.jit(f)(x))
        pulled = jax.jit(lambda x, g: jax.vjp(f, x)[1](g)[0])
        return np.asarray(pulled(x, g))


_RUN: dict[str, Callable[[Expr, Array, Array | None], Array]] = {"torch": _torch, "jax": _jax}
