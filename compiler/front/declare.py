"""The weights that equations name: shapes resolved, parametrizations checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import chain, count
from operator import add

from ...spec.parametrizations import HamiltonianBlock, Parametrization
from ...spec.vector_fields import Extent, Weight
from ..ir.expr import Expr, constant, identity, variable
from ..ir.operators import as_operator
from ..ir.problem import Block, Loc
from ..ir.types import Size, columns, stored
from ..language.elaborate import elaborate
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


def declare(
    weights: Iterable[Weight], blocks: Mapping[str, Block], refusals: Refusals
) -> list[Declared]:
    """Those of the weights that are what they should be."""
    numbers: dict[str, int | float] = {b.size.name: b.size.value for b in blocks.values()}
    found = (_declare(w, blocks, numbers, refusals) for w in weights)
    return [declared for declared in found if declared is not None]


def _declare(
    weight: Weight, blocks: Mapping[str, Block], numbers: dict[str, int | float], refusals: Refusals
) -> Declared | None:
    """`numbers` are those that have a name; the keys of the parametrization are added."""
    sizes = _sizes(weight, blocks, refusals)
    named = weight.loc == FIELD or is_free(weight.name, "weight", weight.loc, blocks, refusals)
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
        size = _size(dimension, blocks) if weight.loc == FIELD else None
        if size is None:  # a user wrote it
            size = size_of(dimension, "a dimension is", (*weight.loc, "shape", i), blocks, refusals)
        sizes += [] if size is None else [size]
    return tuple(sizes) if len(sizes) == len(weight.shape) else None


def size_of(
    extent: Extent, what: str, loc: Loc, blocks: Mapping[str, Block], refusals: Refusals
) -> Size | None:
    """A number of components, or None and an error in its place."""
    size = _size(extent, blocks)
    if size is not None and 1 <= size.value <= 65536:
        return size
    message = f"{extent!r} is no block of the state and no size"
    help = f"{what} a block ({', '.join(blocks)}) or a number from 1 to 65536"
    refusals.add("E210", message, *loc, help=help)
    return None


def _size(extent: Extent, blocks: Mapping[str, Block]) -> Size | None:
    """A number of components; None where a block is none of the state."""
    if isinstance(extent, int):
        return Size(extent)
    if isinstance(extent, str):
        return blocks[extent].size if extent in blocks else None
    parts = [_size(part, blocks) for part in extent]
    found = [part for part in parts if part is not None]
    return reduce(add, found) if len(found) == len(parts) else None


def is_free(
    name: str, what: str, loc: Loc, blocks: Mapping[str, Block], refusals: Refusals
) -> bool:
    """May a weight or a network of the user's have this name?"""
    reason = "a block of the state has this name" if name in blocks else refusal(name)
    if reason:
        message = f"a {what} cannot be called {name}"
        refusals.add("E207", message, *loc, key=True, label=reason, help=TAKEN_NAMES)
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
