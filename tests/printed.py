"""Expressions as the backends print them: as a function, which each runs and differentiates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from wellposed.backends.functions import FunctionPrinter
from wellposed.backends.jax_program import JaxProgram
from wellposed.backends.torch_program import TorchProgram
from wellposed.compiler.ir.expr import Expr
from wellposed.compiler.ir.header import Header
from wellposed.compiler.ir.module import Function, Module, Result, Role, Signature
from wellposed.compiler.ir.verify import verify

Array = np.ndarray
PRINTERS = {"torch": TorchProgram, "jax": JaxProgram}
BACKENDS = tuple(PRINTERS)


def function_of(params: Sequence[Expr], *values: Expr, name: str = "f") -> Function:
    """A function of these variables that gives these values."""
    results = tuple(Result(f"r{i}", value) for i, value in enumerate(values))
    return Function(name, Role.FIELD, tuple(params), results, doc=("It is printed.",))


def module_of(*functions: Function, names: Iterable[str] = ()) -> Module:
    """A module of these functions alone."""
    module = Module(
        name="case",
        dtype="float64",
        seed=0,
        steps=4,
        h=0.25,
        horizon=1.0,
        signature=Signature(3, {"y": 3}, 3, False),
        constants=(),
        weights=(),
        functions={f.name: f for f in functions},
        public=(),
        header=Header("case", (), "nothing"),
        names=frozenset(names),
    )
    return verify(module)


def lines(backend: str, function: Function, *others: Function) -> list[str]:
    """The statements of a function, its head and documentation left out."""
    module = module_of(*others, function, names={p.name for p in function.params})
    found = FunctionPrinter(PRINTERS[backend](module), function, 0).run()
    return found[2:]


def text(backend: str, e: Expr, params: Sequence[Expr]) -> str:
    """The expression as it stands behind `return`."""
    *_, last = lines(backend, function_of(params, e))
    return last.strip().removeprefix("return ")


def compiled(backend: str, e: Expr, params: Sequence[Expr]) -> Callable[..., Any]:
    """The printed function, to be called on arrays of the framework."""
    scope: dict[str, Any] = {**_scope(backend), "math": math}
    head = f"def f({', '.join(p.name for p in params)}):"
    exec("\n".join([head, *lines(backend, function_of(params, e))]), scope)
    return scope["f"]


def _scope(backend: str) -> dict[str, Any]:
    if backend == "torch":
        torch = pytest.importorskip("torch")
        return {"torch": torch, "F": torch.nn.functional}
    jax = pytest.importorskip("jax")
    return {"jax": jax, "jnp": jax.numpy}


def value(backend: str, e: Expr, x: Expr, at: Array) -> Array:
    """e(x) in float64."""
    return _RUN[backend](e, x, at, None)


def vjp(backend: str, e: Expr, x: Expr, at: Array, g: Array) -> Array:
    """gᵀ ∂e/∂x by the framework's own differentiation."""
    return _RUN[backend](e, x, at, g)


def _torch(e: Expr, x: Expr, at: Array, g: Array | None) -> Array:
    torch = pytest.importorskip("torch")
    f, argument = compiled("torch", e, [x]), torch.tensor(at, requires_grad=True)
    result = f(argument)
    if g is None:
        return np.asarray(result.detach() if torch.is_tensor(result) else result)
    (found,) = torch.autograd.grad(result, argument, torch.tensor(g))
    return found.numpy()


def _jax(e: Expr, x: Expr, at: Array, g: Array | None) -> Array:
    jax = pytest.importorskip("jax")
    f = compiled("jax", e, [x])
    with jax.enable_x64(True):
        if g is None:
            return np.asarray(jax.jit(f)(at))
        pulled = jax.jit(lambda x, g: jax.vjp(f, x)[1](g)[0])
        return np.asarray(pulled(at, g))


_RUN: dict[str, Callable[[Expr, Expr, Array, Array | None], Array]] = {
    "torch": _torch,
    "jax": _jax,
}
