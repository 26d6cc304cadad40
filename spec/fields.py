"""Which nodes and which metadata of fields stand behind a loc, given the values in the document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, TypeGuard, Union, get_args, get_origin

from .compose import Loc
from .node import Family, Node, Why


@dataclass(frozen=True)
class Home:
    """A place where a key may stand; the `kinds` that have it, if they are none of the spec's."""

    loc: Loc
    kinds: list[str]


_Typed = tuple[Any, tuple[Any, ...]]  # an annotation and the metadata around it


def keys_at(root: type[Node], value: Any, loc: Loc) -> list[str]:
    """The keys that the mapping at `loc` may have."""
    keys: dict[str, None] = {}
    for annotation, _ in _descend(root, value, loc):
        node = _chosen(annotation, value_at(value, loc))
        if node is not None:
            keys |= dict.fromkeys(["kind"] if issubclass(node, Family) else [])
            keys |= dict.fromkeys(node.model_fields)
    return list(keys)


def homes(root: type[Node], value: Any, key: str) -> list[Home]:
    """Where in the spec a key may stand: under the kinds that the spec names, else under others."""
    kinds: dict[Loc, list[str]] = {}
    for loc, kind in _homes(root, value, (), key):
        kinds.setdefault(loc, []).append(kind)
    found = [Home(loc, [k for k in of if k] if all(of) else []) for loc, of in kinds.items()]
    return [home for home in found if not home.kinds] or found


def why_at(root: type[Node], value: Any, loc: Loc) -> str:
    """What the field at `loc` says of its limits, or nothing."""
    for _, metadata in _descend(root, value, loc):
        for item in metadata:
            if isinstance(item, Why):
                return item.text
    return ""


def choices_at(root: type[Node], value: Any, loc: Loc) -> list[Any]:
    """The literal choices of the field at `loc`."""
    return [
        choice for annotation, _ in _descend(root, value, loc) for choice in _literals(annotation)
    ]


def _homes(
    annotation: Any, value: Any, loc: Loc, key: str, kind: str = ""
) -> Iterator[tuple[Loc, str]]:
    """The places, and the kind that they are of if it is another than the value's."""
    for option, _ in _options(annotation, ()):
        node = _chosen(option, value)
        if node is not None:
            yield from _homes_in(node, value, loc, key, kind)
        if _is_family(option) and not kind:
            for other, member in option.members().items():
                if member is not node:
                    yield from _homes_in(member, {}, loc, key, other)
        elif get_origin(option) is dict and isinstance(value, dict):
            for name, part in value.items():
                yield from _homes(get_args(option)[1], part, (*loc, name), key, kind)
        elif get_origin(option) is tuple and isinstance(value, list):
            for i, part in enumerate(value):
                yield from _homes(get_args(option)[0], part, (*loc, i), key, kind)


def _homes_in(
    node: type[Node], value: Any, loc: Loc, key: str, kind: str
) -> Iterator[tuple[Loc, str]]:
    """The keys of a node, and those below it, of defaults too."""
    if key in node.model_fields:
        yield loc, kind
    for name, field in node.model_fields.items():
        default = field.default.to_plain() if isinstance(field.default, Node) else None
        part = value.get(name) if isinstance(value, dict) else None
        below = default if part is None else part
        yield from _homes(field.annotation, below, (*loc, name), key, kind)


def _descend(root: type[Node], value: Any, loc: Loc) -> list[_Typed]:
    """The annotations that may apply at `loc`: more than one below a union."""
    found: list[_Typed] = [(root, ())]
    for item in loc:
        found = [
            option
            for annotation, _ in found
            for below in _below(annotation, value, item)
            for option in _options(*below)
        ]
        value = value_at(value, (item,))
    return found


def _options(annotation: Any, metadata: tuple[Any, ...]) -> Iterator[_Typed]:
    """The annotation itself, or the members of a union, stripped of `Annotated`."""
    if get_origin(annotation) is Annotated:
        inner, *own = get_args(annotation)
        yield from _options(inner, (*metadata, *own))
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _options(member, metadata)
    else:
        yield annotation, metadata


def _below(annotation: Any, value: Any, item: str | int) -> Iterator[_Typed]:
    """What the annotation says of the part `item` of a value."""
    node = _chosen(annotation, value)
    if node is not None:
        field = node.model_fields.get(str(item))
        if field is not None:
            yield field.annotation, tuple(field.metadata)
    elif get_origin(annotation) is dict:
        yield get_args(annotation)[1], ()
    elif get_origin(annotation) in (tuple, list) and isinstance(item, int):
        parts = get_args(annotation)
        repeated = len(parts) == 1 or parts[-1] is Ellipsis
        if repeated or item < len(parts):
            yield parts[0 if repeated else item], ()


def _chosen(annotation: Any, value: Any) -> type[Node] | None:
    """The node class that the value is to become; None where it is no node or names no kind."""
    if not (isinstance(annotation, type) and issubclass(annotation, Node)):
        return None
    if not _is_family(annotation):
        return annotation
    kind = value.get("kind") if isinstance(value, dict) else value
    return annotation.members().get(kind) if isinstance(kind, str) else None


def _is_family(annotation: Any) -> TypeGuard[type[Family]]:
    """Is it a choice of nodes by `kind`, not one of them?"""
    is_class = isinstance(annotation, type) and issubclass(annotation, Family)
    return is_class and "kind" not in annotation.__dict__


def value_at(value: Any, loc: Loc) -> Any:
    """The part of plain data at `loc`, None where there is none."""
    for item in loc:
        if isinstance(value, dict):
            value = value.get(str(item))
        elif isinstance(value, list) and isinstance(item, int) and item < len(value):
            value = value[item]
        else:
            return None
    return value


def _literals(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()
