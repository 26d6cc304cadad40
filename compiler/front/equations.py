"""The field of a network: from the catalogue's or the user's text to typed right-hand sides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...spec.vector_fields import Equations
from ..ir.expr import Expr, build, constant, rewrite, variables
from ..ir.operators import as_operator
from ..ir.problem import Block
from ..ir.text import mathematics
from ..ir.types import Size
from ..language.elaborate import elaborate
from ..language.functions import Functions
from ..language.syntax import ExpressionError, parse
from ..passes.derive import gradient
from ..passes.simplify import simplify
from ..semantics.evaluate import not_finite
from .declare import FIELD, Declared
from .refusals import Refusals

PI = constant(math.pi, "PI")


@dataclass(frozen=True)
class Field:
    """Right-hand sides by block, and H where they are derived from one."""

    rhs: Mapping[str, Expr] = field(default_factory=dict)
    hamiltonian: Expr | None = None


def field_of(
    equations: Equations,
    declared: list[Declared],
    networks: Functions,
    blocks: Mapping[str, Block],
    t: Expr,
    refusals: Refusals,
) -> Field:
    """The right-hand sides, typed; for a Hamiltonian y' = ∂H/∂z, z' = −∂H/∂y, y the
    first block."""
    states = {name: block.variable for name, block in blocks.items()}
    weights = {d.declaration.name: as_operator(d.variable) for d in declared}
    texts = _Texts(equations, states, {**weights, **states, "t": t, "pi": PI}, networks, refusals)
    if equations.hamiltonian is not None:
        return _from_hamiltonian(equations.hamiltonian, texts)
    sides = {
        block: _side(text, block, texts)
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


@dataclass(frozen=True)
class _Texts:
    """The texts of a spec with what they may name, and where errors in them go."""

    equations: Equations
    states: Mapping[str, Expr]
    scope: Mapping[str, Expr]
    networks: Functions
    refusals: Refusals

    def refuse(self, error: ExpressionError, text: str, what: str) -> None:
        self.refusals.add_expression(error, text, *self.equations.locs.get(what, FIELD))


def _side(text: str, block: str, texts: _Texts) -> Expr | None:
    state = texts.states[block]
    value = _text(text, block, texts)
    if value is None:
        return None
    if value.type.is_operator or value.shape not in (state.shape, ()):
        message = f"the right-hand side of {block} is {value.type}, {block} is {state.type}"
        texts.refuse(ExpressionError("E303", message, 0, len(text)), text, block)
        return None
    others = [other for name, other in texts.states.items() if name != block]
    return _as_state(value, state, [*others, state][0])


def _as_state(value: Expr, state: Expr, like: Expr) -> Expr:
    """A right-hand side of the state's own shape, one column per example of `like`.

    `like` is another block where there is one: what depends on no state stays separable.
    """
    value = rewrite(value, lambda node: _spread_like(node, like))
    if not value.type.batched:
        value = build("per_example", value, like)
    return value if value.shape else _spread(value, state)


def _spread_like(node: Expr, like: Expr) -> Expr:
    """What is repeated for the examples of a state, for those of another one."""
    is_of_state = node.op == "per_example" and node.args[1].op == "variable"
    return build("per_example", node.args[0], like) if is_of_state else node


def _spread(number: Expr, state: Expr) -> Expr:
    return build("broadcast", number, attributes=tuple(map(Size, state.shape)))


def _text(text: str, what: str, texts: _Texts) -> Expr | None:
    is_ours = what not in texts.equations.locs
    try:
        value = simplify(elaborate(text, texts.scope, texts.networks, catalogue=is_ours))
        _require_finite(value, text)
        return value
    except ExpressionError as error:
        texts.refuse(error, text, what)
        return None


def _require_finite(value: Expr, text: str) -> None:
    """Numbers alone make a finite number: a program would stop at `1 / 0` before its first step."""
    part = not_finite(value)
    if part is not None:
        message = f"{mathematics(part)} is not a finite number"
        raise ExpressionError("E301", message, 0, len(text))


def _from_hamiltonian(text: str, texts: _Texts) -> Field:
    if len(texts.states) != 2:
        return Field()
    H = _text(text, "H", texts)
    if H is None:
        return Field()
    if H.shape or not H.type.batched:
        message = f"H is {H.type}" if H.shape else "H does not depend on the state"
        help = "a Hamiltonian is a scalar function of the blocks: sum(...), y.T @ y / 2"
        texts.refuse(ExpressionError("E303", message, 0, len(text), help), text, "H")
        return Field()
    (position, y), (momentum, z) = texts.states.items()
    # the same number for all examples, so no sum over the batch can come of it
    slopes = gradient(H, [y, z], constant(1))
    dH_dy, dH_dz = (_or_zero(d, s) for d, s in zip(slopes, (y, z), strict=True))
    sides = {position: _as_state(dH_dz, y, z), momentum: _as_state(simplify(-dH_dy), z, y)}
    try:
        for side in sides.values():
            _require_finite(side, text)
    except ExpressionError as error:
        texts.refuse(error, text, "H")
    return Field(sides, H)


def _or_zero(derivative: Expr | None, state: Expr) -> Expr:
    if derivative is None:
        return _spread(constant(0), state)
    return derivative


def is_separable(rhs: Mapping[str, Expr], states: Mapping[str, Expr]) -> bool:
    """y' = f(t, z), z' = g(t, y): no block's right-hand side depends on what moves with it."""
    return len(rhs) == 2 and all(states[b] not in variables(side) for b, side in rhs.items())
