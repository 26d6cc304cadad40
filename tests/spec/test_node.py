"""Nodes and families: registration, kinds, strictness, plain data, schema."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from wellposed.spec import node
from wellposed.spec.diagnostics import SpecError
from wellposed.spec.node import Family, Node, content_hash
from wellposed.spec.schema import json_schema


def test_a_bare_kind_a_mapping_and_an_instance_are_one(toy: Any, schemes: Any) -> None:
    euler = schemes.members()["euler"]()
    forms = ["euler", {"kind": "euler"}, euler]
    specs = [toy(wellposed=1, model={"integrator": form}) for form in forms]
    assert specs[0] == specs[1] == specs[2]
    assert specs[0].model.integrator == euler
    assert specs[0].model.integrator.kind == "euler"


def test_a_member_declared_later_is_found() -> None:
    class Field(Family, title="field"):
        pass

    class Holder(Node):
        field: Field

    with pytest.raises(ValidationError, match="unknown field 'late'"):
        Holder.model_validate({"field": "late"})

    class Late(Field, kind="late"):
        size: int = 1

    holder = Holder.model_validate({"field": {"kind": "late", "size": 2}})
    assert holder.field == Late(size=2)
    assert Field.members() == {"late": Late}


def test_two_classes_of_one_kind_are_refused() -> None:
    class Field(Family, title="field"):
        pass

    class One(Field, kind="same"):
        pass

    with pytest.raises(TypeError, match="'same'"):

        class Two(Field, kind="same"):
            pass

    assert Field.members() == {"same": One}


def test_shared_ground_accepts_its_own_members_only() -> None:
    class Field(Family, title="field"):
        pass

    class Smooth(Field):
        order: int = 1

    class Rough(Field, kind="rough"):
        pass

    class Sine(Smooth, kind="sine"):
        pass

    class Holder(Node):
        field: Smooth

    assert Holder.model_validate({"field": {"kind": "sine", "order": 3}}).field == Sine(order=3)
    assert Field.members() == {"rough": Rough, "sine": Sine}
    with pytest.raises(ValidationError, match="unknown field 'rough'"):
        Holder.model_validate({"field": "rough"})


@pytest.mark.parametrize(
    ("key", "bad"),
    [
        ("wellposed", True),
        ("wellposed", "1"),
        ("wellposed", 1.0),
        ("name", 1),
        ("shuffle", 1),
        ("shuffle", "true"),
        ("model", {"steps": 2.0}),
        ("model", {"steps": True}),
        ("model", {"steps": "2"}),
        ("model", {"hidden": 3}),
        ("model", {"integrator": {"kind": "theta", "theta": "0.5"}}),
        ("model", {"integrator": {"kind": "theta", "theta": True}}),
        ("model", {"integrator": {"kind": "theta", "theta": float("nan")}}),
        ("regularizers", [{"alpha": float("inf")}]),
        ("regularizers", {"alpha": 1.0}),
    ],
)
def test_scalars_are_strict(toy: Any, key: str, bad: object) -> None:
    with pytest.raises(ValidationError):
        toy.model_validate({"wellposed": 1, key: bad})


def test_an_integer_is_a_number_and_a_list_a_tuple(toy: Any) -> None:
    spec = toy.model_validate(
        {"wellposed": 1, "model": {"hidden": [1, 2]}, "regularizers": [{"alpha": 1}]}
    )
    assert spec.model.hidden == (1, 2)
    assert type(spec.regularizers[0].alpha) is float


def test_infinity_where_a_field_says_so(toy: Any) -> None:
    spec = toy.model_validate({"wellposed": 1, "regularizers": [{"beta": float("inf")}]})
    assert spec.regularizers[0].beta == float("inf")


def test_nodes_are_frozen_and_know_their_keys(toy: Any) -> None:
    spec = toy(wellposed=1)
    with pytest.raises(ValidationError):
        spec.name = "other"
    with pytest.raises(ValidationError):
        toy(wellposed=1, nmae="x")


def test_plain_data_has_the_defaults_and_reads_back(toy: Any, load: Callable[..., Any]) -> None:
    spec = load(
        "wellposed: 1\nmodel: {integrator: {kind: theta, theta: 1}, weights: {K: antisymmetric}}"
    )
    plain = spec.to_plain()
    assert plain["model"]["integrator"] == {
        "kind": "theta",
        "theta": 1.0,
        "start": {"kind": "euler"},
    }
    assert next(iter(plain["model"]["integrator"])) == "kind"
    assert plain["model"]["weights"] == {"K": {"kind": "antisymmetric", "gamma": 0.0}}
    assert plain["model"]["hidden"] == [3]
    assert toy.model_validate(plain) == spec
    assert spec.model_dump(mode="json") == plain


def test_hash_is_of_the_content(load: Callable[..., Any]) -> None:
    one = load("wellposed: 1\nmodel: {steps: 8}")
    same = load("# a comment\nmodel: {integrator: euler}\nwellposed: 1")
    other = load("wellposed: 1\nmodel: {steps: 9}")
    assert content_hash(one) == content_hash(same) != content_hash(other)
    assert len(content_hash(one)) == 64


def test_a_root_remembers_its_document(load: Callable[..., Any], toy: Any) -> None:
    spec = load("wellposed: 1\nmodel:\n  steps: 9")
    span = spec.span("model", "steps")
    assert (span.source, span.line, span.column) == ("m.yaml", 3, 10)
    assert spec.document.value == {"wellposed": 1, "model": {"steps": 9}}
    assert toy(wellposed=1).span("model") is None


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Declare one plugin module with the given text."""

    def declare(text: str) -> None:
        (tmp_path / "a_plugin.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "a_plugin", raising=False)
        entry = EntryPoint("mine", "a_plugin", node.PLUGINS)
        monkeypatch.setattr(node, "entry_points", lambda group: [entry] if group else [])
        monkeypatch.setattr(node, "_pending_plugins", None)

    return declare


def test_a_plugin_declares_members(plugins: Callable[[str], None], schemes: Any) -> None:
    package = node.__name__.rpartition(".")[0]
    plugins(
        f"from {package}.node import Family\n"
        "class Root(Family, title='root'): pass\n"
        "class Leaf(Root, kind='leaf'): pass\n"
        "assert Root.members() == {'leaf': Leaf}\n"  # a look into a registry while loading
    )
    schemes.members()
    assert sys.modules["a_plugin"].Leaf.kind == "leaf"


def test_a_broken_plugin_is_named(plugins: Callable[[str], None], schemes: Any) -> None:
    """At every look into a registry, not at the first alone."""
    plugins("import no_such_module_at_all")
    for _ in range(2):
        with pytest.raises(SpecError, match=r"plugin mine .* cannot be loaded"):
            schemes.members()


def test_schema_holds_the_families(toy: Any) -> None:
    schema = json_schema(toy)
    definitions = schema["$defs"]
    options = definitions["Scheme"]["anyOf"]
    assert options[0] == {"enum": ["euler", "leapfrog"]}  # theta needs more than its kind
    assert {"$ref": "#/$defs/Scheme.theta"} in options
    theta = definitions["Scheme.theta"]
    assert theta["properties"]["kind"] == {"const": "theta"}
    assert theta["required"] == ["kind", "theta"]
    assert theta["additionalProperties"] is False
    assert theta["properties"]["start"]["$ref"] == "#/$defs/Scheme"
    assert theta["properties"]["start"]["default"] == {"kind": "euler"}
    assert schema["required"] == ["wellposed"]


def test_schema_refers_to_nothing_that_is_not_there(toy: Any) -> None:
    schema = json_schema(toy)

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if "$ref" in part else []
            return own + [ref for item in part.values() for ref in references(item)]
        return [ref for item in part for ref in references(item)] if isinstance(part, list) else []

    known = {f"#/$defs/{name}" for name in schema["$defs"]}
    assert set(references(schema)) <= known
    assert "family" not in str(schema)
