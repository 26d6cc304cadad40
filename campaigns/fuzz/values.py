"""Values for the keys of a node, found by their annotation: what is registered is generated.

Simple values come first, so that hypothesis shrinks towards them; optional keys are mostly left
out. A key whose values no rule here knows raises `NoValues`, so a new kind of the language is
either fuzzed or named by a failing test.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types as bounds
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from wellposed.spec import data, generated, initializers, model, readouts, training, vector_fields
from wellposed.spec.node import Family, Node

Plain = dict[str, Any]
Strategy = st.SearchStrategy[Any]

FLOATS = (0.5, 0.1, 1.0, 0.25, 2.0, 0.0, 1e-3, 1 / 3, 1e-20)
INTEGERS = (1, 2, 3, 0)


class NoValues(TypeError):
    """A key of the language that the generator has no values for."""


@cache
def rarely() -> st.SearchStrategy[bool]:
    """False, and True once in four times."""
    return st.sampled_from((False, False, False, True))


KEYS: dict[tuple[type[Node], str], Strategy] = {
    (model.Time, "horizon"): st.sampled_from((1.0, 0.5, 2.0, 0.1, 3.7, 1, 1 / 3, 20)),
    (model.Time, "steps"): st.sampled_from((1, 2, 3, 4, 5, 6)),
    (vector_fields.Mlp, "hidden"): st.lists(st.integers(1, 4), min_size=1, max_size=2),
    (vector_fields.PlanarMixture, "hidden"): st.lists(st.integers(1, 4), min_size=1, max_size=2),
    (vector_fields.PlanarMixture, "width"): st.integers(1, 3),
    (readouts.Classifier, "classes"): st.integers(2, 4),
    (readouts.Regression, "outputs"): st.integers(1, 3),
    (training.Optimizer, "lr"): st.sampled_from((1e-2, 1e-3, 0.1)),
    (training.Sgd, "momentum"): st.sampled_from((0.9, 0.5)),
    (training.CosineRate, "final"): st.sampled_from((0.0, 1e-4)),
    (training.CosineRate, "warmup"): st.sampled_from((0.0, 0.5)),
    (initializers.Constant, "value"): st.sampled_from((0.5, -0.25, 0.0, 1.0)),
    (initializers.Identity, "scale"): st.sampled_from((0.5, -1.0, 0.0)),
    (initializers.Normal, "mean"): st.sampled_from((0.0, 0.1, -0.5)),
    (initializers.Normal, "std"): st.sampled_from((0.5, 0.1, 1.0)),
    (initializers.Uniform, "low"): st.sampled_from((-0.5, 0.0, -1.0)),
    (initializers.Uniform, "high"): st.sampled_from((0.5, 1.0, 0.0)),
    (generated.Ellipses, "train"): st.integers(1, 30),
    (generated.NestedSpheres, "radii"): st.sampled_from(([0.5, 1.0, 1.5], [1, 2, 4])),
    (data.Digits, "validation"): st.sampled_from((0, 100)),
}
"""Values of single keys, where the annotation alone would allow what blows up or does not fit."""


@cache
def node(cls: type[Node], without: tuple[str, ...] = ()) -> st.SearchStrategy[Plain]:
    """A mapping for the node: all required keys, few of the others; `without` some."""
    required: dict[str, Strategy] = {}
    optional: dict[str, Strategy] = {}
    for name, field in cls.model_fields.items():
        if name not in without:
            is_required = field.is_required() or (cls, name) == (model.Time, "steps")
            (required if is_required else optional)[name] = value(cls, name, field)
    return _mapping(required, optional).map(lambda found: _repaired(cls, found))


@st.composite
def _mapping(
    draw: st.DrawFn, required: dict[str, Strategy], optional: dict[str, Strategy]
) -> Plain:
    found = {name: draw(values) for name, values in required.items()}
    return found | {name: draw(values) for name, values in optional.items() if draw(rarely())}


def _repaired(cls: type[Node], found: Plain) -> Plain:
    """What a node demands of several of its keys at once."""
    if issubclass(cls, training.Sgd) and found.get("nesterov"):
        return {"momentum": 0.9} | found
    return found


def member(family: type[Family], kinds: Iterable[str] | None = None) -> Strategy:
    """Any of the registered kinds (or of these), as a bare word where it has no other keys."""
    members = family.members()
    chosen = [kind for kind in members if kinds is None or kind in set(kinds)]
    return st.sampled_from(chosen).flatmap(lambda kind: of_kind(members[kind]))


@cache
def of_kind(cls: type[Family], without: tuple[str, ...] = ()) -> Strategy:
    """One kind of a family with its keys."""
    return node(cls, without).map(lambda found: short({"kind": cls.kind, **found}))


def short(found: Plain) -> Plain | str:
    """A mapping that holds its kind alone, as the bare word for it."""
    return found["kind"] if len(found) == 1 else found


def value(cls: type[Node], name: str, field: FieldInfo) -> Strategy:
    """Values of one key. Raises NoValues."""
    for ancestor in cls.__mro__:
        if (ancestor, name) in KEYS:
            return KEYS[ancestor, name]
    found = _by_annotation(field.annotation, list(field.metadata))
    if found is None:
        raise NoValues(f"the fuzzer has no values for {name} of {cls.__qualname__}: add them")
    return found


def _by_annotation(annotation: Any, limits: list[Any]) -> Strategy | None:
    if get_origin(annotation) in (Union, UnionType):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        return _by_annotation(inner[0], limits) if len(inner) == 1 else None
    if hasattr(annotation, "__metadata__"):  # Annotated below an optional
        return _by_annotation(annotation.__origin__, [*limits, *annotation.__metadata__])
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if annotation is bool:
        return st.booleans()
    if annotation in (int, float):
        pool = FLOATS if annotation is float else INTEGERS
        return st.sampled_from([number for number in pool if _within(number, limits)])
    if isinstance(annotation, type) and issubclass(annotation, Family):
        return member(annotation)
    return None


def _within(number: float, limits: list[Any]) -> bool:
    """Does the number keep the limits of a pydantic field?"""
    tests = {
        bounds.Ge: lambda limit: number >= limit.ge,
        bounds.Gt: lambda limit: number > limit.gt,
        bounds.Le: lambda limit: number <= limit.le,
        bounds.Lt: lambda limit: number < limit.lt,
    }
    flat = [each for limit in limits for each in getattr(limit, "metadata", [limit])]
    return all(tests[type(limit)](limit) for limit in flat if type(limit) in tests)
