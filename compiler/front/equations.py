"""The field of a network: from the catalogue's or the user's text to typed right-hand sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain, count
from operator import add

from ...spec.parametrizations import HamiltonianBlock, Parametrization
from ...spec.vector_fields import Equations, Extent, Weight
from ..ir.expr import Expr, build, constant, identity, variable, variables
from ..ir.operators import as_operator
from ..ir.problem import Block
from ..ir.text import mathematics
from ..ir.types import Size, columns, stored
from ..language.elaborate import elaborate
from ..language.syntax import ExpressionError, parse
from ..passes.derive import gradient
from ..passes.simplify import simplify
from ..semantics.evaluate import not_finite
from .names import TAKEN_NAMES, refusal
from .refusals import Refusals, either

FIELD = ("model", "vector_field")
NUMBERS = frozenset(
    "ALPHA CLASSES FEATURES H HORIZON MOMENTA OUTPUTS SIZE STATES STEPS".split()  # noqa: SIM905
)
"""How the names begin of the numbers that programs have of themselves."""


@dataclass(frozen=True)
class Declared:
    """A weight of the equations: its sizes, what stands for it, how it is made of the raw one."""

    declaration: Weight
    sizes: tuple[Size, ...]
    variable: Expr
    raw: Expr
    definition: Expr


@dataclass(frozen=True)
class Field:
    """Right-hand sides by block, and H where they are derived from one."""

    rhs: Mapping[str, Expr] = field(default_factory=dict)
    hamiltonian: Expr | None = None


def declare(
    equations: Equations, blocks: Mapping[str, Block], refusals: Refusals
) -> list[Declared]:
    """The weights that the equations name: shapes resolved, parametrizations checked."""
    numbers: dict[str, int | float] = {b.size.name: b.size.value for b in blocks.values()}
    found = (_declare(w, blocks, numbers, refusals) for w in equations.weights)
    return [declared for declared in found if declared is not None]


def _declare(
    weight: Weight, blocks: Mapping[str, Block], numbers: dict[str, int | float], refusals: Refusals
) -> Declared | None:
    """`numbers` are those that have a name; the keys of the parametrization are added."""
    sizes = _sizes(weight, blocks, refusals)
    named = weight.loc == FIELD or _is_free(weight, blocks, refusals)
    if sizes is None or not _fits(weight, sizes, refusals) or not named:
        return None
    shape = tuple(size.value for size in sizes)
    raw = variable(weight.raw, stored(shape))
    made = columns(shape, batch=False) if len(shape) == 1 else stored(shape)
    definition = _definition(weight, raw, sizes, numbers)
    return Declared(weight, sizes, variable(weight.name, made), raw, definition)


def _sizes(
    weight: Weight, blocks: Mapping[str, Block], refusals: Refusals
) -> tuple[Size, ...] | None:
    sizes: list[Size] = []
    for i, dimension in enumerate(weight.shape):
        size = _size(dimension, blocks)
        if size is None or not 1 <= size.value <= 65536:
            known = ", ".join(blocks)
            message = f"{dimension!r} is no block of the state and no size"
            help = f"a dimension is a block ({known}) or a number from 1 to 65536"
            refusals.add("E210", message, *weight.loc, "shape", i, help=help)
        else:
            sizes.append(size)
    return tuple(sizes) if len(sizes) == len(weight.shape) else None


def _size(extent: Extent, blocks: Mapping[str, Block]) -> Size | None:
    """A number of components; None where a block is none of the state."""
    if isinstance(extent, int):
        return Size(extent)
    if isinstance(extent, str):
        return blocks[extent].size if extent in blocks else None
    parts = [_size(part, blocks) for part in extent]
    found = [part for part in parts if part is not None]
    return reduce(add, found) if len(found) == len(parts) else None


def _is_free(weight: Weight, blocks: Mapping[str, Block], refusals: Refusals) -> bool:
    """May a weight of the user's have this name?"""
    reason = "a block of the state has this name" if weight.name in blocks else ""
    reason = reason or refusal(weight.name)
    if reason:
        message = f"a weight cannot be called {weight.name}"
        refusals.add("E207", message, *weight.loc, key=True, label=reason, help=TAKEN_NAMES)
    return not reason


def _fits(weight: Weight, sizes: tuple[Size, ...], refusals: Refusals) -> bool:
    """Is the parametrization one for operators of this shape?"""
    kind = weight.parametrization
    loc = ("model", "parametrization") if weight.loc == FIELD else (*weight.loc, "parametrization")
    if isinstance(kind, HamiltonianBlock) and weight.loc != FIELD:
        members = Parametrization.members().items()
        others = either(name for name, m in members if not issubclass(m, HamiltonianBlock))
        message = f"{kind.kind} is a parametrization of layer"
        refusals.add("E203", message, *loc, help=f"use {others}")
        return False
    shape = [size.value for size in sizes]
    if kind.square and (len(shape) != 2 or shape[0] != shape[1]):
        size = "×".join(map(str, shape)) or "a scalar"
        message = f"{kind.kind} needs a square operator, {weight.name} is {size}"
        refusals.add("E203", message, *loc, label=_dimensions(weight))
        return False
    return True


def _dimensions(weight: Weight) -> str:
    names = " × ".join(map(str, weight.shape))
    return f"{weight.name} maps between different spaces: {names}" if names else ""


def _definition(
    weight: Weight, raw: Expr, sizes: tuple[Size, ...], numbers: dict[str, int | float]
) -> Expr:
    """The text of the parametrization; it may name the keys of the parametrization, and I."""
    kind = weight.parametrization
    scope = {"K": as_operator(raw)}
    if kind.square:
        scope["I"] = identity(sizes[0])
    for key, value in kind.numbers().items():
        scope[key] = constant(value, _constant_name(key, value, weight, numbers))
    return elaborate(kind.expression("K"), scope, catalogue=True)


def _constant_name(
    key: str, value: int | float, weight: Weight, numbers: dict[str, int | float]
) -> str:
    """What a program calls the number of a key: by the weight too, where several weights have one
    of their own, or where a program has another number of that name."""
    name, own = key.upper(), f"{key.upper()}_{weight.name}"
    is_known = weight.loc == FIELD and name.partition("_")[0] not in NUMBERS
    wanted = chain([name] * is_known, [own], (f"{own}_{i}" for i in count(2)))
    return next(found for found in wanted if numbers.setdefault(found, value) == value)


def field_of(
    equations: Equations,
    declared: list[Declared],
    blocks: Mapping[str, Block],
    t: Expr,
    refusals: Refusals,
) -> Field:
    """The right-hand sides, typed; for a Hamiltonian y' = ∂H/∂z, z' = −∂H/∂y, y the
    first block."""
    states = {name: block.variable for name, block in blocks.items()}
    scope = {d.declaration.name: as_operator(d.variable) for d in declared} | states | {"t": t}
    if equations.hamiltonian is not None:
        return _from_hamiltonian(equations.hamiltonian, equations, states, scope, refusals)
    sides = {
        block: _side(text, block, equations, states, scope, refusals)
        for block, text in equations.right_hand_sides.items()
        if block in states
    }
    return Field({b: e for b, e in sides.items() if e is not None})


def check_syntax(equations: Equations, refusals: Refusals) -> None:
    """What can be said of the user's texts while the weights they name are not known."""
    texts = dict(equations.right_hand_sides)
    if equations.hamiltonian is not None:
        texts["H"] = equations.hamiltonian
    for what, text in texts.items():
        try:
            parse(text)
        except ExpressionError as error:
            refusals.add_expression(error, text, *equations.locs.get(what, FIELD))


def _side(
    text: str,
    block: str,
    equations: Equations,
    states: Mapping[str, Expr],
    scope: Mapping[str, Expr],
    refusals: Refusals,
) -> Expr | None:
    state = states[block]
    value = _text(text, block, equations, scope, refusals)
    if value is None:
        return None
    if value.type.is_operator or value.shape not in (state.shape, ()):
        message = f"the right-hand side of {block} is {value.type}, {block} is {state.type}"
        error = ExpressionError("E303", message, 0, len(text))
        refusals.add_expression(error, text, *equations.locs.get(block, FIELD))
        return None
    others = [other for name, other in states.items() if name != block]
    return _as_state(value, state, [*others, state][0])


def _as_state(value: Expr, state: Expr, like: Expr) -> Expr:
    """A right-hand side of the state's own shape, one column per example of `like`.

    `like` is another block where there is one: what depends on no state stays separable.
    """
    if not value.type.batched:
        value = build("per_example", value, like)
    return value if value.shape else _spread(value, state)


def _spread(number: Expr, state: Expr) -> Expr:
    return build("broadcast", number, attributes=tuple(map(Size, state.shape)))


def _text(
    text: str, what: str, equations: Equations, scope: Mapping[str, Expr], refusals: Refusals
) -> Expr | None:
    loc = equations.locs.get(what)
    try:
        value = simplify(elaborate(text, scope, catalogue=loc is None))
        _require_finite(value, text)
        return value
    except ExpressionError as error:
        refusals.add_expression(error, text, *(loc or FIELD))
        return None


def _require_finite(value: Expr, text: str) -> None:
    """Numbers alone make a finite number: a program would stop at `1 / 0` before its first step."""
    part = not_finite(value)
    if part is not None:
        message = f"{mathematics(part)} is not a finite number"
        raise ExpressionError("E301", message, 0, len(text))


def _from_hamiltonian(
    text: str,
    equations: Equations,
    states: Mapping[str, Expr],
    scope: Mapping[str, Expr],
    refusals: Refusals,
) -> Field:
    if len(states) != 2:
        return Field()
    H = _text(text, "H", equations, scope, refusals)
    if H is None:
        return Field()
    if H.shape or not H.type.batched:
        message = f"H is {H.type}" if H.shape else "H does not depend on the state"
        help = "a Hamiltonian is a scalar function of the blocks: sum(...), y.T @ y / 2"
        error = ExpressionError("E303", message, 0, len(text), help)
        refusals.add_expression(error, text, *equations.locs["H"])
        return Field()
    (position, y), (momentum, z) = states.items()
    # the same number for all examples, so no sum over the batch can come of it
    slopes = gradient(H, [y, z], constant(1))
    dH_dy, dH_dz = (_or_zero(d, s) for d, s in zip(slopes, (y, z), strict=True))
    sides = {position: _as_state(dH_dz, y, z), momentum: _as_state(simplify(-dH_dy), z, y)}
    try:
        for side in sides.values():
            _require_finite(side, text)
    except ExpressionError as error:
        refusals.add_expression(error, text, *equations.locs["H"])
    return Field(sides, H)


def _or_zero(derivative: Expr | None, state: Expr) -> Expr:
    if derivative is None:
        return _spread(constant(0), state)
    return derivative


def is_separable(rhs: Mapping[str, Expr], states: Mapping[str, Expr]) -> bool:
    """y' = f(t, z), z' = g(t, y): no block's right-hand side depends on what moves with it."""
    return len(rhs) == 2 and all(states[b] not in variables(side) for b, side in rhs.items())
