"""docs/language.md is what its generator writes, and every line of YAML in it is valid."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

import wellposed
from wellposed.spec.compose import compose
from wellposed.spec.model import Model, Spec
from wellposed.spec.node import Family, Node
from wellposed.spec.training import Train

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "language.md").read_text(encoding="utf-8")
GENERATOR = runpy.run_path(str(DOCS / "language.py"))
SECTIONS: Mapping[str, type[Node]] = {"": Spec, "model": Model, "train": Train}
CLASSIFIER = "{kind: classifier, classes: 10}"
MODEL = {
    "state": "2",
    "vector_field": "layer",
    "time": "{horizon: 1, steps: 3}",
    "readout": "{kind: classifier, classes: 2}",
}
REGRESSION = {"task": "regression"}
SECOND_ORDER = {"vector_field": "second-order", "integrator": "leapfrog"}
ADAPTIVE = {"integrator": "dopri5", "time": "{horizon: 1}"}
HAMILTONIAN = {"vector_field": "hamiltonian", "integrator": "verlet"}
SHARED = {"time": "{horizon: 1, steps: 4, weights: shared}"}
WITHOUT = {k: v for k, v in MODEL.items() if k != "readout"}
BASES: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
    ({}, MODEL),
    ({}, MODEL | {"state": "64", "readout": CLASSIFIER}),  # the digits
    ({}, MODEL | SECOND_ORDER),
    ({}, MODEL | HAMILTONIAN),
    ({}, MODEL | ADAPTIVE),
    (REGRESSION, MODEL | {"readout": "regression"}),
    ({}, WITHOUT),  # of a task that says nothing
    ({"task": "density"}, WITHOUT | {"integrator": "euler"}),
    ({"task": "dynamics"}, WITHOUT | SHARED | {"integrator": "rk4"}),
)
"""What a line may stand in: keys of the spec and of its model, but for the key of the line."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data files that the page speaks of."""
    folder = tmp_path_factory.mktemp("language")
    rows = ["0.1,0.2,red", "0.3,0.1,blue"] * 10
    (folder / "points.csv").write_text("\n".join(["x1,x2,colour", *rows]))
    for name in ("table.csv", "more.csv"):
        (folder / name).write_text("\n".join(["0.1;0.2;0.5", "0.3;0.1;0.7"] * 10))
    x = np.arange(400.0).reshape(200, 2)
    np.savez(folder / "points.npz", x=x, y=np.arange(200) % 2)
    np.savez(folder / "values.npz", x=x, u=x[:, :1])
    visits = [f"{who},{when},{60 + when},0.5" for who in "abcde" for when in (0, 12, 30)]
    (folder / "patients.csv").write_text("\n".join(["patient,hours,pulse,pressure", *visits]))
    np.savez(folder / "series.npz", times=x[:50, 0], values=x.reshape(4, 50, 2))
    return folder


def blocks() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def lines() -> list[str]:
    """The lines of all blocks that are no whole spec, and the `key: value` within the prose."""
    found = [line for block in blocks() if "wellposed:" not in block for line in block.splitlines()]
    prose = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    return [*found, *(code for code in re.findall(r"`([^`]+)`", prose) if key_of(code))]


def section_of(key: str) -> str | None:
    """Where a key stands: at the top (''), in model, in train."""
    return next((name for name, node in SECTIONS.items() if key in node.model_fields), None)


def key_of(line: str) -> str:
    key, colon, _ = line.partition(": ")
    return key if colon and section_of(key) is not None else ""


def documents(line: str) -> Iterator[str]:
    """The line in every spec that it may stand in."""
    key = key_of(line)
    for top, model in BASES:
        sections: dict[str, dict[str, str]] = {
            "": {"wellposed": "1", "name": "page", **top},
            "model": dict(model),
            "train": {"optimizer": "adam", "epochs": "9"},
        }
        section = section_of(key) or ""
        sections[section].pop(key, None)
        own = {name: [f"{k}: {v}" for k, v in keys.items()] for name, keys in sections.items()}
        own[section].append(line)
        if key == "train":
            own.pop("train")
        nested = [
            f"{name}:\n  " + "\n  ".join(own[name]) for name in ("model", "train") if name in own
        ]
        yield "\n".join([*own[""], *nested])


def problem(line: str, folder: Path) -> str:
    """'' where the line is valid in some spec; else what is wrong with it."""
    said = []
    for text in documents(line):
        (folder / "page.yaml").write_text(text, encoding="utf-8")
        try:
            wellposed.load(folder / "page.yaml")
            return ""
        except wellposed.SpecError as error:
            said.append(str(error))
    return min(said, key=len)


def test_the_page_is_what_the_generator_writes() -> None:
    assert GENERATOR["page"]() == PAGE, "run python docs/language.py"


def test_whole_specs_are_valid(folder: Path) -> None:
    whole = [block for block in blocks() if "wellposed:" in block]
    assert whole
    for text in whole:
        (folder / "whole.yaml").write_text(text, encoding="utf-8")
        wellposed.load(folder / "whole.yaml")


def test_every_line_of_yaml_is_valid(folder: Path) -> None:
    assert {line: said for line in lines() if (said := problem(line, folder))} == {}


@pytest.mark.parametrize(
    "wrong",
    [
        "parametrization: {antisymmetric, gamma: 0.1}",  # as the page once had it
        "parametrization: {kind: antisymmetric, gamma: -0.1}",
        "vector_field: {kind: layer, activation: tan}",
        "optimizer: {kind: adam, lr: 1e-2, momentum: 0.9}",
        'vector_field: {kind: custom, equations: {y: "-K @ y"}}',
    ],
)
def test_a_line_that_is_not_valid_is_seen(wrong: str, folder: Path) -> None:
    assert problem(wrong, folder)


def test_mappings_in_the_prose_are_yaml() -> None:
    """A word alone between braces is a key without a value: `{antisymmetric, gamma}`."""
    spans = re.findall(r"`([^`\n]+)`", PAGE)
    values = {m: compose(m, "page").value for span in spans for m in re.findall(r"{[^{}]*}", span)}
    assert values
    assert [mapping for mapping, value in values.items() if None in value.values()] == []


def nodes() -> Iterator[tuple[str, str, type[Node]]]:
    """The name, the kind and the class of every part of a spec."""
    named: dict[str, type[Node]] = GENERATOR["NODES"]
    for name, node in named.items():
        if issubclass(node, Family):
            yield from ((name, kind, member) for kind, member in node.members().items())
        else:
            yield name, "", node


def test_every_key_of_every_kind_stands_in_a_line() -> None:
    shown = [*lines(), *(line for block in blocks() for line in block.splitlines())]
    for name, kind, node in nodes():
        own = [line for line in shown if not kind or re.search(rf"kind: {kind}\b(?!-)", line)]
        keys = set(re.findall(r"[\w-]+(?=:)", "\n".join(own)))
        assert node.model_fields.keys() - keys <= NOT_SHOWN, f"{name} {kind}"


NOT_SHOWN = {"seed", "dtype", "reference"}
"""Keys whose row in the table says it all."""


def test_every_key_says_what_it_is() -> None:
    silent = [
        f"{name}.{key}"
        for name, _, node in nodes()
        for key, field in node.model_fields.items()
        if not field.description
    ]
    assert silent == []
