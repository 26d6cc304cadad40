"""Programs that differentiate their solves by the continuous adjoint."""

from __future__ import annotations

from dataclasses import replace

from ...spec.model import Adjoint
from ..ir.module import Constant, Function, Let, Module, Solve, solve_of


def by_adjoint(module: Module, mode: Adjoint) -> Module:
    """The module whose solves are differentiated so; what they compute stays what it is."""
    solve = solve_of(module)
    if solve is None:
        raise ValueError(f"{module.name} has no solve that an adjoint could go back through")
    rtol, atol = mode.tolerances(solve.by)
    functions = {name: _with(f, mode) for name, f in module.functions.items()}
    back = (
        Constant("ADJOINT_RTOL", rtol, "on the way back: relative"),
        Constant("ADJOINT_ATOL", atol, "and absolute"),
    )
    return replace(module, functions=functions, constants=(*module.constants, *back))


def _with(function: Function, mode: Adjoint) -> Function:
    body = tuple(
        Let(let.targets, replace(let.value, adjoint=mode)) if isinstance(let.value, Solve) else let
        for let in function.body
    )
    return replace(function, body=body)
