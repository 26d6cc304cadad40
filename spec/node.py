"""Nodes: the classes a spec is made of.

A `Node` is a frozen pydantic model with strict scalars. A `Family` is a set of nodes of which a
`kind` picks one; its members register themselves, so a plugin adds one by declaring a class:

    class Integrator(Family, title="integrator"): ...
    class Euler(Integrator, kind="euler"): ...
    class Model(Node):
        integrator: Integrator = Euler()      # YAML: `euler` or `{kind: euler}`
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    PrivateAttr,
    ValidationError,
    model_serializer,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from .diagnostics import Diagnostic, Span, SpecError, nearest, quote

if TYPE_CHECKING:
    from .source import Document

PLUGINS = "wellposed.plugins"
_DATA = ("default", "expected", "metadata")  # parts of a core schema that are no schemas
_SCALARS = ("int", "float", "str", "bool")


@dataclass(frozen=True)
class Why:
    """Metadata of a field: why its limits hold, said after the carets of an error.

    gamma: Annotated[float, Field(ge=0), Why("a negative γ makes every mode grow")]
    """

    text: str


@dataclass(frozen=True)
class Later:
    """Metadata of a key that came after specs were hashed: at its default it is no part of the
    content, so that specs, runs and programs of before keep their hash."""


def _with_strict_scalars(schema: Any) -> Any:
    """The core schema with `strict` on its scalars; containers stay lax and take YAML's lists."""
    if isinstance(schema, dict):
        strict = {
            key: part if key in _DATA else _with_strict_scalars(part)
            for key, part in schema.items()
        }
        if strict.get("type") in _SCALARS:
            strict.setdefault("strict", True)
        if strict.get("type") == "literal" and 1 in strict["expected"]:
            return core_schema.no_info_before_validator_function(_integer_only, strict)  # type: ignore
        return strict
    if isinstance(schema, (list, tuple)):
        return type(schema)(_with_strict_scalars(part) for part in schema)
    return schema


def _integer_only(value: Any) -> Any:
    """Keep true and 1.0 from passing for the choice 1, to which Python holds them equal."""
    if isinstance(value, (bool, float)):
        raise PydanticCustomError("literal_error", "must be one of the choices")
    return value


class Node(BaseModel):
    """A part of a spec: frozen, no unknown keys, no conversion between scalar types.

    An integer is taken for a float, a list for a tuple; nan and inf only where a field says so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    examples: ClassVar[tuple[str, ...]] = ()
    """Values as YAML that show the keys, where the defaults alone do not (`docs/language.md`)."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _with_strict_scalars(handler(source))

    def to_plain(self, whole: bool = True) -> dict[str, Any]:
        """The node as dicts, lists and scalars, defaults included; those of `Later` keys only in
        the whole."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return {n: _plain(v, whole) for n, v in given.items() if whole or not self._is_new(n)}

    def _is_new(self, name: str) -> bool:
        """Is it a key of `Later` at its default?"""
        field = type(self).model_fields[name]
        return Later() in field.metadata and getattr(self, name) == field.default


def refuse(
    code: str,
    message: str,
    *,
    loc: tuple[str | int, ...] = (),
    label: str = "",
    help: str = "",
    choice: str = "",
    needs: tuple[str, ...] = (),
) -> ValidationError:
    """The exception by which a validator of a node refuses its input with a code of its own.

    `loc` is the place below the validated value: `raise refuse("E102", "...", loc=("of", 0))`.
    `choice` is what was probably meant; it becomes the label. `needs` are keys beside that place
    that are missing; where one of them was given and is wrong itself, this is not told.
    """
    label = label or (f"did you mean {choice}?" if choice else "")
    said = {"message": message, "code": code, "label": label, "help": help}
    context = {**said, "choice": choice, "needs": needs}
    error = PydanticCustomError("refused", "{message}", context)
    details = InitErrorDetails(type=error, loc=loc, input=None)
    return ValidationError.from_exception_data("spec", [details])


class Root(Node):
    """The outermost node: it remembers the document it was read from."""

    _document: Document | None = PrivateAttr(default=None)

    @property
    def document(self) -> Document | None:
        """The document this node was validated from; None for one made in Python."""
        return self._document

    @property
    def folder(self) -> Path:
        """The folder that paths in it are relative to: that of its file."""
        return Path() if self._document is None else self._document.folder

    def __eq__(self, other: object) -> bool:
        """Equal content; where it was read from does not matter."""
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def mended(self, *loc: str | int) -> bool:
        """Is something left out at `loc`, or below it, that the document has and that is wrong?

        It has an error of its own: what follows from its absence is none of the user's.
        """
        known = () if self._document is None else self._document.composed.mended
        return any(place[: len(loc)] == loc for place in known)

    def span(self, *loc: str | int, key: bool = False) -> Span | None:
        """The place of the value (or of the key) at `loc` in the document, if there is one.

        Where an override has changed the value or a part of it, that is the override.
        """
        if self._document is None:
            return None
        return self._document.span(loc, key) if key else self._document.span_in_force(loc)


class Family(Node):
    """Nodes of which `kind` picks one. A direct subclass is a root, `kind=` makes a member.

    `planned` names the kinds that belong to the language but not to this version, each with what
    brings it. A subclass of a root without a kind is a base of some members; as an
    annotation it accepts only these.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    planned: ClassVar[dict[str, str]] = {}
    _registry: ClassVar[dict[str, type[Any]]]

    def __init_subclass__(cls, kind: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Family in cls.__bases__:
            cls._registry = {}
            cls.title = cls.model_config.get("title") or cls.__name__.lower()
        if kind:
            cls.kind = kind

    @classmethod
    def __pydantic_init_subclass__(cls, kind: str = "", **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if kind:
            _register(cls._registry, cls)

    @classmethod
    def members(cls) -> dict[str, type[Self]]:
        """The declared members under this class by kind, those of plugins included."""
        _load_plugins()
        return {kind: member for kind, member in cls._registry.items() if issubclass(member, cls)}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if "kind" in cls.__dict__ or not hasattr(cls, "title"):  # a member, or Family itself
            return super().__get_pydantic_core_schema__(source, handler)
        serialization = core_schema.plain_serializer_function_ser_schema(_plain)
        return core_schema.no_info_plain_validator_function(
            cls._choose, serialization=serialization
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        """For a family a mark, `{"family": class}`, which `spec.schema` replaces by its members."""
        return handler(schema) if "kind" in cls.__dict__ else {"family": cls}

    @classmethod
    def _choose(cls, value: Any) -> Self:
        """The member that a bare kind or a mapping with `kind` stands for."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls._member(value, ()).model_validate({})
        if not isinstance(value, Mapping):
            raise PydanticCustomError("family_type", "must be a kind or a mapping with one")
        if "kind" not in value:
            raise cls._without_kind(value)
        rest = {key: part for key, part in value.items() if key != "kind"}
        return cls._member(value["kind"], ("kind",)).model_validate(rest)

    @classmethod
    def _member(cls, kind: Any, loc: tuple[str, ...]) -> type[Self]:
        if not isinstance(kind, str):
            details = InitErrorDetails(type="string_type", loc=loc, input=kind)
            raise ValidationError.from_exception_data(cls.title, [details])
        members = cls.members()
        if kind in members:
            return members[kind]
        if kind in cls.planned:
            message = (
                f"{cls.title} {kind} is part of the language but not supported by this version"
            )
            label = f"comes with {cls.planned[kind]}"
            raise refuse("E107", message, loc=loc, label=label, help=cls._kinds())
        choice = nearest(kind, [*members, *cls.planned])
        message = f"unknown {cls.title} {quote(kind)}"
        raise refuse("E105", message, loc=loc, choice=choice, help=cls._kinds())

    @classmethod
    def _without_kind(cls, value: Mapping[str, Any]) -> ValidationError:
        """A missing kind, or a key that was probably meant to be it."""
        typo = nearest("kind", value)
        if typo:
            return refuse("E103", f"unknown key {quote(typo)}", loc=(typo,), choice="kind")
        return refuse("E106", f"{cls.title} has no kind", help=cls._kinds())

    @classmethod
    def _kinds(cls) -> str:
        return f"kinds of {cls.title}: {', '.join(sorted(cls.members()))}"

    def to_plain(self, whole: bool = True) -> dict[str, Any]:
        """As that of any node, `kind` first."""
        return {"kind": self.kind, **super().to_plain(whole)}

    @model_serializer(mode="plain")
    def _serialize(self) -> dict[str, Any]:
        return self.to_plain()


def content_hash(spec: Node) -> str:
    """SHA-256 (64 hex digits, of which 8 are shown) of the spec as canonical JSON."""
    text = json.dumps(spec.to_plain(whole=False), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any, whole: bool = True) -> Any:
    if isinstance(value, Node):
        return value.to_plain(whole)
    if isinstance(value, Mapping):
        return {key: _plain(part, whole) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part, whole) for part in value]
    return value


def _register(registry: dict[str, type[Any]], member: type[Family]) -> None:
    """Enter the member; a module that is executed again replaces its own members only."""
    known = registry.setdefault(member.kind, member)
    if (known.__module__, known.__qualname__) != (member.__module__, member.__qualname__):
        raise TypeError(f"{member.title} {member.kind!r} is declared by {known} and by {member}")
    registry[member.kind] = member


_pending_plugins: list[EntryPoint] | None = None


def _load_plugins() -> None:
    """Import the modules that the entry points name, once, at the first look into a registry.

    One that cannot be loaded stays pending: every later look tells of it too.
    """
    global _pending_plugins
    if _pending_plugins is None:
        _pending_plugins = list(entry_points(group=PLUGINS))
    while _pending_plugins:
        plugin = _pending_plugins.pop()
        try:
            plugin.load()
        except (Exception, SystemExit) as error:  # whatever a third party's import may raise
            _pending_plugins.append(plugin)
            said = f"{type(error).__name__}: {error}"
            message = f"plugin {plugin.name} ({plugin.value}) cannot be loaded: {said}"
            raise SpecError(Diagnostic("E015", message, None)) from error
