"""Writes docs/language.md from the template beside it and the classes of `spec/`.

    python docs/language.py

A line `{{ table }}` of the template, or `{{ table Class }}`, becomes what the function of that name
gives: keys, ranges, defaults, equations and a line of YAML for every kind, as the classes declare
them. `tests/test_language.py` holds that the page is up to date and that its YAML is valid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from wellposed.compiler.front.names import TAKEN
from wellposed.compiler.ir.elementary import FUNCTIONS, PUBLIC
from wellposed.spec.codes import CODES
from wellposed.spec.data import Data
from wellposed.spec.density import Divergence
from wellposed.spec.initializers import Initializer
from wellposed.spec.integrators import Integrator
from wellposed.spec.model import Gradient, Lift, Model, Spec, Task, Time
from wellposed.spec.node import Family, Node
from wellposed.spec.parametrizations import Free, HamiltonianBlock, Parametrization
from wellposed.spec.readouts import Classifier, Readout
from wellposed.spec.regularizers import AnyRegularizer
from wellposed.spec.training import Optimizer, Schedule, Train
from wellposed.spec.vector_fields import (
    Custom,
    CustomWeight,
    Mlp,
    Network,
    PlanarMixture,
    VectorField,
)

PAGE = Path(__file__).with_suffix(".md")
TEMPLATE = Path(__file__).with_suffix(".template.md")
NODES: dict[str, type[Node]] = {
    c.__name__: c
    for c in (
        *(Spec, Model, Time, Train, CustomWeight, Network, Task, Data, Lift, VectorField),
        Parametrization,
        *(Integrator, Gradient, Divergence, Readout, Initializer, AnyRegularizer),
        *(Optimizer, Schedule),
    )
}
PARENTS: tuple[type[Node], ...] = (Spec, Model, Train)
LETTERS = {"y": "n", "z": "m"}


def page() -> str:
    """The whole page."""
    template = TEMPLATE.read_text(encoding="utf-8")
    return re.sub(r"^\{\{ (\w+)(?: (\w+))? \}\}$", _filled, template, flags=re.MULTILINE)


def _filled(match: re.Match[str]) -> str:
    name, argument = match.groups()
    return "\n".join(TABLES[name](*([NODES[argument]] if argument else [])))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table of Markdown; bars inside its cells are written so that they stay there."""
    names = list(head)
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


# --- keys: what may be written, in what range, what stands for it ------------------------------


def keys(node: type[Node]) -> Iterator[str]:
    """The keys of a node, or of all kinds of a family: a row for every different one."""
    members = node.members() if issubclass(node, Family) else {"": node}
    rows: dict[tuple[str, ...], list[str]] = {}
    for kind, member in members.items():
        for name, field in member.model_fields.items():
            row = (f"`{name}`", field.description or "", _values(field), _default(field))
            rows.setdefault(row, []).append(kind)
    several = len(members) > 1
    head = ("key", *["of"] * several, "what", "values", "default")
    yield from _table(
        head, ((k, *[_kinds(of, members)] * several, *rest) for (k, *rest), of in rows.items())
    )


def _kinds(kinds: list[str], members: dict[str, Any]) -> str:
    return "all" if len(kinds) == len(members) else ", ".join(f"`{kind}`" for kind in kinds)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None or field.default in ((), {}, ""):
        return ""
    return f"`{_yaml(field.default)}`"


def _values(field: FieldInfo) -> str:
    return _words(field.annotation, tuple(field.metadata))


def _words(annotation: Any, metadata: tuple[Any, ...] = (), plural: str = "") -> str:
    """A type with its range, in words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(parts[0], (*parts[1:], *metadata), plural)
    if origin is Literal:
        return ", ".join(f"`{_yaml(part)}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(_words(p, (), plural) for p in parts if p is not type(None))
    if origin in (tuple, dict):
        of = _words(parts[origin is dict], (), "s")
        node = of.startswith("[")
        if origin is dict:
            return f"by name, {of}" if node else f"{of} by name"
        return f"list, {of}" if node else f"list{plural} of {of}"
    if isinstance(annotation, type) and issubclass(annotation, Node):
        fields = annotation.model_fields.values()
        if annotation in NODES.values():
            return f"[below](#{_place(annotation)[0]})"
        if not issubclass(annotation, Family) and not any(map(FieldInfo.is_required, fields)):
            return f"`{_yaml(annotation())}`"  # small enough to stand here
        if issubclass(annotation, Family):  # some members
            return ", ".join(f"`{kind}`" for kind in annotation.members())
        return f"`{{{', '.join(f'{name}: …' for name in annotation.model_fields)}}}`"
    return f"{NAMES[annotation]}{plural * (annotation in (int, float, str))}{_range(metadata)}"


NAMES = {int: "integer", float: "number", str: "text", bool: "`true`, `false`", Any: "lists"}


def _range(metadata: tuple[Any, ...]) -> str:
    """` in [0, 1)`, ` > 0`, ` of at most 80 characters`: what constraints say."""
    flat = [each for m in metadata for each in (m.metadata if isinstance(m, FieldInfo) else [m])]
    found = {s: f"{getattr(m, k):,}" for m in flat for k, s in SIGNS.items() if hasattr(m, k)}
    low = next((s for s in "≥>" if s in found), "")
    high = next((s for s in "≤<" if s in found), "")
    if low and high:
        opened, closed = "[" if low == "≥" else "(", "]" if high == "≤" else ")"
        return f" in {opened}{found[low]}, {found[high]}{closed}"
    if "length" in found:
        return f" of at most {found['length']} character{'s' * (found['length'] != '1')}"
    return "".join(f" {sign} {found[sign]}" for sign in (low or high,) if sign)


SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "max_length": "length"}


# --- YAML: a line for every kind ---------------------------------------------------------------


def lines(node: type[Node]) -> Iterator[str]:
    """A block of YAML with a line for every kind of a family, or for a node."""
    key, text = _place(node)
    members = node.members().values() if issubclass(node, Family) else [node]
    yield "```yaml"
    yield from (f"{key}: {text.format(value)}" for member in members for value in examples(member))
    yield "```"


def examples(member: type[Node]) -> tuple[str, ...]:
    """What a class says shows its keys, or all of them with their defaults."""
    return vars(member).get("examples") or (_yaml(member()),)


def _place(node: type[Node]) -> tuple[str, str]:
    """The key whose value the node is, and the text about the value: `[…]` of a list."""
    for parent in PARENTS:
        for key, field in parent.model_fields.items():
            origin = get_origin(field.annotation)
            if node in (field.annotation, *get_args(field.annotation)):
                return key, {tuple: "[{}]", dict: "{{K: {}}}"}.get(origin, "{}")
    return "vector_field", "{}"  # the weights of custom


def _yaml(value: Any) -> str:
    """Plain data in one line of YAML."""
    if isinstance(value, Node):
        plain = {k: v for k, v in value.to_plain().items() if v is not None}
        return _yaml(value.to_plain()["kind"] if list(plain) == ["kind"] else plain)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_yaml(part)}' for key, part in value.items())}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return f'"{value}"' if value == "," else str(value)


# --- what families have besides keys -----------------------------------------------------------


def kinds(family: type[Family]) -> Iterator[str]:
    """Every kind with what its class says first of itself."""
    rows = ((f"`{kind}`", _sentence(member)) for kind, member in family.members().items())
    yield from _table(("kind", "what"), rows)


def _sentence(member: type[Node]) -> str:
    first = (member.__doc__ or "").split("\n\n")[0]
    return " ".join(first.split()).removesuffix(".")


def vector_fields() -> Iterator[str]:
    """Kind, equation, weights of one step."""
    rows = (
        (f"`{kind}`", _sentence(member), _weights(member))
        for kind, member in VectorField.members().items()
    )
    yield from _table(("kind", "equation", "weights of one step"), rows)


def _weights(member: type[VectorField]) -> str:
    if member is Custom:
        return "those that `weights` declares"
    keys = NETWORKS.get(member, "")
    field = member.model_validate(yaml.safe_load(f"{{{keys}}}"))
    found = field.describe({"y": 2, "z": 2}, Free()).weights
    shapes = {w.name: [LETTERS.get(str(d), str(d)) for d in w.shape] for w in found}
    if member is Mlp:  # widths that are numbers: n + 1, and those of w, u and b
        shapes["W1"][1] = "(n + 1)"
    if member is PlanarMixture:
        shapes["W2"][0], shapes["b2"][0] = "7 (2 n + 1)", "7 (2 n + 1)"
    texts = [f"{name} ({' × '.join(shape)})" for name, shape in shapes.items()]
    return ", ".join(texts) + (f" for `{keys}`" if keys else "")


NETWORKS: dict[type[VectorField], str] = {
    Mlp: "hidden: [5, 3], time_input: true",
    PlanarMixture: "width: 7, hidden: [5]",
}
"""Keys that fields of networks are shown for."""


def parametrizations() -> Iterator[str]:
    """Kind, the operator in terms of the raw weight."""
    rows = []
    for kind, member in Parametrization.members().items():
        given = dict.fromkeys(member.model_fields, 0.1)
        text = member.model_validate(given).expression(member.raw)
        shown = "" if member is HamiltonianBlock else f"`{text}`"
        rows.append((f"`{kind}`", _sentence(member), shown))
    yield from _table(("kind", "what", "as an expression"), rows)


def integrators() -> Iterator[str]:
    """Kind, name, formula, order for the problem as written, stability on the imaginary axis."""
    rows = (
        (f"`{given}`", m.name, m.formula, str(m.initial_value_order), f"{m.imaginary_limit():.4g}")
        for kind, member in Integrator.members().items()
        for given, m in _forms(kind, member)
    )
    yield from _table(("kind", "name", "one step", "order", "largest h ω"), rows)


def _forms(kind: str, member: type[Integrator]) -> Iterator[tuple[str, Integrator]]:
    """A method as it is written, or each of its forms."""
    field = member.model_fields.get("form")
    for form in get_args(field.annotation) if field else ():
        yield f"{{kind: {kind}, form: {form}}}", member.model_validate({"form": form}).method
    if field is None:
        yield kind, member()


def losses() -> Iterator[str]:
    """The loss of one example by hypothesis and loss."""
    rows = ((f"`{h}`", f"`{loss}`", f"`{text}`") for (h, loss), text in Classifier.LOSSES.items())
    yield from _table(("hypothesis", "loss", "of logits u and target C"), rows)


def functions() -> Iterator[str]:
    """The functions that expressions may call."""
    rows = []
    for name in PUBLIC:
        if (row := FUNCTIONS.get(name)) is None:
            continue
        derivative = f"`{row.derivative}`" if row.derivative else f"short for `{row.definition}`"
        kink = "" if row.kink is None else f"{row.at_kink:g} at {row.kink:g}"
        slopes = "" if row.slopes is None else "[{:g}, {:g}]".format(*row.slopes)
        rows.append((f"`{name}`", derivative, slopes.replace("inf", "∞"), kink))
    yield from _table(("function", "derivative", "its range, where known", "at a kink"), rows)


def taken() -> Iterator[str]:
    """The names that the language has already."""
    yield ", ".join(f"`{name}`" for name in TAKEN) + "."


def planned() -> Iterator[str]:
    """What the language has and this version does not."""
    families = [node for node in NODES.values() if issubclass(node, Family) and node.planned]
    rows = (
        (family.title, ", ".join(f"`{kind}`" for kind in family.planned)) for family in families
    )
    yield from _table(("", "kinds"), rows)


def codes() -> Iterator[str]:
    """Every code with what it stands for."""
    yield from _table(("code", "what"), CODES.items())


TABLES: dict[str, Callable[..., Iterator[str]]] = {
    f.__name__: f
    for f in (
        *(keys, lines, kinds, vector_fields, parametrizations, integrators, losses, functions),
        *(taken, planned, codes),
    )
}

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
