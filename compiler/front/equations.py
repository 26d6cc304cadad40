"""The field of a program: from the catalogue's or the user's text to typed right-hand sides."""

from __future__ import annotations

from dataclasses import dataclass

from ..spec.parametrizations import Antisymmetric, HamiltonianBlock
from ..spec.vector_fields import Equations, Weight
from .elaborate import elaborate
from .evaluate import not_finite
from .ir.expr import Expr, Shape, build, constant, eye, variable, variables
from .ir.text import mathematics
from .names import refusal
from .passes.derive import gradient
from .passes.simplify import simplify
from .problems import Problems
from .syntax import ExpressionError, parse

FIELD = ("model", "vector_field")


@dataclass(frozen=True)
class DeclaredOperand:
    """A weight of the equations with its shape in numbers and its definition from the raw one."""

    declaration: Weight
    variable: Expr
    raw: Expr
    definition: Expr


@dataclass(frozen=True)
class Field:
    """Right-hand sides by block, and H where they are derived from one."""

    right_hand_sides: dict[str, Expr]
    hamiltonian: Expr | None


def declare(equations: Equations, problems: Problems) -> list[DeclaredOperand]:
    """The operands that the equations name: shapes resolved, parametrizations checked."""
    declared = (_declare(w, equations.blocks, problems) for w in equations.weights)
    return [operand for operand in declared if operand is not None]


def _declare(weight: Weight, blocks: dict[str, int], problems: Problems) -> DeclaredOperand | None:
    shape = _shape(weight, blocks, problems)
    if weight.loc != FIELD:
        _check_custom(weight, blocks, problems)
    if shape is None or not _fits(weight, shape, problems):
        return None
    raw = variable(weight.raw, shape)
    definition = _definition(weight, raw, shape)
    return DeclaredOperand(weight, variable(weight.name, shape), raw, definition)


def _shape(weight: Weight, blocks: dict[str, int], problems: Problems) -> Shape | None:
    sizes: list[int] = []
    for i, dimension in enumerate(weight.shape):
        size = blocks.get(dimension) if isinstance(dimension, str) else dimension
        if size is None or not 1 <= size <= 65536:
            known = ", ".join(blocks)
            message = f"{dimension!r} is no block of the state and no size"
            help = f"a dimension is a block ({known}) or a number from 1 to 65536"
            problems.add("E210", message, *weight.loc, "shape", i, help=help)
        else:
            sizes.append(size)
    return tuple(sizes) if len(sizes) == len(weight.shape) else None


def _check_custom(weight: Weight, blocks: dict[str, int], problems: Problems) -> None:
    reason = "a block of the state has this name" if weight.name in blocks else ""
    reason = reason or refusal(weight.name)
    if reason:
        message = f"a weight cannot be called {weight.name}"
        problems.add("E207", message, *weight.loc, key=True, label=reason)


def _fits(weight: Weight, shape: Shape, problems: Problems) -> bool:
    """Is the parametrization one for operators of this shape?"""
    kind = weight.parametrization
    loc = ("model", "parametrization") if weight.loc == FIELD else (*weight.loc, "parametrization")
    if isinstance(kind, HamiltonianBlock) and weight.loc != FIELD:
        help = "here: free, antisymmetric, negative-gram"
        problems.add("E203", "hamiltonian is a parametrization of layer", *loc, help=help)
        return False
    if kind.square and (len(shape) != 2 or shape[0] != shape[1]):
        size = "×".join(map(str, shape)) or "a scalar"
        message = f"{kind.kind} needs a square operator, {weight.name} is {size}"
        problems.add("E203", message, *loc, label=_dimensions(weight))
        return False
    return True


def _dimensions(weight: Weight) -> str:
    names = " × ".join(map(str, weight.shape))
    return f"{weight.name} maps between different spaces: {names}" if names else ""


def _definition(weight: Weight, raw: Expr, shape: Shape) -> Expr:
    kind = weight.parametrization
    scope = {"K": raw}
    if kind.square:
        scope["I"] = eye(shape[0])
    if isinstance(kind, Antisymmetric):
        scope["gamma"] = constant(
            kind.gamma, "GAMMA" if weight.loc == FIELD else f"GAMMA_{weight.name}"
        )
    return elaborate(kind.expression("K"), scope, catalogue=True)


def field(equations: Equations, operands: list[DeclaredOperand], problems: Problems) -> Field:
    """The right-hand sides, typed; for a Hamiltonian y' = ∂H/∂z, z' = −∂H/∂y."""
    states = {n: variable(n, (d,), batched=True) for n, d in equations.blocks.items()}
    scope = {str(o.variable.attributes[0]): o.variable for o in operands} | states
    scope["t"] = variable("t")
    if equations.hamiltonian:
        return _from_hamiltonian(equations, states, scope, problems)
    sides = {
        block: _side(text, block, equations, scope, problems)
        for block, text in equations.right_hand_sides.items()
        if block in states
    }
    return Field({b: e for b, e in sides.items() if e is not None}, None)


def check_syntax(equations: Equations, problems: Problems) -> None:
    """What can be said of the user's texts while the weights they name are not known."""
    texts = dict(equations.right_hand_sides)
    if equations.hamiltonian:
        texts["H"] = equations.hamiltonian
    for what, text in texts.items():
        try:
            parse(text)
        except ExpressionError as error:
            problems.add_expression(error, text, *equations.locs.get(what, FIELD))


def _side(
    text: str, block: str, equations: Equations, scope: dict[str, Expr], problems: Problems
) -> Expr | None:
    state = scope[block]
    value = _text(text, block, equations, scope, problems)
    if value is None:
        return None
    if value.shape not in (state.shape, ()):
        message = f"the right-hand side of {block} is {value.type}, {block} is {state.type}"
        error = ExpressionError("E303", message, 0, len(text))
        problems.add_expression(error, text, *equations.locs.get(block, FIELD))
        return None
    others = [scope[name] for name in equations.blocks if name != block]
    return _as_state(value, state, [*others, state][0])


def _as_state(value: Expr, state: Expr, like: Expr) -> Expr:
    """A right-hand side of the state's own shape, one column per example of `like`.

    `like` is another block where there is one: what depends on no state stays separable.
    """
    if not value.type.batched:
        value = build("per_example", value, like)
    return value if value.shape else build("broadcast", value, attributes=state.shape)


def _text(
    text: str, what: str, equations: Equations, scope: dict[str, Expr], problems: Problems
) -> Expr | None:
    loc = equations.locs.get(what)
    try:
        value = simplify(elaborate(text, scope, catalogue=loc is None))
        _require_finite(value, text)
        return value
    except ExpressionError as error:
        problems.add_expression(error, text, *(loc or FIELD))
        return None


def _require_finite(value: Expr, text: str) -> None:
    """Numbers alone make a finite number: a program would stop at `1 / 0` before its first step."""
    part = not_finite(value)
    if part is not None:
        message = f"{mathematics(part)} is not a finite number"
        raise ExpressionError("E301", message, 0, len(text))


def _from_hamiltonian(
    equations: Equations, states: dict[str, Expr], scope: dict[str, Expr], problems: Problems
) -> Field:
    if set(states) != {"y", "z"}:
        return Field({}, None)
    H = _text(equations.hamiltonian, "H", equations, scope, problems)
    if H is None:
        return Field({}, None)
    if H.shape or not H.type.batched:
        message = f"H is {H.type}" if H.shape else "H does not depend on the state"
        help = "a Hamiltonian is a scalar function of the blocks: sum(...), y.T @ y / 2"
        error = ExpressionError("E303", message, 0, len(equations.hamiltonian), help)
        problems.add_expression(error, equations.hamiltonian, *equations.locs["H"])
        return Field({}, None)
    y, z = states["y"], states["z"]
    # the same number for all examples, so no sum over the batch can come of it
    slopes = gradient(H, [y, z], constant(1))
    dH_dy, dH_dz = (_or_zero(d, s) for d, s in zip(slopes, (y, z), strict=True))
    sides = {"y": _as_state(dH_dz, y, z), "z": _as_state(simplify(-dH_dy), z, y)}
    try:
        for side in sides.values():
            _require_finite(side, equations.hamiltonian)
    except ExpressionError as error:
        problems.add_expression(error, equations.hamiltonian, *equations.locs["H"])
    return Field(sides, H)


def _or_zero(derivative: Expr | None, state: Expr) -> Expr:
    if derivative is None:
        return build("broadcast", constant(0), attributes=state.shape)
    return derivative


def is_separable(right_hand_sides: dict[str, Expr]) -> bool:
    """y' = f(t, z), z' = g(t, y): no block's rate depends on what moves with it."""
    if len(right_hand_sides) != 2:
        return False
    return all(block not in variables(side) for block, side in right_hand_sides.items())
