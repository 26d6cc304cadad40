"""The JSON schema of the language, for editors: every family with all its members."""

from __future__ import annotations

from typing import Any

from .node import Family, Node

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(root: type[Node]) -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the documents that `root` accepts.

    A family becomes anyOf: the string that is a kind, or an object with the kind as a constant.
    """
    definitions: dict[str, Any] = {}
    body = _node(root, definitions)
    return {"$schema": _DIALECT, **body, "$defs": dict(sorted(definitions.items()))}


def _node(node: type[Node], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of one node; what it refers to is entered into the definitions."""
    schema = node.model_json_schema()
    for name, nested in schema.pop("$defs", {}).items():
        definitions[name] = _expand(nested, definitions)
    return _expand(schema, definitions)


def _expand(part: Any, definitions: dict[str, Any]) -> Any:
    """The schema with references in place of the marks that families leave."""
    if isinstance(part, list):
        return [_expand(item, definitions) for item in part]
    if not isinstance(part, dict):
        return part
    expanded = {key: _expand(item, definitions) for key, item in part.items() if key != "family"}
    return {**expanded, **_reference(part["family"], definitions)} if _is_mark(part) else expanded


def _is_mark(part: dict[str, Any]) -> bool:
    return isinstance(part.get("family"), type)


def _reference(family: type[Family], definitions: dict[str, Any]) -> dict[str, str]:
    name = family.__name__
    if name not in definitions:
        definitions[name] = {}  # entered before its members, which may refer back to it
        definitions[name] = _family(family, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _family(family: type[Family], definitions: dict[str, Any]) -> dict[str, Any]:
    options: list[dict[str, Any]] = []
    bare: list[str] = []
    for kind, member in sorted(family.members().items()):
        name = f"{family.__name__}.{kind}"
        definitions[name] = _member(kind, member, definitions)
        options.append({"$ref": f"#/$defs/{name}"})
        bare += [] if definitions[name]["required"] != ["kind"] else [kind]
    words = [{"enum": bare}] if bare else []
    return {"title": family.title, "anyOf": [*words, *options]}


def _member(kind: str, member: type[Family], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _node(member, definitions)
    schema["properties"] = {"kind": {"const": kind}, **schema.get("properties", {})}
    schema["required"] = ["kind", *schema.get("required", [])]
    return {**schema, "title": f"{member.title} {kind}"}
